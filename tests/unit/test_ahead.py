"""Working ahead: order, how far, errors, and stopping early."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from zkcredit.ahead import ahead


@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_results_come_in_order(count: int) -> None:
    assert list(ahead(i * i for i in range(count))) == [i * i for i in range(count)]


def test_the_next_item_is_prepared_while_the_last_one_is_used() -> None:
    prepared = [threading.Event() for _ in range(3)]
    for used in ahead(prepared[i].set() or i for i in range(3)):
        assert prepared[min(used + 1, 2)].wait(10)


def test_it_is_never_further_ahead_than_one() -> None:
    asked: list[int] = []

    def items() -> Iterator[int]:
        for i in range(5):
            asked.append(i)
            yield i

    for used in ahead(items()):
        assert len(asked) in (used + 1, used + 2)


def test_an_error_comes_where_the_result_would() -> None:
    def prepare(i: int) -> int:
        if i == 2:
            raise KeyError(i)
        return i

    found = ahead(map(prepare, range(5)))
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(KeyError):
        next(found)


def test_stopping_early_leaves_no_thread() -> None:
    before = threading.active_count()
    found = ahead(range(100))
    assert next(found) == 0
    found.close()
    assert threading.active_count() == before
