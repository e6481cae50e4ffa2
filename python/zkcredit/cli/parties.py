"""Making a party of a vault and a database, and what such a vault holds.

Lenders and issuers of credentials keep a phrase in a vault and everything they have
signed in a database beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from zkcredit.cli.context import Session, uninterrupted
from zkcredit.errors import MalformedInput, StateConflict, StoreError

if TYPE_CHECKING:
    from zkcredit._native import Seed
    from zkcredit.vault import Vault

_VAULT_VERSION = 1


@dataclass
class Secrets:
    """Content of a party's vault; ``complete`` once the database beside it was made."""

    phrase: str = field(repr=False)
    name: str
    complete: bool = False

    def encode(self) -> bytes:
        """Bytes for the vault."""
        return json.dumps({"version": _VAULT_VERSION, **asdict(self)}).encode()

    @classmethod
    def decode(cls, data: bytes) -> Secrets:
        """The content of a vault; MalformedInput for anything else."""
        try:
            found = json.loads(data)
            version = found.pop("version")
            if version != _VAULT_VERSION:
                raise MalformedInput(f"the vault has version {version}, not {_VAULT_VERSION}")
            return cls(**found)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise MalformedInput("the vault holds no party's secrets") from None

    @property
    def seed(self) -> Seed:
        """The root secret."""
        from zkcredit.keys import seed_from_phrase

        return seed_from_phrase(self.phrase)


class Closeable(Protocol):
    """A role over its open database."""

    def close(self) -> None:
        """Closes the database."""
        ...


def make_party(
    session: Session, role: str, name: str, create: Callable[[Path, Seed, str], Closeable]
) -> None:
    """Vault ``role.vault`` and database ``role.db``, whichever is missing.

    ``create`` makes the database of a seed and name. Run again after an interruption, it
    goes on where it stopped; it never replaces a database that was complete once.
    """
    from zkcredit.entries import IssuerStatement

    IssuerStatement(bytes(48), name)  # refuses a bad name before a file is made
    folder = session.make_folder()
    database = folder / f"{role}.db"
    with _vault(session, role, name, database) as vault:
        kept = Secrets.decode(vault.data)
        if kept.name != name:
            raise StateConflict(f"this folder belongs to the {role} {kept.name!r}")
        if kept.complete and not database.exists():
            raise StoreError(f"{database} is missing: bring it back, a new one could sign twice")
        make_database(database, kept.seed, name, create)
        if not kept.complete:
            kept.complete = True
            with uninterrupted():
                vault.save(kept.encode())


def _vault(session: Session, role: str, name: str, database: Path) -> Vault:
    from zkcredit.keys import new_phrase

    if session.vault_path(role).exists():
        return session.open_vault(role)
    if database.exists():
        raise StateConflict(f"{database} exists, but its vault does not: put the vault back")
    return session.create_vault(role, Secrets(new_phrase(), name).encode())


def make_database(
    database: Path, seed: Seed, name: str, create: Callable[[Path, Seed, str], Closeable]
) -> None:
    """Makes the database under another name first; nothing if it is there."""
    if database.exists():
        return
    draft = database.with_name(f"{database.name}.new")
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{draft}{suffix}").unlink()
    create(draft, seed, name).close()
    try:
        draft.rename(database)
        descriptor = os.open(database.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"cannot make {database}: {error.strerror}") from None
