"""After a failed fsync a connection writes no more; a database opened anew goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from ledgerkit import Clock, World, stub_engine, unsynced

from zkcredit.errors import StoreError
from zkcredit.ledger import Operator
from zkcredit.ledger.fsck import fsck


def test_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub_engine(monkeypatch)
    with Operator.create(tmp_path / "ledger", clock=Clock()) as ledger:
        world = World(ledger, Clock())
        size = ledger.size
        assert not ledger.failed
        with unsynced(ledger._store), pytest.raises(StoreError, match="disk I/O error"):
            world.submit(world.spend("a"))
        assert ledger.failed
        with pytest.raises(StoreError, match="open the ledger database again"):
            world.submit(world.spend("b"))
        with pytest.raises(StoreError, match="open the ledger database again"):
            ledger.checkpoint()
        assert ledger.size == size
    with Operator.open(tmp_path / "ledger", clock=Clock()) as world.ledger:
        assert world.submit(world.spend("b")).index == size
    assert fsck(tmp_path / "ledger").ok
