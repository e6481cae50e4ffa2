"""Load on the service over loopback: batches, single purchases, and one at a time.

    python benches/python/load.py [--count 6144] [--seconds 8] [--runs 3]

``zkcredit serve`` runs in a process of its own on a copy of a ledger, on the disk of
``--place``; this process is the client (httpx). The proofs are made beforehand. Batches of
256 go over ``--connections`` connections as fast as they are answered. Single purchases are
sent at a fixed rate whether or not earlier ones are answered, and their latency counts from
the moment at which they were due, so a stall delays all that were due meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import stock

from zkcredit.codec import Writer
from zkcredit.service import wire

BATCH = 256
CONNECTIONS = 64
TARGETS = {
    "batches": "1,200 purchases/s",
    "250 a second": "p99 below 400 ms",
    "10 a second": "p50 below 60 ms",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=6_144, help="purchases sent in batches")
    parser.add_argument("--seconds", type=float, default=8, help="duration of each other load")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--cache", help="folder for the proofs")
    parser.add_argument("--place", help="folder on the disk to be measured")
    arguments = parser.parse_args()
    singles = [round(rate * arguments.seconds) for rate in (250, 10)]
    found = stock.load(stock.cache_folder(arguments.cache), arguments.count + sum(singles))
    for _ in range(arguments.runs):
        with serving(found, arguments.place) as url:
            asyncio.run(measure(url, found.submissions, arguments, singles))


@contextlib.contextmanager
def serving(found: stock.Stock, place: str | None) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="zkcredit-load-", dir=place) as name:
        folder = Path(name)
        for opened in found.copy(folder):
            opened.close()
        command = [sys.executable, "-m", "zkcredit.cli", "--ledger", str(folder / "ledger"),
                   "serve", "--port", "0", "--rate", "0", "--json"]  # fmt: skip
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, b"")
            text = b""
            while not text.endswith(b"}\n"):
                text += next(lines)
            yield json.loads(text)["url"]
        finally:
            process.terminate()
            process.wait(60)


async def measure(
    url: str, submissions: Sequence[bytes], arguments: argparse.Namespace, singles: Sequence[int]
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        # One client for each connection: the pool of one client is slow when it is large.
        settings = {"base_url": url, "timeout": 60, "verify": ssl.create_default_context()}
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(**settings))
            for _ in range(CONNECTIONS)
        ]
        left = list(submissions)
        taken, left = left[: arguments.count], left[arguments.count :]
        rate = await batches(clients[: arguments.connections], taken)
        report("batches", f"{rate:.0f} purchases/s over {arguments.connections} connections")
        for count, per_second in zip(singles, (250, 10), strict=True):
            taken, left = left[:count], left[count:]
            found, wall_s = await steady(clients, taken, per_second)
            text = f"p50 {at(found, 50):.0f} ms, p90 {at(found, 90):.0f} ms, "
            text += f"p99 {at(found, 99):.0f} ms, max {found[-1] * 1000:.0f} ms; "
            report(f"{per_second} a second", f"{text}{count / wall_s:.0f}/s answered")


def report(name: str, text: str) -> None:
    load = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{name}: {text} (target {TARGETS[name]}; {load})")


async def batches(clients: Sequence[httpx.AsyncClient], submissions: Sequence[bytes]) -> float:
    """Purchases a second."""
    queue = [submissions[i : i + BATCH] for i in range(0, len(submissions), BATCH)]

    async def work(http: httpx.AsyncClient) -> None:
        while queue:
            part = queue.pop()
            writer = Writer()
            for one in part:
                writer.var32(one)
            answer = await post(http, "/v1/batches", writer.finish(), wire.BATCH)
            assert all(one["accepted"] for one in answer.json()["results"])

    started = time.perf_counter()
    await asyncio.gather(*map(work, clients))
    return len(submissions) / (time.perf_counter() - started)


async def steady(
    clients: Sequence[httpx.AsyncClient], submissions: Sequence[bytes], per_second: int
) -> tuple[list[float], float]:
    """Latencies in seconds, sorted, and the time until the last answer."""
    started = time.perf_counter()
    found: list[float] = []
    waiting = iter(enumerate(submissions))

    async def work(http: httpx.AsyncClient) -> None:
        for position, content in waiting:
            due = started + position / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            answer = await post(http, "/v1/entries", content, wire.SUBMISSION)
            assert answer.status_code == 201
            found.append(time.perf_counter() - due)

    await asyncio.gather(*map(work, clients))
    return sorted(found), time.perf_counter() - started


async def post(
    http: httpx.AsyncClient, path: str, content: bytes, media_type: str
) -> httpx.Response:
    headers = {"Content-Type": media_type, "Idempotency-Key": f'"{secrets.token_hex(16)}"'}
    answer = await http.post(path, content=content, headers=headers)
    assert answer.is_success, answer.text
    return answer


def at(latencies: Sequence[float], percent: int) -> float:
    """A percentile in milliseconds."""
    return 1000 * latencies[min(len(latencies) - 1, len(latencies) * percent // 100)]


if __name__ == "__main__":
    main()
