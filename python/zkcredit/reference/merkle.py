"""The log's head: RFC 6962 tree hashes, and checkpoints signed with Ed25519 (C2SP)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from zkcredit.errors import CheckFailed, MalformedInput

_ED25519 = b"\x01"


class Tree:
    """Roots of perfect subtrees of a growing log, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._perfect: list[bytes] = []

    def append(self, entry: bytes) -> None:
        """Takes in one more entry."""
        node, size = hashlib.sha256(b"\0" + entry).digest(), self.size
        while size & 1:
            node = _parent(self._perfect.pop(), node)
            size >>= 1
        self._perfect.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The tree hash of everything appended so far."""
        if not self._perfect:
            return hashlib.sha256().digest()
        node = self._perfect[-1]
        for left in reversed(self._perfect[:-1]):
            node = _parent(left, node)
        return node


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head: number of entries and root."""

    size: int
    root: bytes


def read_checkpoint(note: str, origin: str, key: bytes) -> Checkpoint:
    """The checkpoint in a signed note of this log.

    Raises MalformedInput for another form, CheckFailed for another log or
    without a signature of ``key`` (Ed25519, 32 bytes).
    """
    text, separator, tail = note.rpartition("\n\n")
    lines = text.split("\n")
    if not separator or len(lines) < 3 or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]):
        raise MalformedInput("checkpoint does not have the lines origin, size and root")
    if lines[0] != origin:
        raise CheckFailed(f"checkpoint is of {lines[0]!r}, not of {origin!r}")
    root = _base64(lines[2])
    if len(root) != 32:
        raise MalformedInput("checkpoint has a root that is not 32 bytes")
    _verify(text + "\n", tail, origin, key)
    return Checkpoint(int(lines[1]), root)


def _verify(text: str, tail: str, origin: str, key: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key_id = hashlib.sha256(origin.encode() + b"\n" + _ED25519 + key).digest()[:4]
    found = False
    for line in tail.splitlines():
        mark, _, rest = line.partition(" ")
        name, _, body = rest.partition(" ")
        if mark != "—":
            raise MalformedInput("checkpoint has a line that is no signature")
        data = _base64(body)
        if name != origin or data[:4] != key_id:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(data[4:], text.encode())
        except (InvalidSignature, ValueError):
            raise CheckFailed("the signature of the checkpoint does not verify") from None
        found = True
    if not found:
        raise CheckFailed(f"the checkpoint is not signed by {origin}")


def _base64(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedInput("checkpoint holds what is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise MalformedInput("checkpoint holds base64 in another form")
    return data
