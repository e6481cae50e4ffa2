"""What every client of the demonstration wants to do in every month.

The published data has bills and payments, not purchases. This module turns them into a plan: the
purchases to try and at which merchant, what to give back, what to pay, and the balance the bank
really billed. It reads and plans; it does not know what a line still has available. That is for
wallet and lender, which play the plan through real proofs.

``recompute.py`` states the same rules a second time, on purpose without sharing code.

    >>> portfolio = read_portfolio(PACKAGED_DATA, customers=1)
    >>> step = month_plan(portfolio.clients[0], 3)
    >>> step.wanted_minor
    51700
    >>> step.purchases
    (Purchase(amount_minor=17233, merchant=0), Purchase(amount_minor=17233, merchant=1), \
Purchase(amount_minor=17234, merchant=2))

Months are counted t = 1..6. All amounts are whole minor units (hundredths of the currency unit).
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

MERCHANT_COUNT: Final = 5
MONTH_COUNT: Final = 6

PACKAGED_DATA: Final = Path(__file__).parent / "data"
"""Folder of the real sample that comes with the package; see its ATTRIBUTION.md."""

AMOUNT_LIMIT_MINOR: Final = 10**18
"""Amounts in the files are smaller than this in size, so that each fits 64 bits with a sign."""

_DECIMAL: Final = re.compile(r"-?[0-9]{1,18}")
_CLIENT_COLUMNS: Final = ("client_id", "credit_limit_minor")
_MONTH_COLUMNS: Final = ("client_id", "month", "bill_minor", "paid_minor")


class CardDataError(ValueError):
    """A data file is malformed.

    Attributes:
        path: the file.
        line: the line at fault, counted from 1; None when the file as a whole is.
        reason: what is wrong with it.
    """

    def __init__(self, path: Path, line: int | None, reason: str) -> None:
        """Build the message from file, line and reason."""
        place = str(path) if line is None else f"{path}, line {line}"
        super().__init__(f"{place}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """One cardholder as published.

    Attributes:
        client_id: number of the client, at least 1.
        limit_minor: credit line granted, at least 0.
        bills_minor: the bills of the six months, oldest first; negative in the client's favour.
        paid_minor: paid in each of these months, against the bill before; at least 0.
    """

    client_id: int
    limit_minor: int
    bills_minor: tuple[int, ...]
    paid_minor: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The clients that take part, ascending by number, and the six months (YYYY-MM) they share."""

    months: tuple[str, ...]
    clients: tuple[ClientRecord, ...]


class Purchase(NamedTuple):
    """One purchase to try: its amount, at least 1, and the merchant's number from 0."""

    amount_minor: int
    merchant: int


class GiveBack(NamedTuple):
    """How money given back is used: refused purchases cancelled, and a credit on the line."""

    cancelled_minor: int
    credited_minor: int


@dataclass(frozen=True, slots=True)
class MonthPlan:
    """One client's month, in the order in which it happens.

    Attributes:
        t: the month, 1 to 6.
        wanted_minor: newly charged in the month; negative when something is given back.
        purchases: to be tried in this order; empty unless wanted is positive.
        returned_minor: to be split by :func:`split_give_back`; 0 unless wanted is negative.
        bill_minor: balance that the bank billed, to compare with after the steps above.
        payment_minor: paid after that statement.
    """

    t: int
    wanted_minor: int
    purchases: tuple[Purchase, ...]
    returned_minor: int
    bill_minor: int
    payment_minor: int


def wanted_minor(client: ClientRecord, t: int) -> int:
    """Return what was newly charged in month t, reconstructed from the bills and the payment.

    The payment of month 1 settled a bill older than the data, so the first bill counts whole.
    """
    _check_month_number(t)
    if t == 1:
        return client.bills_minor[0]
    return client.bills_minor[t - 1] - client.bills_minor[t - 2] + client.paid_minor[t - 1]


def payment_minor(client: ClientRecord, t: int) -> int:
    """Return what is paid on the statement of month t: the next month's payment, 0 after the last.

    The lender adds it to the line in full, above the limit if need be.
    """
    _check_month_number(t)
    return client.paid_minor[t] if t < MONTH_COUNT else 0


def plan_purchases(client_id: int, t: int, amount_minor: int) -> tuple[Purchase, ...]:
    """Split a month's charge into one, two or three purchases at neighbouring merchants.

    All but the last are equal and rounded down; the last takes the remainder. A purchase that
    comes out as zero is left out, without moving the others to another merchant.

    Args:
        client_id: number of the client.
        t: the month, 1 to 6.
        amount_minor: what to charge; nothing is planned unless it is positive.
    """
    _check_month_number(t)
    if amount_minor <= 0:
        return ()
    count = (client_id + t) % 3 + 1
    share_minor, remainder_minor = divmod(amount_minor, count)
    amounts_minor = [share_minor] * count
    amounts_minor[-1] += remainder_minor
    return tuple(
        Purchase(part_minor, (client_id + t + i) % MERCHANT_COUNT)
        for i, part_minor in enumerate(amounts_minor)
        if part_minor
    )


def split_give_back(returned_minor: int, pool_minor: int) -> GiveBack:
    """Use money given back: first for refused purchases, which never reached the line.

    Args:
        returned_minor: given back in the month, at least 0.
        pool_minor: refused purchases of the client not cancelled yet, at least 0. The caller
            takes ``cancelled_minor`` off it.
    """
    if returned_minor < 0 or pool_minor < 0:
        message = f"amounts must not be negative: {returned_minor}, {pool_minor}"
        raise ValueError(message)
    cancelled_minor = min(returned_minor, pool_minor)
    return GiveBack(cancelled_minor, returned_minor - cancelled_minor)


def month_plan(client: ClientRecord, t: int) -> MonthPlan:
    """Return everything that one client does in month t."""
    charge_minor = wanted_minor(client, t)
    return MonthPlan(
        t=t,
        wanted_minor=charge_minor,
        purchases=plan_purchases(client.client_id, t, charge_minor),
        returned_minor=max(-charge_minor, 0),
        bill_minor=client.bills_minor[t - 1],
        payment_minor=payment_minor(client, t),
    )


def read_portfolio(folder: Path, customers: int | None = None) -> Portfolio:
    """Read the clients with the lowest numbers from ``clients.csv.gz`` and ``months.csv.gz``.

    Needed columns are ``client_id, credit_limit_minor`` and ``client_id, month, bill_minor,
    paid_minor``; others are ignored. Clients may come in any order, a client's months oldest
    first.

    Args:
        folder: where the two files are.
        customers: how many clients take part; all if None.

    Raises:
        CardDataError: a file is malformed.
        ValueError: ``customers`` is below 1 or more than the files have.
        OSError: a file cannot be read.
    """
    limits_minor = _read_limits(folder / "clients.csv.gz")
    count = len(limits_minor) if customers is None else customers
    if not 1 <= count <= len(limits_minor):
        message = f"customers must be between 1 and {len(limits_minor)}, not {count}"
        raise ValueError(message)
    chosen = sorted(limits_minor)[:count]
    months_path = folder / "months.csv.gz"
    histories = _read_histories(months_path, set(limits_minor), set(chosen))
    months = histories[chosen[0]].months
    clients = []
    for client_id in chosen:
        history = histories[client_id]
        _check_history(months_path, client_id, history, months)
        clients.append(
            ClientRecord(
                client_id,
                limits_minor[client_id],
                tuple(history.bills_minor),
                tuple(history.paid_minor),
            )
        )
    return Portfolio(tuple(months), tuple(clients))


@dataclass(slots=True)
class _History:
    """The month rows of one client read so far, in the file's order."""

    months: list[str]
    bills_minor: list[int]
    paid_minor: list[int]


class _Row(NamedTuple):
    """One row of a file, with the means to say where a fault is."""

    path: Path
    line: int
    values: dict[str, str]

    def fault(self, reason: str) -> CardDataError:
        return CardDataError(self.path, self.line, reason)

    def whole(self, column: str, least: int = 1 - AMOUNT_LIMIT_MINOR) -> int:
        """Decode a whole number that must be written in its one canonical way."""
        text = self.values[column]
        if not _DECIMAL.fullmatch(text) or str(int(text)) != text:
            raise self.fault(f"{column} is {text!r}, not a whole number of at most 18 digits")
        value = int(text)
        if value < least:
            raise self.fault(f"{column} is {value}, less than {least}")
        return value


def _read_limits(path: Path) -> dict[int, int]:
    limits_minor: dict[int, int] = {}
    for row in _read_rows(path, _CLIENT_COLUMNS):
        client_id = row.whole("client_id", least=1)
        if client_id in limits_minor:
            raise row.fault(f"client {client_id} occurs a second time")
        limits_minor[client_id] = row.whole("credit_limit_minor", least=0)
    if not limits_minor:
        raise CardDataError(path, None, "no clients")
    return limits_minor


def _read_histories(path: Path, known: set[int], chosen: set[int]) -> dict[int, _History]:
    histories = {client_id: _History([], [], []) for client_id in chosen}
    for row in _read_rows(path, _MONTH_COLUMNS):
        client_id = row.whole("client_id", least=1)
        if client_id not in known:
            raise row.fault(f"client {client_id} is not in the client file")
        if client_id not in chosen:
            continue
        history = histories[client_id]
        if len(history.months) == MONTH_COUNT:
            raise row.fault(f"client {client_id} has more than {MONTH_COUNT} months")
        month = row.values["month"]
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
            raise row.fault(f"month is {month!r}, not YYYY-MM")
        if history.months and month != _month_after(history.months[-1]):
            raise row.fault(f"month {month} does not follow {history.months[-1]}")
        history.months.append(month)
        history.bills_minor.append(row.whole("bill_minor"))
        history.paid_minor.append(row.whole("paid_minor", least=0))
    return histories


def _check_history(path: Path, client_id: int, history: _History, months: list[str]) -> None:
    if len(history.months) != MONTH_COUNT:
        reason = f"client {client_id} has {len(history.months)} months, not {MONTH_COUNT}"
        raise CardDataError(path, None, reason)
    if history.months != months:
        reason = f"client {client_id} starts in {history.months[0]}, the others in {months[0]}"
        raise CardDataError(path, None, reason)


def _month_after(month: str) -> str:
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04}-{number % 12 + 1:02}"


def _read_rows(path: Path, columns: tuple[str, ...]) -> Iterator[_Row]:
    """Decode a gzip CSV file strictly; every row has exactly the fields of the header."""
    line = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            missing = [column for column in columns if column not in header]
            if missing or len(set(header)) != len(header):
                reason = f"no column {missing[0]}" if missing else "a column name occurs twice"
                raise CardDataError(path, 1, reason)
            for fields in lines:
                line = lines.line_num
                if len(fields) != len(header):
                    reason = f"{len(fields)} fields, the header has {len(header)}"
                    raise CardDataError(path, line, reason)
                yield _Row(path, line, dict(zip(header, fields, strict=True)))
    except (csv.Error, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CardDataError(path, line + 1, f"no gzip-compressed CSV: {error}") from error


def _check_month_number(t: int) -> None:
    if not 1 <= t <= MONTH_COUNT:
        message = f"months are counted 1 to {MONTH_COUNT}, not {t}"
        raise ValueError(message)
