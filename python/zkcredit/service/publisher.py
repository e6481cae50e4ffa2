"""Publishing the log's static files in the background, and on demand.

Files appear after every burst of submissions and at an interval. Whoever asks for the
checkpoint gets one that covers everything accepted before the question: what a client was
told is accepted, it finds on the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from zkcredit.errors import ZkCreditError
from zkcredit.ledger.static import StaticLog

if TYPE_CHECKING:
    from zkcredit.ledger.operator import Operator
    from zkcredit.service.telemetry import Log, Metrics

_GAP_S = 0.05
"""Least time between two publications,"""
_BURST_GAP_S = 0.5
"""and between two that no reader waits for: under load one follows the other all the time."""
_PATIENCE_S = 5.0
"""How long a reader waits for a checkpoint that covers what was accepted."""


class Publisher:
    """Publishes ``ledger`` into ``place``; :meth:`run` is its task in the event loop."""

    def __init__(
        self, ledger: Operator, place: Path, interval_s: float, metrics: Metrics, log: Log
    ) -> None:
        self._ledger = ledger
        self._static = StaticLog(ledger, place)
        self._interval_s = interval_s
        self._metrics = metrics
        self._log = log
        self._wanted = asyncio.Event()
        self._changed = asyncio.Condition()
        self._published = -1
        self._last_s = -_BURST_GAP_S
        self._closing = False

    def poke(self) -> None:
        """Tells that a burst is over: it is published now, or with the next interval."""
        if time.monotonic() - self._last_s >= _BURST_GAP_S:
            self._wanted.set()

    async def start(self) -> None:
        """Publishes once; raises StateConflict or StoreError if that is not possible."""
        await self._publish()

    async def run(self) -> None:
        """Publishes until :meth:`close`; a failure is reported and tried again."""
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._wanted.wait()
            self._wanted.clear()
            if not await self._try_publish():
                await asyncio.sleep(self._interval_s)
            await asyncio.sleep(_GAP_S)
        await self._try_publish()

    async def close(self) -> None:
        """Has :meth:`run` publish once more and end."""
        self._closing = True
        self._wanted.set()

    async def fresh(self, size: int) -> None:
        """Waits until ``size`` entries are published, for at most five seconds."""
        if self._published >= size:
            return
        self._wanted.set()
        try:
            async with asyncio.timeout(_PATIENCE_S), self._changed:
                await self._changed.wait_for(lambda: self._published >= size)
        except TimeoutError:
            self._log.write("publish-late")

    async def _try_publish(self) -> bool:
        try:
            await self._publish()
        except ZkCreditError as error:
            self._metrics.publish_failures.inc()
            self._log.write("publish-failed", code=error.code)
            return False
        return True

    async def _publish(self) -> None:
        started = time.perf_counter()
        size = await asyncio.to_thread(self._write)
        self._metrics.publish_seconds.observe(time.perf_counter() - started)
        self._metrics.published_size.set(size)
        self._last_s = time.monotonic()
        async with self._changed:
            self._published = size
            self._changed.notify_all()

    def _write(self) -> int:
        if self._ledger.size == self._published:
            self._static.publish_replies(self._published)
            return self._published
        return self._static.publish().size
