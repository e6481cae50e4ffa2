"""A holder, a merchant and a lender on one ledger, each with its own file on the same disk."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from clikit import PASSPHRASE
from kit import PLAIN, seed

from zkcredit.cli.parties import Secrets
from zkcredit.errors import Refused
from zkcredit.keys import seed_from_phrase
from zkcredit.ledger import Operator, Receipt
from zkcredit.lender import Lender
from zkcredit.merchant import Merchant
from zkcredit.messages import Invoice
from zkcredit.vault import TEST_COST, Vault
from zkcredit.wallet import Wallet

AMOUNT = 1
LIMIT = 10_000_000
BANK = Path("bank/default")
"""The lender's folder, laid out as its commands want it."""
_PHRASE = " ".join(["abandon"] * 23 + ["art"])
_REPLY_S = 60


def saver(vault: Vault, role: Any) -> Callable[[], None]:
    def save() -> None:
        vault.save(role.dump())

    return save


@dataclass
class Parties:
    """Everybody's programs, opened from their files; a context manager.

    Without ``lender`` another process signs.
    """

    files: ExitStack
    ledger: Any
    lender: Lender | None
    wallet: Wallet
    merchant: Merchant
    save_wallet: Callable[[], None]
    save_merchant: Callable[[], None]

    @staticmethod
    def create(folder: Path) -> None:
        """Registers everybody and opens a line."""
        (folder / BANK).mkdir(parents=True)
        wallet = Wallet.from_seed(seed("wallet"))
        merchant = Merchant.from_seed(seed("shop"), "Shop")
        with Operator.create(folder / "ledger") as ledger:
            lender = Lender.create(folder / BANK / "lender.db", seed_from_phrase(_PHRASE), "Bank")
            lender.register(ledger)
            terms_hash = lender.publish_terms(ledger, PLAIN)
            lender.open_period(ledger, terms_hash)
            merchant.register(ledger)
            lender.grant(ledger, wallet.request_line(ledger, terms_hash), LIMIT, "customer")
            lender.sign_pending(ledger)
            wallet.receive(ledger)
            lender.close()
        secrets = Secrets(_PHRASE, "Bank", complete=True).encode()
        for path, role, data in (
            (folder / "wallet", "wallet", wallet.dump()),
            (folder / "merchant", "merchant", merchant.dump()),
            (folder / BANK / "lender.vault", "lender", secrets),
        ):
            Vault.create(path, PASSPHRASE, role, data, TEST_COST).close()

    @classmethod
    def open(cls, folder: Path, ledger: Any = None) -> Self:
        """Starts all programs on what lies in their files, on the ledger's folder.

        With a ``ledger`` of another kind, which is closed at the end, no lender is started.
        """
        with ExitStack() as files:
            vaults = [
                files.enter_context(Vault.open(folder / name, PASSPHRASE, name))
                for name in ("wallet", "merchant")
            ]
            lender = None
            if ledger is None:
                ledger = Operator.open(folder / "ledger")
                lender = open_lender(folder)
                files.callback(lender.close)
            files.enter_context(ledger)
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

    def answer(self, goes_on: Callable[[], bool] = lambda: True) -> bool:
        """The lender signs, the wallet takes the signature and saves; whether there was one.

        Another process's signature is waited for as long as ``goes_on`` says.
        """
        if self.lender is not None:
            self.lender.sign_pending(self.ledger)
        deadline = time.monotonic() + _REPLY_S
        while self.wallet.line(1).pending is not None and not self.wallet.receive(self.ledger):
            if self.lender is not None or not goes_on() or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        self.save_wallet()
        return self.wallet.line(1).pending is None


def open_lender(folder: Path) -> Lender:
    """The lender on its own files."""
    return Lender.open(folder / BANK / "lender.db", seed_from_phrase(_PHRASE))
