"""An operator that cheats, with all its keys, against a cosigner and an auditor.

Every lie is caught by a check with a name, and nothing is signed that hides it. Proofs
are real where the lie is about a proof, and toys where the log is long.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.test_ledger_proofs import Bank
from tests.support.cosignerkit import Forger, cosigner_of, publish
from tests.support.ledgerkit import World, stubbed_world, tag

from zkcredit import digests
from zkcredit.auditor import audit
from zkcredit.cosigner import Cosigner
from zkcredit.cosigner.keys import Role
from zkcredit.cosigner.witness import Request
from zkcredit.entries import Entry, OpenStatement, Submission
from zkcredit.errors import CheckFailed, StateConflict
from zkcredit.ledger import Operator, log
from zkcredit.ledger.note import Checkpoint, Note
from zkcredit.ledger.static import StaticSource, bundle_path, decode_bundle, encode_bundle

world = pytest.fixture(stubbed_world)


@pytest.fixture
def cosigner(world: World, tmp_path: Path) -> Iterator[Cosigner]:
    with cosigner_of(world.ledger, tmp_path / "cosigner") as cosigner:
        yield cosigner


def fill(world: World, start: int, stop: int) -> None:
    world.ledger.submit_many([world.prove(world.spend(i)) for i in range(start, stop)])


def refused(cosigner: Cosigner, source: StaticSource, check: str) -> None:
    """The log is not followed, for the reason named, and nothing more is signed."""
    before = [cosigner.signed_head(role) for role in Role], cosigner.last_signed()
    with pytest.raises(CheckFailed) as failure:
        cosigner.follow(source)
    assert failure.value.check == check
    assert ([cosigner.signed_head(role) for role in Role], cosigner.last_signed()) == before


def voids_of(cosigner: Cosigner, source: StaticSource) -> list[tuple[int, str]]:
    """What is void; the cosigner says so with its other rules key, the auditor by failing."""
    found = cosigner.follow(source)
    voids = [(void.index, void.rule) for void in cosigner.voids()]
    assert found.signed == [f"{cosigner.keys.name}/{Role.VOIDS}", f"{cosigner.keys.name}/witness"]
    with pytest.raises(CheckFailed, match=f"{len(voids)} entries are void") as failure:
        audit(source)
    for index, _ in voids:
        assert f"entry {index}:" in str(failure.value)
    return voids


@pytest.mark.parametrize("size", [3, 252, 300, 1000])
def test_a_forked_log(world: World, cosigner: Cosigner, tmp_path: Path, size: int) -> None:
    """One history for the cosigner, another one later; the fork is anywhere in it."""
    fill(world, 0, size)
    cosigner.follow(publish(world.ledger, tmp_path / "public"))
    for place in {0, 5, world.ledger.size - 1}:
        fork = Forger.of(world.ledger)
        index, encoded, evidence, memo, reply = fork.records[place]
        entry = Entry.decode(encoded)
        other = replace(entry, timestamp_ms=entry.timestamp_ms + 1).encode()
        fork.records[place] = index, other, evidence, memo, reply
        refused(cosigner, fork.publish(tmp_path / f"same{place}"), "fork")
        for i in range(300):
            fork.add(world.prove(world.spend(("more", i))))
        refused(cosigner, fork.publish(tmp_path / f"longer{place}"), "fork")


def test_two_checkpoints_of_one_size(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    """Fed by the witness protocol as well as by files, in either order."""
    fill(world, 0, 3)
    honest, fork = Forger.of(world.ledger), Forger.of(world.ledger)
    honest.add(world.prove(world.spend("honest")))
    fork.add(world.prove(world.spend("fork")))
    notes = [Note.decode(forger.checkpoint()) for forger in (honest, fork)]
    requests = [Request(0, (), note, Checkpoint.parse(note.text)) for note in notes]
    assert cosigner.add_checkpoint(requests[0].encode()).status == 200
    answer = cosigner.add_checkpoint(replace(requests[1], old_size=requests[0].head.size).encode())
    assert answer.status == 422
    refused(cosigner, fork.publish(tmp_path / "fork"), "fork")
    cosigner.follow(honest.publish(tmp_path / "honest"))
    refused(cosigner, fork.publish(tmp_path / "fork"), "fork")
    with pytest.raises(StateConflict, match="another root"), cosigner._store.write():
        cosigner._store.advance_head("rules", requests[1].head)


def test_a_witness_is_told_another_story_than_the_mirror(
    world: World, cosigner: Cosigner, tmp_path: Path
) -> None:
    """The submitted checkpoint must fit what was verified, whatever its proof says."""
    with cosigner_of(world.ledger, tmp_path / "other", "bank-b.example") as other:
        fill(world, 0, 3)
        other.mirror.follow(
            source := publish(world.ledger, tmp_path / "public"),
            Checkpoint.open(source.published_checkpoint, *world.ledger.verifier_keys),
        )
        fork = Forger.of(world.ledger)
        fork.records[-1] = (fork.records[-1][0], b"fork", b"", b"", None)
        note = Note.decode(fork.checkpoint())
        body = Request(0, (), note, Checkpoint.parse(note.text)).encode()
        answer = other.add_checkpoint(body)
        assert (answer.status, b"[fork]" in answer.body) == (422, True)
        assert other.signed_head(Role.WITNESS).size == 0
    assert cosigner.add_checkpoint(body).status == 200


def test_a_witness_was_told_another_story_before(
    world: World, cosigner: Cosigner, tmp_path: Path
) -> None:
    """The mirror got further than the witness, and stopped before it signed."""
    fill(world, 0, 3)
    fork = Forger.of(world.ledger)
    fork.add(world.prove(world.spend("fork")))
    note = Note.decode(fork.checkpoint())
    body = Request(0, (), note, Checkpoint.parse(note.text)).encode()
    assert cosigner.add_checkpoint(body).status == 200
    fill(world, 3, 10)
    source = publish(world.ledger, tmp_path / "public")
    head = Checkpoint.open(source.published_checkpoint, *world.ledger.verifier_keys)
    refused(cosigner, source, "fork")
    assert cosigner.mirror.size == 0
    cosigner.mirror.follow(source, head)
    refused(cosigner, source, "fork")


def test_a_rolled_back_database(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    fill(world, 0, 10)
    older = Forger.of(world.ledger)
    fill(world, 10, 20)
    source = publish(world.ledger, tmp_path / "public")
    cosigner.follow(source)
    refused(cosigner, older.publish(tmp_path / "older"), "rolled-back")
    with pytest.raises(CheckFailed, match="rolled back"):
        audit(StaticSource(tmp_path / "older"), checkpoint=source.published_checkpoint)
    with cosigner_of(world.ledger, tmp_path / "other", "bank-b.example") as other:
        head = Checkpoint.open(source.published_checkpoint, *world.ledger.verifier_keys)
        other.mirror.follow(source, head)  # and was interrupted before it signed
        refused(other, StaticSource(tmp_path / "older"), "rolled-back")
    for i in range(30):
        older.add(world.prove(world.spend(("again", i))))
    refused(cosigner, older.publish(tmp_path / "again"), "fork")


@pytest.mark.parametrize("index", [4, 255, 256, 1023, 1024, 1080])
def test_a_hidden_entry(world: World, cosigner: Cosigner, tmp_path: Path, index: int) -> None:
    """The signed tree holds an entry; the bundle, or bundle and tiles, leave it out."""
    fill(world, 0, 1100)
    forger = Forger.of(world.ledger)
    signed = forger.checkpoint()
    hidden = list(forger.records)
    replacement = forger.add(world.prove(world.spend("instead")))
    row = forger.records.pop(replacement)
    forger.records[index] = (index, *row[1:])  # type: ignore[assignment]
    public = tmp_path / "public"
    forger.publish(public)
    (public / "checkpoint").write_text(signed)
    refused(cosigner, StaticSource(public), "damaged-tiles")
    forger.records = hidden
    forger.publish(public)
    forger.records[index] = (index, *row[1:])  # type: ignore[assignment]
    forger._write_bundle(public, index // log.TILE_WIDTH)
    refused(cosigner, StaticSource(public), "damaged-entries")
    assert cosigner.mirror.size == index // 1024 * 1024  # the false entry is not let in
    with pytest.raises(CheckFailed, match="changed or forked"):
        audit(StaticSource(public))


def test_a_double_spend_slipped_in(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    """In one bundle, across bundles and across visits: the first use counts, ever."""
    fill(world, 0, 300)
    forger = Forger.of(world.ledger)
    issuer = world.issuer_id
    first = world.ledger.find_nullifier(issuer, tag(("nullifier", 250)))
    again = [forger.add(world.prove(world.spend(n, payee=tag(n)))) for n in (299, 250, 0)]
    assert voids_of(cosigner, forger.publish(tmp_path / "public")) == [
        (index, "already-spent") for index in again
    ]
    assert first is not None
    assert cosigner.mirror.find_nullifier(issuer, tag(("nullifier", 250))) == first
    later = forger.add(world.prove(world.refresh(250)))
    paid = forger.add(world.prove(world.spend("new", payee=world.spend(1).payee)))
    opened = forger.add(world.prove(world.opening("line")))
    twice = forger.add(world.prove(world.opening("line")))
    found = voids_of(cosigner, forger.publish(tmp_path / "public"))
    assert found[3:] == [
        (later, "already-spent"), (paid, "duplicate-payee"), (twice, "duplicate-open"),
    ]  # fmt: skip
    assert cosigner.mirror.find_open(world.opening("line").commitment) == opened


def test_what_is_void_uses_up_nothing(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    """Void purchases leave their nullifier and payee free, and are no claims."""
    forger = Forger.of(world.ledger)
    spend = world.prove(world.spend("token"))
    void = forger.add(replace(spend, evidence=b"no proof"))
    good = forger.add(spend)
    settled = [
        forger.add(world.prove(world.settlement([(index, "token")]))) for index in (void, good)
    ]
    public = tmp_path / "public"
    assert voids_of(cosigner, forger.publish(public)) == [
        (void, "bad-proof"), (settled[0], "unknown-claim"),
    ]  # fmt: skip
    assert cosigner.mirror.claim_settled_by(good) == settled[1]
    later = forger.add(world.prove(world.settlement([(void, "token")])))
    assert voids_of(cosigner, forger.publish(public))[2:] == [(later, "unknown-claim")]
    merchant = world.merchant("shop")
    bad = forger.add(replace(merchant, evidence=merchant.evidence[:-1] + b"\0"))
    forger.add(merchant)
    assert voids_of(cosigner, forger.publish(public))[3:] == [(bad, "bad-signature")]
    assert len(cosigner.mirror.registry.merchants) == 1


def test_timestamps_running_backwards(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    """An entry from the past is void; the clock of the log is that of entries that stand."""
    forger = Forger.of(world.ledger)
    now_ms = world.clock.now_ms
    future = world.prove(world.spend("future", not_after_ms=now_ms + 5))
    late = forger.add(future, now_ms + 6)
    back = forger.add(world.prove(world.refresh("back")), now_ms - 1)
    forger.add(world.prove(world.refresh("on")), now_ms)
    never = forger.add(world.prove(world.refresh("never")), 1 << 63)
    assert voids_of(cosigner, forger.publish(tmp_path / "public")) == [
        (late, "expired"), (back, "timestamps"), (never, "timestamps"),
    ]  # fmt: skip


def test_bytes_that_are_no_entry(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    forger = Forger.of(world.ledger)
    raw = [forger.add_raw(data) for data in (b"", b"\x01", bytes(300), b"\xff" * 65_535)]
    unknown = Entry(world.clock.now_ms, digests.evidence_hash(b"", b""), world.refresh("x"))
    raw.append(forger.add_raw(unknown.encode()[:41] + b"\x01\xee"))
    short = world.prove(world.refresh("short memo"))
    digest = digests.evidence_hash(short.evidence, b"memo")
    entry = Entry(world.clock.now_ms, digest, short.statement).encode()
    raw.append(forger.add_raw(entry, short.evidence, b"memo"))
    assert voids_of(cosigner, forger.publish(tmp_path / "public")) == [
        (index, "malformed") for index in raw
    ]


WITHHOLD: dict[str, Callable[[Path, int], None]] = {
    "bundle of entries": lambda public, rest: (public / log.tile_path("entries", 4, rest)).unlink(),
    "bundle of evidence": lambda public, rest: (public / bundle_path("evidence", 4, rest)).unlink(),
    "evidence of the last entry": lambda public, rest: _cut(
        public / bundle_path("evidence", 4, rest)
    ),
    "tile": lambda public, rest: (public / log.tile_path(0, 4, rest)).unlink(),
}


def _cut(path: Path) -> None:
    path.write_bytes(encode_bundle(decode_bundle(path.read_bytes())[:-1]))


@pytest.mark.parametrize("what", WITHHOLD)
def test_a_withheld_bundle(world: World, cosigner: Cosigner, tmp_path: Path, what: str) -> None:
    """What was judged before stays; nothing is signed until the rest is handed out."""
    fill(world, 0, 1100)
    public = tmp_path / "public"
    publish(world.ledger, public)
    shutil.copytree(public, tmp_path / "whole")
    WITHHOLD[what](public, world.ledger.size % 256)
    refused(cosigner, StaticSource(public), "withheld")
    assert cosigner.mirror.size == (0 if what == "tile" else 1024)
    found = cosigner.follow(StaticSource(tmp_path / "whole"))
    assert found.head.size == world.ledger.size
    assert not cosigner.voids()


def test_other_evidence_is_no_verdict(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    """Bytes that the entry does not name prove nothing, and spoil nothing either: if they
    made the entry void, an operator could give two cosigners two verdicts."""
    forger = Forger.of(world.ledger)
    index = forger.add(world.prove(world.spend("token")))
    _, encoded, evidence, memo, _ = forger.records[index]
    forger.records[index] = index, encoded, b"other evidence", memo, None
    source = forger.publish(tmp_path / "public")
    refused(cosigner, source, "withheld")
    with pytest.raises(CheckFailed, match="withheld"):
        audit(source)
    forger.records[index] = index, encoded, evidence, memo, None
    cosigner.follow(forger.publish(tmp_path / "public"))
    assert not cosigner.voids()


def test_two_cosigners_agree_on_every_verdict(world: World, tmp_path: Path) -> None:
    """Whatever steps they took: all at once, or checkpoint by checkpoint."""
    forger = Forger.of(world.ledger)
    public = tmp_path / "public"
    with (
        cosigner_of(world.ledger, tmp_path / "a", "a.example") as often,
        cosigner_of(world.ledger, tmp_path / "b", "b.example") as once,
    ):
        for i in range(280):
            good = world.prove(world.spend(i // 3, payee=tag(("payee", i))))
            forger.add(good if i % 7 else replace(good, evidence=b"no proof"))
            if i in (1, 5, 100, 252, 256):
                merchant = world.merchant(f"shop {i}")
                forger.add(merchant)
                forger.add(merchant)
                often.follow(forger.publish(public))
                shutil.rmtree(public)
        source = forger.publish(public)
        often.follow(source)
        once.follow(source)
        assert often.voids() == once.voids()
        assert often.mirror.root() == once.mirror.root()
        rows = "SELECT nullifier, issuer, idx FROM nullifiers ORDER BY nullifier"
        assert often._store._rows(rows) == once._store._rows(rows)
        rules = {void.rule for void in once.voids()}
    assert rules == {"bad-proof", "already-spent", "duplicate-merchant-key"}


def test_an_invalid_proof_in_the_middle(tmp_path: Path) -> None:
    """Real proofs: one of a package is bound to another memo, one is of another token."""
    with Operator.create(tmp_path / "ledger") as ledger:
        bank = Bank(ledger)
        forger = Forger.of(ledger)
        purchases = [bank.purchase(str(i)) for i in range(5)]
        bad = replace(purchases[2], memo=b"m" * 128)
        mixed = Submission(purchases[3].statement, purchases[4].evidence, purchases[4].memo)
        for submission in (*purchases[:2], bad, mixed, purchases[3]):
            forger.add(submission)
        first = len(forger.records) - 5
        with cosigner_of(ledger, tmp_path / "cosigner") as cosigner:
            assert voids_of(cosigner, forger.publish(tmp_path / "public")) == [
                (first + 2, "bad-proof"), (first + 3, "bad-proof"),
            ]  # fmt: skip
            nullifier = purchases[3].statement.nullifier  # type: ignore[attr-defined]
            assert cosigner.mirror.find_nullifier(bank.id, nullifier) == first + 4


def test_a_line_opened_without_its_lender(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    forger = Forger.of(world.ledger)
    honest = world.prove(world.opening("line"))
    assert isinstance(honest.statement, OpenStatement)
    index = forger.add(replace(honest, evidence=bytes(96) + honest.evidence[96:]))
    forger.add(honest)
    other = world.prove(world.opening("other"))
    swapped = forger.add(replace(other, evidence=honest.evidence[:96] + other.evidence[96:]))
    found = voids_of(cosigner, forger.publish(tmp_path / "public"))
    assert found == [(index, "bad-signature"), (swapped, "bad-signature")]


def test_another_ledger_under_the_same_address(
    world: World, cosigner: Cosigner, tmp_path: Path
) -> None:
    with Operator.create(None, origin=world.ledger.genesis.origin) as other:
        refused(cosigner, publish(other, tmp_path / "other"), "other-ledger")
