"""fsck: a sound ledger has no differences, and every change of a table or file is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pysqlite3
import pytest
from ledgerkit import Clock, World, stub_engine, tag, toy_signature

from zkcredit.cli import main
from zkcredit.ledger import Operator, Receipt, folder
from zkcredit.ledger.accept import RequestKey
from zkcredit.ledger.fsck import LISTED_MAX, fsck


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with an entry in every table, signed before its last entry."""
    path = tmp_path_factory.mktemp("fsck") / "ledger"
    with pytest.MonkeyPatch.context() as patch, Operator.create(path, clock=Clock()) as ledger:
        stub_engine(patch)
        patch.setattr("zkcredit.ledger.store._MERGE_ENTRIES", 8)
        world = World(ledger, Clock())
        ledger.submit(world.merchant("Shop"))
        spends = [world.spend(i) for i in range(300)]
        receipts = ledger.submit_many([world.prove(spend) for spend in spends])
        first = next(receipt.index for receipt in receipts if isinstance(receipt, Receipt))
        ledger.submit_many(
            [world.prove(world.opening("line"))], [RequestKey(tag("key"), tag("print"))]
        )
        ledger.post_replies([(first + i, toy_signature(spends[i])) for i in range(100)])
        ledger.submit(world.prove(world.settlement([(first, 0), (first + 1, 1)])))
        ledger.checkpoint()
        world.submit(world.refresh("late"))
    return path


@pytest.fixture
def place(original: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    stub_engine(monkeypatch)
    return Path(shutil.copytree(original, tmp_path / "ledger"))


def change(place: Path, sql: str) -> None:
    connection = pysqlite3.connect(str(place / folder.DATABASE))
    assert connection.execute(sql).rowcount > 0
    connection.commit()
    connection.close()


def test_a_sound_ledger_has_no_differences(place: Path) -> None:
    report = fsck(place)
    assert report.differences == []
    assert report.ok
    with Operator.open(place, read_only=True) as ledger:
        assert (report.size, report.root) == (ledger.size, ledger.root())


def test_a_database_server(
    tmp_path: Path, database: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_engine(monkeypatch)
    path = tmp_path / "ledger"
    with Operator.create(path, database=database, clock=Clock()) as ledger:
        world = World(ledger, Clock())
        ledger.submit_many([world.prove(world.spend(i)) for i in range(20)])
        ledger.checkpoint()
        assert fsck(path).ok
        with ledger._store.write():
            table = "payees_recent" if database is None else "payees"
            ledger._store._run(f"DELETE FROM {table} WHERE idx=?", (9,))
        assert fsck(path).counts == {"payees": 1}


def test_the_operator_may_go_on_working(place: Path) -> None:
    with Operator.open(place, clock=Clock()) as ledger:
        ledger.checkpoint()
        grown: list[int] = []

        def write(done: int, total: int) -> None:
            ledger.checkpoint()
            grown.append(total)

        assert fsck(place, progress=write).ok
    assert grown


FIRST = "(SELECT MIN(hash) FROM statements_main)"
LAST = "(SELECT MAX(hash) FROM statements_recent)"
CHANGES = [
    ("UPDATE coordinator SET size=size+1", {"coordinator"}),
    ("UPDATE coordinator SET frontier=zeroblob(length(frontier))", {"coordinator"}),
    ("UPDATE coordinator SET root=zeroblob(32)", {"coordinator"}),
    ("UPDATE coordinator SET last_timestamp_ms=5", {"coordinator"}),
    ("UPDATE coordinator SET signed_root=zeroblob(32)", {"signed-head"}),
    ("UPDATE coordinator SET signed_size=9999", {"signed-head"}),
    ("UPDATE coordinator SET signed_size=0, signed_root=zeroblob(32)", {"signed-head"}),
    ("UPDATE tiles SET hashes=zeroblob(32) WHERE level=1", {"tiles"}),
    ("DELETE FROM tiles WHERE level=0 AND number=1", {"tiles"}),
    (f"DELETE FROM statements_recent WHERE hash={LAST}", {"statements"}),
    (f"DELETE FROM statements_main WHERE hash={FIRST}", {"statements"}),
    ("DELETE FROM nullifiers_main WHERE nullifier < x'10'", {"nullifiers"}),
    ("UPDATE nullifiers_main SET idx=7 WHERE nullifier < x'10'", {"nullifiers"}),
    ("INSERT INTO nullifiers_main SELECT * FROM nullifiers_recent", {"nullifiers"}),
    ("INSERT INTO payees_recent VALUES (zeroblob(32), 3)", {"payees"}),
    ("DELETE FROM opens", {"opens"}),
    ("DELETE FROM settled WHERE claim=5", {"settled"}),
    ("DELETE FROM registrations WHERE idx=1", {"registrations"}),
    ("UPDATE counts SET entries=entries-1", {"counts"}),
    ("DELETE FROM owed WHERE idx=250", {"owed"}),
    ("UPDATE owed SET due_ms=due_ms+1 WHERE idx=250", {"owed"}),
    ("DELETE FROM replies WHERE idx=50", {"owed"}),
    ("UPDATE replies SET reply=zeroblob(80) WHERE idx=50", {"replies"}),
    ("UPDATE replies SET idx=9999 WHERE idx=50", {"replies", "owed"}),
    ("INSERT INTO evidence VALUES (9999, x'', x'')", {"evidence"}),
    ("UPDATE requests SET fingerprint=x'00'", {"requests"}),
    ("DELETE FROM entries WHERE idx=304", {"entries", "coordinator", "tiles", "evidence"}),
    ("DELETE FROM evidence WHERE idx=304", {"evidence", "opens"}),
    ("UPDATE evidence SET evidence=zeroblob(8) WHERE idx=304", {"evidence", "opens"}),
    ("UPDATE entries SET entry=x'ff' WHERE idx=304", {"void", "opens", "tiles", "coordinator"}),
]


@pytest.mark.parametrize(("sql", "names"), CHANGES, ids=[sql for sql, _ in CHANGES])
def test_every_change_is_named(place: Path, sql: str, names: set[str]) -> None:
    change(place, sql)
    report = fsck(place)
    assert names <= set(report.counts)
    assert len(names) > 1 or set(report.counts) == names
    assert {difference.name for difference in report.differences} == set(report.counts)


def test_an_entry_that_breaks_a_rule_is_void(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def anything(*_: object) -> None:
        return None

    with Operator.open(place, clock=Clock()) as ledger:
        world = Borrowed(ledger)
        with monkeypatch.context() as patch:
            patch.setattr("zkcredit.ledger.rules.check", anything)
            world.submit(world.spend("stale", not_after_ms=1))
    report = fsck(place)
    assert next(str(d) for d in report.differences if d.name == "void").endswith("]")
    assert "nullifiers" in report.counts


class Borrowed(World):
    """A world on a ledger whose parties are registered already."""

    def __init__(self, ledger: Operator) -> None:
        self.ledger, self.clock, self.period = ledger, Clock(), 1
        self.issuer_id = next(iter(ledger.registry.issuers))
        self.terms_hash = next(iter(ledger.registry.terms))


def test_many_differences_are_counted_and_some_listed(place: Path) -> None:
    change(place, "DELETE FROM nullifiers_main")
    change(place, "DELETE FROM nullifiers_recent")
    report = fsck(place)
    assert report.counts == {"nullifiers": 301}
    assert len(report.differences) == LISTED_MAX


def test_files_beside_the_database(place: Path) -> None:
    (place / folder.CHECKPOINT).write_text("nonsense")
    (place / folder.KEY).write_bytes((place / folder.KEY).read_bytes()[::-1])
    (place / folder.ATTACHMENTS).mkdir()
    (place / folder.ATTACHMENTS / "00").write_bytes(b"x")
    assert set(fsck(place).counts) == {"checkpoint", "operator.key", "attachments"}


def test_a_damaged_file_is_named(place: Path) -> None:
    path = place / folder.DATABASE
    data = bytearray(path.read_bytes())
    for page in range(len(data) // 4096 // 2, len(data) // 4096, 3):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(data)
    assert "database" in fsck(place).counts


def test_command(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--home", str(tmp_path / "home"), "ledger", "fsck", str(place)]
    assert main(arguments) == 0
    assert "all as the entries say" in capsys.readouterr().out
    change(place, "DELETE FROM opens")
    assert main([*arguments, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {"opens": 1}
    assert not report["ok"]
