"""Working ahead: the next item is made while the last one is used.

Making items is Python, which one core does; using them is mostly native code, which lets
other threads run. So both go on at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

_T = TypeVar("_T")


def ahead(items: Iterable[_T]) -> Iterator[_T]:
    """The items in order; another thread makes them, one ahead of the caller.

    What making an item raises is raised where the item would come. A caller that stops
    early waits for the item that is being made.
    """
    source = iter(items)
    with ThreadPoolExecutor(1) as worker:
        waiting = worker.submit(lambda: list(islice(source, 1)))
        while made := waiting.result():
            waiting = worker.submit(lambda: list(islice(source, 1)))
            yield made[0]
