"""What operators see of the service: JSON lines and Prometheus metrics.

Neither holds secrets, amounts or identities: no address, no index, no identifier of a
party, no key of a request. A request shows as its route's pattern, status and duration.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Log:
    """Structured log: one JSON object a line, to standard error unless told otherwise."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, event: str, **fields: str | float | None) -> None:
        """Writes one line; a log that cannot be written stops nothing."""
        moment = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
        line = {"time": f"{stamp}.{int(moment % 1 * 1000):03d}Z", "event": event, **fields}
        stream = self._stream or sys.stderr
        with self._lock:
            try:
                stream.write(json.dumps(line, ensure_ascii=False) + "\n")
                stream.flush()
            except (OSError, ValueError):
                return


class Metrics:
    """The figures behind ``/metrics``; one set for each service."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        self.requests = Counter(
            "zkcredit_requests", "Answers by route and status.", ("route", "status"), registry=own
        )
        self.seconds = Histogram(
            "zkcredit_request_seconds",
            "Time to answer.",
            ("route",),
            buckets=_LATENCY_S,
            registry=own,
        )
        self.submissions = Counter(
            "zkcredit_submissions",
            "Submissions by outcome: accepted, duplicate or a rule.",
            ("outcome",),
            registry=own,
        )
        self.outstanding = Gauge(
            "zkcredit_outstanding_submissions", "Submissions that wait.", registry=own
        )
        self.batch = Histogram(
            "zkcredit_batch_submissions",
            "Submissions verified together.",
            buckets=_SIZES,
            registry=own,
        )
        self.batch_seconds = Histogram(
            "zkcredit_batch_seconds",
            "Verifying and storing a batch.",
            buckets=_LATENCY_S,
            registry=own,
        )
        self.published_size = Gauge(
            "zkcredit_published_entries", "Entries under the last checkpoint.", registry=own
        )
        self.publish_seconds = Histogram(
            "zkcredit_publish_seconds",
            "Publishing the log's files.",
            buckets=_LATENCY_S,
            registry=own,
        )
        self.publish_failures = Counter(
            "zkcredit_publish_failures", "Publications that failed.", registry=own
        )

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)
