"""Signed notes and checkpoints in the formats of C2SP.

A note is text with signature lines; a checkpoint is a note whose text names a
log, its size and its root. Logs sign the text with Ed25519 (type 1) and, against
quantum computers, the head with ML-DSA-44 (type 6); cosigners sign either way
(types 4 and 6) with the time at which they looked. Parsing is strict and raises
MalformedInput; a signature that is missing or wrong raises CheckFailed.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
from dataclasses import dataclass
from typing import Protocol

from zkcredit.errors import CallerError, CheckFailed, MalformedInput

NOTE_MAX_BYTES = 1 << 20
"""Longest note that is read."""
_MAX_SIGNATURES = 100
_TIME_BYTES = 8
_TIME_LIMIT = 1 << 63


class KeyKind(enum.IntEnum):
    """Signature types of C2SP; the number is the type byte of a verifier key."""

    ED25519 = 0x01
    """A log's Ed25519 key: signs the text of a note."""
    ED25519_COSIGNATURE = 0x04
    """A cosigner's Ed25519 key: signs time and text (cosignature/v1)."""
    ML_DSA_44 = 0x06
    """An ML-DSA-44 key: signs name, time, origin, size and root (subtree/v1)."""

    @property
    def key_bytes(self) -> int:
        """Length of a public key."""
        return 1312 if self is KeyKind.ML_DSA_44 else 32

    @property
    def is_timed(self) -> bool:
        """Whether signatures begin with the time at which they were made."""
        return self is not KeyKind.ED25519


def b64encode(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode()


def b64decode(text: str, what: str) -> bytes:
    """The bytes that canonical base64 stands for; MalformedInput names ``what``."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedInput(f"{what} is not base64") from None
    if b64encode(data) != text:
        raise MalformedInput(f"{what} is not canonical base64")
    return data


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or ord(char) < 0x20 for char in name):
        raise MalformedInput(f"{name!r} is not a key name")


def key_id(name: str, key: bytes, kind: KeyKind = KeyKind.ED25519) -> bytes:
    """The 4 bytes that name a key in a signature line."""
    return hashlib.sha256(name.encode() + b"\n" + bytes((kind,)) + key).digest()[:4]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named public key: 32 bytes for Ed25519, 1,312 for ML-DSA-44."""

    name: str
    key: bytes
    kind: KeyKind = KeyKind.ED25519

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.key) != self.kind.key_bytes:
            raise MalformedInput(
                f"a public key of type {self.kind} has {self.kind.key_bytes} bytes"
            )

    @property
    def id(self) -> bytes:
        """The 4 bytes that name the key in a signature line."""
        return key_id(self.name, self.key, self.kind)

    def encode(self) -> str:
        """The key as text: name, identifier in hex, base64 of type and key."""
        body = b64encode(bytes((self.kind,)) + self.key)
        return f"{self.name}+{self.id.hex()}+{body}"

    @classmethod
    def decode(cls, text: str) -> VerifierKey:
        """The key that ``text`` encodes."""
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise MalformedInput("a verifier key has the form name+id+key")
        body = b64decode(parts[2], "verifier key")
        if not body or body[0] not in list(KeyKind):
            raise MalformedInput("verifier key of a type other than Ed25519 and ML-DSA-44")
        key = cls(parts[0], body[1:], KeyKind(body[0]))
        if key.id.hex() != parts[1]:
            raise MalformedInput("verifier key does not match its identifier")
        return key

    def check(self, text: str, signature: bytes) -> None:
        """Raises CheckFailed unless ``signature`` is this key's on the note ``text``."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

        time_s, body = None, signature
        if self.kind.is_timed:
            time_s, body = int.from_bytes(signature[:_TIME_BYTES], "big"), signature[_TIME_BYTES:]
            if time_s >= _TIME_LIMIT:
                raise CheckFailed(f"signature of {self.name} has an impossible time")
        message = signed_message(self.kind, self.name, text, time_s)
        public: Ed25519PublicKey | MLDSA44PublicKey
        try:
            if self.kind is KeyKind.ML_DSA_44:
                public = MLDSA44PublicKey.from_public_bytes(self.key)
            else:
                public = Ed25519PublicKey.from_public_bytes(self.key)
            public.verify(body, message)
        except (InvalidSignature, ValueError):
            raise CheckFailed(f"signature of {self.name} does not verify") from None


def signed_message(kind: KeyKind, name: str, text: str, time_s: int | None) -> bytes:
    """The bytes that a key of ``name`` signs for a note's ``text`` at ``time_s`` (Unix time).

    ML-DSA-44 covers origin, size and root of a checkpoint, and no extension lines.
    """
    if kind is KeyKind.ED25519:
        return text.encode()
    if time_s is None or not 0 <= time_s < _TIME_LIMIT:
        raise CallerError("a cosignature needs the time at which it is made")
    if kind is KeyKind.ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {time_s}\n{text}".encode()
    head = Checkpoint.parse(text)
    names = [name.encode(), head.origin.encode()]
    if any(len(item) > 255 for item in names):
        raise MalformedInput("a name is longer than 255 bytes")
    cosigner, origin = (bytes((len(item),)) + item for item in names)
    numbers = time_s.to_bytes(8, "big") + origin + bytes(8) + head.size.to_bytes(8, "big")
    return b"subtree/v1\n\0" + cosigner + numbers + head.root


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: name, 4 bytes of key identifier, signature bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def encode(self) -> str:
        """The line, with its newline."""
        return f"— {self.name} {b64encode(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text (ending in a newline) with its signature lines."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> str:
        """Text, empty line, signature lines."""
        return self.text + "\n" + "".join(item.encode() for item in self.signatures)

    @classmethod
    def decode(cls, data: str) -> Note:
        """The note that ``data`` encodes."""
        if len(data) > NOTE_MAX_BYTES:
            raise MalformedInput("note is too long")
        if any(ord(char) < 0x20 and char != "\n" for char in data):
            raise MalformedInput("note holds a control character")
        text, separator, tail = data.rpartition("\n\n")
        if not separator or not tail.endswith("\n"):
            raise MalformedInput("not a signed note: it has no signature lines")
        lines = tail[:-1].split("\n")
        if len(lines) > _MAX_SIGNATURES:
            raise MalformedInput("note has too many signature lines")
        return cls(text + "\n", tuple(parse_signature(line) for line in lines))

    def verify(self, key: VerifierKey) -> None:
        """Raises CheckFailed unless ``key`` signed; lines of other keys are ignored."""
        self.times(key)

    def times(self, key: VerifierKey) -> list[int]:
        """Verified times (Unix seconds) of this key's signatures; none for untimed ones.

        Raises CheckFailed if there is no signature of ``key`` or one is wrong.
        """
        mine = [s for s in self.signatures if s.name == key.name and s.key_id == key.id]
        if not mine:
            raise CheckFailed(f"note is not signed by {key.name}")
        for item in mine:
            key.check(self.text, item.signature)
        if not key.kind.is_timed:
            return []
        return [int.from_bytes(item.signature[:_TIME_BYTES], "big") for item in mine]

    def signed_by(self, *signers: Signer, time_s: int) -> Note:
        """The same note with a line more from each signer."""
        lines = tuple(signer.sign(self.text, time_s) for signer in signers)
        return Note(self.text, (*self.signatures, *lines))


def parse_signature(line: str) -> Signature:
    """The signature line, given without its newline; raises MalformedInput."""
    mark, _, rest = line.partition(" ")
    name, _, body = rest.partition(" ")
    if mark != "—":
        raise MalformedInput("signature line does not start with an em dash")
    _check_name(name)
    data = b64decode(body, "signature")
    if len(data) <= 4:
        raise MalformedInput("signature is too short")
    return Signature(name, data[:4], data[4:])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Name of a log (``origin``), number of entries and root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        if self.size < 0 or len(self.root) != 32 or not self.origin or "\n" in self.origin:
            raise CallerError("a checkpoint needs an origin, a size and a root of 32 bytes")
        return f"{self.origin}\n{self.size}\n{b64encode(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint in the text of a note; extension lines are allowed and ignored."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise MalformedInput("checkpoint has the lines origin, size and root")
        origin, digits, root_text = lines[:3]
        if not (digits.isascii() and digits.isdigit()) or str(int(digits[:20])) != digits:
            raise MalformedInput("checkpoint size is not a plain decimal number")
        root = b64decode(root_text, "checkpoint root")
        if len(root) != 32 or int(digits) >= 1 << 64:
            raise MalformedInput("checkpoint size or root is out of range")
        return cls(origin, int(digits), root)

    @classmethod
    def open(cls, note_text: str, *keys: VerifierKey) -> Checkpoint:
        """The checkpoint of a note that all ``keys`` of its log signed."""
        if not keys:
            raise CallerError("a checkpoint is opened with the keys of its log")
        note = Note.decode(note_text)
        checkpoint = cls.parse(note.text)
        for key in keys:
            if checkpoint.origin != key.name:
                raise CheckFailed(f"checkpoint is of {checkpoint.origin!r}, not of {key.name!r}")
            note.verify(key)
        return checkpoint


class Signer(Protocol):
    """A secret key that signs notes under a name."""

    @property
    def public(self) -> VerifierKey:
        """The key that verifies."""
        ...

    def sign(self, text: str, time_s: int) -> Signature:
        """A signature line on a note's ``text``, made at ``time_s`` (Unix time)."""
        ...


class Ed25519Signer:
    """An Ed25519 key of a log, or with ``cosigner`` of a cosigner.

    ``seed`` has 32 secret bytes. Signing is constant time (OpenSSL) and deterministic.
    """

    def __init__(self, name: str, seed: bytes, *, cosigner: bool = False) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        kind = KeyKind.ED25519_COSIGNATURE if cosigner else KeyKind.ED25519
        self.public = VerifierKey(name, self._private.public_key().public_bytes_raw(), kind)

    def sign(self, text: str, time_s: int) -> Signature:
        """A signature line; the time counts for a cosigner only."""
        kind = self.public.kind
        message = signed_message(kind, self.public.name, text, time_s)
        prefix = time_s.to_bytes(_TIME_BYTES, "big") if kind.is_timed else b""
        return Signature(self.public.name, self.public.id, prefix + self._private.sign(message))


class MlDsaSigner:
    """An ML-DSA-44 key (FIPS 204) of a log or cosigner.

    ``seed`` has 32 secret bytes. Signing is hedged with the system's random source.
    """

    def __init__(self, name: str, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

        self._private = MLDSA44PrivateKey.from_seed_bytes(seed)
        public = self._private.public_key().public_bytes_raw()
        self.public = VerifierKey(name, public, KeyKind.ML_DSA_44)

    def sign(self, text: str, time_s: int) -> Signature:
        """A signature line on the checkpoint ``text``."""
        message = signed_message(KeyKind.ML_DSA_44, self.public.name, text, time_s)
        time = time_s.to_bytes(_TIME_BYTES, "big")
        return Signature(self.public.name, self.public.id, time + self._private.sign(message))
