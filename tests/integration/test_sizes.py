"""Other sizes of tokens through the roles: several due buckets, attributes, 64-bit amounts."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from kit import PLAIN, Rogue, World, consistent, refused, seed, unchanged

from zkcredit._native import (
    IssuerKey,
    Prover,
    SecretScalar,
    Statement,
    builtin_circuit,
    commit,
    serial_tweak,
    verify,
    verify_messages,
)
from zkcredit.entries import SpendStatement
from zkcredit.errors import CallerError, MalformedInput, Refused, ZkCreditError
from zkcredit.terms import Terms
from zkcredit.wallet import Wallet

TRILLION = 1_000_000_000_000


def test_three_due_buckets() -> None:
    """A purchase in three parts is billed over three months, and may be stretched no further."""
    world = World(replace(PLAIN, due_buckets=3))
    wallet = world.holder()
    wallet.pay(world.ledger, 1, world.invoice(10_000), plan=3)
    world.answer(wallet)
    assert world.token(wallet).due_minor == [3_334, 3_333, 3_333]
    wallet.pay(world.ledger, 1, world.invoice(500), plan=1)
    world.answer(wallet)
    assert world.token(wallet).due_minor == [3_834, 3_333, 3_333]
    consistent(wallet.line(1))
    for plan in (0, 4):
        with refused("plan"), unchanged(world.ledger):
            wallet.pay(world.ledger, 1, world.invoice(10), plan=plan)
    for bill_minor, left in ((3_834, [3_333, 3_333, 0]), (3_333, [3_333, 0, 0]), (3_333, [0] * 3)):
        world.open_period()
        assert world.bill(wallet).bill_minor == bill_minor
        assert world.token(wallet).due_minor == left
        consistent(wallet.line(1))
    world.settle()
    report = world.audit()
    assert [check.sum_minor for check in report.totals] == [10_500, 10_500]
    back = Wallet.from_seed(wallet._keys.seed, clock=world.clock)
    back.restore(world.ledger)
    assert back.line(1).token == wallet.line(1).token


def test_two_attributes_are_carried_along_unchanged() -> None:
    world = World(replace(PLAIN, attributes=2))
    wallet = world.holder(attributes=(18, 650))
    assert world.token(wallet).attributes == [18, 650]
    world.pay(wallet, 100)
    world.refresh(wallet)
    world.lender.record_payment(1, 40, "transfer")
    world.update(wallet)
    world.open_period()
    world.bill(wallet)
    assert world.token(wallet).attributes == [18, 650]
    world.pay(wallet, 5)
    back = Wallet.from_seed(wallet._keys.seed, clock=world.clock)
    back.restore(world.ledger)
    assert back.line(1).token == wallet.line(1).token
    with pytest.raises(CallerError):
        world.holder("too few", attributes=(18,))
    with pytest.raises(CallerError):
        world.holder("negative", attributes=(18, -1))


def test_attributes_cannot_be_changed_by_the_holder() -> None:
    world = World(replace(PLAIN, attributes=2))
    wallet = world.holder(attributes=(0, 650))
    older = msgspec.structs.replace(world.token(wallet), attributes=[18, 650])
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(world.spend(wallet, 100, token=older))


@pytest.mark.parametrize("limit_minor", [TRILLION, 2**62])
def test_amounts_of_64_bits(limit_minor: int) -> None:
    world = World(replace(PLAIN, amount_bits=64))
    wallet = world.holder(limit_minor=limit_minor)
    amount_minor = limit_minor - 7
    assert amount_minor > 2**32
    world.pay(wallet, amount_minor)
    assert wallet.line(1).available_minor == 7
    with refused("over-limit"), unchanged(world.ledger):
        wallet.pay(world.ledger, 1, world.invoice(8))
    world.open_period()
    assert world.bill(wallet).bill_minor == amount_minor
    world.lender.record_payment(1, amount_minor, "transfer")
    world.update(wallet)
    assert wallet.line(1).available_minor == limit_minor
    (order,) = world.settle()
    assert order.sum_minor == amount_minor
    assert [check.sum_minor for check in world.audit().totals] == [amount_minor, amount_minor]
    back = Wallet.from_seed(wallet._keys.seed, clock=world.clock)
    back.restore(world.ledger)
    assert back.line(1).token == wallet.line(1).token


def test_limits_that_do_not_fit_are_refused() -> None:
    world = World()
    with pytest.raises(CallerError):
        world.holder("large", limit_minor=2**32)
    with pytest.raises(CallerError):
        world.holder("negative", limit_minor=-1)
    wallet = world.holder(limit_minor=2**32 - 1)
    assert wallet.line(1).available_minor == 2**32 - 1
    with refused("over-bits"):
        world.lender.record_payment(1, 1, "one too many")
    with refused("over-bits"):
        world.lender.change_limit(1, 2**32, "one too many")


def test_three_buckets_two_attributes_and_64_bits_together() -> None:
    terms = replace(PLAIN, due_buckets=3, attributes=2, amount_bits=64)
    world = World(terms)
    wallet = world.holder(limit_minor=TRILLION, attributes=(1, 2**63 - 1))
    wallet.pay(world.ledger, 1, world.invoice(TRILLION - 1), plan=2)
    world.answer(wallet)
    assert sum(world.token(wallet).due_minor) == TRILLION - 1
    index = world.ledger.size - 1
    entry = world.ledger.entry(index)
    assert isinstance(entry.statement, SpendStatement)
    assert len(entry.encode()) <= 350
    evidence, _ = world.ledger.evidence(index)
    assert len(evidence) < 16_384
    world.open_period()
    assert world.bill(wallet).bill_minor == TRILLION // 2
    consistent(wallet.line(1))
    world.audit()


def test_a_plain_purchase_is_small() -> None:
    world = World()
    wallet = world.holder()
    index = world.pay(wallet, 100).index
    evidence, memo = world.ledger.evidence(index)
    assert len(evidence) <= 3_400
    assert len(memo) == 128
    assert len(world.ledger.entry(index).encode()) == 279


def test_a_purchase_in_a_line_is_verified_with_its_own_terms() -> None:
    """Two products of one lender differ in size; neither proof passes for the other."""
    world = World()
    wallet = world.holder()
    made = world.spend(wallet, 100)
    wide = world.lender.publish_terms(world.ledger, replace(PLAIN, due_buckets=3, amount_bits=64))
    world.lender.open_period(world.ledger, wide)
    moved = replace(made, statement=replace(made.statement, terms_hash=wide))  # type: ignore[type-var]
    with pytest.raises((Refused, MalformedInput)), unchanged(world.ledger):
        world.ledger.submit(moved)
    view = Rogue(world.ledger, [moved])
    assert world.lender.sign_pending(view).signed == 0  # type: ignore[arg-type]


def test_prepaid_tokens_without_due_buckets_prove_and_verify() -> None:
    """K = 0: the relations hold such tokens, with the same signature and claim."""
    key = IssuerKey.derive(seed("prepaid"), b"")
    serial, header, context = bytes(31) + b"\x03", b"prepaid", bytes(32)
    messages = [11, 12, serial, 1, 1_000]
    point = commit([(("H", position), value) for position, value in enumerate(messages)])
    tweak = serial_tweak(b"open", point)
    ((_, signature),) = key.sign_commitments([(header, 5, point, tweak, [])])
    nullifier = (SecretScalar.from_bytes(serial) + tweak).expose()
    verify_messages(key.public_key, header, [11, 12, nullifier, 1, 1_000], signature)
    circuit = builtin_circuit("spend", {"K": 0, "M": 0, "bits": 32})

    def attempt(amount_minor: int, available_next: int) -> None:
        prover = Prover(
            circuit,
            keys=[(key.public_key, header)],
            signatures=[signature],
            labels={"value": b"points"},
            publics={"nullifier": nullifier},
            witness={
                "blind": 11,
                "owner": 12,
                "account": 1,
                "available": 1_000,
                "due": [],
                "attr": [],
                "blind_next": 21,
                "serial_next": 22,
                "available_next": available_next,
                "due_next": [],
                "amount": amount_minor,
                "rho": 5,
            },
        )
        proof = prover.prove(bytes(32), context, seed("holder"))
        statement = Statement(
            circuit,
            ledger_id=bytes(32),
            context=context,
            keys=[(key.public_key, header)],
            labels={"value": b"points"},
            publics={"nullifier": nullifier},
            points=prover.points,
        )
        verify(statement, proof)
        with pytest.raises((Refused, MalformedInput)):
            verify(statement, proof[:-1] + bytes([proof[-1] ^ 1]))

    attempt(400, 600)
    attempt(1_000, 0)
    for amount_minor, available_next in ((400, 601), (1_001, -1), (0, 1_000)):
        with pytest.raises(ZkCreditError):
            attempt(amount_minor, available_next)


def test_prepaid_terms_are_not_offered_yet() -> None:
    """Relations have no floor for K; the roles bill, so their terms need a bucket."""
    with pytest.raises(CallerError):
        Terms(currency="TWD", due_buckets=0)
    encoded = bytearray(PLAIN.encode())
    encoded[encoded.index(b"TWD") + 4] = 0
    with pytest.raises(MalformedInput):
        Terms.decode(bytes(encoded))
