"""The database of a cosigner: a ledger's tables, void entries, and the heads it signed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zkcredit.errors import StateConflict
from zkcredit.ledger.log import EMPTY_ROOT
from zkcredit.ledger.note import Checkpoint
from zkcredit.ledger.replay import Void
from zkcredit.ledger.store import Store


class CosignerStore(Store):
    """The open database of a cosigner.

    Evidence and replies stay empty: they are checked as they pass. A *head* is the largest
    checkpoint that keys of one purpose have signed for the log of one origin.
    """

    KIND = "cosigner"
    APPLICATION_ID = 0x7A6B636F  # "zkco"
    VERSION = 1

    @staticmethod
    def _create_tables(driver: Any, connection: Any) -> None:
        from zkcredit.cosigner.schema import METADATA
        from zkcredit.tables import create_all

        Store._create_tables(driver, connection)
        create_all(METADATA, driver, connection)

    def insert_voids(self, voids: Iterable[Void]) -> None:
        """Adds void entries; inside :meth:`write`."""
        rows = [(void.index, void.rule, void.message) for void in voids]
        self._many("INSERT INTO voids VALUES (?, ?, ?)", rows)

    def voids(self, start: int = 0, limit: int = 1_000) -> list[Void]:
        """The first ``limit`` void entries from index ``start`` on."""
        rows = self._rows(
            "SELECT idx, rule, message FROM voids WHERE idx>=? ORDER BY idx LIMIT ?", (start, limit)
        )
        return [Void(*row) for row in rows]

    def count_voids(self, size: int) -> int:
        """Number of void entries among the first ``size``."""
        count: int = self._value("SELECT COUNT(*) FROM voids WHERE idx<?", (size,))
        return count

    def head(self, keys: str, origin: str) -> Checkpoint:
        """The largest head signed with these keys for a log; the empty tree before the first."""
        rows = self._rows("SELECT size, root FROM heads WHERE keys=? AND origin=?", (keys, origin))
        return Checkpoint(origin, *(rows[0] if rows else (0, EMPTY_ROOT)))

    def advance_head(self, keys: str, head: Checkpoint) -> None:
        """Notes a head before it is signed; inside :meth:`write`.

        StateConflict for a smaller tree than was signed, or another root of the same size.
        """
        known = self.head(keys, head.origin)
        if head.size < known.size:
            raise StateConflict(
                f"a checkpoint of {known.size} entries was signed before: "
                f"none of {head.size} is signed any more"
            )
        if head.size == known.size and head.root != known.root:
            raise StateConflict(
                f"another root was signed for {head.size} entries before; nothing is signed"
            )
        self._run(
            "INSERT INTO heads VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET size=excluded.size, root=excluded.root",
            (keys, head.origin, head.size, head.root),
        )
