"""The short form of `make torture`: nearly every kind of fault once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from faults import Fault, Tally, why_not
from postgreskit import Server
from rounds import Rounds
from serving import Serving
from signing import Signing


@pytest.fixture
def rounds(tmp_path: Path) -> Rounds:
    return Rounds(tmp_path, Tally(), random.Random(1))


def nothing_lost(rounds: Rounds | Serving | Signing) -> None:
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
def test_server_crash_and_dropped_connections(rounds: Rounds, postgres: Server) -> None:
    rounds.server_restarts(postgres, 1)
    nothing_lost(rounds)


@pytest.mark.timeout(240)
def test_a_service_is_killed_under_load(tmp_path: Path) -> None:
    serving = Serving(tmp_path, Tally(), random.Random(1))
    serving.kill(1)
    nothing_lost(serving)
    assert serving.tally.checked["answered over HTTP"]
    assert serving.tally.checked["requests repeated"]
    assert serving.tally.checked["heads seen over HTTP"]


@pytest.mark.timeout(240)
def test_a_signer_is_killed_before_it_posts(tmp_path: Path) -> None:
    problem = why_not()
    if problem is not None:
        pytest.skip(problem)
    signing = Signing(tmp_path, Tally(), random.Random(1))
    # The copy of the log, the log of the database and its name, then the signature.
    signing.kill([Fault("fsync", "signal=KILL", 4)], patience_s=20)
    nothing_lost(signing)
    assert signing.tally.checked["frozen at a death, not posted"] == 1
