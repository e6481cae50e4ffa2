"""A world with records: a holder with a receipt and an anchored bill, and a bank to share with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kit import World, seed

from zkcredit.messages import Invoice
from zkcredit.records.bodies import MemoryBodies
from zkcredit.records.disclosure import Record
from zkcredit.records.grants import Grant, Shared, open_grant
from zkcredit.records.recipients import Recipient, RecipientKey
from zkcredit.wallet import Wallet
from zkcredit.wallet.records import WalletRecords

PURPOSE = "flat to let"
HOUR_MS = 3_600_000


@dataclass
class Desk:
    """Somebody to share with: a key, its public message, and a way to open grants."""

    world: World
    name: str
    key: RecipientKey
    recipient: Recipient

    def open(self, grant: Grant, bodies: Any, **changes: Any) -> Shared:
        """Opens a grant for the agreed purpose, now, unless changed."""
        options = {"purpose": PURPOSE, "now_ms": self.world.clock()} | changes
        return open_grant(self.world.ledger, grant, self.key, bodies, **options)


@dataclass
class Records:
    """A holder with one purchase, one bill and its agreement, all kept and anchored."""

    world: World = field(default_factory=World)
    bodies: MemoryBodies = field(default_factory=MemoryBodies)

    def __post_init__(self) -> None:
        world = self.world
        self.wallet: Wallet = world.holder()
        self.invoice: Invoice = world.invoice(1_250)
        self.receipt_entry = pay(world, self.wallet, self.invoice)
        world.open_period()
        world.bill(self.wallet)
        world.lender.agreement(world.ledger, 1)
        self.entries = world.lender.anchor_records(world.ledger)
        self.book: WalletRecords = self.wallet.records(self.bodies)
        self.book.file(world.ledger)
        for record in world.lender.records(world.ledger, 1):
            self.book.add(world.ledger, record)

    def number(self, kind: str) -> int:
        """Number of the first record of a kind."""
        return self.book.records(kind)[0].number

    def record(self, kind: str) -> Record:
        """The first record of a kind."""
        return self.book.record(self.number(kind))

    def share(self, kind: str, desk: Desk, **changes: Any) -> Grant:
        """Shares the first record of a kind for an hour."""
        options = {"purpose": PURPOSE, "expires_ms": self.world.clock() + HOUR_MS} | changes
        return self.book.share(self.world.ledger, self.number(kind), desk.recipient, **options)

    def other(self, name: str = "Accountant") -> Desk:
        """A recipient who is not on the ledger."""
        key = RecipientKey.derive(seed(("recipient", name)))
        return Desk(self.world, name, key, key.unregistered(self.world.ledger.ledger_id, name))

    def bank(self) -> Desk:
        """The lender as a recipient."""
        key = RecipientKey.derive(seed("lender"))
        recipient = self.world.lender.recipient(self.world.ledger)
        return Desk(self.world, "Bank", key, recipient)


def pay(world: World, wallet: Wallet, invoice: Invoice) -> int:
    """Pays an invoice with everything after it; the entry's index."""
    receipt = wallet.pay(world.ledger, 1, invoice)
    world.answer(wallet)
    return receipt.index
