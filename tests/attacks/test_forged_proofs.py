"""A client that proves what is not so, or shows a good proof in the wrong place."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from kit import (
    LIMIT,
    PLAIN,
    Mirror,
    World,
    forged_circuit,
    refused,
    seed,
    submission,
    tainted,
    unchanged,
)

from zkcredit import _native, relations
from zkcredit.auditor import audit
from zkcredit.entries import KeyAction, PeriodStatement, Submission
from zkcredit.errors import (
    CallerError,
    CheckFailed,
    MalformedInput,
    ProofRefused,
    Refused,
    ZkCreditError,
)
from zkcredit.ledger import Operator
from zkcredit.lender import Lender
from zkcredit.wallet.steps import Steps


def believed(world: World, made: Submission) -> None:
    """Whether the proof holds for the circuit in force: the forger did its work."""
    statement = relations.engine_statement(
        world.ledger.registry, world.ledger.ledger_id, made.statement, made.memo
    )
    _native.verify(statement, made.evidence)


def forge(world: World, amount_minor: int, blocks: tuple[str, ...], **witness: object) -> None:
    """Proves with a circuit without these blocks; the ledger must refuse it."""
    wallet = world.holder()
    with forged_circuit("spend", *blocks):
        made = world.forge_spend(wallet, amount_minor, **witness)  # type: ignore[arg-type]
        believed(world, made)
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(made)
    with pytest.raises(ZkCreditError):  # nor does the honest circuit take the witness
        world.forge_spend(wallet, amount_minor, **witness)  # type: ignore[arg-type]


@pytest.mark.parametrize("amount_minor", [LIMIT + 1, 2**32 - 1])
def test_more_than_available(amount_minor: int) -> None:
    forge(World(), amount_minor, ("spend.credit-left",))


def test_credit_is_not_taken_from_the_line() -> None:
    forge(World(), 100, ("spend.balance",), available_next=LIMIT)


def test_credit_grows_by_spending() -> None:
    forge(World(), 100, ("spend.balance",), available_next=LIMIT * 10)


def test_purchase_is_not_billed() -> None:
    forge(World(), 100, ("spend.due-all-at-once",), due_next=[0])


@pytest.mark.parametrize("amount_minor", [0, -5, -(2**31)])
def test_amount_zero_or_negative(amount_minor: int) -> None:
    forge(World(), amount_minor, ("spend.amount-positive",))


def test_amount_oversized() -> None:
    forge(World(), 2**32 + 1, ("spend.amount-positive", "spend.credit-left"))


def test_a_negative_part_defers_a_bill_for_ever() -> None:
    world = World(replace(PLAIN, due_buckets=3))
    part = [600, 600, -1_100]
    forge(world, 100, ("spend.last-part-in-range",), part=part, due_next=part)


def test_the_whole_purchase_falls_due_in_the_last_period() -> None:
    world = World(replace(PLAIN, due_buckets=3))
    part = [0, 0, 100]
    forge(world, 100, ("spend.parts-never-grow",), part=part, due_next=part)


def test_parts_that_are_less_than_the_amount() -> None:
    world = World(replace(PLAIN, due_buckets=3))
    part = [10, 10, 10]
    forge(world, 100, ("spend.parts-make-amount",), part=part, due_next=part)


def test_the_wallet_itself_refuses_such_amounts() -> None:
    world = World()
    wallet = world.holder()
    before = wallet.dump()
    invoice = world.invoice(LIMIT + 1)
    with refused("over-limit"), unchanged(world.ledger):
        wallet.pay(world.ledger, 1, invoice)
    with refused("amount"), unchanged(world.ledger):
        wallet.pay(world.ledger, 1, world.invoice(2**32))
    for amount_minor in (0, -1):
        with pytest.raises(CallerError):
            world.invoice(amount_minor)
    assert wallet.dump() == before


def test_another_holders_token() -> None:
    """Even with all of a token's messages and its signature: the owner's secret is missing."""
    world = World()
    victim, thief = world.holder("victim"), world.holder("thief")
    stolen = world.token(victim)
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(world.forge_spend(thief, 100, token=stolen))
    own = world.spend(thief, 100)
    swapped = replace(own.statement, nullifier=stolen.serial)  # type: ignore[type-var]
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(replace(own, statement=swapped))
    world.pay(victim, 100)
    assert victim.line(1).status == "ready"


def test_a_token_with_a_better_balance_than_signed() -> None:
    world = World()
    wallet = world.holder()
    token = world.token(wallet)
    for change in (
        {"available_minor": LIMIT * 2},
        {"account": token.account + 1},
        {"due_minor": [5]},
        {"blind": bytes(31) + b"\x01"},
        {"signature": token.signature[:-1] + bytes([token.signature[-1] ^ 1])},
    ):
        made = world.forge_spend(wallet, 100, token=msgspec.structs.replace(token, **change))
        with refused("bad-proof"), unchanged(world.ledger):
            world.ledger.submit(made)


# --- a good proof in the wrong place ------------------------------------------------


def other_ledger(world: World) -> World:
    """A second ledger with the same lender, terms, shop and even the same period key."""
    fork = World.__new__(World)
    fork.__dict__.update(world.__dict__)
    fork.merchants = []
    fork.ledger = Operator.create(None, clock=world.clock)
    fork.lender = Lender.create(None, seed("lender"), "Bank", clock=world.clock)
    fork.lender.register(fork.ledger)
    fork.terms_hash = fork.lender.publish_terms(fork.ledger, world.terms)
    key = world.ledger.registry.period(world.terms_hash, 1).bbs_key
    statement = PeriodStatement(fork.terms_hash, 1, KeyAction.OPEN, key)
    fork.lender._desk.submit(fork.ledger, statement)
    fork.add_merchant("Shop 0")
    return fork


def test_a_token_of_another_ledger_or_fork() -> None:
    world = World()
    wallet = world.holder()
    fork = other_ledger(world)
    assert fork.ledger.ledger_id != world.ledger.ledger_id
    made = world.spend(wallet, 100)
    with refused("unknown-terms"), unchanged(fork.ledger):
        fork.ledger.submit(made)
    moved = replace(made.statement, terms_hash=fork.terms_hash)  # type: ignore[type-var]
    with refused("bad-proof"), unchanged(fork.ledger):
        fork.ledger.submit(replace(made, statement=moved))
    steps = Steps(fork.ledger.registry, fork.terms_hash, wallet._keys)
    there = submission(steps.spend(world.token(wallet), fork.purchase(100)))
    with refused("bad-proof"), unchanged(fork.ledger):  # proved there with the signature from here
        fork.ledger.submit(there)


def test_the_wallet_does_not_use_a_line_on_another_ledger() -> None:
    world = World()
    wallet = world.holder()
    fork = other_ledger(world)
    for step in (
        lambda: wallet.pay(fork.ledger, 1, fork.invoice(10)),
        lambda: wallet.refresh(fork.ledger, 1),
        lambda: wallet.make_statement(fork.ledger, 1),
        lambda: wallet.make_update(fork.ledger, 1),
    ):
        with pytest.raises(CheckFailed), unchanged(fork.ledger):
            step()
    assert wallet.restore(fork.ledger).lines == []
    with refused("wrong-ledger"):
        wallet.pay(world.ledger, 1, fork.invoice(10))


FIELDS = {
    "nullifier": bytes(31) + b"\x07",
    "payee": bytes(32),
    "invoice_hash": bytes(32),
    "not_after_ms": 1 << 62,
}


@pytest.mark.parametrize("field", FIELDS)
def test_a_proof_under_another_context(field: str) -> None:
    world = World()
    made = world.spend(world.holder(), 100)
    changed = replace(made.statement, **{field: FIELDS[field]})  # type: ignore[type-var]
    with refused("bad-proof"), unchanged(world.ledger):
        world.ledger.submit(replace(made, statement=changed))
    assert not world.ledger.submit(made).duplicate


def test_a_claim_or_commitment_of_another_purchase() -> None:
    world = World()
    made, other = (world.spend(world.holder(name), 100) for name in "ab")
    for field in ("claim", "commitment"):
        value = getattr(other.statement, field)
        changed = replace(made.statement, **{field: value})  # type: ignore[type-var]
        with refused("bad-proof"), unchanged(world.ledger):
            world.ledger.submit(replace(made, statement=changed))


def test_a_memo_that_was_swapped_or_changed() -> None:
    world = World()
    made, other = (world.spend(world.holder(name), 100) for name in "ab")
    flipped = bytes([made.memo[0] ^ 1]) + made.memo[1:]
    for memo in (other.memo, flipped, bytes(128)):
        with refused("bad-proof"), unchanged(world.ledger):
            world.ledger.submit(replace(made, memo=memo))


def test_a_proof_of_another_step_or_entry() -> None:
    world = World()
    wallet = world.holder()
    spend, steps = world.spend(wallet, 100), world.steps(wallet)
    refresh = submission(steps.refresh(world.token(wallet)))
    for made, evidence in ((spend, refresh.evidence), (refresh, spend.evidence)):
        with pytest.raises((ProofRefused, MalformedInput)), unchanged(world.ledger):
            world.ledger.submit(replace(made, evidence=evidence))


def test_points_outside_the_group() -> None:
    world = World()
    wallet = world.holder()
    made = world.spend(wallet, 100)
    for field in ("claim", "commitment"):
        point = tainted(getattr(made.statement, field))
        changed = replace(made.statement, **{field: point})  # type: ignore[type-var]
        with pytest.raises((ProofRefused, MalformedInput)), unchanged(world.ledger):
            world.ledger.submit(replace(made, statement=changed))
    with pytest.raises(MalformedInput):
        _native.check_points([tainted(made.statement.claim)])  # type: ignore[attr-defined]
    assert not world.ledger.submit(made).duplicate


def test_points_that_are_no_points() -> None:
    world = World()
    made = world.spend(world.holder(), 100)
    identity = b"\xc0" + bytes(47)
    for point in (bytes(48), identity, b"\xff" * 48, b"\x80" + b"\xff" * 47):
        for field in ("claim", "commitment"):
            changed = replace(made.statement, **{field: point})  # type: ignore[type-var]
            with pytest.raises((ProofRefused, MalformedInput)), unchanged(world.ledger):
                world.ledger.submit(replace(made, statement=changed))


# --- bytes --------------------------------------------------------------------------


def test_every_byte_of_a_submission() -> None:
    """Any change of any byte (a sample of them) is refused, and the original still lands."""
    world = World()
    made = world.spend(world.holder(), 100)
    data = made.encode()
    taken = []
    head = range(260)
    for position in sorted({*head, *range(260, len(data), 11), len(data) - 1}):
        changed = bytearray(data)
        changed[position] ^= 1 << position % 8
        try:
            world.ledger.submit(Submission.decode(bytes(changed)))
        except (Refused, MalformedInput):
            continue
        taken.append(position)
    assert taken == []
    with unchanged(world.ledger):
        pass
    assert not world.ledger.submit(made).duplicate


def test_every_byte_beside_the_log_with_its_hash_recomputed() -> None:
    """A log whose entry and evidence hash were rewritten to match does not pass an audit."""
    world = World()
    wallet = world.holder()
    made = world.spend(wallet, 100)
    index = world.ledger.submit(made).index
    assert audit(Mirror(world.ledger)).purchases == 1
    data = made.encode()
    passed = []
    for position in range(5, len(data), 131):
        changed = bytearray(data)
        changed[position] ^= 0x10
        mirror = Mirror(world.ledger)
        try:
            mirror.put(index, Submission.decode(bytes(changed)))
            audit(mirror)
        except (CheckFailed, MalformedInput):
            continue
        passed.append(position)
    assert passed == []


def test_truncated_or_extended_bytes() -> None:
    world = World()
    made = world.spend(world.holder(), 100)
    data = made.encode()
    for length in {*range(0, len(data), 37), len(data) - 1}:
        with pytest.raises(MalformedInput):
            Submission.decode(data[:length])
    for longer in (data + b"\0", data + data, b"\0" + data):
        with pytest.raises(MalformedInput):
            Submission.decode(longer)
    for evidence in (b"", made.evidence[:-1], made.evidence + b"\0", made.evidence[96:]):
        with pytest.raises((MalformedInput, ProofRefused)), unchanged(world.ledger):
            world.ledger.submit(replace(made, evidence=evidence))


def test_one_bad_proof_anywhere_in_a_batch_is_named_and_the_others_land() -> None:
    world = World()
    wallets = [world.holder(number) for number in range(9)]
    made = [world.spend(wallet, 10) for wallet in wallets]
    for place in (0, 4, 8):
        memo = bytes(128)
        made[place] = replace(made[place], memo=memo)
    results = world.ledger.submit_many(made)
    bad = [i for i, result in enumerate(results) if isinstance(result, Refused)]
    assert bad == [0, 4, 8]
    assert all(results[i].rule == "bad-proof" for i in bad)  # type: ignore[union-attr]
