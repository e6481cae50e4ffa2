"""Purchases per second that a cosigner replays: every proof verified, own indexes, durable.

    python benches/python/replay.py [--count 10240] [--runs 3]

The proofs are made beforehand, accepted by an operator and published as static files; none
of that is measured. Measured is a cosigner that reads the files, compares them with the
signed tree, judges every entry, writes its database (one synchronous=FULL transaction for
1,024 entries) and signs the checkpoint. ``--place`` must be on a real disk.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import tempfile
import time
from pathlib import Path

import stock
from pipeline import accept

from zkcredit.cosigner import Cosigner
from zkcredit.ledger.static import StaticLog, StaticSource

TARGET_PER_S = 6_000
BATCH = 1_024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_240)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cache", help="folder for the proofs")
    parser.add_argument("--place", help="folder on the disk to be measured")
    parser.add_argument("--profile", action="store_true", help="one run under cProfile")
    arguments = parser.parse_args()
    found = stock.load(stock.cache_folder(arguments.cache), arguments.count)
    with tempfile.TemporaryDirectory(prefix="zkcredit-bench-", dir=arguments.place) as name:
        public = publish(found, Path(name))
        if arguments.profile:
            profile(public, Path(name))
            return
        rates = [report(public, Path(name) / str(run)) for run in range(arguments.runs)]
    verdict = "reached" if max(rates) >= TARGET_PER_S else "missed"
    print(f"best {max(rates):.0f}/s; target {TARGET_PER_S}/s {verdict}")


def publish(found: stock.Stock, place: Path) -> Path:
    """A published log with all purchases of the stock."""
    ledger, lender = found.copy(place)
    for start in range(0, len(found.submissions), BATCH):
        accept(ledger, found.submissions[start : start + BATCH])
    StaticLog(ledger, place / "public").publish()
    lender.close()
    ledger.close()
    return place / "public"


def report(public: Path, place: Path) -> float:
    source = StaticSource(public)
    with Cosigner.create(place, source.genesis, "bench.example/cosigner") as cosigner:
        cpu_s, started = _cpu_s(), time.perf_counter()
        followed = cosigner.follow(source)
        wall_s, cpu_s = time.perf_counter() - started, _cpu_s() - cpu_s
    entries = followed.entries
    assert (entries, followed.voids) == (source.size, [])
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(
        f"{entries} entries in {wall_s:.2f} s: {entries / wall_s:.0f}/s; "
        f"{1e6 * cpu_s / entries:.0f} µs of processor time each; peak {memory_mib} MiB "
        f"({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f})"
    )
    return entries / wall_s


def profile(public: Path, place: Path) -> None:
    profiler = cProfile.Profile()
    profiler.enable()
    report(public, place / "profiled")
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
