"""A process that works until it is told to stop, is killed, or its disk fails.

Run as a program: job, folder, file of acknowledgements, name of this worker. What was
acknowledged goes into that file through memory that is shared with it, so that the
record needs no system call and survives any kill. After one quiet turn (whatever is
imported late is there then) the worker writes ``ready`` and waits for the file ``go``.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from crash_writer import Borrowed
from ledgerkit import Clock, World, stub_engine, toy_signature
from parties import Parties

from zkcredit.errors import StoreError, ZkCreditError
from zkcredit.ledger import Operator
from zkcredit.ledger.static import StaticLog

JOURNAL_BYTES = 1 << 20
TRIES_AFTER_A_FAULT = 40
PAUSE_S = 0.1


class Journal:
    """Lines in a file of fixed size, visible to others as soon as they are written."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), JOURNAL_BYTES)
        self._map.seek(self._map.find(b"\0"))

    def __call__(self, line: str) -> None:
        self._map.write(line.encode() + b"\n")


def leaping_clock(name: str) -> Callable[[], int]:
    """Unix time in ms that jumps a day back or an hour forth from time to time."""
    chance = random.Random(name)
    offset = 0

    def clock() -> int:
        nonlocal offset
        if chance.random() < 0.1:
            offset = chance.choice((-86_400_000, 0, 3_600_000))
        return time.time_ns() // 1_000_000 + offset

    return clock


def ledger_turns(folder: Path, name: str, journal: Journal) -> Iterator[None]:
    """Submits, answers, signs and publishes; opens the ledger anew from time to time."""
    stub_engine(pytest.MonkeyPatch())
    while True:
        with Operator.open(folder / "ledger", clock=leaping_clock(name)) as ledger:
            world = Borrowed(ledger, Clock())
            static = StaticLog(ledger, folder / "static")
            for _ in range(3):
                try:
                    ledger_turn(world, static, journal)
                except StoreError:
                    with contextlib.suppress(ZkCreditError):
                        receipt = world.submit(world.refresh(("again", time.time_ns())))
                        journal(f"went on with {receipt.index}")
                    raise
                yield


def ledger_turn(world: World, static: StaticLog, journal: Journal) -> None:
    """Twenty entries, their answers, and a new state published."""
    statements = [world.refresh((os.getpid(), time.time_ns(), i)) for i in range(20)]
    receipts = world.ledger.submit_many([world.prove(item) for item in statements])
    replies = []
    for receipt, statement in zip(receipts, statements, strict=True):
        if isinstance(receipt, ZkCreditError):
            raise receipt
        journal(f"entry {receipt.index} {receipt.statement_hash.hex()}")
        replies.append((receipt.index, toy_signature(statement)))
    world.ledger.post_replies(replies)
    for index, reply in replies:
        journal(f"reply {index} {reply.hex()}")
    head = static.publish()
    journal(f"head {head.size} {head.root.hex()}")


def party_turns(folder: Path, name: str, journal: Journal) -> Iterator[None]:
    """A holder buys, a lender signs, a merchant looks; each saves before it acts."""
    while True:
        with Parties.open(folder) as parties:
            for _ in range(2):
                receipt = parties.buy()
                journal(f"entry {receipt.index} {receipt.statement_hash.hex()}")
                parties.answer()
                journal(f"signed {receipt.index}")
                yield


JOBS = {"ledger": ledger_turns, "parties": party_turns}


def work(job: str, folder: Path, name: str, journal: Journal, go: Path) -> None:
    """One turn, the signal, then turns for ever; after a fault a few tries more."""
    turns = JOBS[job](folder, name, journal)
    next(turns)
    journal("ready")
    while not go.exists():
        time.sleep(0.01)
    tries = TRIES_AFTER_A_FAULT
    while tries:
        try:
            next(turns)
        except ZkCreditError as error:
            kind = "fault" if isinstance(error, StoreError) else "refusal"
            journal(f"{kind} {type(error).__name__}: {error}")
            tries -= 1
            time.sleep(PAUSE_S)
            turns = JOBS[job](folder, f"{name}-{tries}", journal)
        except Exception as error:
            journal(f"escaped {type(error).__name__}: {error}")
            raise


if __name__ == "__main__":
    job, folder, record, name = sys.argv[1:]
    record_path = Path(record)
    work(job, Path(folder), name, Journal(record_path), record_path.with_suffix(".go"))
    os._exit(0)
