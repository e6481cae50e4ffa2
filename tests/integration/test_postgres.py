"""What can go wrong with a database server, and what the two stores must have in common."""

from __future__ import annotations

import multiprocessing
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from clikit import Result, call
from ledgerkit import Clock, World, stub_engine, tag
from postgreskit import Server

from zkcredit.auditor import audit
from zkcredit.errors import (
    CallerError,
    MalformedInput,
    Refused,
    StateConflict,
    StoreError,
    ZkCreditError,
)
from zkcredit.ledger import Operator, Receipt, folder
from zkcredit.ledger.fsck import fsck
from zkcredit.ledger.store import Changes, Store

SERIALIZABLE = "-cdefault_transaction_isolation=serializable"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    return stub_engine(monkeypatch)


@pytest.fixture
def world(calls: SimpleNamespace, tmp_path: Path, postgres: Server) -> Iterator[World]:
    clock = Clock()
    with Operator.create(tmp_path / "ledger", database=postgres.place(), clock=clock) as ledger:
        yield World(ledger, clock)


def place_of(world: World) -> Path:
    path = world.ledger._path
    assert path is not None
    return path


def address_of(world: World) -> str:
    address = folder.database(place_of(world))
    assert isinstance(address, str)
    return address


def end_sessions(postgres: Server) -> None:
    """Ends every session of a ledger from outside."""
    postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name LIKE 'zkcredit%'"
    )


# --- the folder ------------------------------------------------------------------------


def test_the_folder_names_its_database(world: World) -> None:
    place = place_of(world)
    assert not list(place.glob("ledger.db*"))
    assert stat.S_IMODE((place / "database").stat().st_mode) == 0o644
    with pytest.raises(StateConflict, match="already holds a ledger"):
        Operator.create(place, database=address_of(world))


def test_an_address_with_a_password_is_for_its_owner_only(tmp_path: Path) -> None:
    folder.write_address(tmp_path, "postgresql://bank:hunter2@localhost/ledger")
    assert stat.S_IMODE((tmp_path / "database").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "address",
    ["mysql://root:hunter2@h/x", "hunter2", "postgresql://h/x?hunter2=1", "postgresql://h:hunter2"],
)
def test_other_addresses_are_refused_and_not_repeated(tmp_path: Path, address: str) -> None:
    with pytest.raises((CallerError, StoreError)) as caught:
        Operator.create(tmp_path / "ledger", database=address)
    assert "hunter2" not in str(caught.value)
    assert not list((tmp_path / "ledger").iterdir())
    with pytest.raises(CallerError, match="needs a folder"):
        Operator.create(None, database=address)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    address = f"postgresql://bank:hunter2@/ledger?host={tmp_path}"
    with pytest.raises(StoreError) as caught:
        Operator.create(tmp_path / "ledger", database=address)
    assert "hunter2" not in str(caught.value)
    assert not list((tmp_path / "ledger").iterdir())


def test_a_database_holds_one_ledger(world: World, tmp_path: Path) -> None:
    with pytest.raises(StateConflict, match="already"):
        Operator.create(tmp_path / "second", database=address_of(world))
    assert not list((tmp_path / "second").iterdir())
    assert world.ledger.size == 3


def test_one_of_several_creations_wins(tmp_path: Path, postgres: Server) -> None:
    address = postgres.place()
    barrier, made = threading.Barrier(4), []

    def create(number: int) -> None:
        barrier.wait()
        try:
            Operator.create(tmp_path / str(number), database=address).close()
        except StateConflict:
            return
        made.append(number)

    threads = [threading.Thread(target=create, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    Operator.open(tmp_path / str(made[0])).close()
    assert sorted(path.name for path in tmp_path.glob("*/genesis")) == ["genesis"]


def test_databases_of_other_kinds_and_versions(
    world: World, tmp_path: Path, postgres: Server
) -> None:
    place, address = place_of(world), address_of(world)
    for sql, problem in (
        ("UPDATE format SET version = 9", "version 9"),
        ("UPDATE format SET application_id = 7", "not a zkcredit ledger"),
        ("DELETE FROM format", "not a zkcredit ledger"),
        ("DROP TABLE format", "not a zkcredit ledger"),
    ):
        postgres.execute(sql, address)
        with pytest.raises(MalformedInput, match=problem):
            Operator.open(place)
    with Operator.create(tmp_path / "other", database=postgres.place()):
        pass
    (place / "database").write_bytes((tmp_path / "other" / "database").read_bytes())
    with pytest.raises(MalformedInput, match="different ledgers"):
        Operator.open(place)
    (place / "database").write_bytes(b"\xff")
    with pytest.raises(MalformedInput, match="not the address"):
        Operator.open(place)


# --- the server ------------------------------------------------------------------------


def test_a_lost_connection_is_an_error_and_the_next_call_connects(
    world: World, postgres: Server
) -> None:
    submission = world.prove(world.spend("a"))
    end_sessions(postgres)
    with pytest.raises(StoreError, match="lost"):
        world.ledger.submit(submission)
    receipt = world.ledger.submit(submission)
    assert (receipt.index, receipt.duplicate) == (3, False)


def test_a_connection_lost_inside_a_transaction_leaves_nothing(
    world: World, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [world.prove(world.refresh(i)) for i in range(20)]
    insert = Store.insert

    def cut(store: Store, changes: Changes) -> None:
        insert(store, changes)
        end_sessions(postgres)

    before = world.ledger.size, world.ledger.root()
    with monkeypatch.context() as patch:
        patch.setattr(Store, "insert", cut)
        with pytest.raises(StoreError, match="lost"):
            world.ledger.submit_many(batch)
    assert (world.ledger.size, world.ledger.root()) == before
    results = world.ledger.submit_many(batch)
    assert [item.index for item in results if isinstance(item, Receipt)] == list(range(3, 23))
    assert not any(item.duplicate for item in results if isinstance(item, Receipt))
    assert fsck(place_of(world)).ok


def test_a_crashed_server_comes_back_with_what_was_acknowledged(
    world: World, postgres: Server
) -> None:
    receipts = [world.submit(world.refresh(i)) for i in range(5)]
    postgres.stop("immediate")
    for _ in range(2):
        with pytest.raises(StoreError):
            world.submit(world.refresh("meanwhile"))
    postgres.start()
    assert world.submit(world.refresh("afterwards")).index == receipts[-1].index + 1
    assert [world.ledger.find_statement(r.statement_hash) for r in receipts] == [
        receipt.index for receipt in receipts
    ]
    assert fsck(place_of(world)).ok


def test_a_server_that_forgets_is_refused(world: World, postgres: Server) -> None:
    postgres.stop()
    postgres.start("fsync=off")
    try:
        with pytest.raises(StoreError, match="fsync=off"):
            Operator.open(place_of(world))
        with pytest.raises(StoreError):
            world.submit(world.refresh(1))
        with pytest.raises(StoreError, match="fsync=off"):
            world.submit(world.refresh(1))
    finally:
        postgres.stop()
        postgres.start()


def test_commits_wait_for_the_disk(postgres: Server, tmp_path: Path) -> None:
    address = postgres.place("-csynchronous_commit=off")
    with Operator.create(tmp_path / "ledger", database=address) as ledger:
        assert ledger._store._value("SHOW synchronous_commit") == "on"


def test_fsck_reads_one_moment_and_names_what_differs(world: World, postgres: Server) -> None:
    world.submit(world.spend("a"))
    world.ledger.checkpoint()

    def write(_done: int, _total: int) -> None:
        world.submit(world.refresh(world.ledger.size))

    assert fsck(place_of(world), progress=write).ok
    assert world.ledger.size > 4
    postgres.execute("UPDATE nullifiers SET idx = 1", address_of(world))
    assert set(fsck(place_of(world)).counts) == {"nullifiers"}


def test_two_roots_for_one_size_are_never_signed_after_a_restore(
    world: World, postgres: Server
) -> None:
    """The rows are set back to an older backup while the checkpoint in the folder is newer."""
    address = address_of(world)
    world.submit(world.spend("a"))
    world.ledger.checkpoint()
    old = world.ledger._store.coordinator()
    world.submit(world.spend("b"))
    world.ledger.checkpoint()
    head = f"size = {old.size}, root = '\\x{old.root.hex()}', frontier = '\\x{old.frontier.hex()}'"
    signed = f"signed_size = {old.size}, signed_root = '\\x{old.root.hex()}'"
    for table in ("entries", "evidence", "statements", "nullifiers", "payees", "owed"):
        postgres.execute(f"DELETE FROM {table} WHERE idx >= {old.size}", address)
    postgres.execute(f"UPDATE coordinator SET {head}, {signed}", address)
    with pytest.raises(StateConflict, match="rolled back"):
        world.ledger.checkpoint()


# --- several processes -----------------------------------------------------------------


def race(path: Path, batches: list[list[bytes]], start: threading.Barrier) -> list[str]:
    """Submits batches of encoded submissions once all are ready; the name of each outcome."""
    from zkcredit.entries import Submission

    stub_engine(pytest.MonkeyPatch())
    outcomes = []
    with Operator.open(path, clock=Clock()) as ledger:
        start.wait(30)
        for batch in batches:
            for result in ledger.submit_many([Submission.decode(data) for data in batch]):
                if isinstance(result, ZkCreditError):
                    outcomes.append(result.rule if isinstance(result, Refused) else repr(result))
                else:
                    outcomes.append("again" if result.duplicate else "ok")
    return outcomes


@pytest.mark.parametrize("settings", ["", SERIALIZABLE], ids=["read-committed", "serializable"])
def test_processes_race_for_tokens(
    tmp_path: Path, postgres: Server, calls: SimpleNamespace, settings: str
) -> None:
    """Each token is wanted by every process; under serializable the server undoes losers."""
    tokens, rivals, step = 24, 4, 4
    path, clock = tmp_path / "ledger", Clock()
    with Operator.create(path, database=postgres.place(settings), clock=clock) as ledger:
        world = World(ledger, clock)
        size = ledger.size

        def batches(process: int) -> list[list[bytes]]:
            spends = [
                world.prove(world.spend((process, i), nullifier=tag(("token", i)))).encode()
                for i in range(tokens)
            ]
            return [spends[i : i + step] for i in range(0, tokens, step)]

        jobs = [batches(process) for process in range(rivals)]
        context = multiprocessing.get_context("spawn")
        with context.Manager() as manager, ProcessPoolExecutor(rivals, mp_context=context) as pool:
            start = manager.Barrier(rivals)
            results = list(pool.map(race, [path] * rivals, jobs, [start] * rivals))
        for position in range(tokens):
            assert sorted(result[position] for result in results) == [
                *["already-spent"] * (rivals - 1),
                "ok",
            ]
        assert ledger.size == size + tokens
        assert audit(ledger).size == ledger.size
    assert fsck(path).ok


def undo_once(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> list[int]:
    """The server undoes the next transaction at its end; returns how many entries it had."""
    insert, attempts = Store.insert, []

    def undone(store: Store, changes: Changes) -> None:
        insert(store, changes)
        attempts.append(len(changes.entries))
        monkeypatch.setattr(Store, "insert", insert)
        store._run("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    monkeypatch.setattr(Store, "insert", undone)
    monkeypatch.setattr("zkcredit.database.time.sleep", lambda _seconds: meanwhile())
    return attempts


def test_an_undone_transaction_runs_again_from_its_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [world.prove(world.spend(i)) for i in range(3)]
    attempts = undo_once(monkeypatch, lambda: None)
    results = world.ledger.submit_many(batch)
    assert attempts == [3]
    assert [(item.index, item.duplicate) for item in results if isinstance(item, Receipt)] == [
        (3, False),
        (4, False),
        (5, False),
    ]
    assert world.ledger.size == 6


def test_an_undone_transaction_runs_again_on_what_is_there_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process gets in between: the second attempt sees its entries."""
    rival = world.prove(world.spend("rival", nullifier=tag("token")))
    batch = [
        world.prove(world.spend("mine", nullifier=tag("token"))),
        world.prove(world.spend("other")),
    ]

    def submit_rival() -> None:
        with Operator.open(place_of(world), clock=world.clock) as other:
            other.submit(rival)

    attempts = undo_once(monkeypatch, submit_rival)
    mine, other = world.ledger.submit_many(batch)
    assert attempts == [2]
    assert isinstance(mine, Refused)
    assert mine.rule == "already-spent"
    assert isinstance(other, Receipt)
    assert (other.index, world.ledger.size) == (4, 5)


def test_a_transaction_is_not_tried_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("zkcredit.database.time.sleep", pauses.append)
    monkeypatch.setattr(
        Store,
        "insert",
        lambda store, _: store._run("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"),
    )
    before = world.ledger.size, world.ledger.root()
    with pytest.raises(StateConflict, match="try again"):
        world.submit(world.spend("a"))
    assert len(pauses) == 11
    assert pauses[-1] > pauses[0]
    assert (world.ledger.size, world.ledger.root()) == before


def test_by_command(postgres: Server, tmp_path: Path) -> None:
    def command(name: str, *arguments: str, place: str = "bank") -> Result:
        home = str(tmp_path / "home")
        return call("--ledger", place, "ledger", name, *arguments, cwd=tmp_path, ZKCREDIT_HOME=home)

    address = postgres.place()
    assert command("init", "--database", address).code == 0
    assert folder.database(tmp_path / "bank") == address
    for name in ("show", "verify", "fsck"):
        assert command(name).code == 0
    again = command("init", "--database", address, place="other")
    assert again.code != 0
    assert "already" in again.err
