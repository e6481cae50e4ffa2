"""Recompute the demonstration's totals from the two CSV files, in plain arithmetic.

The demonstration plays real cardholders through hidden credit lines and states totals that
follow from zero-knowledge proofs. This module says what those totals must be. It imports nothing
of the package and nothing outside the standard library, and it shares no code with the plan that
drives the demonstration, so that agreement of the two means something. It can be copied elsewhere
and run alone: ``python recompute.py FOLDER [CUSTOMERS]`` prints the totals as JSON.

Both files are read as streams. The state of a client is a handful of integers, and the month
rows of different clients may be mixed, as long as each client's own rows come oldest first.

Rules, for a client with months t = 1..6, bills ``b_t`` and payments ``p_t``:

* ``wanted_1 = b_1`` and ``wanted_t = b_t - b_(t-1) + p_t``. ``p_1`` paid a bill from before the
  data and is not used.
* ``wanted > 0``: ``k = 1 + (client_id + t) mod 3`` purchases, the first ``k - 1`` of
  ``wanted // k`` and the last of the rest; purchase ``i = 0..k-1`` is made at merchant
  ``(client_id + t + i) mod 5``. Purchases of zero are left out; the others keep their ``i``.
  One larger than the available credit is refused whole and joins the client's refused pool.
* ``wanted < 0``: what is given back first cancels refused purchases (the pool), and only the rest
  is a credit on the line.
* ``balance = limit - available`` is compared with ``b_t`` after the credit. Only then the payment
  ``p_(t+1)`` is booked. Credits and payments raise ``available`` in full, above the limit too.

All amounts are whole minor units (hundredths of the currency unit).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import re
import sys
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MERCHANTS = 5
MONTHS = 6

# Canonical decimal, at most 18 digits: every single amount fits a signed 64-bit integer.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


class RecomputeError(ValueError):
    """The files cannot be recomputed; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What the demonstration must arrive at; names and units are those of its JSON report.

    Attributes:
        customers: clients counted, each with one line.
        purchases_accepted: purchases within the available credit.
        purchases_over_limit: purchases refused because they exceeded it.
        over_limit_minor: their sum, whether cancelled later or not.
        cancelled_minor: the part of refused purchases that was given back later.
        credited_minor: given back beyond that, credited to the lines.
        charged_minor: sum of the accepted purchases.
        paid_minor: sum of the payments of months 2 to 6.
        outstanding_minor: charged - paid - credited, signed: the sum of the final balances.
        customers_never_refused: clients with no purchase over the limit.
        statements: billing statements, one for each client and month.
        statements_equal_to_data: those whose balance equals the published bill to the cent.
        merchant_totals_minor: accepted purchases by merchant 0 to 4; they add up to charged.
        clients_sha256: SHA-256, in hexadecimal, of one line for each client in ascending order,
            ``id,accepted,refused,charged,paid,credited,balance`` and a line feed: two counts,
            three sums and the final balance in minor units.
    """

    customers: int
    purchases_accepted: int
    purchases_over_limit: int
    over_limit_minor: int
    cancelled_minor: int
    credited_minor: int
    charged_minor: int
    paid_minor: int
    outstanding_minor: int
    customers_never_refused: int
    statements: int
    statements_equal_to_data: int
    merchant_totals_minor: tuple[int, int, int, int, int]
    clients_sha256: str


@dataclass(slots=True)
class _Client:
    """Running state of one client."""

    limit_minor: int
    available_minor: int
    months: int = 0
    last_bill_minor: int = 0
    pool_minor: int = 0
    accepted: int = 0
    refused: int = 0
    over_limit_minor: int = 0
    cancelled_minor: int = 0
    credited_minor: int = 0
    charged_minor: int = 0
    paid_minor: int = 0
    equal_statements: int = 0

    @property
    def balance_minor(self) -> int:
        """What the client owes; negative when the lender owes the client."""
        return self.limit_minor - self.available_minor


@dataclass(slots=True)
class _Book:
    """The clients that count, the months they share and what the merchants sold."""

    clients: dict[int, _Client]
    months: list[str] = field(default_factory=list)
    sold_minor: list[int] = field(default_factory=lambda: [0] * MERCHANTS)


def recompute(folder: Path, customers: int | None = None) -> Totals:
    """Compute the totals of the clients with the lowest numbers.

    Args:
        folder: holds ``clients.csv.gz`` (client_id, credit_limit_minor) and ``months.csv.gz``
            (client_id, month, bill_minor, paid_minor); further columns are ignored.
        customers: how many clients count, from the lowest ``client_id`` up; all if None.

    Raises:
        RecomputeError: a file is malformed, or has fewer clients than asked for.
        OSError: a file cannot be read.
    """
    limits_minor = _read_limits(folder / "clients.csv.gz")
    if customers is None:
        customers = len(limits_minor)
    if not 1 <= customers <= len(limits_minor):
        message = f"{customers} clients asked for, {folder} holds {len(limits_minor)}"
        raise RecomputeError(message)
    chosen = sorted(limits_minor)[:customers]
    book = _Book({i: _Client(limits_minor[i], limits_minor[i]) for i in chosen})
    _replay(folder / "months.csv.gz", limits_minor.keys() - book.clients.keys(), book)
    return _sum_up(book)


def _replay(path: Path, left_out: set[int], book: _Book) -> None:
    """Play the month rows one by one; rows of clients left out are passed over."""
    for where, (id_text, month, bill_text, paid_text) in _rows(
        path, ("client_id", "month", "bill_minor", "paid_minor")
    ):
        client_id = _integer(id_text, where, minimum=1)
        if client_id in left_out:
            continue
        client = book.clients.get(client_id)
        if client is None:
            message = f"{where}: client {client_id} is not in the client file"
            raise RecomputeError(message)
        if client.months == MONTHS:
            message = f"{where}: client {client_id} has more than {MONTHS} months"
            raise RecomputeError(message)
        _check_month(month, client.months, book.months, where)
        bill_minor = _integer(bill_text, where)
        paid_minor = _integer(paid_text, where, minimum=0)
        _play_month(client_id, client, bill_minor, paid_minor, book.sold_minor)
    for client_id, client in book.clients.items():
        if client.months != MONTHS:
            message = f"{path}: client {client_id} has {client.months} months, not {MONTHS}"
            raise RecomputeError(message)


def _check_month(month: str, position: int, months: list[str], where: str) -> None:
    """All clients share six consecutive months; the row at ``position`` must name the right one."""
    if not _MONTH.fullmatch(month):
        message = f"{where}: {month!r} is no month (YYYY-MM)"
        raise RecomputeError(message)
    if position == len(months):
        if months and _month_number(month) != _month_number(months[-1]) + 1:
            message = f"{where}: month {month} does not follow {months[-1]}"
            raise RecomputeError(message)
        months.append(month)
    elif month != months[position]:
        message = f"{where}: month {month} where {months[position]} is due"
        raise RecomputeError(message)


def _month_number(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:])


def _play_month(
    client_id: int, client: _Client, bill_minor: int, paid_minor: int, sold_minor: list[int]
) -> None:
    """Move one client through one month: payment, purchases or credit, statement."""
    client.months += 1
    t = client.months
    if t == 1:
        wanted_minor = bill_minor
    else:
        # The payment was booked after the statement of the month before; nothing came between.
        client.available_minor += paid_minor
        client.paid_minor += paid_minor
        wanted_minor = bill_minor - client.last_bill_minor + paid_minor
    client.last_bill_minor = bill_minor
    if wanted_minor > 0:
        _buy(client_id, client, wanted_minor, sold_minor)
    elif wanted_minor < 0:
        _give_back(client, -wanted_minor)
    if client.balance_minor == bill_minor:
        client.equal_statements += 1


def _buy(client_id: int, client: _Client, wanted_minor: int, sold_minor: list[int]) -> None:
    """Try the month's purchases in order; a refused one does not stop those after it."""
    t = client.months
    count = 1 + (client_id + t) % 3
    share_minor = wanted_minor // count
    for i in range(count):
        last = i == count - 1
        amount_minor = wanted_minor - (count - 1) * share_minor if last else share_minor
        if amount_minor == 0:
            continue
        if amount_minor > client.available_minor:
            client.refused += 1
            client.over_limit_minor += amount_minor
            client.pool_minor += amount_minor
        else:
            client.accepted += 1
            client.charged_minor += amount_minor
            client.available_minor -= amount_minor
            sold_minor[(client_id + t + i) % MERCHANTS] += amount_minor


def _give_back(client: _Client, returned_minor: int) -> None:
    """Cancel refused purchases first, then credit the line with what is left."""
    cancelled_minor = min(returned_minor, client.pool_minor)
    client.pool_minor -= cancelled_minor
    client.cancelled_minor += cancelled_minor
    client.credited_minor += returned_minor - cancelled_minor
    client.available_minor += returned_minor - cancelled_minor


def _sum_up(book: _Book) -> Totals:
    digest = hashlib.sha256()
    for client_id, c in sorted(book.clients.items()):
        digest.update(
            f"{client_id},{c.accepted},{c.refused},{c.charged_minor},{c.paid_minor},"
            f"{c.credited_minor},{c.balance_minor}\n".encode("ascii")
        )
    clients = book.clients.values()
    charged_minor = sum(c.charged_minor for c in clients)
    paid_minor = sum(c.paid_minor for c in clients)
    credited_minor = sum(c.credited_minor for c in clients)
    sold_0, sold_1, sold_2, sold_3, sold_4 = book.sold_minor
    return Totals(
        customers=len(book.clients),
        purchases_accepted=sum(c.accepted for c in clients),
        purchases_over_limit=sum(c.refused for c in clients),
        over_limit_minor=sum(c.over_limit_minor for c in clients),
        cancelled_minor=sum(c.cancelled_minor for c in clients),
        credited_minor=credited_minor,
        charged_minor=charged_minor,
        paid_minor=paid_minor,
        outstanding_minor=charged_minor - paid_minor - credited_minor,
        customers_never_refused=sum(c.refused == 0 for c in clients),
        statements=sum(c.months for c in clients),
        statements_equal_to_data=sum(c.equal_statements for c in clients),
        merchant_totals_minor=(sold_0, sold_1, sold_2, sold_3, sold_4),
        clients_sha256=digest.hexdigest(),
    )


def _read_limits(path: Path) -> dict[int, int]:
    """Read every client's limit: ``{client_id: credit_limit_minor}``."""
    limits_minor: dict[int, int] = {}
    for where, (id_text, limit_text) in _rows(path, ("client_id", "credit_limit_minor")):
        client_id = _integer(id_text, where, minimum=1)
        if client_id in limits_minor:
            message = f"{where}: client {client_id} appears twice"
            raise RecomputeError(message)
        limits_minor[client_id] = _integer(limit_text, where, minimum=0)
    return limits_minor


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    """Yield ("file, line n", values of the named columns) for each row of a gzip CSV file."""
    line = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            for column in columns:
                if header.count(column) != 1:
                    message = f"{path}, line 1: column {column} must occur once"
                    raise RecomputeError(message)
            places = [header.index(column) for column in columns]
            for row in reader:
                line = reader.line_num
                if len(row) != len(header):
                    message = f"{path}, line {line}: {len(row)} fields, not {len(header)}"
                    raise RecomputeError(message)
                yield f"{path}, line {line}", [row[place] for place in places]
    except (csv.Error, zlib.error, gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        message = f"{path}, after line {line}: {error}"
        raise RecomputeError(message) from error


def _integer(text: str, where: str, minimum: int | None = None) -> int:
    """Decode a canonical decimal; no sign, space, underscore or leading zero to spare."""
    if not _INTEGER.fullmatch(text) or (minimum is not None and int(text) < minimum):
        least = "" if minimum is None else f" of at least {minimum}"
        message = f"{where}: {text!r} is no whole number{least}"
        raise RecomputeError(message)
    return int(text)


def _main(arguments: list[str]) -> int:
    if len(arguments) not in (1, 2) or not all(a.isdecimal() for a in arguments[1:]):
        sys.stderr.write("usage: recompute.py FOLDER [CUSTOMERS]\n")
        return 2
    try:
        totals = recompute(Path(arguments[0]), *(int(a) for a in arguments[1:]))
    except (RecomputeError, OSError) as error:
        sys.stderr.write(f"recompute.py: {error}\n")
        return 4 if isinstance(error, RecomputeError) else 6
    sys.stdout.write(json.dumps(asdict(totals), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
