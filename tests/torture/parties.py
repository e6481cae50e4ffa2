"""A holder, a merchant and a lender on one ledger, each with its own file on the same disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from kit import PLAIN, seed

from zkcredit.errors import Refused
from zkcredit.ledger import Operator, Receipt
from zkcredit.lender import Lender
from zkcredit.merchant import Merchant
from zkcredit.messages import Invoice
from zkcredit.vault import TEST_COST, Vault
from zkcredit.wallet import Wallet

AMOUNT = 1
LIMIT = 10_000_000


def saver(vault: Vault, role: Any) -> Callable[[], None]:
    def save() -> None:
        vault.save(role.dump())

    return save


@dataclass
class Parties:
    """Everybody's programs, opened from their files; a context manager."""

    files: ExitStack
    ledger: Operator
    lender: Lender
    wallet: Wallet
    merchant: Merchant
    save_wallet: Callable[[], None]
    save_merchant: Callable[[], None]

    @staticmethod
    def create(folder: Path) -> None:
        """Registers everybody and opens a line."""
        wallet = Wallet.from_seed(seed("wallet"))
        merchant = Merchant.from_seed(seed("shop"), "Shop")
        with Operator.create(folder / "ledger") as ledger:
            lender = Lender.create(folder / "lender.db", seed("lender"), "Bank")
            lender.register(ledger)
            terms_hash = lender.publish_terms(ledger, PLAIN)
            lender.open_period(ledger, terms_hash)
            merchant.register(ledger)
            lender.grant(ledger, wallet.request_line(ledger, terms_hash), LIMIT, "customer")
            lender.sign_pending(ledger)
            wallet.receive(ledger)
            lender.close()
        for name, role in (("wallet", wallet), ("merchant", merchant)):
            Vault.create(folder / name, "passphrase", name, role.dump(), TEST_COST).close()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Starts all programs on what lies in their files."""
        with ExitStack() as files:
            vaults = [
                files.enter_context(Vault.open(folder / name, "passphrase", name))
                for name in ("wallet", "merchant")
            ]
            ledger = files.enter_context(Operator.open(folder / "ledger"))
            lender = Lender.open(folder / "lender.db", seed("lender"))
            files.callback(lender.close)
            wallet, merchant = Wallet.load(vaults[0].data), Merchant.load(vaults[1].data)
            saves = saver(vaults[0], wallet), saver(vaults[1], merchant)
            return cls(files.pop_all(), ledger, lender, wallet, merchant, *saves)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.files.close()

    def buy(self) -> Receipt:
        """A purchase; what an earlier run left unfinished is finished first."""
        self.finish()
        invoice = self.invoice()
        return self.wallet.pay(self.ledger, 1, invoice, save=self.save_wallet)

    def finish(self) -> None:
        """Brings a step that was interrupted to its end."""
        if self.wallet.line(1).pending is None:
            return
        for _, result in self.wallet.submit_pending(self.ledger):
            if isinstance(result, Refused):
                self.wallet.refresh(self.ledger, 1, self.save_wallet)
        self.answer()

    def invoice(self) -> Invoice:
        """A bill whose keys the merchant has saved."""
        found = self.merchant.invoice(self.ledger, AMOUNT, PLAIN.currency, "goods")
        self.save_merchant()
        return found

    def answer(self) -> None:
        """The lender signs, the wallet takes the signature and saves."""
        self.lender.sign_pending(self.ledger)
        self.wallet.receive(self.ledger)
        self.save_wallet()
