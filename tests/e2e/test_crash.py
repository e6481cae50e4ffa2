"""Writers killed at any moment: nothing acknowledged is missing, nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ledgerkit import World, stub_engine

from zkcredit import digests
from zkcredit.auditor import audit
from zkcredit.ledger import Operator

SUPPORT = Path(__file__).parent.parent / "support"
ROUNDS = 6


def start_writer(folder: Path, name: str, batch: int, output: Path) -> subprocess.Popen[bytes]:
    """A writer whose acknowledgements go to ``output``."""
    with output.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, SUPPORT / "crash_writer.py", folder, name, str(batch)],
            stdout=file,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sys.path))},
        )


def wait_for_output(path: Path, size: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while path.stat().st_size <= size:
        assert process.poll() is None, "the writer ended by itself"
        assert time.monotonic() < deadline, "the writer wrote nothing"
        time.sleep(0.005)


def acknowledged(path: Path) -> tuple[dict[int, bytes], set[int]]:
    """Whole lines only: the last may have been cut by the kill."""
    entries: dict[int, bytes] = {}
    replies: set[int] = set()
    for line in path.read_text().split("\n")[:-1]:
        first, second = line.split(" ")
        if first == "reply":
            replies.add(int(second))
        else:
            assert int(first) not in entries, "an index was given twice"
            entries[int(first)] = bytes.fromhex(second)
    return entries, replies


def check(folder: Path, outputs: list[Path]) -> int:
    with Operator.open(folder, read_only=True) as ledger:
        report = audit(ledger)
        for output in outputs:
            entries, replies = acknowledged(output)
            for index, statement_hash in entries.items():
                statement = ledger.entry(index).statement
                assert digests.statement_hash(statement.encode()) == statement_hash
                assert ledger.find_statement(statement_hash) == index
            assert all(ledger.reply(index) is not None for index in replies)
        return report.size


@pytest.mark.timeout(180)
@pytest.mark.parametrize("batch", [1, 40])
def test_kill_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, database: str | None
) -> None:
    stub_engine(monkeypatch)
    folder = tmp_path / "ledger"
    with Operator.create(folder, database=database) as ledger:
        World(ledger, lambda: time.time_ns() // 1_000_000)  # type: ignore[arg-type]
    chance = random.Random(batch)
    outputs = [tmp_path / "one", tmp_path / "two"]
    size = 0
    for attempt in range(ROUNDS):
        writers = []
        for output in outputs:
            output.touch()
            before = output.stat().st_size
            writers.append(start_writer(folder, f"{output.name}-{attempt}", batch, output))
            wait_for_output(output, before, writers[-1])
        time.sleep(chance.random() * 0.15)
        for writer in chance.sample(writers, 2):
            writer.send_signal(signal.SIGKILL)
            time.sleep(chance.random() * 0.02)
        for writer in writers:
            assert writer.wait() == -signal.SIGKILL
        grown = check(folder, outputs)
        assert grown > size
        size = grown
