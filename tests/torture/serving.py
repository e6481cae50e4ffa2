"""Rounds of services that are killed: `zkcredit serve` and the callers of its clients."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import postgreskit
from callers import SPENT, Caller
from clikit import background, spawn
from crash_writer import Borrowed
from faults import Fault, Tally, Tracer
from ledgerkit import Clock
from rounds import prepare, stubbed

from zkcredit.auditor import audit
from zkcredit.ledger import Operator
from zkcredit.ledger.fsck import fsck
from zkcredit.ledger.static import StaticSource
from zkcredit.service.context import PUBLISHED

TOY_CLI = (str(Path(__file__).parent / "toy_cli.py"),)
CALLERS = 3
FENCED = 5
"""Exit code of a second service on a folder: StateConflict."""
FAILED = 6
"""Exit code of a service whose database could not be synced: StoreError."""
_PATIENCE_S = 120


class Service:
    """One place of a ledger, served at one port by processes that come and go."""

    def __init__(self, place: Path, name: str, program: Sequence[str]) -> None:
        self.place = place
        self.folder = place / name
        self.url = ""
        self._program = program
        self._running = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def arguments(self) -> tuple[str, ...]:
        """The command that serves the folder."""
        port = self.url.rpartition(":")[2] or "0"
        common = ("--home", "op", "--json", "--ledger", self.folder.name)
        return (*common, "serve", "--port", port, "--rate", "0", "--interval", "0.2")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process that serves now."""
        assert self._process is not None
        return self._process

    @property
    def alive(self) -> bool:
        """Whether there is one."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Serves from now on, if it does not already; at the port of the first time."""
        if not self.alive:
            self._running.close()
            path = os.pathsep.join(map(str, sys.path))
            found = background(self.place, *self.arguments, program=self._program, PYTHONPATH=path)
            self._process, told = self._running.enter_context(found)
            self.url = told["url"]

    def kill(self) -> bool:
        """SIGKILL; whether it was still alive."""
        alive = self.alive
        self._running.close()
        return alive

    def end(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_PATIENCE_S)
        finally:
            self._running.close()


@contextmanager
def calling(services: Sequence[Service], folder: Path) -> Iterator[list[Caller]]:
    """Callers of all services; they have their answers at the end, if there is a service."""
    with Operator.open(folder / "ledger", read_only=True) as ledger:
        world = Borrowed(ledger, Clock(time.time_ns() // 1_000_000 + 10**9))
        keys = ledger.verifier_keys
    urls = [service.url for service in services]
    found = [Caller(urls, f"c{number}", world, keys) for number in range(CALLERS)]
    for caller in found:
        caller.start()
    try:
        yield found
    finally:
        for caller in found:
            caller.stop.set()


class Serving:
    """Rounds of services; each in a folder of its own below ``base``."""

    def __init__(self, base: Path, tally: Tally, chance: random.Random) -> None:
        self._base = base
        self.tally = tally
        self._chance = chance
        self._number = 0

    def kill(self, times: int) -> None:
        """Kill -9 under load; meanwhile somebody starts a second service by mistake."""

        def disturb(services: Sequence[Service], number: int) -> None:
            if number == 0:
                self._second(services[0])
            time.sleep(0.3 + self._chance.random())
            self.tally.faults["service: SIGKILL at a random time"] += services[0].kill()

        with stubbed():
            self._round("service", 1, disturb, times)

    def inject(self, faults: Sequence[Fault], patience_s: float = 3) -> None:
        """Faults in system calls of the service, such as death between deciding and answering."""

        def disturb(services: Sequence[Service], number: int) -> None:
            service, fault = services[0], faults[number]
            log = service.place / f"{number}.strace"
            tracer = Tracer(service.process.pid, fault, log)
            deadline = time.monotonic() + patience_s
            while service.alive and time.monotonic() < deadline:
                time.sleep(0.02)
            unsynced = _unsynced(tracer.injected())
            if unsynced:  # then it ends, and not by us
                with contextlib.suppress(subprocess.TimeoutExpired):
                    service.process.wait(_PATIENCE_S)
            ended = None if service.alive else service.process.wait()
            service.kill()
            tracer.stop()
            injected = tracer.injected()
            killed = ended == -signal.SIGKILL
            if injected or killed:
                self.tally.faults[f"service: {fault.call} {fault.action}"] += len(injected) or 1
            if ended not in ((FAILED,) if unsynced else (None, -signal.SIGKILL, FAILED)):
                self.tally.losses.append(f"{log}: the service ended with {ended}")

        with stubbed():
            self._round("inject/service", 1, disturb, len(faults))

    def shared(self, server: postgreskit.Server, times: int) -> None:
        """Two services on one PostgreSQL database: one is killed, or the database crashes."""

        def disturb(services: Sequence[Service], number: int) -> None:
            time.sleep(0.3 + self._chance.random() * 0.5)
            if number % 2 == 0:
                victim = self._chance.choice(services)
                self.tally.faults["service: one of two, SIGKILL"] += victim.kill()
            else:
                server.stop("immediate")
                server.start()
                self.tally.faults["service: PostgreSQL crash"] += 1
            time.sleep(0.3 + self._chance.random() * 0.5)

        with stubbed():
            self._round("two services on PostgreSQL", 2, disturb, times, server.place())

    # --- inside --------------------------------------------------------------------

    def _second(self, service: Service) -> None:
        """A second service on the same folder does not start."""
        other = Service(service.place, service.folder.name, TOY_CLI)
        found = spawn(*other.arguments, cwd=service.place)
        self.tally.faults["service: a second one on its folder"] += 1
        if found.code != FENCED:
            self.tally.losses.append(f"{service.folder}: two services at once: {found}")

    def _round(
        self,
        name: str,
        count: int,
        disturb: Callable[[Sequence[Service], int], None],
        times: int,
        database: str | None = None,
    ) -> None:
        """``count`` services of one ledger, disturbed so often, and what came of it."""
        self._number += 1
        place = self._base / f"{name.replace('/', '-').replace(' ', '-')}-{self._number}"
        place.mkdir(parents=True)
        prepare("ledger", place, database)
        services = [Service(place, "ledger", TOY_CLI)]
        for number in range(1, count):
            shutil.copytree(place / "ledger", place / f"ledger{number}")
            services.append(Service(place, f"ledger{number}", TOY_CLI))
        with ExitStack() as stack:
            for service in services:
                stack.callback(service.kill)
                service.start()
            callers = stack.enter_context(calling(services, place))
            for number in range(times):
                disturb(services, number)
                for service in services:
                    service.start()
            time.sleep(0.3)  # all goes on
            lost = _finish(services, callers)
        self.tally.rounds[name] += 1
        self.tally.losses += [f"{place}: {loss}" for loss in lost + self._lost(place, callers)]

    def _lost(self, place: Path, callers: Sequence[Caller]) -> list[str]:
        """What was answered, but is not so."""
        lost = [loss for caller in callers for loss in caller.losses]
        winners: dict[bytes, bytes] = {}
        self.tally.checked["requests repeated"] += sum(caller.repeated for caller in callers)
        with Operator.open(place / "ledger", read_only=True) as ledger:
            for request in (request for caller in callers for request in caller.answered):
                for statement, result in zip(
                    request.statements, request.results or (), strict=False
                ):
                    if result == SPENT:
                        continue
                    self.tally.checked["answered over HTTP"] += 1
                    index, time_ms, digest = result
                    if ledger.find_statement(bytes.fromhex(digest)) != index:
                        lost.append(f"{request.key}: {result} is lost")
                    elif ledger.entry(index).timestamp_ms != time_ms:
                        lost.append(f"{request.key}: {result} has another time")
                    own = statement.commitment
                    if winners.setdefault(statement.nullifier, own) != own:
                        lost.append(f"{request.key}: a token was spent twice")
            for head in (head for caller in callers for head in caller.heads):
                self.tally.checked["heads seen over HTTP"] += 1
                if head.size > ledger.size or ledger.root(head.size) != head.root:
                    lost.append(f"the head of {head.size} entries is not of this log")
            published = StaticSource(place / "ledger" / PUBLISHED)
            report = audit(published, ledger_id=ledger.ledger_id)
            if report.size != ledger.size:
                lost.append(f"{report.size} of {ledger.size} entries are published")
        return lost + [f"fsck: {difference}" for difference in fsck(place / "ledger").differences]


def _finish(services: Sequence[Service], callers: Sequence[Caller]) -> list[str]:
    """Every request gets its answer, and the same again; then the services end by themselves."""
    for caller in callers:
        caller.stop.set()
    for caller in callers:
        caller.join(_PATIENCE_S)
        if caller.is_alive():
            return [f"{caller.name} got no answer in {_PATIENCE_S} s: {_log(services)}"]
        caller.repeat_all()
    ended = {service.folder.name: service.end() for service in services}
    return [f"{name} ended with {code}: {_log(services)}" for name, code in ended.items() if code]


def _unsynced(injected: Sequence[tuple[str, str]]) -> bool:
    """Whether a database's log could not be synced."""
    return any(call in ("fsync", "fdatasync") and ".db-wal" in paths for call, paths in injected)


def _log(services: Sequence[Service]) -> str:
    """What the services said last, but for requests."""
    lines = (services[0].place / "log").read_text(errors="replace").splitlines()
    return "\n".join(x for x in lines if not _is_request(x))[-2_000:]


def _is_request(line: str) -> bool:
    try:
        return bool(json.loads(line)["event"] == "request")
    except (ValueError, KeyError, TypeError):
        return False
