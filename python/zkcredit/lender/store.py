"""The lender's own database: accounts, what it has signed, payments, documents.

A lender never trusts the ledger's operator about what it has signed before: the
table of signatures here has one row for each nullifier, written and flushed
(``synchronous=FULL``) before a signature leaves. See :mod:`zkcredit.database` for
transactions and errors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from zkcredit.database import OwnStore
from zkcredit.errors import CallerError

_PARAMETERS = 500

APPROVED, ACTIVE, ARREARS, DISPUTED, CLOSED = "approved", "active", "arrears", "disputed", "closed"
"""States of an account."""

PAYMENT, CREDIT, LIMIT = "payment", "credit", "limit"
"""Kinds of movements."""


@dataclass(slots=True)
class Account:
    """What the lender knows of one line.

    ``balance_minor``, ``minimum_minor`` and ``arrears_minor`` are those of the last
    billing document, ``limit_minor`` is the limit agreed, ``period`` the period of
    the token that was signed last in an entry that showed the account.
    """

    number: int
    customer: str
    terms_hash: bytes
    state: str
    limit_minor: int
    balance_minor: int
    minimum_minor: int
    arrears_minor: int
    period: int
    open_index: int | None
    commitment: bytes
    owner_tag: bytes
    reply_key: bytes
    attributes: list[int]
    note: str

    def __repr__(self) -> str:
        return f"Account({self.number}, {self.state}, limit_minor={self.limit_minor})"


@dataclass(frozen=True, slots=True)
class Signature:
    """One row of the signer's table; ``reply`` is what the ledger gets."""

    origin: bytes
    kind: int
    entry_index: int
    commitment: bytes
    final: bytes
    adjustments: list[tuple[int, int]]
    reply: bytes


@dataclass(frozen=True, slots=True)
class Movement:
    """A payment, credit or limit change of an account."""

    id: int
    account: int
    kind: str
    amount_minor: int
    reference: str
    recorded_ms: int
    token_entry: int | None
    document_entry: int | None


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A signed document; ``group`` and ``position`` once it is grouped, then ``entry_index``."""

    kind: str
    body: bytes
    group: int | None
    position: int | None
    entry_index: int | None


_ACCOUNT = (
    "number, customer, terms_hash, state, limit_minor, balance_minor, minimum_minor, "
    "arrears_minor, period, open_index, commitment, owner_tag, reply_key, attributes, note"
)


def _account(row: Sequence[Any]) -> Account:
    values = list(row)
    values[13] = json.loads(values[13])
    return Account(*values)


def _account_row(account: Account) -> tuple[Any, ...]:
    names = _ACCOUNT.split(", ")
    values = [getattr(account, name) for name in names]
    values[13] = json.dumps(account.attributes)
    return tuple(values)


class LenderStore(OwnStore):
    """An open lender's database; ``path`` None keeps it in memory."""

    KIND = "lender's"
    APPLICATION_ID = 0x7A6B636C  # "zkcl"
    VERSION = 2

    @staticmethod
    def _create_tables(driver: Any, connection: Any) -> None:
        from zkcredit.lender.schema import METADATA
        from zkcredit.tables import create_all

        create_all(METADATA, driver, connection)

    # -- accounts --------------------------------------------------------------------------

    def accounts(self) -> list[Account]:
        """All accounts by number."""
        return [_account(row) for row in self._rows(f"SELECT {_ACCOUNT} FROM accounts")]  # noqa: S608

    def account(self, number: int) -> Account:
        """One account; CallerError if there is none."""
        found = self.accounts_by("number", [number])
        if not found:
            raise CallerError(f"there is no account {number}")
        return found[0]

    def accounts_by(self, column: str, values: Iterable[Any]) -> list[Account]:
        """Accounts whose ``column`` (a name of this module, never input) is among ``values``."""
        found: list[Account] = []
        for part in _parts(values):
            marks = ", ".join("?" * len(part))
            sql = f"SELECT {_ACCOUNT} FROM accounts WHERE {column} IN ({marks})"  # noqa: S608
            found += [_account(row) for row in self._rows(sql, part)]
        return found

    def next_account(self) -> int:
        """The lowest number above all accounts."""
        return int(self._value("SELECT coalesce(max(number), 0) + 1 FROM accounts"))

    def put_accounts(self, accounts: Iterable[Account]) -> None:
        """Inserts or replaces accounts; inside :meth:`write`."""
        marks = ", ".join("?" * len(_ACCOUNT.split(", ")))
        sql = f"INSERT OR REPLACE INTO accounts ({_ACCOUNT}) VALUES ({marks})"  # noqa: S608
        self._connection.executemany(sql, [_account_row(account) for account in accounts])

    # -- signatures ------------------------------------------------------------------------

    def signatures(self, origins: Iterable[bytes]) -> dict[bytes, Signature]:
        """Rows of the signer's table that exist for these origins."""
        found: dict[bytes, Signature] = {}
        for part in _parts(origins):
            marks = ", ".join("?" * len(part))
            sql = (
                "SELECT origin, kind, entry_index, commitment, final, adjustments, reply "  # noqa: S608
                f"FROM signatures WHERE origin IN ({marks})"
            )
            for row in self._rows(sql, part):
                found[row[0]] = _signature(row)
        return found

    def add_signatures(self, rows: Sequence[Signature]) -> None:
        """Freezes signatures; a second one for an origin is a StateConflict. In :meth:`write`."""
        self._connection.executemany(
            "INSERT INTO signatures VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            [
                (
                    row.origin,
                    row.kind,
                    row.entry_index,
                    row.commitment,
                    row.final,
                    json.dumps(row.adjustments) if row.adjustments else "[]",
                    row.reply,
                )
                for row in sorted(rows, key=lambda row: row.origin)
            ],
        )

    def move_signature(self, origin: bytes, entry_index: int) -> None:
        """The entry was put elsewhere by a rolled-back ledger: post the same reply there."""
        self._run(
            "UPDATE signatures SET entry_index=?, posted=0 WHERE origin=?", (entry_index, origin)
        )

    def unposted(self, limit: int) -> list[tuple[int, bytes, bytes]]:
        """(entry index, reply, origin) of signatures that may not have left yet, by index."""
        sql = (
            "SELECT entry_index, reply, origin FROM signatures WHERE posted=0 "
            "ORDER BY entry_index LIMIT ?"
        )
        return [tuple(row) for row in self._rows(sql, (limit,))]

    def mark_posted(self, origins: Iterable[bytes]) -> None:
        """Notes that the ledger has these replies."""
        with self.write():
            self._connection.executemany(
                "UPDATE signatures SET posted=1 WHERE origin=?", [(x,) for x in sorted(origins)]
            )

    # -- movements -------------------------------------------------------------------------

    def add_movement(
        self, account: int, kind: str, amount_minor: int, reference: str, recorded_ms: int
    ) -> bool:
        """Records a movement; False if the account has one of this kind and reference."""
        cursor = self._run(
            "INSERT INTO movements (account, kind, amount_minor, reference, recorded_ms) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (account, kind, amount_minor, reference, recorded_ms),
        )
        return bool(cursor.rowcount)

    def movement(self, account: int, kind: str, reference: str) -> Movement | None:
        """The movement with this reference."""
        rows = self._rows(
            "SELECT * FROM movements WHERE account=? AND kind=? AND reference=?",
            (account, kind, reference),
        )
        return Movement(*rows[0]) if rows else None

    def payments(self, account: int) -> list[Movement]:
        """All payments of an account in the order of their recording."""
        sql = "SELECT * FROM movements WHERE account=? AND kind=? ORDER BY recorded_ms, id"
        return [Movement(*row) for row in self._rows(sql, (account, PAYMENT))]

    def undocumented(self, accounts: Iterable[int]) -> dict[int, list[Movement]]:
        """Movements of these accounts that no billing document lists yet."""
        found: dict[int, list[Movement]] = {}
        for part in _parts(accounts):
            marks = ", ".join("?" * len(part))
            sql = (
                "SELECT * FROM movements WHERE document_entry IS NULL "  # noqa: S608
                f"AND account IN ({marks}) ORDER BY id"
            )
            for row in self._rows(sql, part):
                found.setdefault(row[1], []).append(Movement(*row))
        return found

    def mark_movements(self, column: str, rows: Iterable[tuple[int, int]]) -> None:
        """Sets ``token_entry`` or ``document_entry``: rows of (entry, movement id)."""
        sql = f"UPDATE movements SET {column}=? WHERE id=? AND {column} IS NULL"  # noqa: S608
        self._connection.executemany(sql, list(rows))

    # -- newcomers -------------------------------------------------------------------------

    def add_inquiry(self, request_hash: bytes, request: bytes, valid_until_ms: int) -> None:
        """Keeps a presentation request; inside :meth:`write`."""
        self._run("INSERT INTO inquiries VALUES (?, ?, ?)", (request_hash, request, valid_until_ms))

    def forget_inquiries(self, now_ms: int) -> None:
        """Drops requests that nobody can answer any more; inside :meth:`write`."""
        self._run("DELETE FROM inquiries WHERE valid_until_ms<?", (now_ms,))

    def inquiry(self, request_hash: bytes) -> bytes | None:
        """The presentation request of this hash."""
        value: bytes | None = self._value(
            "SELECT request FROM inquiries WHERE hash=?", (request_hash,)
        )
        return value

    def add_person(self, account: int, pseudonym: bytes, disclosed: str) -> None:
        """Notes whose line an account is; inside :meth:`write`."""
        self._run("INSERT INTO people VALUES (?, ?, ?)", (account, pseudonym, disclosed))

    def lines_of(self, pseudonym: bytes) -> list[int]:
        """Numbers of the accounts of one person."""
        rows = self._rows("SELECT account FROM people WHERE pseudonym=?", (pseudonym,))
        return [row[0] for row in rows]

    def disclosed(self, account: int) -> str | None:
        """What was revealed for an account."""
        value: str | None = self._value("SELECT disclosed FROM people WHERE account=?", (account,))
        return value

    # -- documents, settlements, faults ----------------------------------------------------

    def add_document(
        self, account: int, period: int, entry_index: int, body: bytes, rho_due: bytes
    ) -> None:
        """Keeps a billing document and the blinding of its bill; inside :meth:`write`."""
        self._run(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?)",
            (account, period, entry_index, body, rho_due),
        )

    def document_at(self, entry_index: int) -> bytes | None:
        """The document that answered a statement entry."""
        sql = "SELECT body FROM documents WHERE entry_index=?"
        value: bytes | None = self._value(sql, (entry_index,))
        return value

    def documents(self, account: int | None = None) -> list[tuple[bytes, bytes]]:
        """(document, rho_due) of one account by period, or of all by entry."""
        if account is None:
            return list(self.all_documents())
        sql = "SELECT body, rho_due FROM documents WHERE account=? ORDER BY period"
        return [tuple(row) for row in self._rows(sql, (account,))]

    def all_documents(self) -> Iterator[tuple[bytes, bytes]]:
        """(document, rho_due) of all accounts by entry, read in parts."""
        sql = (
            "SELECT body, rho_due, entry_index FROM documents WHERE entry_index>? "
            "ORDER BY entry_index LIMIT ?"
        )
        last = -1
        while rows := self._rows(sql, (last, _PARAMETERS)):
            yield from ((body, rho_due) for body, rho_due, _ in rows)
            last = rows[-1][2]

    def payout(self, statement_hash: bytes) -> bytes | None:
        """The payout order given for a settlement statement."""
        sql = "SELECT payout FROM settlements WHERE statement=?"
        value: bytes | None = self._value(sql, (statement_hash,))
        return value

    def add_payout(
        self, statement_hash: bytes, entry_index: int, payout: bytes, payees: Sequence[bytes]
    ) -> bool:
        """Keeps a payout order; False if one of the claims was paid before. In :meth:`write`."""
        before = self._connection.total_changes
        self._connection.executemany(
            "INSERT INTO paid_claims VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(payee, statement_hash) for payee in sorted(payees)],
        )
        fresh: bool = self._connection.total_changes - before == len(payees)
        if fresh:
            self._run(
                "INSERT INTO settlements VALUES (?, ?, ?)", (statement_hash, entry_index, payout)
            )
        return fresh

    def payouts(self) -> list[bytes]:
        """All payout orders in log order."""
        rows = self._rows("SELECT payout FROM settlements ORDER BY entry_index")
        return [row[0] for row in rows]

    # -- records ---------------------------------------------------------------------------

    def add_record(
        self,
        commitment: bytes,
        account: int,
        kind: str,
        *,
        body: bytes | None = None,
        document_entry: int | None = None,
    ) -> None:
        """Keeps a signed document to be anchored; a bill by its document. In :meth:`write`."""
        self._run(
            "INSERT INTO records (commitment, account, kind, body, document_entry) "
            "VALUES (?, ?, ?, ?, ?)",
            (commitment, account, kind, body, document_entry),
        )

    def records(self, account: int) -> list[StoredRecord]:
        """All records of an account, oldest first."""
        rows = self._rows(
            "SELECT r.kind, coalesce(r.body, d.body), g.number, r.position, g.entry_index "
            "FROM records r LEFT JOIN documents d ON d.entry_index=r.document_entry "
            "LEFT JOIN record_groups g ON g.number=r.group_number "
            "WHERE r.account=? ORDER BY r.id",
            (account,),
        )
        return [StoredRecord(*row) for row in rows]

    def ungrouped(self, limit: int) -> list[bytes]:
        """Commitments of records that no group holds yet; their order says nothing."""
        sql = (
            "SELECT commitment FROM records WHERE group_number IS NULL ORDER BY commitment LIMIT ?"
        )
        return [row[0] for row in self._rows(sql, (limit,))]

    def add_group(self, commitments: Sequence[bytes], root: bytes) -> None:
        """Freezes a group of records in this order; inside :meth:`write`."""
        number = self._run("INSERT INTO record_groups (root) VALUES (?)", (root,)).lastrowid
        self._connection.executemany(
            "UPDATE records SET group_number=?, position=? WHERE commitment=?",
            [(number, position, item) for position, item in enumerate(commitments)],
        )

    def open_groups(self) -> list[tuple[int, bytes]]:
        """(number, root) of groups that the ledger may not have yet."""
        sql = "SELECT number, root FROM record_groups WHERE entry_index IS NULL ORDER BY number"
        return [tuple(row) for row in self._rows(sql)]

    def group(self, number: int) -> list[bytes]:
        """Commitments of a group in order."""
        sql = "SELECT commitment FROM records WHERE group_number=? ORDER BY position"
        return [row[0] for row in self._rows(sql, (number,))]

    def set_group_entry(self, number: int, entry_index: int) -> None:
        """Notes which entry anchors a group."""
        with self.write():
            sql = "UPDATE record_groups SET entry_index=? WHERE number=?"
            self._run(sql, (entry_index, number))

    def add_fault(self, entry_index: int, reason: str) -> None:
        """Notes why an entry was not signed; inside :meth:`write`."""
        self._run(
            "INSERT INTO faults VALUES (?, ?) ON CONFLICT DO UPDATE SET reason=excluded.reason",
            (entry_index, reason),
        )

    def faults(self) -> list[tuple[int, str]]:
        """Entries that were not signed, and why."""
        rows = self._rows("SELECT entry_index, reason FROM faults ORDER BY entry_index")
        return [tuple(row) for row in rows]


def _parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    wanted = sorted(set(values))
    for start in range(0, len(wanted), _PARAMETERS):
        yield wanted[start : start + _PARAMETERS]


def _signature(row: Sequence[Any]) -> Signature:
    values = list(row)
    values[5] = [(position, value) for position, value in json.loads(values[5])]
    return Signature(*values)
