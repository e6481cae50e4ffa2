"""Rounds of faults until the time is over; prints what was done and lost (`make torture`).

Run as a program. Every round ends with `zkcredit ledger fsck` and with the work going on.
"""

from __future__ import annotations

import argparse
import itertools
import random
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

from faults import ACTIONS, CALLS, Fault, Tally, why_not  # noqa: E402
from postgreskit import Server, server  # noqa: E402
from postgreskit import why_not as why_no_server  # noqa: E402
from rounds import Rounds, random_fault  # noqa: E402
from serving import Serving  # noqa: E402
from signing import Signing  # noqa: E402


def race(tally: Tally) -> None:
    """32 processes with one token: the tests that show it."""
    path = HERE.parent / "attacks" / "test_double_spend.py"
    command = [sys.executable, "-m", "pytest", "-q", "-k", "processes", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    tally.rounds["32-way double spends by processes"] += 1
    if done.returncode:
        tally.losses.append(f"double spend: {done.stdout[-2000:]}")


def death_in(call: str, last: int, chance: random.Random) -> Fault:
    """Death in one of the first ``last`` calls: in ``sendto``, between deciding and telling."""
    return Fault(call, "signal=KILL", chance.randint(1, last))


def lap(base: Path, tally: Tally, chance: random.Random, database: Server | None) -> None:
    """Every kind once; the first laps together hit every call with every action."""
    number = int(base.name)
    rounds = Rounds(base, tally, chance)
    serving, signing = Serving(base, tally, chance), Signing(base, tally, chance)
    rounds.kill("ledger", 3)
    rounds.kill("parties", 3)
    serving.kill(3)
    problem = why_not()
    if problem is None:
        call = CALLS[number % len(CALLS)]
        faults = [Fault(call, action, chance.randint(1, 6)) for action in ACTIONS]
        rounds.inject("ledger", [*faults, *(random_fault(chance) for _ in range(3))])
        rounds.inject("parties", [*faults, *(random_fault(chance) for _ in range(3))])
        serving.inject([*faults, death_in("sendto", 24, chance), random_fault(chance)])
        deaths = [death_in("fsync", 12, chance), death_in("sendto", 60, chance)]
        signing.kill([None, *deaths, death_in(call, 24, chance), faults[0]])
    else:
        tally.skipped["faults in system calls"] = problem
        signing.kill([None] * 3)
    if number % 4 == 0:
        rounds.full_disk()
        if database is not None:
            rounds.server_restarts(database, 2)
            serving.shared(database, 4)
    if number % 16 == 0:
        race(tally)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(description="Torture the ledger.")
    parser.add_argument("--rounds", type=int, help="laps over all kinds of rounds")
    parser.add_argument("--hours", type=float, help="go on for so long instead")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    options = parser.parse_args()
    laps = options.rounds or (None if options.hours else 8)
    until = time.monotonic() + 3_600 * (options.hours or 24 * 365)
    started, tally = time.monotonic(), Tally()
    say(f"seed {options.seed}")
    with ExitStack() as stack:
        base = stack.enter_context(tempfile.TemporaryDirectory(prefix="zkcredit-torture-"))
        problem = why_no_server()
        database = stack.enter_context(server()) if problem is None else None
        if problem is not None:
            tally.skipped["PostgreSQL"] = problem
        for number in itertools.count():
            if number == laps or time.monotonic() > until or tally.losses:
                break
            chance = random.Random(f"{options.seed}/{number}")
            lap(Path(base) / str(number), tally, chance, database)
            done = f"{tally.rounds.total()} rounds, {tally.faults.total()} faults"
            say(f"lap {number}: {done}, {len(tally.losses)} losses")
    say(tally.report())
    say(f"{time.monotonic() - started:.0f} s, seed {options.seed}")
    return int(bool(tally.losses))


if __name__ == "__main__":
    sys.exit(main())
