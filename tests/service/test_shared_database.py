"""Two services, each with its own folder, over one database server."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ledgerkit import Clock, World, stub_engine, tag
from postgreskit import Server
from servicekit import serving

from zkcredit.ledger import Operator
from zkcredit.ledger.fsck import fsck


def test_two_services_share_one_ledger(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_engine(monkeypatch)
    first, second = tmp_path / "first", tmp_path / "second"
    clock = Clock(time.time_ns() // 1_000_000)
    with Operator.create(first, database=postgres.place(), clock=clock) as ledger:
        world = World(ledger, clock)
        shutil.copytree(first, second)
        rivals = [
            [world.prove(world.spend((who, i), nullifier=tag(("token", i)))) for i in range(8)]
            for who in range(2)
        ]
        with serving(first) as one, serving(second) as two, ThreadPoolExecutor(2) as pool:
            for pair in zip(*rivals, strict=True):
                answers = list(pool.map(lambda at, made: at.submit(made), (one, two), pair))
                lost, won = sorted(answers, key=lambda answer: answer.is_success)
                assert lost.json()["rule"] == "already-spent"
                made = pair[answers.index(won)]
                assert won.status_code == 201
                assert one.submit(made).json() == two.submit(made).json()
        assert ledger.size == 3 + 8
    assert fsck(first).ok
