"""One token, many steps: the ledger takes one."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kit import World, claims, refused, submission, submit_bytes, unchanged

from zkcredit.entries import Submission
from zkcredit.errors import Refused
from zkcredit.ledger import Receipt
from zkcredit.ledger.store import Store
from zkcredit.wallet import Wallet

COUNT = 32


def rivals(world: World, wallet: Wallet, count: int = COUNT) -> list[Submission]:
    """Different purchases with one token."""
    return [world.spend(wallet, 100 + number) for number in range(count)]


def outcome(world: World, made: Submission) -> Receipt | str:
    try:
        return world.ledger.submit(made)
    except Refused as error:
        return error.rule


def test_thirty_two_different_spends_of_one_token_by_threads() -> None:
    world = World()
    wallet = world.holder()
    attempts = rivals(world, wallet)
    size = world.ledger.size
    with ThreadPoolExecutor(COUNT) as pool:
        results = list(pool.map(lambda made: outcome(world, made), attempts))
    assert sum(isinstance(result, Receipt) for result in results) == 1
    assert results.count("already-spent") == COUNT - 1
    assert world.ledger.size == size + 1
    assert len(claims(world.ledger)) == 1


def test_thirty_two_identical_spends_by_threads_get_equal_answers() -> None:
    world = World()
    wallet = world.holder()
    made = world.spend(wallet, 100)
    size = world.ledger.size
    with ThreadPoolExecutor(COUNT) as pool:
        results = list(pool.map(lambda _: outcome(world, made), range(COUNT)))
    assert all(isinstance(result, Receipt) for result in results)
    answers = {(r.index, r.timestamp_ms, r.statement_hash) for r in results}  # type: ignore[union-attr]
    assert len(answers) == 1
    assert sum(not result.duplicate for result in results) == 1  # type: ignore[union-attr]
    assert world.ledger.size == size + 1


def test_a_twin_that_is_accepted_during_the_look_up_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever table is asked when the rival commits, the statement is not taken for a rival."""
    for table in ("statements", "nullifiers", "payees"):
        world = World()
        wallet = world.holder()
        made = world.spend(wallet, 100)
        real = Store.lookup
        waiting = [table]

        def lookup(
            self: Store,
            name: str,
            *rest: Any,
            real: Any = real,
            waiting: list[str] = waiting,
            world: World = world,
            made: Submission = made,
        ) -> list[Any]:
            if waiting == [name]:
                waiting.clear()
                found = real(self, name, *rest)
                assert isinstance(world.ledger.submit(made), Receipt)
                return found
            return real(self, name, *rest)

        monkeypatch.setattr(Store, "lookup", lookup)
        answer = outcome(world, made)
        monkeypatch.setattr(Store, "lookup", real)
        assert not waiting
        assert isinstance(answer, Receipt), table
        assert answer.duplicate


def test_rivals_and_twins_in_one_batch() -> None:
    world = World()
    wallet = world.holder()
    attempts = rivals(world, wallet)
    results = world.ledger.submit_many(attempts)
    rules = [result.rule for result in results if isinstance(result, Refused)]
    assert rules == ["already-spent"] * (COUNT - 1)
    winner = attempts[next(i for i, r in enumerate(results) if isinstance(r, Receipt))]
    with unchanged(world.ledger):
        again = world.ledger.submit_many([winner] * COUNT)
    assert {(r.index, r.duplicate) for r in again} == {(world.ledger.size - 1, True)}  # type: ignore[union-attr]
    other = world.holder("other")
    twin = world.spend(other, 5)
    answers = world.ledger.submit_many([twin] * COUNT)
    assert [r.duplicate for r in answers] == [False] + [True] * (COUNT - 1)  # type: ignore[union-attr]
    assert len(claims(world.ledger)) == 2


@pytest.mark.parametrize("same", [False, True], ids=["different", "identical"])
def test_thirty_two_spends_by_processes(tmp_path: Path, same: bool, database: str | None) -> None:
    with closing(World(path=tmp_path / "ledger", database=database)) as world:
        wallet = world.holder()
        attempts = [made.encode() for made in rivals(world, wallet, 1 if same else COUNT)]
        jobs = attempts * COUNT if same else attempts
        size = world.ledger.size
        context = multiprocessing.get_context("spawn")
        path, now_ms = str(tmp_path / "ledger"), world.clock.now_ms
        with ProcessPoolExecutor(4, mp_context=context) as pool:
            results = list(pool.map(submit_bytes, [path] * COUNT, jobs, [now_ms] * COUNT))
        outcomes = sorted(name for name, _ in results)
        if same:
            assert outcomes == ["again"] * (COUNT - 1) + ["ok"]
            assert {index for _, index in results} == {size}
        else:
            assert outcomes == ["already-spent"] * (COUNT - 1) + ["ok"]
        assert world.ledger.size == size + 1
        assert len(claims(world.ledger)) == 1


def test_a_token_is_used_once_whatever_the_step() -> None:
    world = World()
    wallet = world.holder()
    steps, token = world.steps(wallet), world.token(wallet)
    spend, update = world.spend(wallet, 10), submission(steps.update(token))
    refresh, bill = submission(steps.refresh(token)), submission(steps.statement(token))
    world.ledger.submit(refresh)
    for made in (spend, update):
        with refused("already-spent"), unchanged(world.ledger):
            world.ledger.submit(made)
    world.open_period()
    with refused("already-spent"), unchanged(world.ledger):
        world.ledger.submit(bill)


def test_the_same_statement_with_other_evidence_is_the_old_answer() -> None:
    world = World()
    wallet = world.holder()
    made = world.spend(wallet, 100)
    receipt = world.ledger.submit(made)
    world.clock.forward(5_000)
    stored = world.ledger.evidence(receipt.index)
    for other in (
        Submission(made.statement, made.evidence[::-1], made.memo),
        Submission(made.statement, made.evidence, made.memo[::-1]),
        Submission(made.statement, b"x", made.memo),
    ):
        with unchanged(world.ledger):
            again = world.ledger.submit(other)
        assert (again.index, again.timestamp_ms, again.duplicate) == (
            receipt.index,
            receipt.timestamp_ms,
            True,
        )
    assert world.ledger.evidence(receipt.index) == stored
    assert world.audit().purchases == 1


def test_one_payee_is_paid_once() -> None:
    world = World()
    first, second = world.holder("first"), world.holder("second")
    purchase = world.purchase(50)
    world.ledger.submit(submission(world.steps(first).spend(world.token(first), purchase)))
    other = submission(world.steps(second).spend(world.token(second), purchase))
    with refused("duplicate-payee"), unchanged(world.ledger):
        world.ledger.submit(other)
