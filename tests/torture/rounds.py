"""One round: workers on a disk, faults, and what must hold afterwards."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import postgreskit
import pytest
from crash_writer import Borrowed
from faults import ACTIONS, CALLS, Fault, Tally, Tracer, Worker, worker
from ledgerkit import Clock, World, stub_engine
from parties import Parties

from zkcredit.auditor import audit
from zkcredit.errors import ZkCreditError
from zkcredit.ledger import Operator
from zkcredit.ledger.fsck import fsck
from zkcredit.ledger.static import StaticLog, StaticSource

FULL_DISK = "3m"
_FAILED_COMMIT = "fault StoreError: writing to the ledger database"


def prepare(job: str, folder: Path, database: str | None = None) -> None:
    """What the workers of a job find."""
    if job == "parties":
        Parties.create(folder)
        return
    with stubbed() as patch, Operator.create(folder / "ledger", database=database) as ledger:
        patch.setattr("ledgerkit.SIGN_WITHIN_MS", 86_400_000)
        World(ledger, Clock())


@contextmanager
def stubbed() -> Iterator[pytest.MonkeyPatch]:
    """Toy proofs in place of real ones."""
    with pytest.MonkeyPatch.context() as patch:
        stub_engine(patch)
        yield patch


def random_fault(chance: random.Random) -> Fault:
    """A call that comes at least once in a turn or so is hit within the first turns."""
    call = chance.choice(CALLS)
    rare = call in ("ftruncate", "unlink")
    number = chance.randint(1, 3 if rare else 40)
    lasting = chance.random() < 0.25
    return Fault(call, chance.choice(ACTIONS), number, lasting)


class Rounds:
    """Runs rounds in ``base`` and keeps the tally."""

    def __init__(self, base: Path, tally: Tally, chance: random.Random) -> None:
        self.base = base
        self.tally = tally
        self.chance = chance
        self._number = 0

    def _folder(self) -> Path:
        self._number += 1
        folder = self.base / str(self._number)
        folder.mkdir(parents=True)
        return folder

    def _names(self, count: int) -> list[str]:
        self._number += 1
        return [f"w{self._number}-{i}" for i in range(count)]

    # --- kinds of rounds -----------------------------------------------------

    def kill(self, job: str, times: int) -> None:
        """Kill -9 at random moments; two writers share a ledger."""
        folder = self._folder()
        prepare(job, folder)
        seen: list[Worker] = []
        for _ in range(times):
            with ExitStack() as stack:
                names = self._names(2 if job == "ledger" else 1)
                workers = [stack.enter_context(worker(job, folder, name)) for name in names]
                self._start(workers)
                time.sleep(self.chance.random() * 0.4)
                for each in workers:
                    self.tally.faults["SIGKILL at a random time"] += each.kill()
            seen += workers
            self._check(f"kill/{job}", job, folder, seen)

    def inject(self, job: str, faults: Sequence[Fault], patience_s: float = 3) -> None:
        """A fault in a system call of one writer; on a ledger another one goes on beside it."""
        folder = self._folder()
        prepare(job, folder)
        seen: list[Worker] = []
        for fault in faults:
            with ExitStack() as stack:
                names = self._names(2 if job == "ledger" else 1)
                workers = [stack.enter_context(worker(job, folder, name)) for name in names]
                for each in workers:
                    each.wait_ready()
                tracer = Tracer(workers[0].process.pid, fault, folder / f"{names[0]}.strace")
                for each in workers:
                    each.go()
                _wait(workers[0], patience_s)
                ended = [not each.kill() for each in workers]
                tracer.stop()
            injected = tracer.injected()
            killed = fault.action == "signal=KILL" and ended[0]
            if injected or killed:
                self.tally.faults[f"{fault.call} {fault.action}"] += len(injected) or 1
            seen += workers
            self._check_stopped(workers[0], injected)
            self._check(f"inject/{job}", job, folder, seen)

    def full_disk(self) -> None:
        """A disk that is full in the middle of the work."""
        folder = self._folder()
        command = ["mount", "-t", "tmpfs", "-o", f"size={FULL_DISK}", "tmpfs", str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            self.tally.skipped["full disk"] = f"no tmpfs can be mounted: {done.stderr.strip()}"
            return
        try:
            prepare("ledger", folder)
            with worker("ledger", folder, "full") as found:
                self._start([found])
                _wait(found, 60)
            faults = [line for line in found.lines() if line.startswith("fault")]
            self.tally.faults["disk full"] += len(faults)
            if not faults:
                self.tally.losses.append("full disk: the disk was never full")
            room = self._folder()
            shutil.copytree(folder, room, dirs_exist_ok=True)
            self._check("full disk", "ledger", room, [Worker(found.process, room / "full.journal")])
        finally:
            subprocess.run(["umount", str(folder)], check=True)

    def server_restarts(self, server: postgreskit.Server, times: int) -> None:
        """A database server that crashes, and one that drops its connections."""
        folder = self._folder()
        prepare("ledger", folder, server.place())
        seen: list[Worker] = []
        for _ in range(times):
            with ExitStack() as stack:
                names = self._names(2)
                workers = [stack.enter_context(worker("ledger", folder, name)) for name in names]
                self._start(workers)
                for crash in (True, False):
                    time.sleep(0.2 + self.chance.random() * 0.5)
                    self._disturb(server, crash=crash)
                time.sleep(0.3 + self.chance.random() * 0.5)
            seen += workers
            self._check("PostgreSQL", "ledger", folder, seen)

    def _disturb(self, server: postgreskit.Server, *, crash: bool) -> None:
        if crash:
            server.stop("immediate")
            server.start()
            self.tally.faults["PostgreSQL crash"] += 1
            return
        gone = server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        self.tally.faults["PostgreSQL connection dropped"] += len(gone)

    # --- what must hold ------------------------------------------------------

    def _start(self, workers: Sequence[Worker]) -> None:
        for each in workers:
            each.wait_ready()
        for each in workers:
            each.go()

    def _check_stopped(self, hit: Worker, injected: Sequence[tuple[str, str]]) -> None:
        """Nothing is accepted through a connection after its log could not be synced."""
        unsynced = any(
            call in ("fsync", "fdatasync") and "ledger.db-wal" in paths for call, paths in injected
        )
        lines = hit.lines()
        for before, line in itertools.pairwise(lines):
            if unsynced and line.startswith(_FAILED_COMMIT) and before.startswith("went on"):
                self.tally.losses.append(f"{hit.journal}: written to after a failed fsync")

    def _check(self, name: str, job: str, folder: Path, workers: Sequence[Worker]) -> None:
        self.tally.rounds[name] += 1
        lost = self.tally.losses
        try:
            if job == "ledger":
                with stubbed():
                    lost += self._lost(folder, workers) + _broken(folder)
            else:
                lost += self._lost(folder, workers) + _stuck(folder)
        except ZkCreditError as error:
            lost.append(f"{folder}: {type(error).__name__}: {error}")

    def _lost(self, folder: Path, workers: Sequence[Worker]) -> list[str]:
        """Acknowledged things that are not there, and what should never be."""
        lost: list[str] = []
        given: dict[tuple[str, str], str] = {}
        with Operator.open(folder / "ledger", read_only=True) as ledger:
            for line in (line for each in workers for line in each.lines()):
                kind, _, rest = line.partition(" ")
                number, _, value = rest.partition(" ")
                if kind == "escaped":
                    lost.append(f"{folder}: {line}")
                if kind not in ("entry", "reply", "signed", "head"):
                    continue
                self.tally.checked[kind] += 1
                if not _is_there(ledger, kind, int(number), value):
                    lost.append(f"{folder}: {line} is lost")
                if kind in ("entry", "head") and given.setdefault((kind, number), value) != value:
                    lost.append(f"{folder}: {line}: another one was acknowledged before")
        report = fsck(folder / "ledger")
        return lost + [f"{folder}: fsck: {difference}" for difference in report.differences]


def _is_there(ledger: Operator, kind: str, number: int, value: str) -> bool:
    match kind:
        case "entry":
            return ledger.find_statement(bytes.fromhex(value)) == number
        case "reply":
            return ledger.reply(number) == bytes.fromhex(value)
        case "signed":
            return ledger.reply(number) is not None
        case _:
            return number <= ledger.size and ledger.root(number).hex() == value


def _wait(hit: Worker, patience_s: float) -> None:
    """Until the worker ended, met two faults, or went on after one."""
    deadline = time.monotonic() + patience_s
    while hit.process.poll() is None and time.monotonic() < deadline:
        kinds = [line.partition(" ")[0] for line in hit.lines()]
        faults = [at for at, kind in enumerate(kinds) if kind == "fault"]
        if len(faults) > 1 or (faults and {"head", "signed"}.intersection(kinds[faults[0] :])):
            return
        time.sleep(0.05)


def _broken(folder: Path) -> list[str]:
    """Whether the ledger takes the next entry, and publishes what verifies."""
    with Operator.open(folder / "ledger") as ledger:
        world = Borrowed(ledger, Clock())
        receipt = world.submit(world.refresh(("after", time.time_ns())))
        head = StaticLog(ledger, folder / "static").publish()
        report = audit(StaticSource(folder / "static"), ledger_id=ledger.ledger_id)
    if not receipt.index < head.size == report.size:
        return [f"{folder}: the ledger does not go on"]
    return []


def _stuck(folder: Path) -> list[str]:
    """Whether holder, lender and merchant go on where they were."""
    with Parties.open(folder) as parties:
        parties.finish()
        receipt = parties.buy()
        parties.answer()
        parties.merchant.check(parties.ledger)
        spent = sum(kind == "spend" for kind in _kinds(parties.ledger))
        paid = [sale for sale in parties.merchant.sales if sale.claim_index is not None]
        token = parties.wallet.line(1).token
        if parties.ledger.reply(receipt.index) is None or token is None:
            return [f"{folder}: the lender has not answered"]
        if len(paid) != spent:
            return [f"{folder}: {spent} purchases, but the merchant has {len(paid)}"]
    return []


def _kinds(ledger: Operator) -> list[str]:
    return [entry.statement.KIND.name.lower() for _, entry in ledger.entries()]
