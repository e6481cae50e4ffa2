"""How an account has paid its bills: the values of a ``credit-history`` credential."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from zkcredit.credentials.builtin import CREDIT_HISTORY
from zkcredit.credentials.schema import Value
from zkcredit.lender.records import owed_minor
from zkcredit.lender.store import CLOSED, Movement
from zkcredit.messages import BillingDocument, decode_message

if TYPE_CHECKING:
    from zkcredit.lender.desk import Desk

_DAY_MS = 86_400_000


def credit_history(desk: Desk, number: int) -> dict[str, Value]:
    """Fields of :data:`CREDIT_HISTORY` from an account's billing documents and payments.

    A bill counts (``periods``) once the next one exists, and as paid on time if that one
    has no arrears. ``days_late`` are the days, each begun one whole, from a bill with
    arrears until payments have covered them or the next bill states them anew. A line
    that was closed with a debt counts as late since its last bill. CallerError if there
    is no such account.
    """
    account = desk.store.account(number)
    bills = [decode_message(body, BillingDocument) for body, _ in desk.store.documents(number)]
    payments, now_ms = desk.store.payments(number), desk.clock()
    overdue = [bill.arrears_minor for bill in bills]
    judged = overdue[1:]
    if bills and account.state == CLOSED and owed_minor(desk, account) > 0:
        overdue[-1] = max(overdue[-1], bills[-1].minimum_minor, 1)
        judged = [*judged, overdue[-1]]
    late_ms = [
        _late_ms(payments, arrears_minor, bill, later, now_ms)
        for (bill, later), arrears_minor in zip(zip_longest(bills, bills[1:]), overdue, strict=True)
    ]
    numbers = {
        "periods": len(judged),
        "on_time_periods": judged.count(0),
        "days_late": sum(-(-span_ms // _DAY_MS) for span_ms in late_ms),
    }
    values: dict[str, Value] = {
        name: min(value, CREDIT_HISTORY.field(name).maximum) for name, value in numbers.items()
    }
    return values | {"as_of": dt.datetime.fromtimestamp(now_ms / 1_000, dt.UTC).date()}


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
