"""Every rule of the ledger: refused by the operator, and by the auditor's replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ledgerkit import ASSET, SIGN_WITHIN_MS, Clock, World, bls_key, payee_key, stub_engine, tag

from zkcredit import digests
from zkcredit.credentials.schema import Field, FieldType, Schema
from zkcredit.entries import (
    CredentialKeyStatement,
    IssuerStatement,
    KeyAction,
    MerchantStatement,
    PeriodStatement,
    RecordsStatement,
    RevocationStatement,
    SchemaStatement,
    Statement,
    TermsStatement,
)
from zkcredit.errors import CallerError, MalformedInput, Refused
from zkcredit.ledger import Operator, rules
from zkcredit.ledger.registry import Registry
from zkcredit.terms import Terms


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    stub_engine(monkeypatch)
    clock = Clock()
    with Operator.create(None, clock=clock) as ledger:
        yield World(ledger, clock)


def refused(rule: str, call: Callable[[], object], ledger: Operator) -> None:
    before = (ledger.size, ledger.root())
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.rule == rule
    assert (ledger.size, ledger.root()) == before


def test_registrations(world: World) -> None:
    ledger = world.ledger
    key = world.issuer_key
    refused(
        "duplicate-issuer",
        lambda: world.register(IssuerStatement(key.public_key, "Other name")),
        ledger,
    )
    shop = world.merchant("shop")
    ledger.submit(shop)
    other = MerchantStatement(bls_key("shop").public_key, "Renamed")
    refused("duplicate-merchant-key", lambda: world.register(other, bls_key("shop")), ledger)
    terms = TermsStatement(tag("nobody"), Terms(currency=ASSET).encode())
    refused("unknown-issuer", lambda: world.register(terms), ledger)
    with pytest.raises(MalformedInput):
        world.register(TermsStatement(world.issuer_id, b"\1not terms"))


def test_periods(world: World) -> None:
    ledger, terms = world.ledger, world.terms_hash

    def period(number: int, action: KeyAction, key: object = "k") -> Callable[[], Statement]:
        bbs_key = tag(("bbs", key), 96) if action == KeyAction.OPEN else b""
        return lambda: world.register(PeriodStatement(terms, number, action, bbs_key))

    refused("period-order", period(1, KeyAction.OPEN), ledger)
    refused("period-order", period(3, KeyAction.OPEN), ledger)
    refused("period-order", period(1, KeyAction.CLOSE), ledger)
    refused("unknown-period", period(2, KeyAction.CLOSE), ledger)
    used = ledger.registry.period(terms, 1).bbs_key
    reuse = PeriodStatement(terms, 2, KeyAction.OPEN, used)
    refused("key-reuse", lambda: world.register(reuse), ledger)
    refused(
        "unknown-terms",
        lambda: world.register(PeriodStatement(tag("none"), 1, KeyAction.OPEN, used)),
        ledger,
    )
    world.open_period()
    period(1, KeyAction.CLOSE)()
    assert ledger.registry.period(terms, 1).closed
    assert ledger.registry.current_period(terms) == 2
    first = ledger.size
    period(1, KeyAction.CLOSE)()  # the same statement again is the same entry
    assert ledger.size == first
    refused("period-order", period(2, KeyAction.CLOSE), ledger)


def publish(world: World, name: str, *, revocable: bool = True) -> Schema:
    schema = Schema(name, "test", revocable, (Field("word", "word", FieldType.TEXT),))
    world.register(SchemaStatement(world.issuer_id, schema.encode()))
    return schema


def second_issuer(world: World) -> bytes:
    statement = IssuerStatement(bls_key("second").public_key, "Registrar")
    world.register(statement, bls_key("second"))
    return digests.issuer_id(world.ledger.ledger_id, statement.encode())


def test_schemas(world: World) -> None:
    ledger = world.ledger
    schema = publish(world, "member")
    found = ledger.registry.schema(schema.hash)
    assert (found.schema, found.issuer_id) == (schema, world.issuer_id)
    assert (found.hash, found.index) == (schema.hash, ledger.size - 1)
    assert ledger.registry.find_schema("member") == [found]
    assert ledger.registry.find_schema("other") == []
    unknown = SchemaStatement(tag("nobody"), schema.encode())
    refused("unknown-issuer", lambda: world.register(unknown), ledger)
    copied = SchemaStatement(second_issuer(world), schema.encode())
    refused("duplicate-schema", lambda: world.register(copied, bls_key("second")), ledger)
    for bad in (b"\1not a schema", schema.encode() + b"\0"):
        with pytest.raises(MalformedInput):
            world.register(SchemaStatement(world.issuer_id, bad))
    other = Schema("other", "test", True, schema.fields)
    statement = SchemaStatement(world.issuer_id, other.encode())
    refused("bad-signature", lambda: world.register(statement, bls_key("second")), ledger)


def test_credential_keys(world: World) -> None:
    ledger, schema = world.ledger, publish(world, "member")
    issuer_id = world.issuer_id

    def key(number: int, action: KeyAction, **changes: bytes) -> Callable[[], Statement]:
        bbs_key = tag(("credentials", number), 96) if action == KeyAction.OPEN else b""
        values = {"issuer_id": issuer_id, "schema_hash": schema.hash, "bbs_key": bbs_key}
        return lambda: world.register(
            CredentialKeyStatement(number=number, action=action, **values | changes)
        )

    opened, closed = KeyAction.OPEN, KeyAction.CLOSE
    assert ledger.registry.current_credential_key(issuer_id, schema.hash) == 0
    refused("unknown-issuer", key(1, opened, issuer_id=tag("nobody")), ledger)
    refused("unknown-schema", key(1, opened, schema_hash=tag("nothing")), ledger)
    refused("key-order", key(2, opened), ledger)
    of_period = ledger.registry.period(world.terms_hash, 1).bbs_key
    refused("key-reuse", key(1, opened, bbs_key=of_period), ledger)
    key(1, opened)()
    first = ledger.registry.credential_key(issuer_id, schema.hash, 1)
    assert (first.number, first.bbs_key) == (1, tag(("credentials", 1), 96))
    assert (first.index, first.closed, first.epoch) == (ledger.size - 1, False, 0)
    refused("key-order", key(1, opened, bbs_key=tag("new", 96)), ledger)
    refused("key-reuse", key(2, opened, bbs_key=first.bbs_key), ledger)
    reuse = PeriodStatement(world.terms_hash, 2, opened, first.bbs_key)
    refused("key-reuse", lambda: world.register(reuse), ledger)
    refused("unknown-credential-key", key(2, closed), ledger)
    key(2, opened)()
    assert ledger.registry.current_credential_key(issuer_id, schema.hash) == 2
    key(1, closed)()
    keys = ledger.registry.credential_keys_of(issuer_id)[schema.hash]
    assert [item.closed for item in keys] == [True, False]
    assert ledger.registry.credential_keys_of(tag("nobody")) == {}
    again = CredentialKeyStatement(issuer_id, schema.hash, 1, closed)
    with pytest.raises(Refused, match="closed already"):
        rules.check(again, 0, ledger.registry, _Nothing())


def test_revocation_lists(world: World) -> None:
    ledger, schema = world.ledger, publish(world, "member")
    eternal = publish(world, "eternal", revocable=False)
    for item in (schema, eternal):
        bbs_key = tag(("credentials", item.name), 96)
        world.register(
            CredentialKeyStatement(world.issuer_id, item.hash, 1, KeyAction.OPEN, bbs_key)
        )

    def revoke(epoch: int, **changes: object) -> Callable[[], Statement]:
        values = {"issuer_id": world.issuer_id, "schema_hash": schema.hash, "number": 1}
        values |= {"list_hash": tag(("list", epoch)), "epoch": epoch}
        return lambda: world.register(RevocationStatement(**values | changes))  # type: ignore[arg-type]

    refused("unknown-issuer", revoke(1, issuer_id=tag("nobody")), ledger)
    refused("unknown-schema", revoke(1, schema_hash=tag("nothing")), ledger)
    refused("unknown-credential-key", revoke(1, number=2), ledger)
    refused("not-revocable", revoke(1, schema_hash=eternal.hash), ledger)
    refused("epoch-order", revoke(2), ledger)
    revoke(1)()
    revoke(2)()
    refused("epoch-order", revoke(2, list_hash=tag("another")), ledger)
    key = ledger.registry.credential_key(world.issuer_id, schema.hash, 1)
    assert (key.epoch, key.list_hash) == (2, tag(("list", 2)))
    assert ledger.registry.attachments == {tag(("list", 1)), tag(("list", 2))}


def test_anchored_records(world: World) -> None:
    ledger = world.ledger
    statement = RecordsStatement(world.issuer_id, tag("root"))
    world.register(statement)
    assert ledger.registry.records == {(world.issuer_id, tag("root")): ledger.size - 1}
    unknown = RecordsStatement(tag("nobody"), tag("root"))
    refused("unknown-issuer", lambda: world.register(unknown), ledger)
    with pytest.raises(Refused, match="duplicate-records"):
        rules.check(statement, 0, ledger.registry, _Nothing())
    world.register(RecordsStatement(second_issuer(world), tag("root")), bls_key("second"))


def test_publications_in_one_batch(world: World) -> None:
    """Each may depend on the one before it."""
    schema = Schema("member", "member", True, (Field("word", "word", FieldType.TEXT),))
    ids = world.issuer_id, schema.hash
    statements = [
        SchemaStatement(world.issuer_id, schema.encode()),
        CredentialKeyStatement(*ids, 1, KeyAction.OPEN, tag("first", 96)),
        CredentialKeyStatement(*ids, 2, KeyAction.OPEN, tag("second", 96)),
        RevocationStatement(*ids, 2, 1, tag("list")),
        RevocationStatement(*ids, 2, 2, tag("newer")),
        RecordsStatement(world.issuer_id, tag("root")),
    ]
    before = world.ledger.size
    world.ledger.submit_many([world.registration(statement) for statement in statements])
    assert [entry.statement for _, entry in world.ledger.entries(before)] == statements


def test_duplicate_terms_and_closed_twice_in_the_pure_rules(world: World) -> None:
    registry = world.ledger.registry
    published = registry.published(world.terms_hash)
    index = _Nothing()
    again = TermsStatement(world.issuer_id, published.encoded)
    with pytest.raises(Refused, match="duplicate-terms"):
        rules.check(again, 0, registry, index)
    world.open_period()
    close = PeriodStatement(world.terms_hash, 1, KeyAction.CLOSE)
    world.register(close)
    with pytest.raises(Refused, match="closed already"):
        rules.check(close, 0, world.ledger.registry, index)
    with pytest.raises(CallerError):
        rules.check(Statement(), 0, registry, index)


def test_spending_once(world: World) -> None:
    ledger = world.ledger
    spent = world.submit(world.spend("a"))
    for twice in (
        world.spend("b", nullifier=tag(("nullifier", "a"))),
        world.refresh("a"),
        world.update("a"),
    ):
        refused("already-spent", lambda s=twice: world.submit(s), ledger)
    payee = world.spend("a").payee
    refused("duplicate-payee", lambda: world.submit(world.spend("b", payee=payee)), ledger)
    assert ledger.find_nullifier(world.issuer_id, tag(("nullifier", "a"))) == spent.index
    assert ledger.find_payee(payee) == spent.index
    assert ledger.find_payee(tag("x")) is None


def test_the_open_period_alone_can_spend(world: World) -> None:
    ledger = world.ledger
    world.open_period()
    for old in (
        world.spend("a", period=1),
        world.spend("b", period=3),
        world.billing("c", 2),
        world.billing("c", 3),
    ):
        refused("period-not-current", lambda s=old: world.submit(s), ledger)
    refused("unknown-terms", lambda: world.submit(world.spend("a", terms_hash=tag("none"))), ledger)
    world.submit(world.billing("d", 1))
    refused("already-spent", lambda: world.submit(world.refresh("d")), ledger)
    world.register(PeriodStatement(world.terms_hash, 1, KeyAction.CLOSE))
    refused("period-closed", lambda: world.submit(world.billing("e", 1)), ledger)


def test_opening_once(world: World) -> None:
    ledger = world.ledger
    receipt = world.submit(world.opening("a"))
    assert ledger.find_open(tag(("commitment", "a"), 48)) == receipt.index
    other = type(world.opening("a"))(
        world.terms_hash, 1, tag(("commitment", "a"), 48), tag("other", 48)
    )
    refused("duplicate-open", lambda: world.submit(other), ledger)
    assert ledger.count(other.KIND, world.terms_hash, 1) == 1


def test_expired(world: World) -> None:
    spend = world.spend("a", not_after_ms=world.clock.now_ms)
    late = world.spend("b", not_after_ms=world.clock.now_ms - 1)
    refused("expired", lambda: world.submit(late), world.ledger)
    world.submit(spend)
    world.clock.now_ms = 0  # a clock that goes back does not turn the log's time back
    refused("expired", lambda: world.submit(late), world.ledger)
    assert world.submit(world.refresh("c")).timestamp_ms == spend.not_after_ms


def test_settlements(world: World) -> None:
    ledger = world.ledger
    index = world.submit(world.spend("a")).index
    other = world.submit(world.refresh("r")).index
    refused("unknown-claim", lambda: world.submit(world.settlement([(other, "r")])), ledger)
    refused("unknown-claim", lambda: world.submit(world.settlement([(999, "a")])), ledger)
    refused("unknown-claim", lambda: world.submit(world.settlement([(2**64 - 1, "a")])), ledger)
    refused("wrong-claim", lambda: world.submit(world.settlement([(index, "b")])), ledger)
    refused(
        "wrong-claim", lambda: world.submit(world.settlement([(index, "a")], asset="USD")), ledger
    )
    refused(
        "unknown-issuer",
        lambda: world.submit(world.settlement([(index, "a")], issuer_id=tag("x"))),
        ledger,
    )
    settled = world.submit(world.settlement([(index, "a")]))
    assert ledger.claim_settled_by(index) == settled.index
    assert ledger.claim_settled_by(other) is None
    again = world.settlement([(index, "a")], payout_hash=tag("other"))
    refused("claim-settled", lambda: world.submit(again), ledger)


def test_claims_of_another_issuer(world: World) -> None:
    index = world.submit(world.spend("a")).index
    key = bls_key("second bank")
    statement = IssuerStatement(key.public_key, "Second bank")
    world.register(statement, key)
    second = next(i for i in world.ledger.registry.issuers if i != world.issuer_id)
    foreign = world.settlement([(index, "a")], issuer_id=second)
    refused("wrong-claim", lambda: world.submit(foreign), world.ledger)


def test_an_issuer_that_owes_signatures_sells_nothing(world: World) -> None:
    world.submit(world.refresh("a"))
    world.clock.now_ms += SIGN_WITHIN_MS
    world.submit(world.spend("b"))
    world.clock.now_ms += 1
    refused("issuer-in-default", lambda: world.submit(world.spend("c")), world.ledger)
    world.submit(world.refresh("d"))
    owed = world.ledger.owed(world.clock.now_ms)
    assert [(item.issuer_id, item.kind.name) for item in owed] == [(world.issuer_id, "REFRESH")]


def test_private_replies_are_owed_but_do_not_stop_sales(world: World) -> None:
    world.submit(world.opening("a"))
    world.clock.now_ms += SIGN_WITHIN_MS + 1
    world.submit(world.spend("b"))
    assert [item.kind.name for item in world.ledger.owed(world.clock.now_ms)] == ["OPEN"]


def test_timestamps_never_decrease() -> None:
    rules.check_timestamp(5, 5)
    for bad in (4, 1 << 63):
        with pytest.raises(Refused, match="timestamps"):
            rules.check_timestamp(bad, 5)


def test_registry_names_what_it_lacks() -> None:
    registry = Registry(tag("ledger"))
    for call, rule in (
        (lambda: registry.issuer(tag(1)), "unknown-issuer"),
        (lambda: registry.merchant(tag(1)), "unknown-merchant"),
        (lambda: registry.published(tag(1)), "unknown-terms"),
        (lambda: registry.period(tag(1), 1), "unknown-period"),
    ):
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.rule == rule
    assert registry.current_period(tag(1)) == 0
    assert payee_key("a") != payee_key("b")


class _Nothing:
    """An index in which nothing has happened."""

    def nullifier(self, issuer_id: bytes, nullifier: bytes) -> int | None:
        return None

    def payee(self, payee: bytes) -> int | None:
        return None

    def opened(self, commitment: bytes) -> int | None:
        return None

    def claim(self, index: int) -> rules.Claim | None:
        return None

    def settled_by(self, index: int) -> int | None:
        return None

    def in_default(self, issuer_id: bytes, now_ms: int) -> bool:
        return False
