"""The large tables of keys: recent keys apart, merged a prefix at a time."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pysqlite3
import pytest
from ledgerkit import Clock, World, stub_engine, tag
from postgreskit import Server

from zkcredit.errors import MalformedInput, StateConflict
from zkcredit.ledger import Operator, folder
from zkcredit.ledger import store as store_module
from zkcredit.ledger.fsck import fsck
from zkcredit.ledger.store import Changes, Store

EVERY = 2
"""Entries between two merges here."""
ROUND = 256 * EVERY
"""Entries after which every prefix has had its turn."""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_MERGE_ENTRIES", EVERY)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "ledger.db", b"genesis")


def add(store: Store, rows: dict[bytes, int]) -> None:
    """A batch of entries, each with a nullifier of issuer 7 and a payee."""
    with store.write():
        store.insert(
            Changes(
                entries=[(index, b"entry") for index in sorted(rows.values())],
                nullifiers=[(key, 7, index) for key, index in rows.items()],
                payees=list(rows.items()),
            )
        )


def recent(store: Store, table: str = "nullifiers") -> list[bytes]:
    return [row[0] for row in store._rows(f"SELECT * FROM {table}_recent")]


def test_every_key_is_found_wherever_it_lies(tmp_path: Path, database: str | None) -> None:
    """A model: the tables answer like one dictionary at every size, on both databases."""
    source = random.Random(8)
    store = Store.create(database or tmp_path / "ledger.db", b"genesis")
    known: dict[bytes, int] = {}
    while len(known) < 2 * ROUND:
        batch: dict[bytes, int] = {}
        for index in range(len(known), len(known) + source.randrange(1, 150)):
            first = source.choice((0, 1, 254, 255, source.randrange(256)))
            batch[bytes((first,)) + source.randbytes(31)] = index
        add(store, batch)
        known |= batch
        strangers = [source.randbytes(32) for _ in range(20)]
        found = store.lookup("nullifiers", "nullifier", [*known, *strangers])
        assert sorted(found) == sorted((key, 7, index) for key, index in known.items())
        assert store.find("payees", payee=strangers[0]) is None
        for key in source.sample(sorted(known), 3):
            assert store.find("nullifiers", nullifier=key, issuer=7) == known[key]
            assert store.find("nullifiers", nullifier=key, issuer=8) is None
        for low, high in ((0, 255), (255, 255), (16, 31)):
            bucket = store.bucket("payees", "payee", b"", low, high)
            assert bucket == sorted((k, i) for k, i in known.items() if low <= k[0] <= high)
    store.close()


def test_the_recent_keys_stay_few(store: Store) -> None:
    for start in range(0, 4 * ROUND, 64):
        add(store, {tag(index): index for index in range(start, start + 64)})
    rows = store._rows("SELECT payee, idx FROM payees_recent")
    assert 0 < len(rows) < ROUND
    assert min(index for _, index in rows) >= 3 * ROUND - EVERY
    assert len(store._rows("SELECT * FROM payees_main")) == 4 * ROUND - len(rows)
    # the last turn was that of the last prefix: of the keys that begin with it none is recent
    assert not any(key[0] == 255 for key, _ in rows)


def test_no_index_however_large_makes_more_turns_than_prefixes(store: Store) -> None:
    add(store, {bytes((255,)) * 32: 5, bytes(32): (1 << 62) + 1})
    assert recent(store) == []


@pytest.mark.parametrize("first", [0, 200])
def test_a_known_key_is_refused_wherever_it_lies(store: Store, first: int) -> None:
    key = bytes((first,)) * 32
    add(store, {key: 0, tag("other"): 1})
    assert (key in recent(store)) is (first == 200)
    with pytest.raises(StateConflict, match="nullifiers"):
        add(store, {tag("new"): 2, key: 3})
    assert store.find("nullifiers", nullifier=tag("new"), issuer=7) is None
    assert store.find("nullifiers", nullifier=key, issuer=7) == 0


def test_a_merge_is_undone_with_its_transaction(store: Store) -> None:
    add(store, {bytes(32): 0})

    def interrupted() -> None:
        store.merge_keys(0, EVERY)
        assert recent(store) == []
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.transact(interrupted)
    assert recent(store) == [bytes(32)]
    with store.write():
        store.merge_keys(0, EVERY)
    assert recent(store) == []
    assert store.lookup("payees", "payee", [bytes(32)]) == [(bytes(32), 0)]


def as_version_2(path: Path) -> None:
    """Makes the file what version 2 wrote: one table for each kind of key."""
    connection = pysqlite3.connect(path)
    for table in ("statements", "nullifiers", "payees"):
        connection.execute(f"DROP VIEW {table}")
        connection.execute(f"INSERT INTO {table}_main SELECT * FROM {table}_recent")
        connection.execute(f"DROP TABLE {table}_recent")
        connection.execute(f"ALTER TABLE {table}_main RENAME TO {table}")
    connection.execute("PRAGMA user_version=2")
    connection.commit()
    connection.close()


def test_a_ledger_of_version_2_is_read_and_then_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub_engine(monkeypatch)
    place = tmp_path / "ledger"
    with Operator.create(place, clock=Clock()) as ledger:
        world = World(ledger, Clock())
        world.submit(world.spend("old"))
        size = ledger.size
    as_version_2(place / folder.DATABASE)
    before = (place / folder.DATABASE).read_bytes()
    assert fsck(place).ok  # opens it for reading only
    assert (place / folder.DATABASE).read_bytes() == before

    with Operator.open(place, clock=Clock()) as ledger, Operator.open(place) as second:
        world.ledger = ledger
        world.submit(world.spend("new"))
        assert second.size == ledger.size == size + 1
        with pytest.raises(StateConflict, match="nullifiers"), ledger._store.write():
            ledger._store.insert(Changes(nullifiers=[(tag(("nullifier", "old")), 0, 9)]))
    assert fsck(place).ok
    assert Store.open(place / folder.DATABASE)._driver.identity()[1] == Store.VERSION


def test_an_interrupted_update_leaves_version_2(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, {bytes(32): 0})
    store.close()
    path = tmp_path / "ledger.db"
    as_version_2(path)
    shutil.copy(path, tmp_path / "copy.db")

    def fail(*_: object) -> None:
        raise MalformedInput("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr("zkcredit.sqlite.Sqlite.set_version", fail)
        with pytest.raises(MalformedInput, match="interrupted"):
            Store.open(path)
    old = Store.open(path, read_only=True)
    assert old._driver.identity()[1] == 2
    assert old.find("payees", payee=bytes(32)) == 0
    old.close()
    assert recent(Store.open(path)) == []


def test_a_server_keeps_one_table(postgres: Server) -> None:
    database = postgres.place()
    store = Store.create(database, b"genesis")
    add(store, {bytes(32): 0, tag(1): 1})
    with store.write():
        store._run("UPDATE format SET version = 2")
    store.close()
    again = Store.open(database)
    assert again._driver.identity()[1] == Store.VERSION
    assert again.find("payees", payee=bytes(32)) == 0
    again.close()
