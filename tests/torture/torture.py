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
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

from faults import ACTIONS, CALLS, Fault, Tally, why_not  # noqa: E402
from rounds import Rounds, random_fault  # noqa: E402


def race(tally: Tally) -> None:
    """32 processes with one token: the tests that show it."""
    path = HERE.parent / "attacks" / "test_double_spend.py"
    command = [sys.executable, "-m", "pytest", "-q", "-k", "processes", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    tally.rounds["32-way double spends by processes"] += 1
    if done.returncode:
        tally.losses.append(f"double spend: {done.stdout[-2000:]}")


def lap(rounds: Rounds, number: int) -> None:
    """Every kind once; the first laps together hit every call with every action."""
    chance = rounds.chance
    rounds.kill("ledger", 3)
    rounds.kill("parties", 3)
    problem = why_not()
    if problem is None:
        call = CALLS[number % len(CALLS)]
        faults = [Fault(call, action, chance.randint(1, 6)) for action in ACTIONS]
        rounds.inject("ledger", [*faults, *(random_fault(chance) for _ in range(3))])
        rounds.inject("parties", [*faults, *(random_fault(chance) for _ in range(3))])
    else:
        rounds.tally.skipped["faults in system calls"] = problem
    if number % 4 == 0:
        rounds.full_disk()
        rounds.server_restarts(2)
    if number % 16 == 0:
        race(rounds.tally)


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
    with tempfile.TemporaryDirectory(prefix="zkcredit-torture-") as base:
        for number in itertools.count():
            if number == laps or time.monotonic() > until or tally.losses:
                break
            chance = random.Random(f"{options.seed}/{number}")
            lap(Rounds(Path(base) / str(number), tally, chance), number)
            done = f"{tally.rounds.total()} rounds, {tally.faults.total()} faults"
            say(f"lap {number}: {done}, {len(tally.losses)} losses")
    say(tally.report())
    say(f"{time.monotonic() - started:.0f} s, seed {options.seed}")
    return int(bool(tally.losses))


if __name__ == "__main__":
    sys.exit(main())
