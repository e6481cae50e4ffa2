"""An issuer of credentials and its holders, all through the package's own roles."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from kit import Clock, seed

from zkcredit.credentials.builtin import IDENTITY
from zkcredit.credentials.held import HeldCredential
from zkcredit.credentials.holder import CredentialBook
from zkcredit.credentials.issuer import CredentialIssuer
from zkcredit.credentials.messages import CredentialReply, CredentialRequest
from zkcredit.credentials.schema import Schema, Value
from zkcredit.keys import WalletKeys
from zkcredit.ledger import Operator

EXPIRES = dt.date(2030, 12, 31)
ADA: dict[str, Value] = {
    "given_names": "Ada Maria",
    "family_name": "Muster",
    "birth_date": dt.date(2001, 5, 31),
    "country": "AT",
    "document_hash": "P1234567",
    "verification_level": 3,
    "person": "7f3a9c",
}


def new_issuer(office: Office, name: str) -> CredentialIssuer:
    """A registered issuer without keys."""
    issuer = CredentialIssuer.create(None, seed(name), name, clock=office.clock)
    issuer.register(office.ledger)
    return issuer


@dataclass
class Office:
    """A ledger and a registrar with key 1 of one schema open."""

    schema: Schema = IDENTITY
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = Operator.create(None, clock=self.clock)
        self.issuer = new_issuer(self, "Registrar")
        self.issuer.publish_schema(self.ledger, self.schema)
        self.issuer.open_key(self.ledger, self.schema.hash)

    @property
    def place(self) -> tuple[bytes, bytes]:
        """Issuer id and schema hash."""
        return self.issuer.issuer_id, self.schema.hash

    def book(self, name: object = "ada") -> CredentialBook:
        """The empty book of a holder."""
        return CredentialBook([], WalletKeys(seed(("wallet", name))))

    def request(self, book: CredentialBook) -> CredentialRequest:
        """A request to the registrar."""
        return book.request(self.ledger, *self.place)

    def reply(
        self,
        book: CredentialBook,
        values: Mapping[str, Value] = ADA,
        expires: dt.date = EXPIRES,
    ) -> CredentialReply:
        """The registrar's answer to a request of this book."""
        return self.issuer.issue(self.ledger, self.request(book), values, expires)

    def credential(self, book: CredentialBook) -> HeldCredential:
        """A fresh credential in this book, with its gap."""
        held = book.receive(self.ledger, self.reply(book))
        book.refresh_gaps(self.ledger)
        return book.get(held.number)

    def revoke(self, handle: int) -> None:
        """Revokes a credential and publishes that."""
        self.issuer.revoke(self.schema.hash, handle, "lost")
        self.issuer.publish_revocations(self.ledger, self.schema.hash)
