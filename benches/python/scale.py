"""What a large ledger costs: purchases beside many keys, and memory over many real proofs.

    python benches/python/scale.py rate   [--rows 0 1000000 10000000] [--count 4096] [--runs 3]
    python benches/python/scale.py proofs [--count 100000]
    python benches/python/scale.py memory [--count 100000]
    python benches/python/scale.py plot

`rate` is pipeline.py (submission to the lender's signature, proofs verified twice) on ledgers
whose three large tables of keys, statements, nullifiers and payees, hold so many random keys
already; the sizes take turns. `proofs` makes distinct real proofs and `memory` accepts them,
read one batch at a time, while it samples the memory of the process. Both write what they
found as JSON into the cache; `plot` (which needs matplotlib) draws it beside RESULTS.md.
Proofs and filled ledgers stay in the cache, which must be on a real disk.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import secrets
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pipeline
import stock

from zkcredit.ledger import folder
from zkcredit.ledger.operator import Operator
from zkcredit.ledger.store import Store
from zkcredit.lender import Lender

TARGET_RATIO = 0.95
PLOTS = Path(__file__).parents[1] / "plots"
_ROUNDS = 4  # keys that come in several sorted rounds leave pages as full as random ones do
_LARGE = {"statements": 1, "nullifiers": 2, "payees": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("rate", "proofs", "memory", "plot"))
    parser.add_argument("--rows", type=int, nargs="+", default=[0, 1_000_000, 10_000_000])
    parser.add_argument("--count", type=int)
    parser.add_argument("--batch", type=int, default=1_024)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, choices=(1, 2), default=2)
    parser.add_argument("--cache", help="folder for proofs and filled ledgers")
    parser.add_argument("--place", help="folder on the disk to be measured")
    arguments = parser.parse_args()
    arguments.cache = stock.cache_folder(arguments.cache)
    {"rate": rate, "proofs": proofs, "memory": memory, "plot": plot}[arguments.what](arguments)


# --- purchases beside many keys ----------------------------------------------------------


def rate(arguments: argparse.Namespace) -> None:
    arguments.count = arguments.count or 4_096
    found = stock.load(arguments.cache, arguments.count)
    stocks = {rows: _Filled(found, rows) for rows in arguments.rows}
    runs: dict[int, list[tuple[float, float]]] = {rows: [] for rows in arguments.rows}
    print(f"{arguments.count} purchases in batches of {arguments.batch}")
    for _ in range(arguments.runs):
        for rows, ready in stocks.items():
            wall_s, cpu_s = pipeline.measure(ready, arguments)
            runs[rows].append((wall_s / arguments.count, cpu_s / arguments.count))
            print(
                f"{rows:10} keys a table: {arguments.count / wall_s:6.0f}/s, "
                f"{1e6 * cpu_s / arguments.count:.0f} µs of processor time each "
                f"(load {os.getloadavg()[0]:.1f})",
                flush=True,
            )
    _report(runs)
    _keep(arguments, "rate", {str(rows): values for rows, values in runs.items()})


def _report(runs: dict[int, list[tuple[float, float]]]) -> None:
    """Rates against the first size, turn by turn: a machine's load changes between turns."""
    first = next(iter(runs.values()))
    print("| keys a table | least processor µs | rate by it | median of turns | by the clock |")
    print("|---:|---:|---:|---:|---:|")
    ratio = 1.0
    for rows, values in runs.items():
        least = min(cpu for _, cpu in values)
        ratio = min(cpu for _, cpu in first) / least
        turns = [
            statistics.median(a[kind] / b[kind] for a, b in zip(first, values, strict=True))
            for kind in (1, 0)
        ]
        print(f"| {rows:,} | {1e6 * least:.0f} | {ratio:.3f} | {turns[0]:.3f} | {turns[1]:.3f} |")
    verdict = "reached" if ratio >= TARGET_RATIO else "missed"
    print(f"target {TARGET_RATIO} of the first rate at the last size {verdict}")


class _Filled:
    """A stock whose ledger has many keys in its tables; their entries are not there."""

    def __init__(self, found: stock.Stock, rows: int) -> None:
        self.submissions = found.submissions
        self._found = found
        self._source = found.folder / f"filled-{rows}.db"
        if not self._source.is_file():
            self._fill(rows)

    def _fill(self, rows: int) -> None:
        draft = self._source.with_suffix(".draft")
        shutil.copy(self._found.folder / "ledger" / folder.DATABASE, draft)
        store = Store.open(draft)
        store._run("PRAGMA synchronous=OFF")
        for part in range(_ROUNDS):
            count = rows * (part + 1) // _ROUNDS - rows * part // _ROUNDS
            for table, keys in _LARGE.items():
                other = ", 0" * (keys - 1)
                with store.write():
                    store._run(
                        f"INSERT INTO {table}_main WITH RECURSIVE n(i) AS "
                        "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                        f"SELECT randomblob(32){other}, 1 FROM n WHERE ? > 0 ORDER BY 1",
                        (count, count),
                    )
        if rows:
            with store.write():
                for table, keys in _LARGE.items():
                    store._many(
                        f"INSERT INTO {table}_recent VALUES (?{', 0' * (keys - 1)}, 1)",
                        [(key,) for key in sorted(_recent_keys())],
                    )
        store._run("PRAGMA wal_checkpoint(TRUNCATE)")
        store.close()
        draft.rename(self._source)

    def copy(self, place: Path) -> tuple[Operator, Lender]:
        """See :meth:`stock.Stock.copy`."""
        ledger, lender = self._found.copy(place)
        ledger.close()
        for file in (place / "ledger").glob(f"{folder.DATABASE}*"):
            file.unlink()
        shutil.copy(self._source, place / "ledger" / folder.DATABASE)
        return Operator.open(place / "ledger"), lender


def _recent_keys() -> Iterator[bytes]:
    """As many of each first byte as wait when the turn of byte 0 is next."""
    for first in range(256):
        for _ in range(4 * (256 - first)):
            yield bytes((first,)) + secrets.token_bytes(31)


# --- memory ------------------------------------------------------------------------------


def proofs(arguments: argparse.Namespace) -> None:
    stock.load(arguments.cache, arguments.count or 100_000)


def memory(arguments: argparse.Namespace) -> None:
    arguments.count = arguments.count or 100_000
    place = stock.place(arguments.cache)  # the stock itself would be most of the memory
    if sum(1 for _ in stock.stream(place / "spends")) < arguments.count:
        raise SystemExit(f"too few proofs: scale.py proofs --count {arguments.count} makes them")
    samples: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory(prefix="zkcredit-bench-", dir=arguments.place) as name:
        shutil.copytree(place / "ledger", Path(name) / "ledger")
        cpu_s, started = _cpu_s(), time.perf_counter()
        with Operator.open(Path(name) / "ledger") as ledger:
            ready = ledger.size
            proofs = itertools.islice(stock.stream(place / "spends"), arguments.count)
            while batch := list(itertools.islice(proofs, arguments.batch)):
                pipeline.accept(ledger, batch)
                samples.append((ledger.size - ready, _resident_mib()))
                if len(samples) % 10 == 1:
                    print(f"{samples[-1][0]:8} accepted: {samples[-1][1]:.1f} MiB", flush=True)
            done = ledger.size - ready
        spent_s, cpu_s = time.perf_counter() - started, _cpu_s() - cpu_s
    assert done == arguments.count
    middle = len(samples) // 2
    early, late = (
        statistics.median(m for _, m in part) for part in (samples[:middle], samples[middle:])
    )
    print(
        f"{done} real proofs accepted, {done / spent_s:.0f}/s, "
        f"{1e6 * cpu_s / done:.0f} µs of processor time each; memory {samples[0][1]:.1f} MiB after "
        f"the first batch, median {early:.1f} of the first half, {late:.1f} of the second, "
        f"{samples[-1][1]:.1f} at the end"
    )
    _keep(arguments, "memory", samples)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


# --- plots -------------------------------------------------------------------------------


def plot(arguments: argparse.Namespace) -> None:
    import peers_plots  # the style of all plots
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained")
    runs = {int(rows): values for rows, values in _kept(arguments, "rate").items()}
    first = next(iter(runs.values()))
    turns = [[a[1] / b[1] for a, b in zip(first, values, strict=True)] for values in runs.values()]
    at = range(len(runs))
    for position, ratios in zip(at, turns, strict=True):
        left.plot([position] * len(ratios), ratios, ".", color="tab:gray")
    left.plot(at, [statistics.median(ratios) for ratios in turns], "o-", label="median of turns")
    left.axhline(TARGET_RATIO, linestyle=":", color="tab:red", label="target")
    left.set_xticks(at, [f"{rows:,}" for rows in runs])
    left.set_ylim(bottom=0)
    left.set_xlabel("keys in each of three tables before")
    left.set_ylabel("rate against the first, by processor time")
    left.legend(loc="lower left")
    sizes, mib = zip(*_kept(arguments, "memory"), strict=True)
    right.plot(sizes, mib, "-")
    right.set_ylim(bottom=0)
    right.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    right.set_xlabel("real proofs accepted")
    right.set_ylabel("resident memory, MiB")
    PLOTS.mkdir(exist_ok=True)
    peers_plots._save(figure, PLOTS / "scale.svg")


def _keep(arguments: argparse.Namespace, name: str, found: Any) -> None:
    (arguments.cache / f"scale-{name}.json").write_text(json.dumps(found))


def _kept(arguments: argparse.Namespace, name: str) -> Any:
    return json.loads((arguments.cache / f"scale-{name}.json").read_text())


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
