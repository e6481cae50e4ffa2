"""The clock that roles use unless they are given another."""

from __future__ import annotations

import time


def system_clock() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
