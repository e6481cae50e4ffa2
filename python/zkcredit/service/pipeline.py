"""Submissions of all clients on their way through the operator, verified together.

Batches run in threads, where the extension releases the interpreter lock; the event loop
only collects. A batch leaves at once while nothing runs, otherwise when it is full or its
oldest submission has waited long enough: so one purchase on an idle service waits for
nobody, and under load many share the cost of verification.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from zkcredit.entries import LineStatement, Submission
from zkcredit.errors import Refused, StoreError, ZkCreditError
from zkcredit.ledger import Receipt
from zkcredit.ledger.accept import RequestKey

if TYPE_CHECKING:
    from zkcredit.ledger.operator import Operator
    from zkcredit.service.telemetry import Metrics

OUTSTANDING_MAX = 4_096
"""Submissions that may wait or be verified at one time."""
BATCH = 256
"""Submissions verified together."""
WAIT_S = 0.25
"""Longest time for which a submission waits for others."""
_WORKERS = 2

Result: TypeAlias = Receipt | ZkCreditError


@dataclass(slots=True, eq=False)
class _Job:
    submission: Submission
    request: RequestKey | None
    answer: asyncio.Future[Result]
    since: float


class Pipeline:
    """Collects, batches and answers; lives in one event loop.

    ``on_idle`` is called whenever nothing is left to do.
    """

    def __init__(
        self, ledger: Operator, metrics: Metrics, on_idle: Callable[[], None] = lambda: None
    ) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._on_idle = on_idle
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="verify")
        self._waiting: deque[_Job] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._outstanding = 0
        self._closing = False

    @property
    def full(self) -> bool:
        """Whether no submission would be taken now."""
        return self._closing or self._outstanding >= OUTSTANDING_MAX

    async def submit(
        self, submissions: Sequence[Submission], request: RequestKey | None
    ) -> list[Result]:
        """Accepts submissions; each gets its receipt or error.

        Refused ``overloaded`` if they do not fit in the queue. What is taken in is decided
        even if the client goes away.
        """
        if self._closing or self._outstanding + len(submissions) > OUTSTANDING_MAX:
            raise Refused("overloaded", "too many submissions wait already; try again soon")
        self._count(len(submissions))
        try:
            if all(isinstance(one.statement, LineStatement) for one in submissions):
                return await self._enqueue(submissions, request)
            results: list[Result] = []
            for start in range(0, len(submissions), BATCH):  # later ones may need earlier ones
                results += await self._enqueue(submissions[start : start + BATCH], request)
            return results
        finally:
            self._count(-len(submissions))

    async def close(self) -> None:
        """Takes nothing more, answers what was taken, and ends the threads."""
        self._closing = True
        self._pump()
        while self._running:
            await asyncio.wait(self._running)
        self._pool.shutdown()

    def _count(self, more: int) -> None:
        self._outstanding += more
        self._metrics.outstanding.set(self._outstanding)

    async def _enqueue(
        self, submissions: Sequence[Submission], request: RequestKey | None
    ) -> list[Result]:
        loop = asyncio.get_running_loop()
        now = loop.time()
        jobs = [_Job(one, request, loop.create_future(), now) for one in submissions]
        self._waiting += jobs
        self._pump()
        return [await job.answer for job in jobs]

    def _pump(self) -> None:
        """Starts as many batches as may leave now."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and len(self._running) < _WORKERS:
            wait_s = self._waiting[0].since + WAIT_S - loop.time()
            idle = not self._running or self._closing
            if len(self._waiting) < BATCH and not idle and wait_s > 0:
                self._timer = loop.call_later(wait_s, self._pump)
                return
            jobs = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            task = loop.create_task(self._run(jobs))
            self._running.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._pump()
        if not self._running:
            self._on_idle()

    async def _run(self, jobs: list[_Job]) -> None:
        loop = asyncio.get_running_loop()
        results = await loop.run_in_executor(self._pool, self._accept, jobs)
        for job, result in zip(jobs, results, strict=True):
            if not job.answer.done():
                job.answer.set_result(result)

    def _accept(self, jobs: Sequence[_Job]) -> list[Result]:
        started = time.perf_counter()
        try:
            results: list[Result] = self._ledger.submit_many(
                [job.submission for job in jobs], [job.request for job in jobs]
            )
        except ZkCreditError as error:
            results = [error] * len(jobs)
        except Exception as error:  # noqa: BLE001  (a defect: everybody is to get an answer)
            results = [StoreError(f"internal error ({type(error).__name__})")] * len(jobs)
        self._metrics.batch.observe(len(jobs))
        self._metrics.batch_seconds.observe(time.perf_counter() - started)
        for result in results:
            self._metrics.submissions.labels(_outcome(result)).inc()
        return results


def _outcome(result: Result) -> str:
    if isinstance(result, Receipt):
        return "duplicate" if result.duplicate else "accepted"
    return result.rule if isinstance(result, Refused) else result.code
