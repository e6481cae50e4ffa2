"""Two operators on one folder by mistake: what they publish never goes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ledgerkit import Clock, World, stub_engine

from zkcredit.auditor import audit
from zkcredit.ledger import Operator, folder
from zkcredit.ledger.note import Checkpoint, Note
from zkcredit.ledger.static import StaticLog, StaticSource


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    stub_engine(monkeypatch)
    return World(Operator.create(tmp_path / "ledger", clock=Clock()), Clock())


class Held:
    """Holds the first thread that comes to a step until the test lets it go."""

    def __init__(self) -> None:
        self.reached, self.free = threading.Event(), threading.Event()
        self.first = True

    def wrap(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def held(*arguments: Any, **options: Any) -> Any:
            if self.first:
                self.first = False
                self.reached.set()
                assert self.free.wait(20)
            return step(*arguments, **options)

        return held


def overtake(held: Held, slow: Callable[[], Any], between: Callable[[], Any], fast: Any) -> None:
    """``slow`` is held, ``between`` happens, ``fast`` tries to pass it, and both end."""
    threads = [threading.Thread(target=call) for call in (slow, fast)]
    threads[0].start()
    assert held.reached.wait(20)
    between()
    threads[1].start()
    threads[1].join(0.3)
    held.free.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def size_in(path: Path) -> int:
    return Checkpoint.parse(Note.decode(path.read_text()).text).size


def test_a_slow_publisher_undoes_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = tmp_path / "public"
    world.ledger.submit_many([world.prove(world.spend(i)) for i in range(200)])
    held = Held()
    monkeypatch.setattr(StaticLog, "_write_bundles", held.wrap(StaticLog._write_bundles))
    with Operator.open(tmp_path / "ledger", clock=Clock()) as other:
        overtake(
            held,
            StaticLog(world.ledger, public).publish,
            lambda: other.submit_many([world.prove(world.spend(i)) for i in range(200, 400)]),
            StaticLog(other, public).publish,
        )
        assert size_in(public / folder.CHECKPOINT) == other.size
    assert audit(StaticSource(public)).size == world.ledger.size


def test_a_slow_signer_undoes_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held()
    monkeypatch.setattr(folder, "write_file", held.wrap(folder.write_file))
    with Operator.open(tmp_path / "ledger", clock=Clock()) as other:
        overtake(
            held,
            world.ledger.checkpoint,
            lambda: other.submit(world.prove(world.spend("a"))),
            other.checkpoint,
        )
        assert size_in(tmp_path / "ledger" / folder.CHECKPOINT) == other.size
