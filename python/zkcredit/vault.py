"""One encrypted file that holds the secrets and the state of a role.

Layout: magic ``ZKCVAULT`` ‖ version 1 ‖ label (text8) ‖ Argon2id memory in KiB (u32),
passes (u32), lanes (u8) ‖ salt 16 ‖ key check 16 ‖ header digest 8 ‖ nonce 12 ‖
ChaCha20-Poly1305 ciphertext. Everything before the ciphertext is authenticated.
The digest tells a damaged header from a wrong passphrase, the key check tells a
wrong passphrase from damaged content.

A vault is replaced as a whole: written beside the old file, flushed, renamed,
and the folder flushed. While it is open an exclusive lock (``<name>.lock``)
keeps a second process out.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zkcredit.codec import Reader, Writer
from zkcredit.errors import CallerError, CheckFailed, MalformedInput, StateConflict, StoreError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

MAGIC = b"ZKCVAULT"
VERSION = 1
MAX_FILE_BYTES = 1 << 30
_SALT, _CHECK, _DIGEST, _NONCE = 16, 16, 8, 12


@dataclass(frozen=True, slots=True)
class Cost:
    """Work of one passphrase guess: Argon2id memory in KiB, passes and lanes."""

    memory_kib: int
    passes: int
    lanes: int

    def __post_init__(self) -> None:
        lanes_ok = 1 <= self.lanes <= 16
        memory_ok = lanes_ok and 8 * self.lanes <= self.memory_kib <= 1 << 20
        if not memory_ok or not 1 <= self.passes <= 64:
            raise CallerError("Argon2id cost out of range")


DEFAULT_COST = Cost(memory_kib=65_536, passes=3, lanes=2)
TEST_COST = Cost(memory_kib=64, passes=1, lanes=1)
"""Far too cheap for real secrets: for tests only."""


def _derive(passphrase: str, salt: bytes, cost: Cost) -> tuple[bytes, bytes]:
    """Encryption key (32 bytes) and key check (16 bytes) of a passphrase."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    if not passphrase:
        raise CallerError("an empty passphrase protects nothing")
    kdf = Argon2id(
        salt=salt,
        length=32 + _CHECK,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )
    output = kdf.derive(unicodedata.normalize("NFKC", passphrase).encode())
    return output[:32], output[32:]


def _header(label: str, cost: Cost, salt: bytes, check: bytes) -> bytes:
    writer = Writer().fixed(MAGIC, len(MAGIC)).u8(VERSION).text8(label)
    writer.u32(cost.memory_kib).u32(cost.passes).u8(cost.lanes)
    head = writer.fixed(salt, _SALT).fixed(check, _CHECK).finish()
    return head + hashlib.sha256(head).digest()[:_DIGEST]


@dataclass(frozen=True, slots=True)
class _Parsed:
    label: str
    cost: Cost
    salt: bytes
    check: bytes
    header: bytes
    nonce: bytes
    ciphertext: bytes


def _parse(data: bytes) -> _Parsed:
    reader = Reader(data)
    if len(data) < len(MAGIC) or reader.fixed(len(MAGIC)) != MAGIC:
        raise MalformedInput("not a vault file")
    reader.version(VERSION, "vault")
    label = reader.text8()
    memory_kib, passes, lanes = reader.u32(), reader.u32(), reader.u8()
    salt, check = reader.fixed(_SALT), reader.fixed(_CHECK)
    header_length = len(data) - reader.remaining
    digest = reader.fixed(_DIGEST)
    if hashlib.sha256(data[:header_length]).digest()[:_DIGEST] != digest:
        raise MalformedInput("the vault file is damaged: its header does not hold together")
    try:
        cost = Cost(memory_kib, passes, lanes)
    except CallerError as error:
        raise MalformedInput(f"vault: {error}") from None
    header = data[: header_length + _DIGEST]
    return _Parsed(label, cost, salt, check, header, reader.fixed(_NONCE), reader.rest())


class Vault:
    """An open vault; holds the lock and the key until :meth:`close`."""

    def __init__(self, path: Path, header: bytes, key: bytes, data: bytes, lock: int) -> None:
        self._path = path
        self._header = header
        self._key = key
        self._data = data
        self._lock: int | None = lock

    def __repr__(self) -> str:
        return f"Vault({str(self._path)!r})"

    def __reduce__(self) -> str:
        raise CallerError("a vault cannot be pickled")

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        passphrase: str,
        label: str,
        data: bytes = b"",
        cost: Cost = DEFAULT_COST,
    ) -> Self:
        """A new vault with ``data`` inside; StateConflict if the file exists."""
        target = Path(path)
        salt = secrets.token_bytes(_SALT)
        key, check = _derive(passphrase, salt, cost)
        header = _header(label, cost, salt, check)
        lock = _acquire(target)
        try:
            if target.exists():
                raise StateConflict(f"{target} exists already")
            vault = cls(target, header, key, data, lock)
            vault.save(data)
        except BaseException:
            os.close(lock)
            raise
        return vault

    @classmethod
    def open(cls, path: str | os.PathLike[str], passphrase: str, label: str) -> Self:
        """Unlocks a vault that was created with this ``label``.

        CheckFailed: wrong passphrase. MalformedInput: damaged, not a vault, other
        version or other label. StateConflict: in use. StoreError: cannot be read.
        """
        target = Path(path)
        if not target.exists():
            raise StoreError(f"{target} does not exist")
        lock = _acquire(target)
        try:
            parsed = _parse(_read(target))
            if parsed.label != label:
                raise MalformedInput(f"{target} is the vault of a {parsed.label}, not a {label}")
            key, check = _derive(passphrase, parsed.salt, parsed.cost)
            if not secrets.compare_digest(check, parsed.check):
                raise CheckFailed(f"wrong passphrase for {target}")
            data = _decrypt(key, parsed)
        except BaseException:
            os.close(lock)
            raise
        return cls(target, parsed.header, key, data, lock)

    @property
    def data(self) -> bytes:
        """The content as last read or saved."""
        return self._data

    def save(self, data: bytes) -> None:
        """Replaces the content durably; on StoreError the old file is intact."""
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        if self._lock is None:
            raise CallerError("the vault is closed")
        nonce = secrets.token_bytes(_NONCE)
        ciphertext = ChaCha20Poly1305(self._key).encrypt(nonce, data, self._header)
        replace_file(self._path, self._header + nonce + ciphertext)
        self._data = data

    def close(self) -> None:
        """Releases the lock and forgets the key; closing twice is fine."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
            self._key = b""
            self._data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _decrypt(key: bytes, parsed: _Parsed) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    try:
        return ChaCha20Poly1305(key).decrypt(parsed.nonce, parsed.ciphertext, parsed.header)
    except InvalidTag:
        raise MalformedInput("the vault file is damaged: its content fails the check") from None


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MalformedInput(f"{path} is too long for a vault")
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None


def _acquire(path: Path) -> int:
    lock_path = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"cannot open {lock_path}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateConflict(f"{path} is in use by another process") from None
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"cannot lock {lock_path}: {error.strerror}") from None
    return descriptor


def replace_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Writes ``data`` to ``path`` so that after a crash the old or the new file is there.

    StoreError on any failure (full disk, no permission); the old file stays.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
