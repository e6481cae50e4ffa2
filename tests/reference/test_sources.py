"""One log, four places: a folder, its rows in PostgreSQL, published files, and their address."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cosignerkit import publish
from ledgerkit import Clock, World, stub_engine
from postgreskit import Server
from referenceledger import build, patched

from zkcredit.auditor import audit as first_audit
from zkcredit.cli import main
from zkcredit.errors import CheckFailed, MalformedInput, StoreError, ZkCreditError
from zkcredit.ledger import Operator, log
from zkcredit.ledger.static import StaticLog, StaticSource, bundle_path, open_place
from zkcredit.reference import Folder, Published, Report, audit, source


@pytest.fixture(scope="module")
def public(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static files of the ledger."""
    path = tmp_path_factory.mktemp("public") / "log"
    with Operator.open(place) as ledger:
        publish(ledger, path)
    return path


def found(report: Report) -> Report:
    """A report without what differs from run to run."""
    return replace(report, wall_s=0.0, verified={})


def published(path: Path | str) -> Published:
    return Published(open_place(path))


@contextmanager
def served(path: Path) -> Iterator[str]:
    """The address of a web server that hands out a folder."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_published_files_are_read_as_the_folder_is(place: Path, public: Path) -> None:
    assert list(published(public).rows()) == list(Folder(place).rows())
    expected = found(audit(place, sample=0))
    assert found(audit(published(public), sample=0)) == expected
    assert expected.checkpoint_size == expected.size
    with served(public) as url:
        assert found(audit(published(url), sample=0)) == expected


def test_bundles_full_and_partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Across bundles; behind an older checkpoint where the full bundle has replaced the partial."""
    stub_engine(monkeypatch)
    clock, path = Clock(), tmp_path / "public"
    with Operator.create(tmp_path / "ledger", clock=clock) as ledger:
        world, files = World(ledger, clock), StaticLog(ledger, path)
        ledger.submit_many([world.prove(world.spend(i)) for i in range(200)])
        files.publish()
        older = (path / "checkpoint").read_bytes()
        ledger.submit_many([world.prove(world.spend(i)) for i in range(200, 600)])
        files.publish()
        rows = [row[1:] for row in ledger.records(0, ledger.size)]
    assert list(published(path).rows()) == rows
    assert audit(published(path), sample=0).size == len(rows) > 512
    (path / "checkpoint").write_bytes(older)
    assert not (path / log.tile_path("entries", 0, 203)).exists()
    assert list(published(path).rows()) == rows[: published(path).size]
    assert audit(published(path), sample=0).size == published(path).size < 256


@pytest.mark.parametrize("number", [0, 7, 999, 1000, 1234067, 10**9])
def test_numbers_of_bundles(number: int) -> None:
    assert f"reply/{source._number(number)}" == bundle_path("reply", number)


def without_last(data: bytes) -> bytes:
    """An entry bundle without its last entry."""
    last = following = 0
    while following < len(data):
        last, following = following, following + 2 + int.from_bytes(data[following:][:2], "big")
    return data[:last]


Damage = Callable[[Path], object]
DAMAGE: dict[str, tuple[type[ZkCreditError], Damage]] = {
    "no genesis": (StoreError, lambda at: (at / "genesis").unlink()),
    "no checkpoint": (StoreError, lambda at: (at / "checkpoint").unlink()),
    "a checkpoint of bytes": (
        MalformedInput, lambda at: (at / "checkpoint").write_bytes(b"\xff\xff\n"),
    ),
    "no entries": (CheckFailed, lambda at: shutil.rmtree(at / "tile" / "entries")),
    "no evidence": (CheckFailed, lambda at: shutil.rmtree(at / "evidence")),
    "entries cut": (MalformedInput, lambda at: edit(at, "tile/entries", lambda data: data[:-9])),
    "an entry less": (MalformedInput, lambda at: edit(at, "tile/entries", without_last)),
    "an entry changed": (
        CheckFailed, lambda at: edit(at, "tile/entries", lambda data: data[:-1] + b"\0"),
    ),
    "evidence changed": (
        CheckFailed, lambda at: edit(at, "evidence", lambda data: patched(data, 100)),
    ),
    "a bundle of 257": (
        MalformedInput, lambda at: edit(at, "evidence", lambda data: data + bytes(4) * 257),
    ),
}  # fmt: skip


def edit(folder: Path, name: str, change: Callable[[bytes], bytes]) -> None:
    """Changes the one bundle of this kind."""
    (path,) = (item for item in (folder / name).rglob("*") if item.is_file())
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_files(public: Path, tmp_path: Path, name: str) -> None:
    """Nothing that is cut, changed or not there passes, with either verifier."""
    error, damage = DAMAGE[name]
    copy = tmp_path / "copy"
    shutil.copytree(public, copy)
    damage(copy)
    with pytest.raises(error):
        audit(published(copy), sample=0)
    with pytest.raises(ZkCreditError):
        first_audit(StaticSource(copy))


# --- command line ----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("ZKCREDIT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZKCREDIT_LEDGER", raising=False)
    return lambda *words: main([*words[:-1], "audit", "--reference", "--json", *words[-1]])


def test_the_command_reads_published_files(
    run: Callable[..., int], public: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--published", str(public), "--sample", "1"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["entries_verified"]) == (True, 1)
    with served(public) as url:
        assert run("--ledger", url, ["--sample", "0"]) == 0
        assert run(["--published", url, "--sample", "0"]) == 0
    assert run(["--published", str(public / "tile"), "--sample", "0"]) == 6


def test_rows_in_postgres(
    run: Callable[..., int], postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger"
    build(path, postgres.place())
    with Operator.open(path, read_only=True) as ledger:
        genesis, size, root = ledger.genesis, ledger.size, ledger.root()
    assert run("--ledger", str(path), ["--sample", "2"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["size"], report["root"]) == (size, root.hex())
    assert report["ledger_id"] == genesis.ledger_id.hex()
    assert report["entries_verified"] == 2
    assert len(report["kinds"]) == 15
    address = (path / "database").read_text().strip()
    postgres.execute("UPDATE entries SET entry = entry || '\\x00' WHERE idx = 3", address)
    assert run("--ledger", str(path), ["--sample", "0"]) == 1
