"""Verifying purchases: a batch of 1,024 against one by one, one core against all.

    python benches/python/verify.py [--count 1024] [--runs 5]

Decoding, all point tests and the transcript are included, from the bytes of a submission
to the verdict. Each setting runs in a process of its own (RAYON_NUM_THREADS); the best of
the runs counts. Wall time on a busy machine says little; the ratios hold up better.
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
    print(f"one core:   batch of {arguments.count}: {one['batch']:.0f} µs per purchase, of which")
    print(
        f"            {one['python']:.0f} µs before the extension verifies; target {BATCH_US_MAX}"
    )
    print(f"one by one: {one['single']:.0f} µs; {one['single'] / one['batch']:.1f} times the batch")
    print(f"            target {RATIO_MIN}; the extension alone {one['native_ratio']:.1f} times")
    print(f"all cores:  {both['batch']:.0f} µs; {one['batch'] / both['batch']:.2f} times as fast")
    print(f"            target {CORES_MIN}; the extension alone", end=" ")
    print(f"{one['native'] / both['native']:.2f} times")


def _child(arguments: argparse.Namespace, threads: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", "--count", str(arguments.count)]
    command += ["--runs", str(arguments.runs)]
    if arguments.cache:
        command += ["--cache", arguments.cache]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _measure(found: stock.Stock, runs: int) -> dict[str, float]:
    """Microseconds per purchase, the best of some runs."""
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

    def alone_native() -> None:
        for item in ready[:SINGLES]:
            _native.verify(*item)

    ready = [prepare(data) for data in found.submissions]
    count, few = len(ready), min(len(ready), SINGLES)
    native = _best(lambda: _native.verify_batch(ready), runs, count)
    alone = _best(alone_native, runs, few)
    return {
        "batch": _best(batch, runs, count),
        "single": _best(single, runs, few),
        "native": native,
        "native_ratio": alone / native,
        "python": _best(lambda: [prepare(data) for data in found.submissions], runs, count),
    }


def _best(function: Callable[[], object], runs: int, count: int) -> float:
    best_s = float("inf")
    for _ in range(runs):
        started = time.perf_counter()
        function()
        best_s = min(best_s, time.perf_counter() - started)
    return 1e6 * best_s / count


if __name__ == "__main__":
    main()
