"""The wallet's records: its receipts and bills, and what lenders hand it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from zkcredit.messages import BillingDocument, Invoice, decode_message, signing_digest
from zkcredit.records.book import RecordBook, RecordRow, row_of
from zkcredit.records.disclosure import receipt
from zkcredit.records.documents import BILL

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.records.bodies import BodyStore
    from zkcredit.wallet.state import WalletState


class WalletRecords(RecordBook):
    """A record book that also files what the wallet has paid and been billed."""

    def __init__(
        self,
        wallet: WalletState,
        bodies: BodyStore,
        save: Callable[[], None] | None,
        clock: Callable[[], int],
    ) -> None:
        super().__init__(wallet.records, bodies, save, clock)
        self._wallet = wallet

    def file(self, ledger: LedgerView) -> list[RecordRow]:
        """Makes records of paid invoices and of bills on this ledger; returns the new ones.

        An invoice that was never paid is dropped once it has expired. A bill is anchored
        when its lender hands over the record (:meth:`add`).
        """
        made = [*self._file_receipts(ledger), *self._file_bills(ledger.ledger_id)]
        self._finish()
        return made

    def add_receipt(self, ledger: LedgerView, invoice: Invoice) -> RecordRow:
        """Keeps the receipt of a paid invoice, from its file: after a restore, for example.

        A restored wallet learns from it whom the purchase paid, so that it can answer that
        merchant about it.
        """
        row = self.add(ledger, receipt(ledger, invoice))
        digest, history = signing_digest(invoice), self._wallet.history
        for place, step in enumerate(history):
            if step.invoice_hash == digest and not step.merchant_id:
                paid = msgspec.structs.replace(step, merchant_id=invoice.merchant_id)
                history[place] = paid
                self._finish()
        return row

    def erase(self, number: int) -> None:
        """As :meth:`RecordBook.erase`; a bill also leaves the line's documents."""
        if self._held(number).kind == BILL.name:
            commitment = self._held(number).commitment
            for line in self._wallet.lines:
                line.documents = [x for x in line.documents if _bill_digest(x) != commitment]
        super().erase(number)

    def _file_receipts(self, ledger: LedgerView) -> list[RecordRow]:
        made, waiting = [], []
        for message in self._state.invoices:
            invoice = decode_message(message, Invoice)
            if invoice.ledger_id != ledger.ledger_id:
                waiting.append(message)
            elif ledger.find_payee(invoice.payee) is not None:
                record = receipt(ledger, invoice)
                if self._find(signing_digest(invoice)) is None:
                    made.append(row_of(self._keep(record.document, record.anchor)))
            elif self._clock() <= invoice.not_after_ms:
                waiting.append(message)
        self._state.invoices = waiting
        return made

    def _file_bills(self, ledger_id: bytes) -> list[RecordRow]:
        made = []
        for line in self._wallet.lines:
            if line.ledger_id != ledger_id:
                continue
            for message in line.documents:
                document = decode_message(message, BillingDocument)
                if self._find(signing_digest(document)) is None:
                    made.append(row_of(self._keep(document, None)))
        return made


def _bill_digest(message: bytes) -> bytes:
    return signing_digest(decode_message(message, BillingDocument))
