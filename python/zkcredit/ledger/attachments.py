"""Files beside the log that its entries name by hash: revocation lists.

Content-addressed by BLAKE3, so there is nothing to trust in where they lie: what
is read is compared with its name.
"""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

from zkcredit.errors import CallerError, MalformedInput, Refused, StoreError
from zkcredit.ledger import folder

ATTACHMENT_MAX_BYTES = 64 << 20
"""Longest attachment."""


class Attachments:
    """The attachments of one ledger, in a folder of its own or in memory (``place`` None)."""

    def __init__(self, place: Path | None, *, read_only: bool = False) -> None:
        self._place = place
        self._read_only = read_only
        self._memory: dict[bytes, bytes] = {}

    def add(self, data: bytes, named: Container[bytes]) -> bytes:
        """Stores ``data`` and returns its name; the same again changes nothing.

        Refused ``unknown-attachment`` unless its hash is among the ``named`` ones;
        CallerError beyond 64 MiB; StoreError.
        """
        if len(data) > ATTACHMENT_MAX_BYTES:
            raise CallerError(f"an attachment has at most {ATTACHMENT_MAX_BYTES} bytes")
        digest = _digest(data)
        if digest not in named:
            raise Refused("unknown-attachment", "no entry names this file: submit the entry first")
        if self._place is None:
            self._memory[digest] = bytes(data)
            return digest
        if self._read_only:
            raise StoreError("the ledger is open for reading only")
        path = self._place / digest.hex()
        if not path.is_file() or folder.read_file(path) != data:
            folder.make(self._place)
            folder.write_file(path, data)
        return digest

    def get(self, digest: bytes) -> bytes | None:
        """The attachment of this hash, None if it is not here.

        Raises MalformedInput if what is stored has another hash, StoreError.
        """
        if self._place is None:
            return self._memory.get(digest)
        path = self._place / digest.hex()
        if not path.is_file():
            return None
        data = folder.read_file(path)
        if _digest(data) != digest:
            raise MalformedInput(f"{path} is damaged: it is not the file that the log names")
        return data


def _digest(data: bytes) -> bytes:
    from zkcredit._native import blake3_hash

    return blake3_hash(data)
