"""The embedded operator: batches, idempotency, replies, files, several processes."""

from __future__ import annotations

import hashlib
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pysqlite3
import pytest
from ledgerkit import Clock, World, bls_key, stub_engine, tag, toy_signature

from zkcredit import digests
from zkcredit.entries import (
    Entry,
    IssuerStatement,
    KeyAction,
    Kind,
    PeriodStatement,
    Submission,
    TermsStatement,
)
from zkcredit.errors import (
    CallerError,
    CheckFailed,
    MalformedInput,
    ProofRefused,
    Refused,
    StateConflict,
    StoreError,
)
from zkcredit.ledger import Operator, Receipt, log
from zkcredit.ledger.accept import RequestKey
from zkcredit.ledger.note import Checkpoint
from zkcredit.terms import Terms


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    return stub_engine(monkeypatch)


only_sqlite = pytest.mark.parametrize("database", [None], ids=["sqlite"])
"""For what happens to the database's file."""


@pytest.fixture
def world(calls: SimpleNamespace, tmp_path: Path, database: str | None) -> Iterator[World]:
    clock = Clock()
    with Operator.create(
        tmp_path / "ledger", origin="test.example/log", database=database, clock=clock
    ) as ledger:
        yield World(ledger, clock)


def again(world: World, **options: bool) -> Operator:
    path = world.ledger._path
    assert path is not None
    return Operator.open(path, clock=world.clock, **options)


def test_accepted_entries_are_what_was_submitted(world: World) -> None:
    submission = world.prove(world.spend("a"))
    receipt = world.ledger.submit(submission)
    assert receipt == Receipt(
        3, world.clock.now_ms, digests.statement_hash(submission.statement.encode()), False
    )
    entry = world.ledger.entry(3)
    assert entry.statement == submission.statement
    assert world.ledger.evidence(3) == (submission.evidence, submission.memo)
    assert entry.evidence_hash == digests.evidence_hash(submission.evidence, submission.memo)
    assert [index for index, _ in world.ledger.entries(2, 4)] == [2, 3]
    assert len(list(world.ledger.entries())) == world.ledger.size == 4
    assert world.ledger.find_statement(receipt.statement_hash) == 3
    for index in (4, -1, 1 << 64):
        with pytest.raises(CallerError):
            world.ledger.entry(index)
    both = [world.ledger.evidence(index) for index in (3, 0)]
    assert world.ledger.evidence_of([3, 0, 3]) == [*both, both[0]]
    assert world.ledger.evidence_of([]) == []
    for index in (4, -1, 1 << 64):
        with pytest.raises(CallerError):
            world.ledger.evidence(index)
        with pytest.raises(CallerError, match=f"no evidence of an entry {index}"):
            world.ledger.evidence_of([0, index])


def test_registrations_are_countersigned(world: World) -> None:
    evidence, memo = world.ledger.evidence(0)
    assert (len(evidence), memo) == (288, b"")
    digest = digests.countersignature_digest(
        world.ledger.ledger_id, world.ledger.entry(0).statement.encode()
    )
    assert world.ledger._operator_keys().bls().sign(digest) == evidence[-96:]


def test_the_same_statement_is_the_same_entry(world: World, calls: SimpleNamespace) -> None:
    first = world.submit(world.spend("a"))
    verified = calls.proofs
    world.clock.now_ms += 5
    for submission in (
        world.prove(world.spend("a", not_after_ms=first.timestamp_ms + 10_000)),
        Submission(world.ledger.entry(first.index).statement, b"other evidence", bytes(128)),
    ):
        receipt = world.ledger.submit(submission)
        assert receipt == Receipt(first.index, first.timestamp_ms, first.statement_hash, True)
    assert calls.proofs == verified
    assert world.ledger.size == first.index + 1


def test_identical_and_different_spends_in_one_batch(world: World) -> None:
    same = world.ledger.submit_many([world.prove(world.spend("a"))] * 32)
    receipts = [item for item in same if isinstance(item, Receipt)]
    assert len(receipts) == 32
    assert {item.index for item in receipts} == {3}
    assert [item.duplicate for item in receipts] == [False] + [True] * 31
    nullifier = tag("token")
    different = world.ledger.submit_many(
        [world.prove(world.spend(i, nullifier=nullifier)) for i in range(32)]
    )
    assert isinstance(different[0], Receipt)
    rules = {item.rule for item in different[1:] if isinstance(item, Refused)}
    assert rules == {"already-spent"}
    assert world.ledger.size == 5


@pytest.mark.parametrize("culprit", [0, 7, 15])
def test_culprits_are_named_and_the_others_land(world: World, culprit: int) -> None:
    batch = [world.prove(world.spend(i)) for i in range(16)]
    good = batch[culprit]
    batch[culprit] = Submission(good.statement, good.evidence[:-1] + b"\0", good.memo)
    results = world.ledger.submit_many(batch)
    error = results.pop(culprit)
    assert isinstance(error, ProofRefused)
    assert error.rule == "bad-proof"
    assert [item.index for item in results if isinstance(item, Receipt)] == list(range(3, 18))
    assert world.ledger.submit(good).index == 18


def test_a_bad_proof_does_not_shadow_a_good_one(world: World) -> None:
    good = world.prove(world.spend("a"))
    bad = Submission(good.statement, b"proof" + bytes(32), good.memo)
    rival = world.prove(world.spend("b", nullifier=tag(("nullifier", "a"))))
    broken_rival = Submission(rival.statement, b"junk", rival.memo)
    results = world.ledger.submit_many([bad, broken_rival, good, rival])
    assert [type(item) for item in results] == [ProofRefused, ProofRefused, Receipt, Refused]


def test_signatures_of_registrations_are_checked(world: World) -> None:
    other = bls_key("somebody else")
    terms = TermsStatement(world.issuer_id, Terms(currency="USD").encode())
    period = PeriodStatement(world.terms_hash, 2, KeyAction.OPEN, tag("key", 96))
    shop = world.merchant("shop")
    no_possession = Submission(shop.statement, other.prove_possession() + shop.evidence[96:])
    bad = [
        world.registration(terms, other),
        world.registration(period, other),
        no_possession,
        Submission(shop.statement, shop.evidence[:96] + bytes(96)),
    ]
    opening = world.prove(world.opening("a"))
    bad.append(
        Submission(opening.statement, other.sign(b"x") + opening.evidence[96:], opening.memo)
    )
    for submission in bad:
        with pytest.raises(ProofRefused) as caught:
            world.ledger.submit(submission)
        assert caught.value.rule == "bad-signature"
    short = Submission(shop.statement, shop.evidence[:-1])
    bad_key = IssuerStatement(b"\xff" * 48, "No key")
    for submission in (short, world.registration(bad_key)):
        with pytest.raises(MalformedInput):
            world.ledger.submit(submission)
    assert world.ledger.size == 3


def test_one_batch_may_build_on_itself(calls: SimpleNamespace) -> None:
    clock = Clock()
    with Operator.create(None, clock=clock) as source, Operator.create(None) as empty:
        world = World(source, clock)
        world.ledger = empty  # signs for the empty ledger from now on
        issuer = IssuerStatement(world.issuer_key.public_key, "Bank")
        world.issuer_id = digests.issuer_id(empty.ledger_id, issuer.encode())
        terms = Terms(currency="TWD").encode()
        world.terms_hash = digests.terms_hash(empty.ledger_id, world.issuer_id, terms)
        statements = [issuer, TermsStatement(world.issuer_id, terms)]
        for number in (1, 2):
            key = tag(("bbs", number), 96)
            statements.append(
                PeriodStatement(world.terms_hash, number, KeyAction.OPEN, key)  # type: ignore[arg-type]
            )
        batch = [world.registration(item) for item in statements]
        batch += [world.merchant("a"), world.merchant("b"), world.merchant("a")]
        batch += [world.prove(world.billing("x", 1))]
        results = empty.submit_many(batch)
        receipts = [item for item in results if isinstance(item, Receipt)]
        assert [item.index for item in receipts] == [0, 1, 2, 3, 4, 5, 4, 6]


def test_replies(world: World) -> None:
    spends = [world.spend(i) for i in range(3)]
    first = [world.submit(s).index for s in spends]
    opening = world.opening("a")
    opened = world.submit(opening).index
    assert world.ledger.unanswered(world.issuer_id) == [*first, opened]
    replies = [(i, toy_signature(s)) for i, s in zip(first, spends, strict=True)]
    bad = [*replies[:2], (first[2], bytes(80))]
    with pytest.raises(ProofRefused) as caught:
        world.ledger.post_replies(bad)
    assert caught.value.indexes == (2,)
    assert list(world.ledger.replies()) == []
    sealed = (opened, world.sealed(opening, b"sealed" * 10))
    for forged in (bytes(200), world.sealed(world.opening("b"), b"sealed" * 10)):
        with pytest.raises(ProofRefused) as caught:
            world.ledger.post_replies([*replies, (opened, forged)])
        assert caught.value.indexes == (3,)
    world.ledger.post_replies([*replies, sealed, sealed])
    world.ledger.post_replies([*replies, sealed])
    assert list(world.ledger.replies()) == [*replies, sealed]
    assert world.ledger.reply(opened) == sealed[1]
    assert world.ledger.reply(0) is None
    assert world.ledger.unanswered(world.issuer_id) == []
    assert world.ledger.owed(1 << 62) == []
    for index, reply, error in (
        (opened, world.sealed(opening, b"another" * 10), StateConflict),
        (opened, b"short", MalformedInput),
        (first[0], b"short", MalformedInput),
        (0, b"x" * 80, CallerError),
        (99, b"x" * 80, CallerError),
    ):
        with pytest.raises(error):
            world.ledger.post_replies([(index, reply)])
    again = world.opening("b")
    twice = world.submit(again).index
    bodies = (world.sealed(again, b"one" * 20), world.sealed(again, b"two" * 20))
    with pytest.raises(StateConflict):
        world.ledger.post_replies([(twice, body) for body in bodies])
    assert world.ledger.reply(twice) is None


def test_proofs_lead_to_the_checkpoint(world: World) -> None:
    for size in range(600):
        if size % 40 == 0:
            world.ledger.submit_many([world.prove(world.refresh((size, i))) for i in range(40)])
    ledger = world.ledger
    signed = Checkpoint.open(ledger.checkpoint(), *ledger.verifier_keys)
    assert (signed.size, signed.root) == (603, ledger.root())
    for index in (0, 255, 256, 602):
        leaf = log.leaf_hash(ledger.entry(index).encode())
        path = ledger.inclusion_proof(index, 603)
        log.verify_inclusion(leaf, index, 603, path, signed.root)
    for old in (0, 1, 256, 300, 603):
        proof = ledger.consistency_proof(old, 603)
        log.verify_consistency(old, 603, proof, ledger.root(old), signed.root)
    with pytest.raises(CallerError):
        ledger.inclusion_proof(0, 604)
    with pytest.raises(CallerError):
        ledger.consistency_proof(1, 604)


def test_two_processes_share_a_folder(world: World) -> None:
    other = again(world)
    reader = again(world, read_only=True)
    receipt = world.submit(world.spend("a"))
    assert other.submit(world.prove(world.spend("a"))).duplicate
    with pytest.raises(Refused, match="already-spent"):
        other.submit(world.prove(world.spend("b", nullifier=tag(("nullifier", "a")))))
    world.open_period()
    assert other.registry.current_period(world.terms_hash) == 2
    assert reader.entry(receipt.index).statement == world.ledger.entry(receipt.index).statement
    assert other.submit(world.prove(world.spend("c"))).index == receipt.index + 2
    assert Checkpoint.open(other.checkpoint(), *other.verifier_keys).root == reader.root()
    assert reader.count(Kind.SPEND, world.terms_hash, 1) == 1
    with pytest.raises(StoreError, match="reading only"):
        reader.submit(world.prove(world.spend("d")))
    other.close()
    reader.close()
    reader.close()


def test_threads_race_for_one_token(world: World) -> None:
    others = [again(world) for _ in range(4)]
    nullifier = tag("token")
    results: list[object] = []

    def run(number: int) -> None:
        spends = [world.prove(world.spend((number, i), nullifier=nullifier)) for i in range(8)]
        results.extend(others[number].submit_many(spends))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(item, Receipt) for item in results) == 1
    assert sum(isinstance(item, Refused) and item.rule == "already-spent" for item in results) == 31
    for other in others:
        other.close()


def test_files_of_a_ledger(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    assert stat.S_IMODE((folder / "operator.key").stat().st_mode) == 0o600
    with pytest.raises(StateConflict):
        Operator.create(folder)
    with pytest.raises(StoreError, match="no ledger"):
        Operator.open(tmp_path / "nowhere")
    genesis = (folder / "genesis").read_bytes()
    world.ledger.checkpoint()
    world.ledger.close()
    (folder / "operator.key").rename(folder / "away")
    ledger = again(world)
    with pytest.raises(StoreError, match="only the operator"):
        ledger.checkpoint()
    ledger.submit(world.prove(world.spend("holders need no key")))
    (folder / "operator.key").write_bytes(bytes([2]) + bytes(96))
    with pytest.raises(MalformedInput, match="does not belong"):
        ledger.checkpoint()
    ledger.close()
    (folder / "genesis").write_bytes(genesis[:-1] + b"\0")
    with pytest.raises(MalformedInput, match="different ledgers"):
        again(world)
    (folder / "genesis").write_bytes(genesis + b"\0")
    with pytest.raises(MalformedInput):
        again(world)


def change_database(world: World, sql: str) -> None:
    path = world.ledger._path
    assert path is not None
    connection = pysqlite3.connect(path / "ledger.db")
    connection.execute(sql)
    connection.commit()
    connection.close()


@only_sqlite
def test_databases_of_other_versions_and_kinds(world: World, tmp_path: Path) -> None:
    world.ledger.close()
    change_database(world, "PRAGMA user_version=9")
    with pytest.raises(MalformedInput, match="version 9"):
        again(world)
    change_database(world, "PRAGMA application_id=7")
    with pytest.raises(MalformedInput, match="not a zkcredit ledger"):
        again(world)
    database = tmp_path / "ledger" / "ledger.db"
    database.write_bytes(b"not a database, but long enough to be looked at" * 40)
    with pytest.raises(MalformedInput, match="not a ledger database"):
        again(world)
    database.unlink()
    with pytest.raises(StoreError):
        again(world)


@only_sqlite
def test_a_rolled_back_file_is_not_signed(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    world.ledger.close()
    old = (folder / "ledger.db").read_bytes()
    ledger = again(world)
    ledger.submit(world.prove(world.spend("a")))
    first, second = ledger.checkpoint(), ledger.checkpoint()
    assert second == ledger.published_checkpoint
    keys = ledger.verifier_keys
    assert Checkpoint.open(first, *keys) == Checkpoint.open(second, *keys)
    ledger.close()
    for leftover in folder.glob("ledger.db*"):
        leftover.unlink()
    (folder / "ledger.db").write_bytes(old)
    ledger = again(world)
    with pytest.raises(StateConflict, match="rolled back"):
        ledger.checkpoint()
    ledger.submit(world.prove(world.spend("b")))
    with pytest.raises(StateConflict, match="contradicts"):
        ledger.checkpoint()
    (folder / "checkpoint").write_bytes(b"\xff")
    with pytest.raises(MalformedInput):
        ledger.checkpoint()
    ledger.close()


def test_two_roots_for_one_size_are_never_signed(world: World) -> None:
    world.ledger.checkpoint()
    store = world.ledger._store
    with store.write():
        store._run("UPDATE coordinator SET root = ?", (bytes(32),))
    with pytest.raises(StateConflict):
        world.ledger.checkpoint()


@only_sqlite
def test_a_full_disk_changes_nothing(world: World) -> None:
    connection = world.ledger._store._connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + 2}")
    before = world.ledger.size, world.ledger.root()
    batch = [world.prove(world.refresh(i)) for i in range(200)]
    with pytest.raises(StoreError, match="full"):
        world.ledger.submit_many(batch)
    assert (world.ledger.size, world.ledger.root()) == before
    connection.execute("PRAGMA max_page_count=1000000")
    assert all(isinstance(item, Receipt) for item in world.ledger.submit_many(batch))
    assert len(list(world.ledger.entries())) == world.ledger.size == before[0] + 200


def test_a_busy_ledger_is_a_conflict(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkcredit.database.BUSY_TIMEOUT_S", 0.05)
    other = again(world)
    with world.ledger._store.write(), pytest.raises(StateConflict, match="another process"):
        other.submit(world.prove(world.spend("a")))
    other.close()


def test_a_doubled_key_never_gets_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the rules were asked wrongly, the table's key refuses the batch whole."""
    world.submit(world.spend("a"))
    before = world.ledger.size, world.ledger.root()
    monkeypatch.setattr("zkcredit.ledger.rules.check", lambda *_: None)
    batch = [
        world.prove(world.spend("x")),
        world.prove(world.spend("b", nullifier=tag(("nullifier", "a")))),
    ]
    with pytest.raises(StateConflict, match="nullifiers"):
        world.ledger.submit_many(batch)
    assert (world.ledger.size, world.ledger.root()) == before


def test_limits_of_a_call(world: World) -> None:
    assert world.ledger.submit_many([]) == []
    with pytest.raises(CallerError, match="4096"):
        world.ledger.submit_many([world.prove(world.spend("a"))] * 4097)
    with pytest.raises(CallerError):
        Operator.create(None, origin="two words")


def test_entries_survive_reopening(world: World) -> None:
    submissions = [world.prove(world.refresh(i)) for i in range(5)]
    world.ledger.submit_many(submissions)
    head = world.ledger.size, world.ledger.root()
    world.ledger.close()
    with again(world) as ledger:
        assert (ledger.size, ledger.root()) == head
        frontier = log.Frontier()
        for _, entry in ledger.entries():
            assert isinstance(entry, Entry)
            frontier.append(log.leaf_hash(entry.encode()))
        assert frontier.root() == head[1]
        assert ledger.submit(submissions[0]).duplicate
    with pytest.raises((StoreError, CheckFailed)):
        ledger.submit(submissions[1])


# --- keys of requests ------------------------------------------------------------------


def request(name: str, content: str) -> RequestKey:
    return RequestKey(*(hashlib.sha256(part.encode()).digest() for part in (name, content)))


def test_a_request_key_means_one_request(world: World) -> None:
    first, second = world.prove(world.spend("a")), world.prove(world.spend("b"))
    asked = request("key", "first")
    (accepted,) = world.ledger.submit_many([first], [asked])
    (refused,) = world.ledger.submit_many([second], [request("key", "second")])
    assert isinstance(refused, Refused)
    assert refused.rule == "idempotency-key-reused"
    (again,) = world.ledger.submit_many([first], [asked])  # would note the key as well
    assert isinstance(accepted, Receipt)
    assert isinstance(again, Receipt)
    assert (again.index, again.duplicate) == (accepted.index, True)
    assert world.ledger.size == accepted.index + 1
    (other,) = world.ledger.submit_many([second], [request("other key", "second")])
    assert isinstance(other, Receipt)


def test_a_request_key_counts_also_for_what_was_accepted_before(world: World) -> None:
    first, second = world.prove(world.spend("a")), world.prove(world.spend("b"))
    world.ledger.submit(first)
    (again,) = world.ledger.submit_many([first], [request("key", "first")])
    assert isinstance(again, Receipt)
    assert again.duplicate
    (refused,) = world.ledger.submit_many([second], [request("key", "second")])
    assert isinstance(refused, Refused)


def test_a_request_that_was_refused_leaves_its_key_free(world: World) -> None:
    stale = world.prove(world.spend("a", period=9))
    (refused,) = world.ledger.submit_many([stale], [request("key", "stale")])
    assert isinstance(refused, Refused)
    (accepted,) = world.ledger.submit_many([world.prove(world.spend("b"))], [request("key", "b")])
    assert isinstance(accepted, Receipt)
