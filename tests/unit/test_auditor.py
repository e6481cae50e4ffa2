"""The auditor against a ledger that was changed, cut, forked or lied about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ledgerkit import ASSET, SIGN_WITHIN_MS, Clock, World, stub_engine, tag, toy_signature

from zkcredit import _native, digests
from zkcredit.auditor import AuditReport, audit
from zkcredit.entries import BillingStatement, Entry, SpendStatement, Statement
from zkcredit.errors import CheckFailed, StoreError
from zkcredit.ledger import Operator
from zkcredit.ledger.genesis import Genesis
from zkcredit.ledger.replay import Record

RHO = (3).to_bytes(32, "big")


def point(amount_minor: int, world: World) -> bytes:
    label = digests.value_label(world.issuer_id, ASSET)
    return _native.commit([(label, amount_minor), ("blinding", RHO)])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    stub_engine(monkeypatch)
    clock = Clock()
    with Operator.create(tmp_path / "ledger", clock=clock) as ledger:
        world = World(ledger, clock)
        ledger.submit(world.merchant("shop"))
        yield world


def live(world: World) -> None:
    """Four purchases of 10, 20, 30 and 40, two bills of 60 and 40, one settlement."""
    world.submit(world.opening("line"))
    spends = [world.spend(i, claim=point(10 * i, world)) for i in range(1, 5)]
    indexes = [world.submit(spend).index for spend in spends]
    world.ledger.post_replies([(i, toy_signature(s)) for i, s in zip(indexes, spends, strict=True)])
    world.open_period()
    for due_minor in (60, 40):
        bill = replace(world.billing(due_minor, 1), due_commitment=point(due_minor, world))
        world.submit(bill)
    world.submit(world.settlement([(indexes[0], 1), (indexes[1], 2)]))


@dataclass
class Tampered:
    """A source that changes records of another on the way."""

    ledger: Operator
    change: Callable[[Record], Record | None] = lambda record: record
    cut: int = 0
    published: str | None = None

    @property
    def genesis(self) -> Genesis:
        return self.ledger.genesis

    @property
    def size(self) -> int:
        return self.ledger.size - self.cut

    @property
    def published_checkpoint(self) -> str | None:
        return self.published

    def records(self, start: int, stop: int) -> Iterator[Record]:
        for record in self.ledger.records(start, stop):
            changed = self.change(record)
            if changed is not None:
                yield changed

    def attachment(self, digest: bytes) -> bytes | None:
        return self.ledger.attachment(digest)


def at(world: World, cls: type[Statement]) -> int:
    return next(i for i, entry in world.ledger.entries() if isinstance(entry.statement, cls))


@dataclass(frozen=True)
class Row:
    role: str
    issuer_id: bytes
    sum_minor: int
    count: int
    indexes: tuple[int, ...] | None = None
    asset: str = ASSET

    @property
    def sum_rho(self) -> bytes:
        return (3 * self.count).to_bytes(32, "big")


def test_an_honest_ledger(world: World) -> None:
    live(world)
    steps: list[tuple[int, int]] = []
    pinned = world.ledger.checkpoint()
    world.submit(world.refresh("later"))
    world.ledger.checkpoint()
    world.submit(world.refresh("not yet vouched for"))
    report = audit(
        world.ledger,
        genesis=world.ledger.genesis,
        ledger_id=world.ledger.ledger_id,
        checkpoint=pinned,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert isinstance(report, AuditReport)
    assert report.root == world.ledger.root()
    assert report.size == report.entries_verified == world.ledger.size
    assert (report.checkpoint_size, report.pinned_size) == (report.size - 1, report.size - 2)
    assert report.kinds == {
        "issuer": 1, "terms": 1, "period": 2, "merchant": 1, "open": 1, "spend": 4,
        "refresh": 2, "statement": 2, "settle": 1,
    }  # fmt: skip
    assert report.purchases == 4
    assert report.claims_settled == 2
    assert report.verify_us_per_purchase > 0
    assert (report.unanswered, report.faults_count, report.totals) == (5, 0, [])
    assert steps == [(report.size, report.size)]
    path = world.ledger._path
    assert path is not None
    world.ledger.close()
    assert audit(path).root == report.root


def test_an_empty_ledger() -> None:
    with Operator.create(None) as ledger:
        assert audit(ledger).checkpoint_size is None
        first = ledger.checkpoint()
        assert audit(ledger, checkpoint=first).pinned_size == 0


def test_overdue_signatures_are_public_faults(world: World) -> None:
    live(world)
    now_ms = world.clock.now_ms + SIGN_WITHIN_MS + 1
    report = audit(world.ledger, now_ms=now_ms)
    assert [fault.kind.name for fault in report.faults] == ["OPEN", "STATEMENT", "STATEMENT"]
    assert report.faults == world.ledger.owed(now_ms)


@pytest.mark.parametrize("part", [1, 2, 3, 4])
def test_every_changed_record_is_found(world: World, part: int) -> None:
    live(world)
    signed = world.ledger.checkpoint()
    for index in range(world.ledger.size):
        found = next(iter(world.ledger.records(index, index + 1)))[part]
        if not found:
            continue
        for position in (0, len(found) // 2, len(found) - 1):

            def change(record: Record, i: int = index, at: int = position) -> Record:
                if record[0] != i:
                    return record
                value = bytearray(record[part] or b"")
                value[at] ^= 1
                return (*record[:part], bytes(value), *record[part + 1 :])  # type: ignore[return-value]

            if part == 4 and not isinstance(world.ledger.entry(index).statement, SpendStatement):
                continue
            with pytest.raises(CheckFailed):
                audit(Tampered(world.ledger, change, published=signed))


def test_evidence_that_was_replaced_with_its_hash(world: World) -> None:
    """The tree alone would accept it, as nothing was signed yet; the proof does not."""
    live(world)
    target = at(world, SpendStatement)

    def change(record: Record) -> Record:
        index, encoded, evidence, memo, reply = record
        if index != target:
            return record
        assert evidence is not None
        assert memo is not None
        forged = evidence[:-1] + bytes((evidence[-1] ^ 1,))
        entry = replace(Entry.decode(encoded), evidence_hash=digests.evidence_hash(forged, memo))
        return index, entry.encode(), forged, memo, reply

    with pytest.raises(CheckFailed, match=f"entry {target}: proof does not verify"):
        audit(Tampered(world.ledger, change))


def test_missing_records(world: World) -> None:
    live(world)
    signed = world.ledger.checkpoint()
    last = world.ledger.size - 1
    with pytest.raises(CheckFailed, match="ends after"):
        audit(Tampered(world.ledger, lambda r: None if r[0] == last else r))
    with pytest.raises(CheckFailed, match="entry 3 is missing"):
        audit(Tampered(world.ledger, lambda r: None if r[0] == 3 else r))
    with pytest.raises(CheckFailed, match="evidence of entry 0 is missing"):
        audit(Tampered(world.ledger, lambda r: (r[0], r[1], None, None, None)))
    with pytest.raises(CheckFailed, match="rolled back"):
        audit(Tampered(world.ledger, cut=1, published=signed))
    with pytest.raises(CheckFailed, match="rolled back"):
        audit(Tampered(world.ledger, cut=1), checkpoint=signed)


def test_rules_are_replayed(world: World) -> None:
    live(world)
    target = at(world, BillingStatement)
    spent = world.ledger.entry(at(world, SpendStatement)).statement
    assert isinstance(spent, SpendStatement)

    def forge(statement: Statement, timestamp_ms: int | None = None) -> Callable[[Record], Record]:
        submission = world.prove(statement)

        def change(record: Record) -> Record:
            if record[0] != target:
                return record
            time_ms = Entry.decode(record[1]).timestamp_ms
            digest = digests.evidence_hash(submission.evidence, submission.memo)
            entry = Entry(time_ms if timestamp_ms is None else timestamp_ms, digest, statement)
            return target, entry.encode(), submission.evidence, submission.memo, None

        return change

    for statement, rule in (
        (world.refresh(1), "already-spent"),
        (world.spend("new", payee=spent.payee), "duplicate-payee"),
        (world.spend("new", period=1), "period-not-current"),
        (world.spend("new", not_after_ms=0), "expired"),
        (world.opening("line"), "duplicate-open"),
        (world.settlement([(0, "x")]), "unknown-claim"),
        (world.spend("new", terms_hash=tag("none")), "unknown-terms"),
    ):
        with pytest.raises(CheckFailed, match=rule):
            audit(Tampered(world.ledger, forge(statement)))
    with pytest.raises(CheckFailed, match="timestamps"):
        audit(Tampered(world.ledger, forge(world.refresh("new"), timestamp_ms=0)))


def test_another_ledger(world: World) -> None:
    with Operator.create(None) as other:
        with pytest.raises(CheckFailed, match="not the pinned"):
            audit(world.ledger, genesis=other.genesis)
        with pytest.raises(CheckFailed, match="not the pinned"):
            audit(world.ledger, ledger_id=other.ledger_id)
        with pytest.raises(CheckFailed, match="not signed by"):
            audit(world.ledger, checkpoint=other.checkpoint())
    with pytest.raises(StoreError):
        audit("/nowhere")


def test_a_fork_is_found(world: World) -> None:
    """Same operator key, other history of the same size."""
    live(world)
    signed = world.ledger.checkpoint()
    last = world.ledger.size - 1

    def change(record: Record) -> Record:
        if record[0] != last:
            return record
        submission = world.prove(world.refresh("another history"))
        digest = digests.evidence_hash(submission.evidence, submission.memo)
        entry = Entry(world.clock.now_ms, digest, submission.statement)
        return last, entry.encode(), submission.evidence, submission.memo, None

    audit(Tampered(world.ledger, change))
    with pytest.raises(CheckFailed, match="changed or forked"):
        audit(Tampered(world.ledger, change), checkpoint=signed)


def test_totals_are_proved(world: World) -> None:
    live(world)
    issuer = world.issuer_id
    first = at(world, SpendStatement)
    rows = [
        Row("merchant", issuer, 30, 2, (first, first + 1)),
        Row("merchant", issuer, 70, 2, (first + 2, first + 3)),
        Row("lender", issuer, 100, 2),
    ]
    report = audit(world.ledger, totals=rows)
    assert [(t.role, t.sum_minor, t.entries) for t in report.totals] == [
        ("merchant", 30, 2), ("merchant", 70, 2), ("lender", 100, 2),
    ]  # fmt: skip
    assert (report.uncovered_claims, report.uncovered_bills) == (0, 0)
    report = audit(world.ledger, totals=rows[:1])
    assert (report.uncovered_claims, report.uncovered_bills) == (2, 2)
    rest = [rows[0], Row("merchant", issuer, 50, 1), Row("merchant", issuer, 20, 1)]
    report = audit(world.ledger, totals=rest)
    assert [(t.sum_minor, t.entries) for t in report.totals] == [(30, 2), (70, 2)]
    empty = Row("lender", issuer, 0, 0, asset="USD")
    assert audit(world.ledger, totals=[empty]).totals[0].entries == 0


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("merchant", 101, 4), "does not open"),
        (("merchant", 100, 3), "does not open"),
        (("lender", 99, 2), "does not open"),
        (("lender", 0, 0), "does not open"),
        (("merchant", 30, 2, (5, 5)), "twice"),
        (("lender", 100, 2, (5, 6)), "as a bill"),
        (("merchant", 30, 2, (5, 0)), "not a purchase"),
        (("merchant", 30, 2, (5, 99)), "not a purchase"),
        (("merchant", 30, 2, (5, 6), "USD"), "another issuer or asset"),
    ],
)
def test_wrong_totals(world: World, row: tuple[str, int, int], message: str) -> None:
    live(world)
    assert at(world, SpendStatement) == 5
    role, sum_minor, count, *rest = row
    with pytest.raises(CheckFailed, match=message):
        audit(world.ledger, totals=[Row(role, world.issuer_id, sum_minor, count, *rest)])


def test_long_logs_are_read_in_batches(world: World) -> None:
    for start in range(0, 2500, 500):
        world.ledger.submit_many(
            [world.prove(world.spend(i, claim=point(1, world))) for i in range(start, start + 500)]
        )
    steps: list[int] = []
    report = audit(
        world.ledger,
        totals=[Row("merchant", world.issuer_id, 2500, 2500)],
        progress=lambda done, _: steps.append(done),
    )
    assert steps == [1024, 2048, report.size]
    assert report.totals[0].entries == 2500


def test_all_void_entries_are_listed_and_change_nothing(world: World) -> None:
    """The auditor reads on after a void entry; what it had used up is free again."""
    live(world)
    target = at(world, BillingStatement)
    spoilt, forged = world.prove(world.refresh("twice")), world.prove(world.refresh("backwards"))
    changed = {target: replace(spoilt, evidence=b"no proof"), target + 1: forged}
    world.submit(world.refresh("twice"))

    def change(record: Record) -> Record:
        submission = changed.get(record[0])
        if submission is None:
            return record
        time_ms = Entry.decode(record[1]).timestamp_ms if record[0] == target else 0
        digest = digests.evidence_hash(submission.evidence, submission.memo)
        entry = Entry(time_ms, digest, submission.statement)
        return record[0], entry.encode(), submission.evidence, submission.memo, None

    with pytest.raises(CheckFailed, match="2 entries are void") as failure:
        audit(Tampered(world.ledger, change))
    assert failure.value.check == "void"
    assert f"entry {target}: proof does not verify [bad-proof]" in str(failure.value)
    assert f"entry {target + 1}: timestamp 0 follows" in str(failure.value)
