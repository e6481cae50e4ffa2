"""The files of a ledger folder: ``genesis``, ``operator.key``, ``checkpoint``, ``database``.

``database`` is there only if the ledger's rows are in a PostgreSQL database: it holds the
address. Otherwise the SQLite file ``ledger.db`` is beside them; both belong to
:mod:`zkcredit.ledger.store`. The
folder ``attachments`` to :mod:`zkcredit.ledger.attachments`.
All errors of the file system become StoreError.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zkcredit.codec import Reader
from zkcredit.errors import MalformedInput, StateConflict, StoreError
from zkcredit.ledger.genesis import Genesis, check_origin

if TYPE_CHECKING:
    from zkcredit._native import BlsKey
    from zkcredit.ledger.note import Ed25519Signer, MlDsaSigner

DATABASE = "ledger.db"
ADDRESS = "database"
GENESIS = "genesis"
KEY = "operator.key"
CHECKPOINT = "checkpoint"
COSIGNED = "checkpoint.cosigned"
"""In a published folder: the last checkpoint that met the policy of whoever collects."""
PUBLISHED = "published"
"""In a ledger's folder: where a service publishes the log."""
ATTACHMENTS = "attachments"
_MADE = (KEY, ADDRESS, GENESIS)
_KEY_VERSION = 2
_BLS_CONTEXT = b"operator"


@dataclass(frozen=True, slots=True, repr=False)
class OperatorKeys:
    """The operator's secrets: seeds (32 bytes each) of Ed25519, ML-DSA-44 and BLS keys."""

    log_seed: bytes
    mldsa_seed: bytes
    bls_seed: bytes

    @classmethod
    def generate(cls) -> OperatorKeys:
        """Fresh keys from the system's random source."""
        return cls(*(secrets.token_bytes(32) for _ in range(3)))

    def bls(self) -> BlsKey:
        """The key that countersigns registrations."""
        from zkcredit._native import BlsKey, Seed

        return BlsKey.derive(Seed.from_bytes(self.bls_seed), _BLS_CONTEXT)

    def genesis(self, origin: str) -> Genesis:
        """A new genesis of these keys with a fresh nonce."""
        check_origin(origin)
        classic, mldsa = (signer.public.key for signer in self.signers(origin))
        bls_key, nonce = self.bls().public_key, secrets.token_bytes(32)
        return Genesis(origin, log_key=classic, mldsa_key=mldsa, bls_key=bls_key, nonce=nonce)

    def signers(self, origin: str) -> tuple[Ed25519Signer, MlDsaSigner]:
        """The two keys that sign every checkpoint of the log ``origin``."""
        from zkcredit.ledger.note import Ed25519Signer, MlDsaSigner

        return Ed25519Signer(origin, self.log_seed), MlDsaSigner(origin, self.mldsa_seed)

    def encode(self) -> bytes:
        """Version byte and the seeds."""
        return bytes((_KEY_VERSION,)) + self.log_seed + self.mldsa_seed + self.bls_seed

    @classmethod
    def decode(cls, data: bytes) -> OperatorKeys:
        """The keys in ``data``; raises MalformedInput."""
        reader = Reader(data)
        reader.version(_KEY_VERSION, KEY)
        keys = cls(reader.fixed(32), reader.fixed(32), reader.fixed(32))
        reader.finish()
        return keys


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def read_file(path: Path) -> bytes:
    """Content of a small file; raises StoreError."""
    with _mapped(path):
        return path.read_bytes()


def read_text(path: Path) -> str:
    """The same, as text; MalformedInput if it is none."""
    try:
        return read_file(path).decode()
    except UnicodeDecodeError:
        raise MalformedInput(f"{path} is not text") from None


def write_file(path: Path, data: bytes, *, secret: bool = False) -> None:
    """Replaces ``path`` atomically and durably; 0600 if ``secret``."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with _mapped(path):
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            descriptor = os.open(temporary, flags, 0o600 if secret else 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


@contextlib.contextmanager
def locked(place: Path) -> Iterator[None]:
    """Keeps others, processes and threads, out of blocks for the same folder or file.

    Not to be nested for one place.
    """
    with _mapped(place):
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _mapped(place):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def remove_file(path: Path) -> None:
    """Removes a file durably."""
    with _mapped(path):
        path.unlink(missing_ok=True)
        sync_folder(path.parent)


def remove_tree(folder: Path) -> None:
    """Removes a folder with everything in it, if it is there; raises StoreError."""
    with _mapped(folder):
        if folder.is_dir():
            shutil.rmtree(folder)


def make(folder: Path) -> None:
    """Makes ``folder`` and its parents durably, if they are not there; raises StoreError."""
    with _mapped(folder):
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for place in reversed(missing):
            sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Makes new names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def prepare(folder: Path) -> None:
    """Creates the folder of a new ledger; StateConflict if one is there already."""
    with _mapped(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (GENESIS, KEY, DATABASE, ADDRESS):
            if (folder / name).exists():
                rows = (folder / DATABASE).exists() or (folder / ADDRESS).exists()
                whole = rows and (folder / GENESIS).exists()
                hint = "" if whole else "; it is unfinished and may be removed by hand"
                raise StateConflict(f"{folder} already holds a ledger ({name} exists){hint}")
        sync_folder(folder.parent)


def discard(folder: Path) -> None:
    """Removes what a failed creation left; its ledger never existed."""
    with contextlib.suppress(OSError):
        for file in (*folder.glob(DATABASE + "*"), *(folder / name for name in _MADE)):
            file.unlink(missing_ok=True)


def write_address(folder: Path, address: str) -> None:
    """Notes the address of the database; for the owner's eyes if it holds a password.

    CallerError if it is not the address of a PostgreSQL database.
    """
    from zkcredit.postgres import check_address, has_password

    check_address(address)
    write_file(folder / ADDRESS, address.encode() + b"\n", secret=has_password(address))


def database(folder: Path) -> Path | str:
    """Where the rows of the ledger in ``folder`` are: the SQLite file, or an address."""
    if not (folder / ADDRESS).exists():
        return folder / DATABASE
    try:
        return read_file(folder / ADDRESS).decode().strip()
    except UnicodeDecodeError:
        raise MalformedInput(f"{folder / ADDRESS} is not the address of a database") from None


def read_genesis(folder: Path) -> Genesis:
    """The genesis of the ledger in ``folder``."""
    path = folder / GENESIS
    if not path.is_file():
        raise StoreError(f"no ledger in {folder}: it has no file {GENESIS!r}")
    return Genesis.decode(read_file(path))


def read_keys(folder: Path, genesis: Genesis) -> OperatorKeys:
    """The operator's secrets; MalformedInput if they are not those of ``genesis``."""
    path = folder / KEY
    if not path.is_file():
        raise StoreError(f"{folder} has no {KEY}: only the operator can do this")
    keys = OperatorKeys.decode(read_file(path))
    public = tuple(signer.public for signer in keys.signers(genesis.origin))
    if (public, keys.bls().public_key) != (genesis.log_keys, genesis.bls_key):
        raise MalformedInput(f"{path} does not belong to this ledger")
    return keys
