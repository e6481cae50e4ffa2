"""A ledger with one issuer, served with toy proofs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledgerkit import Clock, World, stub_engine
from servicekit import Running, serving

from zkcredit.ledger import Operator


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    stub_engine(monkeypatch)
    clock = Clock(time.time_ns() // 1_000_000)
    with Operator.create(tmp_path / "ledger", origin="test.example/log", clock=clock) as ledger:
        yield World(ledger, clock)


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    with serving(folder) as found:
        yield found
