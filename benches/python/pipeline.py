"""Purchases per second in one process, from submission to the lender's signature.

    python benches/python/pipeline.py [--count 10000] [--batch 1024] [--runs 3]

The proofs are made beforehand. Measured are: decoding the submissions, the operator's
acceptance (all proofs verified, one transaction of synchronous=FULL for each batch), the
lender's own verification of every proof, its signatures, frozen durably in its own table,
and the ledger's check and storage of the signatures. Ledger and lender are files in
``--place``, which must be on a real disk. With ``--threads 2`` (default) the lender
works on one batch while the operator takes in the next; 1 does one after the other.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import queue
import resource
import statistics
import tempfile
import threading
import time
from pathlib import Path

import stock

from zkcredit.entries import Submission
from zkcredit.errors import ZkCreditError
from zkcredit.ledger.operator import Operator
from zkcredit.lender import Lender

TARGET_PER_S = 2_500
Run = tuple[float, float]
"""Wall and processor seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=1_024)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, choices=(1, 2), default=2)
    parser.add_argument("--cache", help="folder for the proofs")
    parser.add_argument("--place", help="folder on the disk to be measured")
    parser.add_argument("--profile", action="store_true", help="one run under cProfile")
    arguments = parser.parse_args()
    found = stock.load(stock.cache_folder(arguments.cache), arguments.count)
    if arguments.profile:
        profile(found, arguments)
        return
    runs = []
    for _ in range(arguments.runs):
        wall_s, cpu_s = measure(found, arguments)
        runs.append((wall_s, cpu_s))
        print(
            f"{arguments.count} purchases in {wall_s:.2f} s: {arguments.count / wall_s:.0f}/s; "
            f"{1e6 * cpu_s / arguments.count:.0f} µs of processor time each "
            f"({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})",
            flush=True,
        )
    print(summary(runs, arguments.count, TARGET_PER_S))


def summary(runs: list[Run], count: int, target_per_s: int) -> str:
    """Best and median of some runs, and what the processors allow.

    The bound is all cores busy with nothing else, without waiting for the disk, for each other
    or for the interpreter's lock: what a busy machine can still tell.
    """
    rates = [count / wall_s for wall_s, _ in runs]
    cpu_us = [1e6 * cpu_s / count for _, cpu_s in runs]
    bound = 1e6 * (os.cpu_count() or 1) / min(cpu_us)
    verdict = "reached" if max(rates) >= target_per_s else "missed"
    return (
        f"best {max(rates):.0f}/s, median {statistics.median(rates):.0f}/s; processor time each: "
        f"least {min(cpu_us):.0f} µs, median {statistics.median(cpu_us):.0f} µs, bound "
        f"{bound:.0f}/s; target {target_per_s}/s {verdict}"
    )


def measure(found: stock.Stock, arguments: argparse.Namespace) -> Run:
    """Wall and processor seconds of one run on fresh copies."""
    with tempfile.TemporaryDirectory(prefix="zkcredit-bench-", dir=arguments.place) as name:
        ledger, lender = found.copy(Path(name))
        ready = ledger.size
        step = arguments.batch
        batches = [found.submissions[i : i + step] for i in range(0, arguments.count, step)]
        cpu_s, started = _cpu_s(), time.perf_counter()
        if arguments.threads == 1:
            for batch in batches:
                accept(ledger, batch)
                sign(ledger, lender, len(batch))
        else:
            _overlapped(ledger, lender, batches)
        wall_s, cpu_s = time.perf_counter() - started, _cpu_s() - cpu_s
        assert ledger.size == ready + arguments.count
        assert not ledger.unanswered(lender.issuer_id)
        lender.close()
        ledger.close()
    return wall_s, cpu_s


def accept(ledger: Operator, batch: list[bytes]) -> None:
    for result in ledger.submit_many([Submission.decode(data) for data in batch]):
        if isinstance(result, ZkCreditError):
            raise result


def sign(ledger: Operator, lender: Lender, count: int) -> None:
    report = lender.sign_pending(ledger)
    assert report.signed >= count, report
    assert not report.refused


def _overlapped(ledger: Operator, lender: Lender, batches: list[list[bytes]]) -> None:
    accepted: queue.Queue[int | None] = queue.Queue()
    failed: list[BaseException] = []

    def work() -> None:
        try:
            while accepted.get() is not None:
                report = lender.sign_pending(ledger)
                assert not report.refused
        except BaseException as error:  # noqa: BLE001  (handed to the main thread)
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    for batch in batches:
        accept(ledger, batch)
        accepted.put(len(batch))
    accepted.put(None)
    thread.join()
    if failed:
        raise failed[0]


def profile(found: stock.Stock, arguments: argparse.Namespace) -> None:
    arguments.threads = 1
    profiler = cProfile.Profile(time.process_time)  # processor time, also of native threads
    profiler.enable()
    measure(found, arguments)
    profiler.disable()
    table = pstats.Stats(profiler).sort_stats("tottime")
    table.print_stats(45)
    table.print_callers(r"encode|entry|evidence|published|token_header|value_label|_rows")


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
