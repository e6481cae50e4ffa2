"""The short form of `make torture`: every kind of fault once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from faults import Fault, Tally, why_not
from rounds import Rounds


@pytest.fixture
def rounds(tmp_path: Path) -> Rounds:
    return Rounds(tmp_path, Tally(), random.Random(1))


def nothing_lost(rounds: Rounds) -> None:
    assert rounds.tally.losses == []
    if rounds.tally.skipped:
        pytest.skip("; ".join(rounds.tally.skipped.values()))
    assert rounds.tally.checked
    assert rounds.tally.faults


@pytest.mark.timeout(240)
@pytest.mark.parametrize("job", ["ledger", "parties"])
def test_kill(rounds: Rounds, job: str) -> None:
    rounds.kill(job, 1)
    nothing_lost(rounds)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("job", "fault"),
    [
        ("ledger", Fault("fsync", "error=EIO", 1)),
        ("ledger", Fault("pwrite64", "error=ENOSPC", 5)),
        ("ledger", Fault("rename", "signal=KILL", 3)),
        ("parties", Fault("fsync", "error=EIO", 3)),
    ],
    ids=str,
)
def test_faults_in_system_calls(rounds: Rounds, job: str, fault: Fault) -> None:
    problem = why_not()
    if problem is not None:
        pytest.skip(problem)
    rounds.inject(job, [fault], patience_s=5)
    nothing_lost(rounds)


@pytest.mark.timeout(240)
def test_full_disk(rounds: Rounds) -> None:
    rounds.full_disk()
    nothing_lost(rounds)


@pytest.mark.timeout(240)
def test_server_crash_and_dropped_connections(rounds: Rounds) -> None:
    rounds.server_restarts(2)
    nothing_lost(rounds)
