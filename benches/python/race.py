"""Ours and its peers on the same work, round by round in one process."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

OURS = "zkcredit"


def options(description: str | None) -> argparse.Namespace:
    """The arguments of a bench. Sets the number of our threads, so call it before importing."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=1, help="threads of ours (default 1)")
    parser.add_argument("--seconds", type=float, default=6.0, help="for each table row group")
    parser.add_argument("--quick", action="store_true", help="one round each: does it run")
    parser.add_argument("--figures", type=Path, help="add the rows to this file, as lines of JSON")
    found = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(found.threads)
    return found


def peer(module: str, package: str | None = None) -> ModuleType | None:
    """A peer's module, or None with a line that says it is missing."""
    try:
        found = importlib.import_module(module)
    except (ImportError, OSError) as error:
        print(f"(without {package or module}: {error})")
        return None
    try:
        print(f"{package or module} {version(package or module)}")
    except PackageNotFoundError:
        print(package or module)
    return found


def machine() -> str:
    """Processor, system and interpreter in one line."""
    model = platform.processor() or platform.machine()
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii") as lines:
            model = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, CPython {platform.python_version()}"


class Track:
    """Rows of one bench. Processor time for one thread, wall time for several."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.clock = time.process_time if arguments.threads == 1 else time.perf_counter
        kind = "processor time" if arguments.threads == 1 else "wall time"
        print(f"\n{machine()}; {arguments.threads} thread(s) of ours, {kind}\n")
        print(f"| {'work':34} | {'who':22} | {'min µs':>11} | {'median µs':>11} | ×ours |")
        print(f"|{'-' * 36}|{'-' * 24}|{'-' * 12}:|{'-' * 12}:|------:|")

    def race(
        self, work: str, runners: dict[str, Callable[[], object] | None], *, per: int = 1
    ) -> dict[str, float]:
        """Run all in turn, again and again; times are for one of ``per`` operations.

        A runner is None where the peer is missing or has no such function.
        """
        present = {name: run for name, run in runners.items() if run}
        times: dict[str, list[float]] = {name: [] for name in present}
        spent = dict.fromkeys(present, 0.0)
        deadline = time.perf_counter() + self.arguments.seconds
        while True:
            for name, run in present.items():
                slow = spent[name] > self.arguments.seconds / len(present)
                if slow and times[name]:
                    continue
                started, wall = self.clock(), time.perf_counter()
                run()
                times[name].append((self.clock() - started) / per * 1e6)
                spent[name] += time.perf_counter() - wall
            if self.arguments.quick or time.perf_counter() > deadline:
                break
        return self._rows(work, times)

    def _rows(self, work: str, times: dict[str, list[float]]) -> dict[str, float]:
        best = {name: min(found) for name, found in times.items()}
        ours = next(iter(best.values()))
        for name, found in times.items():
            print(
                f"| {work:34} | {name:22} | {best[name]:11,.2f} "
                f"| {statistics.median(found):11,.2f} | {best[name] / ours:5.2f} |",
                flush=True,
            )
        self._note(work, best)
        return best

    def _note(self, work: str, best: dict[str, float]) -> None:
        if self.arguments.figures is None:
            return
        bench = Path(sys.argv[0]).stem
        with self.arguments.figures.open("a", encoding="utf-8") as lines:
            for name, micros in best.items():
                row = {"bench": bench, "work": work, "who": name, "micros": micros}
                lines.write(json.dumps(row) + "\n")


def repeat(run: Callable[[], object], count: int) -> Callable[[], None]:
    """A runner that calls ``run`` often enough for the clock."""

    def loop() -> None:
        for _ in range(count):
            run()

    return loop


def refuses(run: Callable[[], object]) -> bool:
    """Whether a call raises or returns False: peers say no in either way."""
    try:
        return run() is False
    except Exception:  # noqa: BLE001 - any error is a no
        return True


def all_of(run: Callable[..., object], items: Sequence[tuple[object, ...]]) -> Callable[[], None]:
    """A runner that does one item after the other."""

    def loop() -> None:
        for item in items:
            run(*item)

    return loop
