"""Signed notes and checkpoints in the formats of C2SP, signed with Ed25519.

A note is text with signature lines; a checkpoint is a note whose text names a
log, its size and its root. Parsing is strict and raises MalformedInput; a
signature that is missing or wrong raises CheckFailed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from zkcredit.errors import CallerError, CheckFailed, MalformedInput

ED25519 = 0x01
"""Signature type of a log's own Ed25519 key."""
_MAX_BYTES = 1 << 20
_MAX_SIGNATURES = 100


def _b64decode(text: str, what: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedInput(f"{what} is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise MalformedInput(f"{what} is not canonical base64")
    return data


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or ord(char) < 0x20 for char in name):
        raise MalformedInput(f"{name!r} is not a key name")


def key_id(name: str, key: bytes, kind: int = ED25519) -> bytes:
    """The 4 bytes that name a key in a signature line."""
    return hashlib.sha256(name.encode() + b"\n" + bytes((kind,)) + key).digest()[:4]


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A named Ed25519 public key (32 bytes)."""

    name: str
    key: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if len(self.key) != 32:
            raise MalformedInput("an Ed25519 public key has 32 bytes")

    @property
    def id(self) -> bytes:
        """The 4 bytes that name the key in a signature line."""
        return key_id(self.name, self.key)

    def encode(self) -> str:
        """The key as text: name, identifier in hex, base64 of type and key."""
        body = base64.b64encode(bytes((ED25519,)) + self.key).decode()
        return f"{self.name}+{self.id.hex()}+{body}"

    @classmethod
    def decode(cls, text: str) -> VerifierKey:
        """The key that ``text`` encodes."""
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise MalformedInput("a verifier key has the form name+id+key")
        body = _b64decode(parts[2], "verifier key")
        if len(body) != 33 or body[0] != ED25519:
            raise MalformedInput("only Ed25519 verifier keys are supported")
        key = cls(parts[0], body[1:])
        if key.id.hex() != parts[1]:
            raise MalformedInput("verifier key does not match its identifier")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: name, 4 bytes of key identifier, signature bytes."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text (ending in a newline) with its signature lines."""

    text: str
    signatures: tuple[Signature, ...]

    def encode(self) -> str:
        """Text, empty line, signature lines."""
        lines = (
            f"— {item.name} {base64.b64encode(item.key_id + item.signature).decode()}\n"
            for item in self.signatures
        )
        return self.text + "\n" + "".join(lines)

    @classmethod
    def decode(cls, data: str) -> Note:
        """The note that ``data`` encodes."""
        if len(data) > _MAX_BYTES:
            raise MalformedInput("note is too long")
        if any(ord(char) < 0x20 and char != "\n" for char in data):
            raise MalformedInput("note holds a control character")
        text, separator, tail = data.rpartition("\n\n")
        if not separator or not tail.endswith("\n"):
            raise MalformedInput("note has no signature lines")
        lines = tail[:-1].split("\n")
        if len(lines) > _MAX_SIGNATURES:
            raise MalformedInput("note has too many signature lines")
        return cls(text + "\n", tuple(_parse_signature(line) for line in lines))

    def verify(self, key: VerifierKey) -> None:
        """Raises CheckFailed unless ``key`` signed; lines of other keys are ignored."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        mine = [s for s in self.signatures if s.name == key.name and s.key_id == key.id]
        if not mine:
            raise CheckFailed(f"note is not signed by {key.name}")
        public = Ed25519PublicKey.from_public_bytes(key.key)
        for item in mine:
            try:
                public.verify(item.signature, self.text.encode())
            except InvalidSignature:
                raise CheckFailed(f"signature of {key.name} does not verify") from None


def _parse_signature(line: str) -> Signature:
    mark, _, rest = line.partition(" ")
    name, _, body = rest.partition(" ")
    if mark != "—":
        raise MalformedInput("signature line does not start with an em dash")
    _check_name(name)
    data = _b64decode(body, "signature")
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
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint in the text of a note; extension lines are allowed and ignored."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
            raise MalformedInput("checkpoint has the lines origin, size and root")
        origin, digits, root_text = lines[:3]
        if not (digits.isascii() and digits.isdigit()) or str(int(digits[:20])) != digits:
            raise MalformedInput("checkpoint size is not a plain decimal number")
        root = _b64decode(root_text, "checkpoint root")
        if len(root) != 32 or int(digits) >= 1 << 64:
            raise MalformedInput("checkpoint size or root is out of range")
        return cls(origin, int(digits), root)

    @classmethod
    def open(cls, note_text: str, key: VerifierKey) -> Checkpoint:
        """The checkpoint of a note that ``key`` signed for its own log."""
        note = Note.decode(note_text)
        checkpoint = cls.parse(note.text)
        if checkpoint.origin != key.name:
            raise CheckFailed(f"checkpoint is of {checkpoint.origin!r}, not of {key.name!r}")
        note.verify(key)
        return checkpoint


def sign_checkpoint(checkpoint: Checkpoint, seed: bytes) -> str:
    """The checkpoint as a note signed with the Ed25519 key of ``seed`` (32 secret bytes)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = private.public_key().public_bytes_raw()
    text = checkpoint.text()
    line = Signature(
        checkpoint.origin, key_id(checkpoint.origin, public), private.sign(text.encode())
    )
    return Note(text, (line,)).encode()


def log_public_key(seed: bytes) -> bytes:
    """The Ed25519 public key (32 bytes) of ``seed`` (32 secret bytes)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
