"""What every issuer does on a ledger: register once and publish under its key.

Lenders sign tokens and issuers of credentials sign credentials; both are issuers, and
with one seed they are the same one.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from zkcredit import digests
from zkcredit.entries import IssuerStatement, Statement, Submission
from zkcredit.errors import CallerError, StateConflict
from zkcredit.keys import IssuerKeys

if TYPE_CHECKING:
    from zkcredit._native import Seed
    from zkcredit.database import OwnStore
    from zkcredit.ledger import LedgerView, Receipt
    from zkcredit.service.signatures import RequestSigner

_Store = TypeVar("_Store", bound="OwnStore")
_Keys = TypeVar("_Keys", bound=IssuerKeys)


class IssuerDesk(Generic[_Store, _Keys]):
    """Store, keys and clock of one issuer on one ledger."""

    def __init__(self, store: _Store, keys: _Keys, clock: Callable[[], int]) -> None:
        self.store = store
        self.keys = keys
        self.clock = clock

    def set_up(self, name: str) -> None:
        """Puts name and key into a new store."""
        with self.store.write():
            self.store.set_meta("name", name.encode())
            self.store.set_meta("bls_key", self.keys.bls.public_key)

    def check_owner(self) -> None:
        """StateConflict, and the store closed, if it belongs to another seed."""
        if self.store.meta("bls_key") != self.keys.bls.public_key:
            self.store.close()
            raise StateConflict(f"this is the {self.store.KIND} database of another seed")

    @property
    def name(self) -> str:
        """The issuer's name, as registered."""
        return (self.store.meta("name") or b"").decode()

    @property
    def issuer_id(self) -> bytes:
        """Identifier on the ledger (32 bytes); CallerError before :meth:`register`."""
        value = self.store.meta("issuer_id")
        if value is None:
            raise CallerError("the issuer is not registered on a ledger yet")
        return value

    def request_signer(self) -> RequestSigner:
        """What signs the issuer's HTTP requests; CallerError before :meth:`register`."""
        from zkcredit.service.signatures import RequestSigner

        return RequestSigner(self.keys, self.issuer_id)

    def on(self, ledger: LedgerView) -> bytes:
        """The issuer id, after checking that this is the issuer's ledger."""
        issuer_id = self.issuer_id
        if self.store.meta("ledger_id") != ledger.ledger_id:
            raise StateConflict("this issuer is registered on another ledger")
        return issuer_id

    def register(self, ledger: LedgerView) -> Receipt:
        """Registers name and key on a ledger, once; an issuer belongs to one ledger."""
        bound = self.store.meta("ledger_id")
        if bound not in (None, ledger.ledger_id):
            raise StateConflict("this issuer is registered on another ledger")
        statement = IssuerStatement(self.keys.bls.public_key, self.name)
        receipt = self.submit(ledger, statement, self.keys.bls.prove_possession())
        with self.store.write():
            self.store.set_meta("ledger_id", ledger.ledger_id)
            issuer_id = digests.issuer_id(ledger.ledger_id, statement.encode())
            self.store.set_meta("issuer_id", issuer_id)
        return receipt

    def submit(self, ledger: LedgerView, statement: Statement, possession: bytes = b"") -> Receipt:
        """Signs a registration and submits it."""
        digest = digests.registration_digest(ledger.ledger_id, statement.encode())
        evidence = possession + self.keys.bls.sign(digest)
        return ledger.submit(Submission(statement, evidence))


class Issuer(ABC):
    """What lenders and issuers of credentials share: one desk over one database."""

    _STORE: ClassVar[type[OwnStore]]
    _store: OwnStore
    _desk: IssuerDesk[Any, Any]

    @abstractmethod
    def __init__(self, store: Any, seed: Seed, clock: Callable[[], int] | None = None) -> None:
        """Over a store that is open; ``clock`` gives Unix time in milliseconds."""

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str] | None,
        seed: Seed,
        name: str,
        clock: Callable[[], int] | None = None,
    ) -> Self:
        """A new issuer or lender with its database at ``path`` (None: in memory).

        ``seed`` is kept by the caller (in a vault); ``name`` is 1..64 bytes.
        """
        IssuerStatement(IssuerKeys(seed).bls.public_key, name)  # refuses a bad name first
        issuer = cls(cls._STORE.create(path), seed, clock)
        issuer._desk.set_up(name)
        return issuer

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        seed: Seed,
        clock: Callable[[], int] | None = None,
    ) -> Self:
        """That of an existing database; StateConflict if the seed is another's."""
        issuer = cls(cls._STORE.open(path), seed, clock)
        issuer._desk.check_owner()
        return issuer

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __reduce__(self) -> str:
        raise CallerError(f"a {type(self).__name__} cannot be pickled")

    def close(self) -> None:
        """Closes the database; safe to repeat."""
        self._store.close()

    @property
    def failed(self) -> bool:
        """Whether a failed sync ended all writing: only a database opened anew goes on."""
        return self._store.failed

    @property
    def name(self) -> str:
        """The issuer's name, as registered."""
        return self._desk.name

    @property
    def issuer_id(self) -> bytes:
        """Identifier on the ledger (32 bytes); CallerError before :meth:`register`."""
        return self._desk.issuer_id

    def request_signer(self) -> RequestSigner:
        """What signs HTTP requests to a ledger's service; CallerError before :meth:`register`."""
        return self._desk.request_signer()
