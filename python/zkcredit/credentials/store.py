"""An issuer's own database: what it has signed, what it has revoked, which lists are fixed.

The answer to a request is written and flushed (``synchronous=FULL``) before the signature
leaves, so that one request never gets two answers. See :mod:`zkcredit.database` for
transactions and errors.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zkcredit.database import OwnStore


@dataclass(frozen=True, slots=True)
class Issued:
    """One credential as its issuer knows it.

    ``texts`` are the values in the schema's order. ``revoked_ms`` (Unix time) is None
    while the credential is not revoked; ``epoch`` is that of the first list with it.
    """

    schema_hash: bytes
    key_number: int
    commitment: bytes
    handle: int
    expires: dt.date
    texts: list[str]
    signature: bytes
    issued_ms: int
    revoked_ms: int | None = None
    epoch: int | None = None
    reason: str = ""

    def __repr__(self) -> str:
        return f"<Issued {self.handle}>"


_ISSUED = (
    "schema_hash, key_number, commitment, handle, expires, texts, signature, issued_ms, "
    "revoked_ms, epoch, reason"
)
_KEY = "schema_hash=? AND key_number=?"


def _issued(row: Sequence[Any]) -> Issued:
    values = list(row)
    values[4], values[5] = dt.date.fromordinal(values[4]), json.loads(values[5])
    return Issued(*values)


class IssuerStore(OwnStore):
    """An open issuer's database; ``path`` None keeps it in memory."""

    KIND = "issuer's"
    APPLICATION_ID = 0x7A6B6369  # "zkci"
    VERSION = 1

    @staticmethod
    def _create_tables(driver: Any, connection: Any) -> None:
        from zkcredit.credentials.tables import METADATA
        from zkcredit.tables import create_all

        create_all(METADATA, driver, connection)

    # -- credentials -----------------------------------------------------------------------

    def _find(self, where: str, parameters: Sequence[Any]) -> list[Issued]:
        sql = f"SELECT {_ISSUED} FROM issued WHERE {where}"  # noqa: S608
        return [_issued(row) for row in self._rows(sql, parameters)]

    def answer(self, schema_hash: bytes, key_number: int, commitment: bytes) -> Issued | None:
        """What was signed for a request."""
        found = self._find(f"{_KEY} AND commitment=?", (schema_hash, key_number, commitment))
        return found[0] if found else None

    def by_handle(self, schema_hash: bytes, handle: int) -> Issued | None:
        """The credential with this handle."""
        found = self._find("schema_hash=? AND handle=?", (schema_hash, handle))
        return found[0] if found else None

    def issued(self) -> list[Issued]:
        """All credentials, oldest first."""
        return self._find("true ORDER BY issued_ms, handle", ())

    def add(self, row: Issued) -> None:
        """Fixes an answer; StateConflict if request or handle have one. In :meth:`write`."""
        self._run(
            "INSERT INTO issued VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, '')",
            (
                row.schema_hash,
                row.key_number,
                row.commitment,
                row.handle,
                row.expires.toordinal(),
                json.dumps(row.texts),
                row.signature,
                row.issued_ms,
            ),
        )

    # -- revocation ------------------------------------------------------------------------

    def revoke(self, schema_hash: bytes, handle: int, reason: str, revoked_ms: int) -> None:
        """Marks a credential; inside :meth:`write`."""
        self._run(
            "UPDATE issued SET revoked_ms=?, reason=? WHERE schema_hash=? AND handle=?",
            (revoked_ms, reason, schema_hash, handle),
        )

    def last_epoch(self, schema_hash: bytes, key_number: int) -> int:
        """The last epoch whose list is fixed, 0 if none is."""
        sql = f"SELECT coalesce(max(epoch), 0) FROM epochs WHERE {_KEY}"  # noqa: S608
        return int(self._value(sql, (schema_hash, key_number)))

    def has_news(self, schema_hash: bytes, key_number: int) -> bool:
        """Whether a revoked credential of this key is in no list yet."""
        sql = (
            f"SELECT 1 FROM issued WHERE {_KEY} "  # noqa: S608
            "AND revoked_ms IS NOT NULL AND epoch IS NULL LIMIT 1"
        )
        return self._value(sql, (schema_hash, key_number)) is not None

    def fix_epoch(self, schema_hash: bytes, key_number: int, epoch: int) -> None:
        """Puts everything revoked so far into the list of ``epoch``; inside :meth:`write`."""
        self._run("INSERT INTO epochs VALUES (?, ?, ?)", (schema_hash, key_number, epoch))
        sql = (
            f"UPDATE issued SET epoch=? WHERE {_KEY} "  # noqa: S608
            "AND revoked_ms IS NOT NULL AND epoch IS NULL"
        )
        self._run(sql, (epoch, schema_hash, key_number))

    def revoked(self, schema_hash: bytes, key_number: int, epoch: int) -> list[int]:
        """Handles in the list of ``epoch``, ascending."""
        sql = f"SELECT handle FROM issued WHERE {_KEY} AND epoch<=? ORDER BY handle"  # noqa: S608
        return [row[0] for row in self._rows(sql, (schema_hash, key_number, epoch))]
