"""The log as static files: other people's client, what may change, what may not."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.support.ledgerkit import Clock, World, stub_engine, tag, toy_signature
from tlog_scales.backend import make_backend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet
from tlog_scales.tiles import leaf_hash

from zkcredit.auditor import audit
from zkcredit.credentials.schema import Field, FieldType, Schema
from zkcredit.entries import (
    CredentialKeyStatement,
    KeyAction,
    LineStatement,
    RevocationStatement,
    SchemaStatement,
)
from zkcredit.errors import CheckFailed, MalformedInput, StateConflict, StoreError
from zkcredit.hashing import blake3
from zkcredit.ledger import Operator
from zkcredit.ledger.static import (
    StaticLog,
    StaticSource,
    bundle_path,
    decode_bundle,
    decode_entries,
    encode_bundle,
)
from zkcredit.ledger.tlogproof import TlogProof


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    stub_engine(monkeypatch)
    clock = Clock()
    return World(Operator.create(tmp_path / "ledger", clock=clock), clock)


@pytest.fixture
def public(tmp_path: Path) -> Path:
    return tmp_path / "public"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the tests' output is theirs."""


@pytest.fixture
def url(public: Path) -> Iterator[str]:
    public.mkdir(exist_ok=True)
    handler = partial(_Quiet, directory=str(public))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def fill(world: World, size: int) -> None:
    missing = size - world.ledger.size
    steps = [world.prove(world.refresh((size, i))) for i in range(missing)]
    world.ledger.submit_many(steps)
    assert world.ledger.size == size


@pytest.mark.parametrize("by_url", [False, True], ids=["path", "url"])
def test_another_programs_client_reads_the_log(
    world: World, public: Path, url: str, by_url: bool
) -> None:
    reader = TilesReader(make_backend(url if by_url else str(public)))
    keys = VkeySet(*(Vkey.from_string(key.encode()) for key in world.ledger.verifier_keys))
    sizes = (7, 256, 300, 600)
    roots = {}
    for size in sizes:
        fill(world, size)
        StaticLog(world.ledger, public).publish()
        head = reader.get_checkpoint()
        assert (head.size, head.root_hash) == (size, world.ledger.root())
        assert len(keys.verify(head.signatures, head)) == 2
        assert reader.calculate_root_hash() == head.root_hash
        for index in {0, size // 2, size - 1}:
            entry = reader.get_entry(index)
            assert entry == world.ledger.entry(index).encode()
            reader.get_inclusion_proof(index, size).check(leaf_hash(entry), head.root_hash)
        for old, root in roots.items():
            proof = reader.get_consistency_proof(old, size)
            assert proof.node_hashes == world.ledger.consistency_proof(old, size)
            assert world.ledger.root(old) == root
        roots[size] = head.root_hash


def test_another_programs_command_makes_a_receipt_of_ours(world: World, public: Path) -> None:
    fill(world, 300)
    StaticLog(world.ledger, public).publish()
    command = [sys.executable, "-m", "tlog_scales.cli", "gen-proof", str(public), "17"]
    made = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = made.splitlines(keepends=True)
    ours = TlogProof.make(world.ledger, 17).encode().splitlines(keepends=True)
    proof = TlogProof.decode("".join(lines[:1] + ours[1:2] + lines[1:]))
    assert proof.verify(*world.ledger.verifier_keys)[0] == world.ledger.entry(17)


@pytest.mark.parametrize("by_url", [False, True], ids=["path", "url"])
def test_the_files_are_enough_for_an_audit(
    world: World, public: Path, url: str, by_url: bool
) -> None:
    fill(world, 270)
    spend = world.spend("bought")
    index = world.submit(spend).index
    world.ledger.post_replies([(index, toy_signature(spend))])
    StaticLog(world.ledger, public).publish()
    source = StaticSource(url if by_url else public)
    assert list(source.records(0, 1000)) == list(world.ledger.records(0, 1000))
    assert list(source.records(255, 258)) == list(world.ledger.records(255, 258))
    report = audit(source, genesis=world.ledger.genesis)
    assert (report.size, report.checkpoint_size) == (271, 271)
    assert report.root == world.ledger.root()


def test_publishing_again_writes_only_what_is_new(world: World, public: Path) -> None:
    fill(world, 300)
    log = StaticLog(world.ledger, public)
    log.publish()
    before = {path: path.stat().st_mtime_ns for path in public.rglob("*") if path.is_file()}
    fill(world, 310)
    log.publish()
    changed = {p.name for p, t in before.items() if p.stat().st_mtime_ns != t}
    assert changed == {"checkpoint"}
    assert (public / "tile/0/001.p/44").is_file()
    assert (public / "tile/0/001.p/54").is_file()
    assert (public / "tile/1/000.p/1").is_file()
    assert not list(public.rglob(".*"))


def test_other_content_in_place_of_a_tile_stops_publication(world: World, public: Path) -> None:
    fill(world, 300)
    log = StaticLog(world.ledger, public)
    log.publish()
    head = (public / "checkpoint").read_bytes()
    (public / "tile/0/001.p").mkdir(exist_ok=True)
    (public / "tile/0/001.p/60").write_bytes(b"x" * 60 * 32)
    fill(world, 316)
    with pytest.raises(StateConflict, match="other bytes"):
        log.publish()
    assert (public / "checkpoint").read_bytes() == head


def test_a_rolled_back_ledger_is_not_published(world: World, public: Path, tmp_path: Path) -> None:
    fill(world, 100)
    shutil.copytree(tmp_path / "ledger", tmp_path / "backup")
    fill(world, 120)
    StaticLog(world.ledger, public).publish()
    files = {path: path.read_bytes() for path in public.rglob("*") if path.is_file()}
    older = Operator.open(tmp_path / "backup", clock=world.clock)
    with older, pytest.raises(StateConflict, match="does not continue"):
        StaticLog(older, public).publish()
    other = Operator.create(tmp_path / "other", clock=world.clock)
    with other, pytest.raises(StateConflict, match="other bytes"):
        StaticLog(other, public).publish()
    assert files == {path: path.read_bytes() for path in public.rglob("*") if path.is_file()}


def test_answers_come_later_and_evidence_may_go(world: World, public: Path) -> None:
    spend = world.spend("early")
    index = world.submit(spend).index
    fill(world, 600)
    log = StaticLog(world.ledger, public)
    log.publish()
    assert [row[4] for row in StaticSource(public).records(index, index + 1)] == [None]
    world.ledger.post_replies([(index, toy_signature(spend))])
    log.publish()
    assert [row[4] for row in StaticSource(public).records(index, index + 1)] != [None]
    assert log.retire_evidence(520) == 1, "the first bundle has registrations"
    rows = list(StaticSource(public).records(0, 600))
    assert [row[2] is None for row in rows] == [256 <= index < 512 for index in range(600)]
    assert [row[1] for row in rows] == [row[1] for row in world.ledger.records(0, 600)]
    assert log.retire_evidence(520) == 0
    log.publish()


def test_answers_are_added_where_they_were_missing(world: World, public: Path) -> None:
    published = StaticLog(world.ledger, public)
    fill(world, 300)
    published.publish()
    for index in (10, 280):
        statement = world.ledger.entry(index).statement
        assert isinstance(statement, LineStatement)
        world.ledger.post_replies([(index, toy_signature(statement))])
        published.publish()
        found = [x[0] for x in StaticSource(public).records(0, 300) if x[4] is not None]
        assert found == [10, 280][: 1 + (index == 280)]
    fill(world, 600)
    published.publish()
    assert (public / "reply/001").is_file()


def test_partial_tiles_make_way_for_full_ones(world: World, public: Path) -> None:
    published = StaticLog(world.ledger, public)
    fill(world, 200)
    published.publish()
    before = StaticSource(public)
    assert (public / "tile/0/000.p/200").is_file()
    fill(world, 300)
    published.publish()
    for name in ("tile/0/000", "tile/entries/000", "evidence/000"):
        assert (public / name).is_file()
        assert not (public / f"{name}.p").exists()
    rows = list(before.records(0, 200))
    assert [row[1:4] for row in rows] == [row[1:4] for row in world.ledger.records(0, 200)]


def test_attachments_are_published(world: World, public: Path) -> None:
    data = b"a list of gaps"
    schema = Schema("member", "member", True, (Field("word", "word", FieldType.TEXT),))
    world.register(SchemaStatement(world.issuer_id, schema.encode()))
    ids = world.issuer_id, schema.hash, 1
    world.register(CredentialKeyStatement(*ids, KeyAction.OPEN, tag("credentials", 96)))
    world.register(RevocationStatement(*ids, 1, blake3(data)))
    StaticLog(world.ledger, public).publish()
    source = StaticSource(public)
    assert source.attachment(blake3(data)) is None
    assert audit(source).attachments_missing == 1
    world.ledger.attach(data)
    StaticLog(world.ledger, public).publish()
    assert source.attachment(blake3(data)) == data
    assert audit(source).attachments_missing == 0
    (public / "attachments" / blake3(data).hex()).write_bytes(b"another list")
    with pytest.raises(CheckFailed):
        audit(source)


def test_damaged_files_are_noticed(world: World, public: Path) -> None:
    fill(world, 300)
    StaticLog(world.ledger, public).publish()
    bundle = public / "tile/entries/000"
    good = bundle.read_bytes()
    bundle.write_bytes(good[:-1])
    with pytest.raises(MalformedInput):
        list(StaticSource(public).records(0, 10))
    bundle.write_bytes(good[: 2 + int.from_bytes(good[:2], "big")])
    with pytest.raises(MalformedInput, match="1 entries, not 256"):
        list(StaticSource(public).records(0, 10))
    changed = bytearray(good)
    changed[30] ^= 1
    bundle.write_bytes(bytes(changed))
    with pytest.raises(CheckFailed):
        audit(StaticSource(public), genesis=world.ledger.genesis)
    bundle.unlink()
    with pytest.raises(CheckFailed, match="withheld"):
        list(StaticSource(public).records(0, 10))
    (public / "checkpoint").write_bytes(b"\xff")
    with pytest.raises(MalformedInput):
        StaticSource(public)


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(StoreError):
        StaticSource("http://127.0.0.1:9")


def test_bundles() -> None:
    items = [b"", b"a", b"b" * 70_000]
    assert decode_bundle(encode_bundle(items)) == items
    for data in (b"\0", encode_bundle(items)[:-1], encode_bundle([b""] * 257)):
        with pytest.raises(MalformedInput):
            decode_bundle(data)
    with pytest.raises(MalformedInput):
        decode_entries(b"\0\0" * 257)
    assert bundle_path("reply", 1234067, 3) == "reply/x001/x234/067.p/3"
