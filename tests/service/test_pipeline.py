"""Which submissions are verified together, and when; the buckets of the rate limit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from ledgerkit import tag

from zkcredit.entries import MerchantStatement, RefreshStatement, Statement, Submission
from zkcredit.errors import MalformedInput, Refused, StoreError
from zkcredit.ledger import Receipt
from zkcredit.service import pipeline, wire
from zkcredit.service.limits import TokenBuckets
from zkcredit.service.pipeline import Pipeline
from zkcredit.service.telemetry import Metrics


def step(name: object) -> Submission:
    statement = RefreshStatement(tag("terms"), 1, tag(("n", name)), tag(("c", name), 48))
    return Submission(statement, b"proof", bytes(statement.KIND.memo_bytes))


class Ledger:
    """Takes everything; a batch waits for ``gate``."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[Statement]] = []
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def submit_many(self, submissions: Sequence[Submission], _: Any) -> list[Receipt]:
        with self._lock:
            self.batches.append([one.statement for one in submissions])
        self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return [Receipt(i, 0, b"", False) for i in range(len(submissions))]

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


def play(scene: Callable[[Ledger, Pipeline], Coroutine[Any, Any, None]]) -> Ledger:
    ledger = Ledger()

    async def run() -> None:
        made = Pipeline(ledger, Metrics())  # type: ignore[arg-type]
        await scene(ledger, made)
        ledger.gate.set()
        await made.close()

    asyncio.run(run())
    return ledger


def test_one_submission_on_an_idle_service_waits_for_nobody() -> None:
    async def scene(ledger: Ledger, line: Pipeline) -> None:
        for name in range(3):
            started = time.monotonic()
            await line.submit([step(name)], None)
            assert time.monotonic() - started < pipeline.WAIT_S / 2

    assert play(scene).sizes == [1, 1, 1]


def test_what_arrives_meanwhile_goes_together() -> None:
    async def scene(ledger: Ledger, line: Pipeline) -> None:
        ledger.gate.clear()
        asks = [asyncio.ensure_future(line.submit([step(name)], None)) for name in range(40)]
        await asyncio.sleep(0.05)
        assert ledger.sizes == [1], "the first one left at once, the others wait for it"
        ledger.gate.set()
        await asyncio.gather(*asks)

    assert play(scene).sizes == [1, 39]


def test_nobody_waits_longer_than_a_quarter_of_a_second() -> None:
    async def scene(ledger: Ledger, line: Pipeline) -> None:
        ledger.gate.clear()
        first = asyncio.ensure_future(line.submit([step("a")], None))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(line.submit([step("b"), step("c")], None))
        await asyncio.sleep(pipeline.WAIT_S * 0.6)
        assert ledger.sizes == [1]
        await asyncio.sleep(pipeline.WAIT_S)
        assert ledger.sizes == [1, 2], "a second batch starts beside the first"
        ledger.gate.set()
        await asyncio.gather(first, second)

    play(scene)


def test_a_full_batch_leaves_at_once() -> None:
    async def scene(ledger: Ledger, line: Pipeline) -> None:
        ledger.gate.clear()
        first = asyncio.ensure_future(line.submit([step("a")], None))
        await asyncio.sleep(0)
        many = [step(name) for name in range(pipeline.BATCH + 1)]
        rest = asyncio.ensure_future(line.submit(many, None))
        await asyncio.sleep(0.05)
        assert ledger.sizes == [1, pipeline.BATCH]
        ledger.gate.set()
        results = await rest
        assert len(results) == pipeline.BATCH + 1
        await first

    assert play(scene).sizes == [1, pipeline.BATCH, 1]


def test_registrations_are_followed_by_what_needs_them() -> None:
    async def scene(ledger: Ledger, line: Pipeline) -> None:
        shop = Submission(MerchantStatement(tag("key", 48), "shop"), b"")
        await line.submit([shop, *(step(name) for name in range(2 * pipeline.BATCH))], None)

    found = play(scene)
    assert found.sizes == [pipeline.BATCH, pipeline.BATCH, 1], "one after the other"
    order = [statement for batch in found.batches for statement in batch]
    assert order[1:] == [step(name).statement for name in range(2 * pipeline.BATCH)]


def test_the_queue_has_an_end_and_empties(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "OUTSTANDING_MAX", 3)

    async def scene(ledger: Ledger, line: Pipeline) -> None:
        ledger.gate.clear()
        first = asyncio.ensure_future(line.submit([step("a"), step("b")], None))
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="overloaded"):
            await line.submit([step("c"), step("d")], None)
        third = asyncio.ensure_future(line.submit([step("c")], None))
        await asyncio.sleep(0)
        assert line.full
        ledger.gate.set()
        await asyncio.gather(first, third)
        assert not line.full

    play(scene)


def test_the_end_answers_what_was_taken() -> None:
    async def scene(ledger: Ledger, line: Pipeline) -> None:
        ledger.gate.clear()
        asks = [asyncio.ensure_future(line.submit([step(name)], None)) for name in range(5)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(line.close())
        await asyncio.sleep(0)
        with pytest.raises(Refused, match="overloaded"):
            await line.submit([step("late")], None)
        ledger.gate.set()
        await closing
        answers = await asyncio.gather(*asks)
        assert all(isinstance(answer[0], Receipt) for answer in answers)

    assert sum(play(scene).sizes) == 5


@pytest.mark.parametrize("error", [StoreError("disk"), RuntimeError("a defect")])
def test_a_store_that_fails_answers_everybody(error: Exception) -> None:
    async def scene(ledger: Ledger, line: Pipeline) -> None:
        ledger.error = error
        results = await line.submit([step("a"), step("b")], None)
        assert [type(one) for one in results] == [StoreError, StoreError]
        ledger.error = None
        assert isinstance((await line.submit([step("a")], None))[0], Receipt)

    play(scene)


def test_tokens_flow_in() -> None:
    now = [0.0]
    buckets = TokenBuckets(2, 3, lambda: now[0])
    buckets.take("192.0.2.1", 3)
    with pytest.raises(Refused, match="rate-limited"):
        buckets.take("192.0.2.1")
    buckets.take("192.0.2.2")
    now[0] = 0.5
    buckets.take("192.0.2.1")
    with pytest.raises(Refused):
        buckets.take("192.0.2.1")
    now[0] = 100
    with pytest.raises(Refused):
        buckets.take("192.0.2.1", 4)
    buckets.take("192.0.2.1", 3)
    TokenBuckets(0, 1).take("192.0.2.1", 1_000_000)


def test_ipv6_networks_share_a_bucket() -> None:
    buckets = TokenBuckets(1, 1, lambda: 0.0)
    buckets.take("2001:db8::1")
    with pytest.raises(Refused):
        buckets.take("2001:db8::ffff:1")
    buckets.take("2001:db8:0:1::1")
    buckets.take("::ffff:192.0.2.1")
    buckets.take("::ffff:192.0.2.2")


def test_frames() -> None:
    submissions = [step(name) for name in range(3)]
    data = wire.encode_batch(submissions)
    assert wire.decode_batch(data) == submissions
    replies = [(0, b""), ((1 << 63) - 1, b"x" * 65_535)]
    assert wire.decode_replies(wire.encode_replies(replies)) == replies
    for cut in (data[:-1], data[:3], b""):
        with pytest.raises(MalformedInput):
            wire.decode_batch(cut)
    with pytest.raises(MalformedInput):
        wire.decode_replies(wire.encode_replies([(1, b"x")])[:-1])
    with pytest.raises(MalformedInput):
        wire.decode_replies(wire.encode_replies([(1, b"x")] * 1_025))
