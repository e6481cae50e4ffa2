"""A ledger whose reading is shown as progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.entries import Entry

_EVERY = 256


class _Watched:
    def __init__(self, ledger: AnyLedger, update: Callable[[int, int], None]) -> None:
        self._ledger = ledger
        self._update = update

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, Entry]]:
        """As the ledger's, reporting how far reading has come."""
        size = self._ledger.size
        for index, entry in self._ledger.entries(start, stop):
            if index % _EVERY == 0:
                self._update(index, size)
            yield index, entry


def watched(ledger: AnyLedger, update: Callable[[int, int], None]) -> Any:
    """``ledger`` with :meth:`entries` calling ``update(done, total)`` now and then."""
    return _Watched(ledger, update)
