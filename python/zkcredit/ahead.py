"""Working ahead: the next item is prepared while the last one is used.

Preparing is Python, which one core does; using it is mostly native code, which lets other
threads run. So both go on at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_S = TypeVar("_S")
_T = TypeVar("_T")


def ahead(prepare: Callable[[_S], _T], items: Iterable[_S]) -> Iterator[_T]:
    """``prepare(item)`` of all items in order, one ahead of the caller, in another thread.

    What ``prepare`` raises is raised where its result would come. A caller that stops early
    waits for the item that is being prepared.
    """
    with ThreadPoolExecutor(1) as worker:
        waiting: Future[_T] | None = None
        for item in items:
            started = worker.submit(prepare, item)
            if waiting is not None:
                yield waiting.result()
            waiting = started
        if waiting is not None:
            yield waiting.result()
