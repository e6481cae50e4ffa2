"""Rounds of a lender's own process: `zkcredit lender serve` over HTTP, killed while it signs.

Proofs and signatures are real. What the signer has frozen is read after every death and
must be the same ever after; what is on the ledger must be that.
"""

from __future__ import annotations

import random
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

from clikit import background
from faults import Fault, Tally, Tracer
from parties import Parties, open_lender
from serving import Service

from zkcredit.ledger import Operator
from zkcredit.ledger.fsck import fsck
from zkcredit.remote import RemoteLedger

CLI = ("-m", "zkcredit.cli")
_PATIENCE_S = 120

Frozen: TypeAlias = dict[bytes, tuple[int, bytes, bytes]]
"""Of each nullifier: entry, final commitment, reply."""


class Signing:
    """Rounds of signers; each in a folder of its own below ``base``."""

    def __init__(self, base: Path, tally: Tally, chance: random.Random) -> None:
        self._base = base
        self.tally = tally
        self._chance = chance
        self._number = 0

    def kill(self, faults: Sequence[Fault | None], patience_s: float = 5) -> None:
        """The signer dies in each of these calls, at a random time for None; then it goes on."""
        self._number += 1
        place = self._base / f"signing-{self._number}"
        place.mkdir(parents=True)
        Parties.create(place)
        frozen: Frozen = {}
        lost: list[str] = []
        with ExitStack() as stack:
            service = Service(place, "ledger", CLI)
            stack.callback(service.kill)
            service.start()
            remote = RemoteLedger.open(service.url, place / "cache.db")
            parties = stack.enter_context(Parties.open(place, remote))
            for number, fault in enumerate(faults):
                self._disturb(parties, service, place / f"{number}.strace", fault, patience_s)
                lost += self._changes(frozen, place)
            lost += self._recovered(parties, service)
            lost += self._changes(frozen, place)
            if service.end() != 0:
                lost.append("the service did not end well")
        if "Traceback" in (place / "log").read_text(errors="replace"):
            lost.append("an error escaped: see the log")
        self.tally.rounds["lender serve"] += 1
        self.tally.losses += [f"{place}: {loss}" for loss in lost + self._lost(place, frozen)]

    def _signer(self, service: Service) -> ExitStack:
        arguments = ("--home", "bank", "--ledger", service.url, "--json", "lender", "serve")
        stack = ExitStack()
        self._process, _ = stack.enter_context(
            background(service.place, *arguments, "--interval", "0.1", program=CLI)
        )
        return stack

    def _disturb(
        self, parties: Parties, service: Service, log: Path, fault: Fault | None, patience_s: float
    ) -> None:
        """A signer, purchases for it to sign, and its death."""
        with self._signer(service):
            process: subprocess.Popen[bytes] = self._process
            tracer = None if fault is None else Tracer(process.pid, fault, log)
            after_s = self._chance.random() * 1.5 if fault is None else patience_s
            time_is_over = threading.Event()

            def kill() -> None:
                time_is_over.set()
                process.kill()

            clock = threading.Timer(after_s, kill)
            clock.start()
            while process.poll() is None:
                buy(parties, process)
            clock.cancel()
            if tracer is not None:
                tracer.stop()
        if time_is_over.is_set():
            self.tally.faults["lender serve: SIGKILL at a random time"] += 1
        if tracer is not None and (tracer.injected() or not time_is_over.is_set()):
            self.tally.faults[f"lender serve: {fault.call} {fault.action}"] += 1

    def _recovered(self, parties: Parties, service: Service) -> list[str]:
        """A new signer finishes what the dead ones left, and outlasts a service that dies."""
        with self._signer(service):
            if not buy(parties, self._process):
                return ["a new signer does not go on"]
            self.tally.faults["lender serve: SIGKILL of the service"] += service.kill()
            service.start()
            if not buy(parties, self._process):
                return ["the signer does not go on with a new service"]
            self._process.send_signal(signal.SIGTERM)
            if self._process.wait(_PATIENCE_S) != 0:
                return ["the signer did not end well"]
        return []

    def _changes(self, frozen: Frozen, place: Path) -> list[str]:
        """Notes what is frozen now; what was frozen as something else before."""
        lender = open_lender(place)
        sql = "SELECT origin, entry_index, final, reply FROM signatures"
        rows = {origin: tuple(rest) for origin, *rest in lender._store._rows(sql)}
        self.tally.checked["frozen at a death, not posted"] += len(lender._store.unposted(99))
        lender.close()
        lost = [f"{origin.hex()} is frozen no more" for origin in frozen.keys() - rows.keys()]
        for origin, row in rows.items():
            if frozen.setdefault(origin, row) != row:
                lost.append(f"{origin.hex()} was signed twice, differently")
        return lost

    def _lost(self, place: Path, frozen: Frozen) -> list[str]:
        """Replies that are missing, or are not what the signer has frozen."""
        lost = []
        lender = open_lender(place)
        with Operator.open(place / "ledger", read_only=True) as ledger:
            for index, _, reply in frozen.values():
                self.tally.checked["signed by lender serve"] += 1
                if ledger.reply(index) != reply:
                    lost.append(f"the reply to entry {index} is not what was signed")
            lost += [f"entry {i} is not answered" for i in ledger.unanswered(lender.issuer_id)]
        lost += [f"entry {index}: {reason}" for index, reason in lender.faults()]
        lender.close()
        return lost + [f"fsck: {difference}" for difference in fsck(place / "ledger").differences]


def buy(parties: Parties, signer: subprocess.Popen[bytes]) -> bool:
    """A purchase once the last one is signed; whether this one was signed, too."""

    def alive() -> bool:
        return signer.poll() is None

    if not parties.answer(alive):
        return False
    parties.wallet.pay(parties.ledger, 1, parties.invoice(), save=parties.save_wallet)
    return parties.answer(alive)
