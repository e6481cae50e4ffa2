"""Encrypted bodies of records, stored under the BLAKE3 hash of their ciphertext.

Whoever keeps them learns how many there are and, roughly, how long; where they lie
needs no trust, since what is read is compared with its name.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from zkcredit.errors import MalformedInput, StoreError
from zkcredit.sealing import open_sealed, seal
from zkcredit.vault import replace_file

BODY_MAX_BYTES = 1 << 20
"""Longest body that is read."""
_PAD = 1024
_CONTEXT = b"zkcredit v1 record body"


class BodyStore(Protocol):
    """Content-addressed storage of bodies."""

    def put(self, body: bytes) -> bytes:
        """Stores a body durably; returns its BLAKE3 hash (32 bytes). The same again is fine."""
        ...

    def get(self, digest: bytes) -> bytes | None:
        """The body of this hash, None if it is not here; MalformedInput if it is damaged."""
        ...

    def delete(self, digest: bytes) -> None:
        """Forgets a body; one that is not here is fine."""
        ...


class MemoryBodies:
    """Bodies in memory, gone with the process."""

    def __init__(self) -> None:
        self._bodies: dict[bytes, bytes] = {}

    def put(self, body: bytes) -> bytes:
        """See :class:`BodyStore`."""
        digest = body_hash(body)
        self._bodies[digest] = bytes(body)
        return digest

    def get(self, digest: bytes) -> bytes | None:
        """See :class:`BodyStore`."""
        return self._bodies.get(digest)

    def delete(self, digest: bytes) -> None:
        """See :class:`BodyStore`."""
        self._bodies.pop(digest, None)


class FolderBodies:
    """Bodies as files of one folder, named by their hash in hexadecimal.

    Also what a recipient reads: any copy of the files will do. StoreError if the
    folder cannot be read or written.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)

    def put(self, body: bytes) -> bytes:
        """See :class:`BodyStore`."""
        digest = body_hash(body)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {self._folder}: {error.strerror}") from None
        replace_file(self._path(digest), body)
        return digest

    def get(self, digest: bytes) -> bytes | None:
        """See :class:`BodyStore`."""
        path = self._path(digest)
        try:
            with path.open("rb") as file:
                body = file.read(BODY_MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"cannot read {path}: {error.strerror}") from None
        if body_hash(body) != digest:
            raise MalformedInput(f"{path} is damaged: it is not the body of its name")
        return body

    def delete(self, digest: bytes) -> None:
        """See :class:`BodyStore`."""
        path = self._path(digest)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot delete {path}: {error.strerror}") from None

    def _path(self, digest: bytes) -> Path:
        return self._folder / digest.hex()


def body_hash(body: bytes) -> bytes:
    """Name of a body: BLAKE3 of the ciphertext (32 bytes)."""
    from zkcredit._native import blake3_hash

    return blake3_hash(body)


def seal_body(data_key: bytes, message: bytes) -> bytes:
    """A message's JSON under a data key (32 bytes), padded to whole KiB with spaces."""
    padded = message.ljust(-(-len(message) // _PAD) * _PAD)
    return seal(data_key, padded, _CONTEXT)


def open_body(data_key: bytes, body: bytes) -> bytes:
    """The padded message in a body; CheckFailed if the key is not its key."""
    return open_sealed(data_key, body, _CONTEXT, "the record's body")
