"""Verifying purchases: a batch of 1,024 against one by one, one core against all.

    python benches/python/verify.py [--count 1024] [--batches 4] [--runs 5]

Decoding, all point tests and the transcript are included, from the bytes of a submission
to the verdict. "Read ahead" takes several batches of distinct purchases as those do who
replay a log: while one batch is verified, the next one is decoded.

Each setting runs in a process of its own: all threads of the first are bound to one core.
The best of the runs counts, and the median is shown beside it. One core is measured in
processor time, which a busy machine disturbs less; the comparison of one core with all can
only be in wall time and wants an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import stock

BATCH_US_MAX, RATIO_MIN, CORES_MIN = 200.0, 10.0, 1.7
SINGLES = 128


class Figure(NamedTuple):
    """Microseconds per purchase."""

    cpu: float
    wall: float
    median_wall: float


Figures = dict[str, Figure]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_024)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cache", help="folder for the proofs")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cache = stock.cache_folder(arguments.cache)
    found = stock.load(cache, arguments.count * arguments.batches)
    if arguments.child:
        print(json.dumps(_measure(found, arguments)))
        return
    one, both = (_child(arguments, threads) for threads in (1, os.cpu_count() or 1))
    batch, single = one["batch"].cpu, one["single"].cpu
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"one core:   batch of {arguments.count}: {batch:.0f} µs per purchase, of which")
    print(f"            {one['python'].cpu:.0f} µs in Python; target {BATCH_US_MAX:.0f}")
    print(f"one by one: {single:.0f} µs, {single / batch:.1f} times as long; target {RATIO_MIN}")
    for name, what in (("native", "the extension alone"), ("batch", "one batch"), _READ_AHEAD):
        ratio = one[name].wall / both[name].wall
        medians = one[name].median_wall / both[name].median_wall
        print(
            f"all cores:  {what}: {both[name].wall:.1f} µs by the clock, one core "
            f"{one[name].wall:.1f}: {ratio:.2f} times as fast (medians {medians:.2f}); "
            f"processor time {both[name].cpu:.1f} and {one[name].cpu:.1f}"
        )
    print(f"            target of the last {CORES_MIN}")


_READ_AHEAD = ("ahead", "read ahead")


def _child(arguments: argparse.Namespace, threads: int) -> Figures:
    command = [sys.executable, __file__, "--child", "--count", str(arguments.count)]
    command += ["--runs", str(arguments.runs), "--batches", str(arguments.batches)]
    if arguments.cache:
        command += ["--cache", arguments.cache]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    if threads == 1:
        environment["BENCH_CORE"] = str(max(os.sched_getaffinity(0)))
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return {name: Figure(*values) for name, values in json.loads(done.stdout).items()}


def _measure(found: stock.Stock, arguments: argparse.Namespace) -> Figures:
    if "BENCH_CORE" in os.environ:
        os.sched_setaffinity(0, {int(os.environ["BENCH_CORE"])})
    from zkcredit import _native
    from zkcredit.ahead import ahead
    from zkcredit.entries import Submission
    from zkcredit.ledger.operator import Operator
    from zkcredit.relations import engine_statement

    with Operator.open(found.folder / "ledger", read_only=True) as ledger:
        registry, ledger_id = ledger.registry, ledger.ledger_id

    def prepare(data: bytes) -> tuple[_native.Statement, bytes]:
        submission = Submission.decode(data)
        memo = submission.memo
        return engine_statement(registry, ledger_id, submission.statement, memo), (
            submission.evidence
        )

    step, runs = arguments.count, arguments.runs
    batches = [found.submissions[i : i + step] for i in range(0, len(found.submissions), step)]
    first = batches[0]

    def prepare_all(batch: list[bytes]) -> list[tuple[_native.Statement, bytes]]:
        return [prepare(data) for data in batch]

    def read_ahead() -> None:
        for ready in ahead(map(prepare_all, batches)):
            _native.verify_batch(ready)

    def single() -> None:
        for data in first[:SINGLES]:
            _native.verify(*prepare(data))

    ready = prepare_all(first)
    return {
        "batch": _best(lambda: _native.verify_batch(prepare_all(first)), runs, step),
        "ahead": _best(read_ahead, runs, len(found.submissions)),
        "single": _best(single, runs, min(step, SINGLES)),
        "native": _best(lambda: _native.verify_batch(ready), runs, step),
        "python": _best(lambda: prepare_all(first), runs, step),
    }


def _best(function: Callable[[], object], runs: int, count: int) -> Figure:
    cpu_s, wall_s = [], []
    for _ in range(runs):
        started = time.process_time(), time.perf_counter()
        function()
        cpu_s.append(time.process_time() - started[0])
        wall_s.append(time.perf_counter() - started[1])
    best = min(cpu_s), min(wall_s), statistics.median(wall_s)
    return Figure(*(1e6 * value / count for value in best))


if __name__ == "__main__":
    main()
