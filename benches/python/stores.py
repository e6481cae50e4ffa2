"""The two stores on their own: nullifiers per second, ways of inserting, whole batches.

    python benches/python/stores.py nullifiers [--rows 10000000] [--batch 10000] [--place FOLDER]
    python benches/python/stores.py inserts    [--rows 200000] [--place FOLDER]
    python benches/python/stores.py pipeline   [--count 10000] [--runs 2] [--place FOLDER]

`nullifiers` fills the table of nullifiers of an SQLite ledger with random keys, each batch
sorted and one durable transaction, and prints the rate as the table grows. `inserts`
compares ways of inserting them into PostgreSQL. `pipeline` is pipeline.py on both stores in
turns, purchases from submission to the lender's signature. PostgreSQL is a server of the
bench's own in the temporary folder. All files must be on a real disk.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import resource
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pipeline
import psycopg
import stock

from zkcredit.ledger import folder
from zkcredit.ledger.operator import Operator
from zkcredit.ledger.store import Changes, Store
from zkcredit.lender import Lender

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
import postgreskit

NULLIFIERS_PER_S = 40_000
PURCHASES_PER_S = {"sqlite": 2_500, "postgresql": 1_500}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("nullifiers", "inserts", "pipeline"))
    parser.add_argument("--rows", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--threads", type=int, choices=(1, 2), default=2)
    parser.add_argument("--cache", help="folder for the proofs")
    parser.add_argument("--place", help="folder on the disk to be measured")
    arguments = parser.parse_args()
    {"nullifiers": nullifiers, "inserts": inserts, "pipeline": whole}[arguments.what](arguments)


# --- nullifiers ------------------------------------------------------------------------


def nullifiers(arguments: argparse.Namespace) -> None:
    rows, batch = arguments.rows or 10_000_000, arguments.batch or 10_000
    with tempfile.TemporaryDirectory(prefix="zkcredit-bench-", dir=arguments.place) as name:
        path = Path(name) / "ledger.db"
        store = Store.create(path, b"bench")
        print(f"{rows} nullifiers in batches of {batch}, synchronous=FULL")
        print(f"| {'rows':>10} | {'rows/s':>7} | {'processor µs each':>17} | {'bytes each':>10} |")
        print(f"|{'-' * 11}:|{'-' * 8}:|{'-' * 18}:|{'-' * 11}:|")
        report, last = max(rows // 10, batch), (0, 0.0, 0.0)
        spent_s, cpu_s = 0.0, 0.0
        for first in range(0, rows, batch):
            keys = [(secrets.token_bytes(32), 0, first + i) for i in range(batch)]
            started, started_cpu = time.perf_counter(), _cpu_s()
            with store.write():
                store.insert(Changes(nullifiers=keys))
                store.merge_keys(first, first + batch)
            spent_s += time.perf_counter() - started
            cpu_s += _cpu_s() - started_cpu
            done = first + batch
            if done - last[0] >= report or done >= rows:
                count = done - last[0]
                size = sum(file.stat().st_size for file in Path(name).iterdir())
                print(
                    f"| {done:10} | {count / (spent_s - last[1]):7.0f} "
                    f"| {1e6 * (cpu_s - last[2]) / count:17.1f} | {size / done:10.1f} |",
                    flush=True,
                )
                last = (done, spent_s, cpu_s)
        store.close()
    verdict = "reached" if rows / spent_s >= NULLIFIERS_PER_S else "missed"
    print(f"{rows / spent_s:.0f}/s over all; target {NULLIFIERS_PER_S}/s {verdict}{_load()}")


# --- ways of inserting -----------------------------------------------------------------


def inserts(arguments: argparse.Namespace) -> None:
    rows = arguments.rows or 200_000
    with _server(arguments) as server, psycopg.connect(server.url(), autocommit=True) as session:
        print(f"{rows} nullifiers each, sorted batches, one durable transaction a batch")
        for batch in (256, 1_024, 4_096):
            for name, insert in _WAYS.items():
                session.execute("DROP TABLE IF EXISTS n")
                session.execute("CREATE TABLE n (k bytea, i bigint, x bigint, PRIMARY KEY (k, i))")
                session.execute("CREATE TEMP TABLE IF NOT EXISTS t (k bytea, i bigint, x bigint)")
                spent_s = cpu_s = 0.0
                for first in range(0, rows, batch):
                    keys = sorted((secrets.token_bytes(32), 0, first + i) for i in range(batch))
                    started, started_cpu = time.perf_counter(), _cpu_s()
                    with session.transaction():
                        insert(session, keys)
                    spent_s += time.perf_counter() - started
                    cpu_s += _cpu_s() - started_cpu
                print(
                    f"batch {batch:5}  {name:28} {rows / spent_s:8.0f}/s, "
                    f"{1e6 * cpu_s / rows:5.1f} µs of the client's processor time each",
                    flush=True,
                )
    print(_load().strip("; "))


def _unnest(session: Any, keys: list[tuple[bytes, int, int]], mark: str = "%b") -> None:
    session.execute(
        f"INSERT INTO n SELECT * FROM unnest({mark}::bytea[], {mark}::bigint[], {mark}::bigint[]) "
        "ON CONFLICT DO NOTHING",
        [list(column) for column in zip(*keys, strict=True)],
    )


def _copy(session: Any, keys: list[tuple[bytes, int, int]], table: str = "n") -> None:
    with (
        session.cursor() as cursor,
        cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as target,
    ):
        target.set_types(["bytea", "int8", "int8"])
        for row in keys:
            target.write_row(row)


def _copy_and_insert(session: Any, keys: list[tuple[bytes, int, int]]) -> None:
    _copy(session, keys, "t")
    session.execute("INSERT INTO n SELECT * FROM t ON CONFLICT DO NOTHING")
    session.execute("TRUNCATE t")


def _executemany(session: Any, keys: list[tuple[bytes, int, int]]) -> None:
    with session.cursor() as cursor:
        cursor.executemany("INSERT INTO n VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", keys)


_WAYS: dict[str, Callable[..., None]] = {
    "unnest, ON CONFLICT": _unnest,
    "the same, values as text": functools.partial(_unnest, mark="%t"),
    "COPY (no conflicts allowed)": _copy,
    "COPY to temporary, INSERT": _copy_and_insert,
    "executemany": _executemany,
}


# --- whole batches ---------------------------------------------------------------------


def whole(arguments: argparse.Namespace) -> None:
    arguments.batch = arguments.batch or 1_024
    found = stock.load(stock.cache_folder(arguments.cache), arguments.count)
    runs: dict[str, list[pipeline.Run]] = {name: [] for name in PURCHASES_PER_S}
    with _server(arguments) as server:
        stocks: dict[str, Any] = {"sqlite": found, "postgresql": _OnServer(found, server)}
        for _ in range(arguments.runs):
            for name, ready in stocks.items():
                before = _server_cpu_s(server)
                wall_s, cpu_s = pipeline.measure(ready, arguments)
                server_s = _server_cpu_s(server) - before if name == "postgresql" else 0.0
                runs[name].append((wall_s, cpu_s))
                print(
                    f"{name:10}: {arguments.count / wall_s:6.0f}/s; processor time each "
                    f"{1e6 * cpu_s / arguments.count:.0f} µs, "
                    f"server {1e6 * server_s / arguments.count:.0f} µs{_load()}",
                    flush=True,
                )
    for name, target_per_s in PURCHASES_PER_S.items():
        print(f"{name}: {pipeline.summary(runs[name], arguments.count, target_per_s)}")


class _OnServer:
    """A stock whose ledger is copied into the server."""

    def __init__(self, found: stock.Stock, server: postgreskit.Server) -> None:
        self.submissions = found.submissions
        self._found = found
        self._server = server

    def copy(self, place: Path) -> tuple[Operator, Lender]:
        old, lender = self._found.copy(place)
        address = self._server.place()
        entries = list(old.entries())
        rows = _rows_of(old._store)
        genesis = old.genesis
        old.close()
        with contextlib.suppress(FileNotFoundError):
            for file in (place / "ledger").glob("ledger.db*"):
                file.unlink()
        store = Store.create(address, genesis.encode())
        with store.write():
            for table, found in rows.items():
                if table == "coordinator":
                    store._run("DELETE FROM coordinator")
                store._driver.insert(table, found)
        store.close()
        folder.write_address(place / "ledger", address)
        ledger = Operator.open(place / "ledger")
        assert list(ledger.entries()) == entries
        return ledger, lender


def _rows_of(store: Store) -> dict[str, list[Any]]:
    from zkcredit.ledger.schema import METADATA

    return {
        table.name: store._rows(f"SELECT * FROM {table.name}") for table in METADATA.sorted_tables
    }


@contextlib.contextmanager
def _server(arguments: argparse.Namespace) -> Iterator[postgreskit.Server]:
    problem = postgreskit.why_not()
    if problem is not None:
        raise SystemExit(problem)
    if arguments.place:
        tempfile.tempdir = arguments.place
    with postgreskit.server() as server:
        yield server


def _server_cpu_s(server: postgreskit.Server) -> float:
    """Processor time of the server's processes that live now, and of those that ended."""
    ticks = 0
    main_pid = int((server.data / "postmaster.pid").read_text().split()[0])
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(stat.parent.name) == main_pid or int(fields[1]) == main_pid:
                ticks += int(fields[11]) + int(fields[12])
                if int(stat.parent.name) == main_pid:
                    ticks += int(fields[13]) + int(fields[14])
    return ticks / os.sysconf("SC_CLK_TCK")


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _load() -> str:
    return f"; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
