"""Reading over HTTP: files and how they may be cached, replies, buckets, what is owed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ledgerkit import World, tag, toy_signature
from servicekit import Running, serving
from tlog_scales.backend import make_backend
from tlog_scales.reader import TilesReader
from tlog_scales.tiles import leaf_hash

from zkcredit.auditor import audit
from zkcredit.entries import Kind, LineStatement
from zkcredit.errors import CheckFailed, StateConflict
from zkcredit.ledger.static import StaticLog, StaticSource, decode_bundle
from zkcredit.remote import RemoteLedger
from zkcredit.service.reading import prefix_digits


def fill(world: World, running: Running, count: int, start: int = 0) -> None:
    names = range(start, start + count)
    answer = running.submit_many([world.prove(world.spend(i)) for i in names])
    assert answer.status_code == 200


def test_files_of_the_log_and_how_they_may_be_cached(world: World, running: Running) -> None:
    fill(world, running, 300)
    assert running.http.get("/checkpoint").text.splitlines()[1] == "303"
    for path in ("genesis", "tile/0/000", "tile/entries/000", "tile/0/001.p/47", "evidence/000",
                 "tile/entries/001.p/47"):  # fmt: skip
        answer = running.http.get(f"/{path}")
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable", path
        assert answer.headers["content-type"] == "application/octet-stream"
    assert running.http.get("/checkpoint").headers["cache-control"] == "no-cache"
    missing = running.http.get("/tile/0/002")
    assert (missing.status_code, missing.headers["cache-control"]) == (404, "no-store")


def test_other_peoples_clients_and_auditors_read_it(world: World, running: Running) -> None:
    fill(world, running, 300)
    report = audit(StaticSource(running.url))
    assert (report.size, report.entries_verified) == (303, 303)
    reader = TilesReader(make_backend(running.url))
    head = reader.get_checkpoint()
    assert (head.size, reader.calculate_root_hash()) == (303, head.root_hash)
    entry = reader.get_entry(302)
    reader.get_inclusion_proof(302, 303).check(leaf_hash(entry), head.root_hash)


def test_a_cosigned_checkpoint_is_handed_out(world: World, running: Running) -> None:
    fill(world, running, 1)
    missing = running.http.get("/checkpoint.cosigned")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:zkcredit:problem:not-found")
    note = running.http.get("/checkpoint").text
    place = world.ledger._path
    assert place is not None
    (place / "published/checkpoint.cosigned").write_text(note)
    found = running.http.get("/checkpoint.cosigned")
    assert (found.text, found.headers["cache-control"]) == (note, "no-cache")


def test_replies_change_until_they_are_there(world: World, running: Running) -> None:
    fill(world, running, 2)
    first = running.http.get("/reply/000")
    assert decode_bundle(first.content) == [b""] * 5
    tagged = {"If-None-Match": first.headers["etag"]}
    assert running.http.get("/reply/000", headers=tagged).status_code == 304
    statement = world.ledger.entry(3).statement
    assert isinstance(statement, LineStatement)
    world.ledger.post_replies([(3, toy_signature(statement))])
    second = running.http.get("/reply/000", headers=tagged)
    assert second.status_code == 200
    assert decode_bundle(second.content)[3] == toy_signature(statement)
    assert running.http.get("/reply/001").status_code == 404


def test_what_is_owed(world: World, running: Running) -> None:
    fill(world, running, 3)
    path = f"/v1/issuers/{world.issuer_id.hex()}/unanswered"
    assert running.http.get(path).json() == {"indexes": [3, 4, 5]}
    assert running.http.get(path, params={"limit": 2}).json() == {"indexes": [3, 4]}
    for bad in ("0", "x", "1025", "-1", "01"):
        assert running.http.get(path, params={"limit": bad}).status_code == 400
    assert running.http.get("/v1/overdue").json() == {"overdue": []}
    late = running.http.get("/v1/overdue", params={"now_ms": 1 << 50}).json()["overdue"]
    assert [one["index"] for one in late] == [3, 4, 5]
    assert late[0] | {"due_ms": 0} == {
        "index": 3,
        "issuer": world.issuer_id.hex(),
        "kind": "spend",
        "due_ms": 0,
    }


@pytest.mark.parametrize(
    ("count", "digits"),
    [(0, 0), (4_095, 0), (4_096, 1), (65_535, 1), (65_536, 2), (1 << 40, 8), (1 << 90, 16)],
)
def test_a_prefix_leaves_256_keys_on_average(count: int, digits: int) -> None:
    assert prefix_digits(count) == digits


def test_buckets(world: World, running: Running) -> None:
    for start in range(0, 4_200, 700):
        fill(world, running, 700, start)
    whole = {tag(("nullifier", i)).hex() for i in range(4_200)}
    found = running.http.get("/v1/buckets/nullifiers").json()
    assert (found["prefix"], found["digits"]) == ("", 1)
    assert {row["key"] for row in found["rows"]} == whole
    seen = set()
    for digit in "0123456789abcdef":
        bucket = running.http.get("/v1/buckets/nullifiers", params={"prefix": digit}).json()
        keys = {row["key"] for row in bucket["rows"]}
        assert len(keys) >= 256
        assert digit.startswith(bucket["prefix"])
        seen |= {key for key in keys if key.startswith(digit)}
    assert seen == whole
    refused = running.http.get("/v1/buckets/nullifiers", params={"prefix": "ab"})
    assert (refused.status_code, refused.json()["rule"]) == (403, "bucket-too-small")
    for bad in ("A", "zz", "0" * 17, " "):
        answer = running.http.get("/v1/buckets/nullifiers", params={"prefix": bad})
        assert answer.status_code == 400
    payees = running.http.get("/v1/buckets/payees").json()["rows"]
    assert len(payees) == 4_200
    assert running.http.get("/v1/buckets/opens").json()["rows"] == []


def test_a_bucket_shows_what_is_settled(world: World, running: Running) -> None:
    fill(world, running, 2)
    running.submit(world.prove(world.settlement([(3, 0)])))
    rows = running.http.get("/v1/buckets/payees").json()["rows"]
    assert {row["index"]: row["settled_by"] for row in rows} == {3: 5, 4: None}


def test_a_lopsided_bucket_is_widened(
    world: World, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zkcredit.service.reading.BUCKET_MIN", 16)
    names = [i for i in range(2_000) if tag(("nullifier", i)).hex()[0] != "7"][:300]
    running.submit_many([world.prove(world.spend(i)) for i in names])
    bucket = running.http.get("/v1/buckets/nullifiers", params={"prefix": "7"}).json()
    assert (bucket["prefix"], bucket["digits"], len(bucket["rows"])) == ("", 1, 300)


def test_a_rolled_back_folder_is_not_served(
    world: World, running: Running, folder: Path, tmp_path: Path
) -> None:
    fill(world, running, 3)
    running.http.get("/checkpoint")
    shutil.copytree(folder, tmp_path / "backup")
    fill(world, running, 3, 10)
    running.http.get("/checkpoint")
    running.stop()
    shutil.copytree(folder / "published", tmp_path / "backup/published", dirs_exist_ok=True)
    with pytest.raises(StateConflict, match="does not continue"), serving(tmp_path / "backup"):
        pass


def test_evidence_that_is_gone(world: World, running: Running, folder: Path) -> None:
    """Whoever comes later believes what nobody can show any more, or refuses the log."""
    fill(world, running, 600)
    with RemoteLedger.open(running.url) as early:
        assert StaticLog(world.ledger, folder / "published").retire_evidence(512) == 1
        fill(world, running, 10, 1_000)
        assert early.checkpoint()
        assert early.size == 613, "what was verified stays verified"
    with pytest.raises(CheckFailed) as withheld:
        RemoteLedger.open(running.url)
    assert withheld.value.check == "withheld"
    before = len(running.log)
    with RemoteLedger.open(running.url, light=True) as light:
        assert (light.size, light.root()) == (613, world.ledger.root())
        assert light.count(Kind.SPEND, world.terms_hash, 1) == 610
    routes = [line.get("route") for line in running.log[before:]]
    assert routes.count("/evidence/{path:path}") == 1, "that of the registrations"


def test_two_services_on_one_folder(running: Running, folder: Path) -> None:
    with pytest.raises(StateConflict, match="another service"), serving(folder):
        pass
    assert running.http.get("/healthz").status_code == 200
