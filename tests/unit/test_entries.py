"""Statements, entries and submissions as bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkcredit import digests
from zkcredit.codec import TEXT_MAX_BYTES, text_problem
from zkcredit.entries import (
    BillingStatement,
    CredentialKeyStatement,
    Entry,
    IssuerStatement,
    KeyAction,
    Kind,
    Member,
    MembersStatement,
    MerchantStatement,
    OpenStatement,
    PeriodStatement,
    RecordsStatement,
    RefreshStatement,
    RevocationStatement,
    SchemaStatement,
    SettleStatement,
    SpendStatement,
    Statement,
    Submission,
    TermsStatement,
    UpdateStatement,
)
from zkcredit.errors import CallerError, MalformedInput
from zkcredit.ledger.genesis import Genesis

texts = st.text(min_size=1, max_size=TEXT_MAX_BYTES).filter(lambda t: text_problem(t) is None)
periods = st.integers(1, 2**32 - 1)
times = st.integers(0, 2**64 - 1)


def fixed(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


def _names_a_key(text: str) -> bool:
    return "+" not in text and not any(map(str.isspace, text))


h, p, k = fixed(32), fixed(48), fixed(96)
claims = st.dictionaries(times, p, min_size=1, max_size=6).map(lambda d: tuple(sorted(d.items())))
ANN, BOB = Member("ann.example", b"a" * 32), Member("bob.example", b"b" * 32)
STATEMENTS: dict[Kind, st.SearchStrategy[Statement]] = {
    Kind.ISSUER: st.builds(IssuerStatement, p, texts),
    Kind.MERCHANT: st.builds(MerchantStatement, p, texts),
    Kind.TERMS: st.builds(TermsStatement, h, st.binary(min_size=1, max_size=200)),
    Kind.PERIOD: st.one_of(
        st.builds(PeriodStatement, h, periods, st.just(KeyAction.OPEN), k),
        st.builds(PeriodStatement, h, periods, st.just(KeyAction.CLOSE)),
    ),
    Kind.OPEN: st.builds(OpenStatement, h, periods, p, p),
    Kind.SPEND: st.builds(SpendStatement, h, periods, h, p, p, h, h, times),
    Kind.REFRESH: st.builds(RefreshStatement, h, periods, h, p),
    Kind.UPDATE: st.builds(UpdateStatement, h, periods, h, p, p),
    Kind.STATEMENT: st.builds(BillingStatement, h, periods, h, p, p, p),
    Kind.SETTLE: st.builds(SettleStatement, h, texts, h, claims),
    Kind.SCHEMA: st.builds(SchemaStatement, h, st.binary(min_size=1, max_size=200)),
    Kind.CREDENTIAL_KEY: st.one_of(
        st.builds(CredentialKeyStatement, h, h, periods, st.just(KeyAction.OPEN), k),
        st.builds(CredentialKeyStatement, h, h, periods, st.just(KeyAction.CLOSE)),
    ),
    Kind.REVOCATIONS: st.builds(RevocationStatement, h, h, periods, periods, h),
    Kind.RECORDS: st.builds(RecordsStatement, h, h),
    Kind.MEMBERS: st.builds(
        lambda number, found: MembersStatement(number, len(found), tuple(found)),
        periods,
        st.lists(
            st.builds(Member, texts.filter(_names_a_key), h),
            min_size=1,
            max_size=4,
            unique_by=(lambda m: m.name, lambda m: m.key),
        ),
    ),
}
SIZES = {
    Kind.OPEN: 134, Kind.SPEND: 238, Kind.REFRESH: 118, Kind.UPDATE: 166, Kind.STATEMENT: 214,
    Kind.REVOCATIONS: 106, Kind.RECORDS: 66,
}  # fmt: skip


@pytest.mark.parametrize("kind", Kind)
@given(data=st.data())
def test_statements_have_one_form(kind: Kind, data: st.DataObject) -> None:
    statement = data.draw(STATEMENTS[kind])
    encoded = statement.encode()
    assert encoded[:2] == bytes((1, kind))
    assert Statement.decode(encoded) == statement
    assert len(encoded) == SIZES.get(kind, len(encoded))
    for broken in (encoded[:-1], encoded + b"\0", encoded[:1], b"", b"\2" + encoded[1:]):
        try:
            other = Statement.decode(broken)
        except MalformedInput:
            continue
        # Terms end in bytes of any length, but their length is written before them.
        pytest.fail(f"{broken.hex()} was read as {other}")


@given(st.one_of(*STATEMENTS.values()), st.data())
def test_a_changed_byte_is_another_statement(statement: Statement, data: st.DataObject) -> None:
    encoded = bytearray(statement.encode())
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = Statement.decode(bytes(encoded))
    except MalformedInput:
        return
    assert other != statement
    assert other.encode() == bytes(encoded)


@given(st.one_of(*STATEMENTS.values()), st.data())
def test_entries_and_submissions(statement: Statement, data: st.DataObject) -> None:
    entry = Entry(data.draw(times), data.draw(h), statement)
    assert Entry.decode(entry.encode()) == entry
    memo = data.draw(fixed(statement.KIND.memo_bytes))
    submission = Submission(statement, data.draw(st.binary(max_size=300)), memo)
    encoded = submission.encode()
    assert Submission.decode(encoded) == submission
    for broken in (encoded[:-1], encoded + b"\0", b"\2" + encoded[1:]):
        with pytest.raises(MalformedInput):
            Submission.decode(broken)
    for broken in (entry.encode()[:-1], entry.encode()[:40], b"\2" + entry.encode()[1:]):
        with pytest.raises(MalformedInput):
            Entry.decode(broken)


def test_a_purchase_takes_279_bytes() -> None:
    spend = SpendStatement(*(b"x" * 32, 1, b"x" * 32), *(b"x" * 48,) * 2, *(b"x" * 32,) * 2, 0)
    assert len(Entry(0, b"x" * 32, spend).encode()) == 279


@pytest.mark.parametrize(
    ("cls", "values"),
    [
        (IssuerStatement, (b"x" * 47, "a")),
        (IssuerStatement, (b"x" * 48, "")),
        (MerchantStatement, (b"x" * 48, "a\n")),
        (TermsStatement, (b"x" * 32, b"")),
        (TermsStatement, (b"x" * 31, b"t")),
        (TermsStatement, (b"x" * 32, b"t" * 32769)),
        (PeriodStatement, (b"x" * 32, 0, KeyAction.CLOSE)),
        (PeriodStatement, (b"x" * 32, 1 << 32, KeyAction.CLOSE)),
        (PeriodStatement, (b"x" * 32, 1, KeyAction.CLOSE, b"x" * 96)),
        (PeriodStatement, (b"x" * 32, 1, KeyAction.OPEN)),
        (PeriodStatement, (b"x" * 32, 1, 3)),
        (PeriodStatement, (b"x", 1, KeyAction.CLOSE)),
        (SchemaStatement, (b"x" * 31, b"s")),
        (SchemaStatement, (b"x" * 32, b"s" * 32769)),
        (CredentialKeyStatement, (b"x" * 31, b"x" * 32, 1, KeyAction.CLOSE)),
        (CredentialKeyStatement, (b"x" * 32, b"x" * 32, 0, KeyAction.CLOSE)),
        (CredentialKeyStatement, (b"x" * 32, b"x" * 32, 1, KeyAction.OPEN, b"x" * 95)),
        (RevocationStatement, (b"x" * 32, b"x" * 32, 0, 1, b"x" * 32)),
        (RevocationStatement, (b"x" * 32, b"x" * 32, 1, 0, b"x" * 32)),
        (RevocationStatement, (b"x" * 32, b"x" * 32, 1, 1 << 32, b"x" * 32)),
        (RecordsStatement, (b"x" * 32, b"x" * 31)),
        (Member, ("", b"x" * 32)),
        (Member, ("a b", b"x" * 32)),
        (Member, ("a+b", b"x" * 32)),
        (Member, ("a", b"x" * 31)),
        (MembersStatement, (0, 1, (ANN, BOB))),
        (MembersStatement, (1, 0, (ANN, BOB))),
        (MembersStatement, (1, 3, (ANN, BOB))),
        (MembersStatement, (1, 1, ())),
        (MembersStatement, (1, 1, (ANN, Member("b", ANN.key)))),
        (MembersStatement, (1, 1, (ANN, Member(ANN.name, BOB.key)))),
        (MembersStatement, (1, 1, tuple(Member(str(i), bytes([i]) * 32) for i in range(65)))),
        (RefreshStatement, (b"x" * 32, 0, b"x" * 32, b"x" * 48)),
        (RefreshStatement, (b"x" * 32, 1 << 32, b"x" * 32, b"x" * 48)),
        (RefreshStatement, (b"x" * 32, 1, b"x" * 33, b"x" * 48)),
        (SettleStatement, (b"x" * 32, "TWD", b"x" * 32, ())),
        (SettleStatement, (b"x" * 32, "TWD", b"x" * 32, ((2, b"x" * 48), (2, b"y" * 48)))),
        (SettleStatement, (b"x" * 32, "TWD", b"x" * 32, ((2, b"x" * 48), (1, b"y" * 48)))),
        (SettleStatement, (b"x" * 32, "TWD", b"x" * 32, ((1 << 64, b"x" * 48),))),
        (SettleStatement, (b"x" * 32, "TWD", b"x" * 32, ((1, b"x" * 47),))),
        (SettleStatement, (b"x" * 32, "", b"x" * 32, ((1, b"x" * 48),))),
        (SettleStatement, (b"x" * 31, "TWD", b"x" * 32, ((1, b"x" * 48),))),
        (
            SettleStatement,
            (b"x" * 32, "TWD", b"x" * 32, tuple((i, b"x" * 48) for i in range(1025))),
        ),
    ],
)
def test_values_out_of_range(cls: Any, values: tuple[Any, ...]) -> None:
    with pytest.raises(CallerError):
        cls(*values)


def test_out_of_range_on_the_wire() -> None:
    refresh = RefreshStatement(b"x" * 32, 1, b"x" * 32, b"x" * 48).encode()
    with pytest.raises(MalformedInput, match="counts from 1"):
        Statement.decode(refresh[:34] + bytes(4) + refresh[38:])
    settle = SettleStatement(b"x" * 32, "TWD", b"x" * 32, ((1, b"x" * 48), (2, b"x" * 48)))
    data = bytearray(settle.encode())
    data[-49] = 1
    with pytest.raises(MalformedInput, match="increase strictly"):
        Statement.decode(bytes(data))
    for kind in (0, 16, 255):
        with pytest.raises(MalformedInput, match="unknown kind"):
            Statement.decode(bytes((1, kind)) + bytes(50))
    for close in (
        PeriodStatement(b"x" * 32, 1, KeyAction.CLOSE).encode(),
        CredentialKeyStatement(b"x" * 32, b"x" * 32, 1, KeyAction.CLOSE).encode(),
    ):
        with pytest.raises(MalformedInput, match="action"):
            Statement.decode(close[:-1] + b"\3")


def test_memo_and_evidence_lengths() -> None:
    refresh = RefreshStatement(b"x" * 32, 1, b"x" * 32, b"x" * 48)
    with pytest.raises(CallerError, match="128"):
        Submission(refresh, b"proof", b"")
    with pytest.raises(CallerError, match="longer"):
        Submission(refresh, bytes((1 << 20) + 1), bytes(128))
    encoded = Submission(refresh, b"proof", bytes(128)).encode()
    with pytest.raises(MalformedInput, match="memo"):
        Submission.decode(encoded[:-129] + b"\0")
    terms = TermsStatement(b"x" * 32, b"t" * 32768)
    assert len(Entry(0, b"x" * 32, terms).encode()) < 65_536
    many = tuple((i, b"x" * 48) for i in range(1024))
    settle = SettleStatement(b"x" * 32, "x" * 64, b"x" * 32, many)
    assert len(Entry(0, b"x" * 32, settle).encode()) < 65_536
    with pytest.raises(CallerError, match="longer"):
        Entry(0, b"x" * 32, _Big(b"x" * 48, "big")).encode()


class _Big(IssuerStatement):
    def _body(self) -> bytes:
        return bytes(65_535)


@pytest.mark.parametrize("kind", Kind)
def test_evidence_is_split_exactly(kind: Kind) -> None:
    samples = {
        Kind.ISSUER: IssuerStatement(b"x" * 48, "a"),
        Kind.MERCHANT: MerchantStatement(b"x" * 48, "a"),
        Kind.TERMS: TermsStatement(b"x" * 32, b"t"),
        Kind.PERIOD: PeriodStatement(b"x" * 32, 1, KeyAction.CLOSE),
        Kind.OPEN: OpenStatement(b"x" * 32, 1, b"x" * 48, b"x" * 48),
        Kind.SPEND: SpendStatement(
            b"x" * 32, 1, b"x" * 32, b"x" * 48, b"x" * 48, b"x" * 32, b"x" * 32, 1
        ),
        Kind.REFRESH: RefreshStatement(b"x" * 32, 1, b"x" * 32, b"x" * 48),
        Kind.UPDATE: UpdateStatement(b"x" * 32, 1, b"x" * 32, b"x" * 48, b"x" * 48),
        Kind.STATEMENT: BillingStatement(b"x" * 32, 1, b"x" * 32, b"x" * 48, b"x" * 48, b"x" * 48),
        Kind.SETTLE: SettleStatement(b"x" * 32, "TWD", b"x" * 32, ((1, b"x" * 48),)),
        Kind.SCHEMA: SchemaStatement(b"x" * 32, b"s"),
        Kind.CREDENTIAL_KEY: CredentialKeyStatement(b"x" * 32, b"x" * 32, 1, KeyAction.CLOSE),
        Kind.REVOCATIONS: RevocationStatement(b"x" * 32, b"x" * 32, 1, 1, b"x" * 32),
        Kind.RECORDS: RecordsStatement(b"x" * 32, b"x" * 32),
        Kind.MEMBERS: MembersStatement(1, 1, (ANN, BOB)),
    }
    count = {Kind.ISSUER: 2, Kind.MERCHANT: 2, Kind.OPEN: 1}
    signatures = count.get(kind, int(kind.is_registration))
    proof = b"" if kind.is_registration else b"proof"
    statement, memo = samples[kind], bytes(kind.memo_bytes)
    evidence = bytes(96 * signatures) + proof
    found, rest = digests.split_evidence(Submission(statement, evidence, memo))
    assert (len(found), rest) == (signatures, proof)
    for bad in (bytes(96 * signatures) + b"x" * kind.is_registration, b"", b"x" * 95 * signatures):
        with pytest.raises(MalformedInput):
            digests.split_evidence(Submission(statement, bad, memo))


def test_approvals_are_split_exactly() -> None:
    parts = [bytes((i,)) + bytes((i,)) * 64 for i in (0, 3, 4)]
    found = digests.split_approvals(b"".join(parts))
    assert found == tuple((part[0], part[1:]) for part in parts)
    for bad in ([], [parts[0], parts[0]], parts[::-1], [*parts, b"\5"], [parts[0][:-1]]):
        with pytest.raises(MalformedInput):
            digests.split_approvals(b"".join(bad))


@given(texts.filter(lambda t: "+" not in t and len(t.split()) == 1), h, p, h)
def test_genesis(origin: str, key: bytes, bls: bytes, nonce: bytes) -> None:
    mldsa = key * 41
    try:
        genesis = Genesis(origin, key, mldsa, bls, nonce)
    except CallerError:
        assert origin != origin.strip()
        return
    assert Genesis.decode(genesis.encode()) == genesis
    assert len(genesis.ledger_id) == 32
    assert genesis.ledger_id != Genesis(origin, key, mldsa, bls, h_flip(nonce)).ledger_id
    assert [len(k.key) for k in genesis.log_keys] == [32, 1312]
    assert all(k.name == origin for k in genesis.log_keys)
    for bad in (genesis.encode() + b"\0", b"\1" + genesis.encode()[1:]):
        with pytest.raises(MalformedInput):
            Genesis.decode(bad)
    with pytest.raises(CallerError, match="mldsa_key"):
        Genesis(origin, key, mldsa[1:], bls, nonce)


def h_flip(data: bytes) -> bytes:
    return bytes((data[0] ^ 1,)) + data[1:]


@pytest.mark.parametrize("origin", ["a b", "a+b", "", "a\tb", "a\u00a0", "\u2003a"])
def test_origins_that_no_log_can_have(origin: str) -> None:
    with pytest.raises(CallerError):
        Genesis(origin, bytes(32), bytes(1312), bytes(48), bytes(32))
    if origin == "a b":
        good = Genesis("a-b", bytes(32), bytes(1312), bytes(48), bytes(32)).encode()
        with pytest.raises(MalformedInput):
            Genesis.decode(good.replace(b"a-b", b"a b"))
    with pytest.raises(CallerError):
        Genesis("a", bytes(31), bytes(1312), bytes(48), bytes(32))


def test_digests_are_separated() -> None:
    found = {
        digests.statement_hash(b"x"), digests.engine_context(b"x", b""),
        digests.evidence_hash(b"x", b""), digests.issuer_id(b"", b"x"),
        digests.merchant_id(b"", b"x"), digests.terms_hash(b"", b"", b"x"),
        digests.registration_digest(b"", b"x"), digests.countersignature_digest(b"", b"x"),
        digests.approval_digest(b"", b"x", b""), digests.settle_context(b"", b"x"),
        digests.payee_hash(b"x"), digests.schema_hash(b"x"),
    }  # fmt: skip
    assert len(found) == 12
    assert digests.evidence_hash(b"ab", b"c") != digests.evidence_hash(b"a", b"bc")
    assert digests.engine_context(b"ab", b"c") != digests.engine_context(b"a", b"bc")
    assert len(digests.token_header(bytes(32), 1, bytes(32), 7)) == 70
    ids = bytes(32), b"i" * 32, b"s" * 32
    assert digests.credential_header(*ids, 7) == b"\2" + b"".join(ids) + b"\0\0\0\7"
    assert digests.gap_header(*ids, 7, 8) == b"\3" + b"".join(ids) + b"\0\0\0\7\0\0\0\x08"
    assert digests.value_label(bytes(32), "TWD") == b"value" + bytes(32) + b"\3TWD"
    payout = digests.payout_hash(bytes(32), 5, bytes(32), "ref")
    assert payout != digests.payout_hash(bytes(32), 6, bytes(32), "ref")
