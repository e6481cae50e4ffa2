"""Verifying purchases: a batch of 1,024 against one by one, one core against all.

    python benches/python/verify.py [--count 1024] [--runs 5]

Decoding, all point tests and the transcript are included, from the bytes of a submission
to the verdict. Each setting runs in a process of its own (RAYON_NUM_THREADS); the best of
the runs counts. One core is measured in processor time, which a busy machine disturbs less;
the comparison of one core with all can only be in wall time and wants an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

import stock

BATCH_US_MAX, RATIO_MIN, CORES_MIN = 200.0, 10.0, 1.7
SINGLES = 128
CPU, WALL = 0, 1
Figures = dict[str, tuple[float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1_024)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cache", help="folder for the proofs")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    cache = stock.cache_folder(arguments.cache)
    found = stock.load(cache, arguments.count)
    if arguments.child:
        print(json.dumps(_measure(found, arguments.runs)))
        return
    one, both = (_child(arguments, threads) for threads in (1, os.cpu_count() or 1))
    batch, single = one["batch"][CPU], one["single"][CPU]
    faster = one["batch"][WALL] / both["batch"][WALL]
    native = one["native"][WALL] / both["native"][WALL]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"one core:   batch of {arguments.count}: {batch:.0f} µs per purchase, of which")
    print(f"            {one['python'][CPU]:.0f} µs in Python; target {BATCH_US_MAX:.0f}")
    print(f"one by one: {single:.0f} µs, {single / batch:.1f} times as long; target {RATIO_MIN}")
    print(f"all cores:  {faster:.2f} times as fast as one; target {CORES_MIN}")
    print(f"            (the extension alone {native:.2f} times)")


def _child(arguments: argparse.Namespace, threads: int) -> Figures:
    command = [sys.executable, __file__, "--child", "--count", str(arguments.count)]
    command += ["--runs", str(arguments.runs)]
    if arguments.cache:
        command += ["--cache", arguments.cache]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def _measure(found: stock.Stock, runs: int) -> Figures:
    """Processor and wall microseconds per purchase, the best of some runs."""
    from zkcredit import _native
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

    def batch() -> None:
        _native.verify_batch([prepare(data) for data in found.submissions])

    def single() -> None:
        for data in found.submissions[:SINGLES]:
            _native.verify(*prepare(data))

    ready = [prepare(data) for data in found.submissions]
    count, few = len(ready), min(len(ready), SINGLES)
    return {
        "batch": _best(batch, runs, count),
        "single": _best(single, runs, few),
        "native": _best(lambda: _native.verify_batch(ready), runs, count),
        "python": _best(lambda: [prepare(data) for data in found.submissions], runs, count),
    }


def _best(function: Callable[[], object], runs: int, count: int) -> tuple[float, float]:
    cpu_s, wall_s = [], []
    for _ in range(runs):
        started = time.process_time(), time.perf_counter()
        function()
        cpu_s.append(time.process_time() - started[0])
        wall_s.append(time.perf_counter() - started[1])
    return 1e6 * min(cpu_s) / count, 1e6 * min(wall_s) / count


if __name__ == "__main__":
    main()
