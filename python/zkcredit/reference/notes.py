"""Checkpoints: C2SP signed notes with an Ed25519 and an ML-DSA-44 signature of the log."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.errors import CheckFailed, MalformedInput

if TYPE_CHECKING:
    from zkcredit.reference.records import Genesis

_ED25519, _ML_DSA_44 = b"\x01", b"\x06"
_SIZE = re.compile("0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head: number of entries and root."""

    size: int
    root: bytes


def read_checkpoint(note: str, genesis: Genesis) -> Checkpoint:
    """The checkpoint in a note that both keys of the log of this genesis signed.

    Raises MalformedInput for another form, CheckFailed for another log or a signature
    that is missing or wrong. Lines of other keys are ignored.
    """
    text, separator, tail = note.rpartition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) < 3 or not all(lines) or not _SIZE.fullmatch(lines[1]):
        raise MalformedInput("checkpoint does not have the lines origin, size and root")
    if lines[0] != genesis.origin:
        raise CheckFailed(f"checkpoint is of {lines[0]!r}, not of {genesis.origin!r}")
    head = Checkpoint(int(lines[1]), _base64(lines[2]))
    if len(head.root) != 32:
        raise MalformedInput("checkpoint has a root that is not 32 bytes")
    signatures = _signatures(tail)
    origin = genesis.origin.encode()
    for data in _signed_by(signatures, genesis.origin, _ED25519, genesis.log_key):
        _check_ed25519(genesis.log_key, data, f"{text}\n".encode())
    for data in _signed_by(signatures, genesis.origin, _ML_DSA_44, genesis.mldsa_key):
        _check_mldsa(genesis.mldsa_key, data[8:], _subtree_message(origin, data[:8], head))
    return head


def _signatures(tail: str) -> list[tuple[str, bytes]]:
    """Name and bytes of each signature line."""
    if not tail.endswith("\n"):
        raise MalformedInput("checkpoint ends within a line")
    found = []
    for line in tail[:-1].split("\n"):
        mark, _, rest = line.partition(" ")
        name, _, body = rest.partition(" ")
        if mark != "—":
            raise MalformedInput("checkpoint has a line that is no signature")
        found.append((name, _base64(body)))
    return found


def _signed_by(
    signatures: list[tuple[str, bytes]], origin: str, kind: bytes, key: bytes
) -> list[bytes]:
    """The signatures under this key without its identifier; at least one."""
    key_id = hashlib.sha256(origin.encode() + b"\n" + kind + key).digest()[:4]
    mine = [data[4:] for name, data in signatures if name == origin and data[:4] == key_id]
    if not mine:
        raise CheckFailed(f"the checkpoint is not signed by {origin} with both keys")
    return mine


def _subtree_message(origin: bytes, time: bytes, head: Checkpoint) -> bytes:
    """What ML-DSA-44 signs: name, time, origin, the range 0..size, root (``subtree/v1``)."""
    if len(time) < 8 or time[0] > 0x7F:
        raise CheckFailed("a signature of the checkpoint has an impossible time")
    name = bytes((len(origin),)) + origin
    span = (0).to_bytes(8, "big") + head.size.to_bytes(8, "big")
    return b"subtree/v1\n\0" + name + time + name + span + head.root


def _check_ed25519(key: bytes, signature: bytes, message: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise CheckFailed("the signature of the checkpoint does not verify") from None


def _check_mldsa(key: bytes, signature: bytes, message: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    try:
        MLDSA44PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise CheckFailed("the ML-DSA-44 signature of the checkpoint does not verify") from None


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedInput("checkpoint holds what is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise MalformedInput("checkpoint holds base64 in another form")
    return data
