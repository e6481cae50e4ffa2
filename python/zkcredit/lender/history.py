"""How an account has paid its bills: for ``credit-history`` credentials and credit reports."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from zkcredit.credentials.builtin import CREDIT_HISTORY
from zkcredit.credentials.schema import Value
from zkcredit.lender.store import CLOSED, LIMIT, Account, Movement
from zkcredit.messages import BillingDocument, decode_message

if TYPE_CHECKING:
    from zkcredit.lender.desk import Desk

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """How often an account was billed and how it paid.

    A bill counts (``periods``) once the next one exists, and as paid on time if that one
    has no arrears. ``days_late`` are the days, each begun one whole, from a bill with
    arrears until payments have covered them or the next bill states them anew. A line
    that was closed with a debt counts as late since its last bill.
    """

    periods: int
    on_time_periods: int
    days_late: int


def credit_history(desk: Desk, number: int) -> dict[str, Value]:
    """Fields of :data:`CREDIT_HISTORY` from an account's billing documents and payments.

    See :class:`PaymentRecord`. CallerError if there is no such account.
    """
    paid = payment_record(desk, desk.store.account(number))
    values: dict[str, Value] = {
        name: min(value, CREDIT_HISTORY.field(name).maximum) for name, value in asdict(paid).items()
    }
    return values | {"as_of": dt.datetime.fromtimestamp(desk.clock() / 1_000, dt.UTC).date()}


def owed_minor(desk: Desk, account: Account) -> int:
    """Balance of the last document less payments and credits since."""
    listed = desk.store.undocumented([account.number]).get(account.number, [])
    return account.balance_minor - sum(m.amount_minor for m in listed if m.kind != LIMIT)


def payment_record(desk: Desk, account: Account) -> PaymentRecord:
    """The figures of an account as of now."""
    rows = desk.store.documents(account.number)
    bills = [decode_message(body, BillingDocument) for body, _ in rows]
    payments, now_ms = desk.store.payments(account.number), desk.clock()
    overdue = [bill.arrears_minor for bill in bills]
    judged = overdue[1:]
    if bills and account.state == CLOSED and owed_minor(desk, account) > 0:
        overdue[-1] = max(overdue[-1], bills[-1].minimum_minor, 1)
        judged = [*judged, overdue[-1]]
    late_ms = [
        _late_ms(payments, arrears_minor, bill, later, now_ms)
        for (bill, later), arrears_minor in zip(zip_longest(bills, bills[1:]), overdue, strict=True)
    ]
    return PaymentRecord(
        periods=len(judged),
        on_time_periods=judged.count(0),
        days_late=sum(-(-span_ms // _DAY_MS) for span_ms in late_ms),
    )


def _late_ms(
    payments: Sequence[Movement],
    arrears_minor: int,
    bill: BillingDocument,
    later: BillingDocument | None,
    now_ms: int,
) -> int:
    """How long the arrears of a bill were unpaid before the next bill, or until now."""
    if arrears_minor <= 0:
        return 0
    for payment in payments:
        if payment.document_entry == (later.entry_index if later else None):
            arrears_minor -= payment.amount_minor
            if arrears_minor <= 0:
                return payment.recorded_ms - bill.issued_ms
    return max(0, (later.issued_ms if later else now_ms) - bill.issued_ms)
