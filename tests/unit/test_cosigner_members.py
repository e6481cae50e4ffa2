"""Members of a consortium on the log: who names them, and who may replace them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ledgerkit import World, bls_key, cosigner_keys, member_of, stubbed_world
from tests.support.cosignerkit import Forger, cosigner_of, publish

from zkcredit import digests
from zkcredit.auditor import audit
from zkcredit.cosigner import members
from zkcredit.cosigner.keys import CosignerKeys, Role
from zkcredit.entries import MembersStatement, Submission
from zkcredit.errors import CallerError, CheckFailed, MalformedInput, Refused, StateConflict
from zkcredit.ledger import Operator
from zkcredit.ledger.quorum import Policy
from zkcredit.reference import Memory
from zkcredit.reference import audit as reference_audit

NAMES = ("a", "b", "c", "d")
KEYS = {name: cosigner_keys(f"{name}.example/{Role.RULES}") for name in (*NAMES, "e", "f")}


world = pytest.fixture(stubbed_world)


def proposal(world: World, names: Sequence[str], threshold: int | None = None) -> MembersStatement:
    found = [member_of(KEYS[name]) for name in names]
    return members.propose(world.ledger.registry.members, found, threshold)


def approved(world: World, statement: MembersStatement, *names: str) -> Submission:
    return world.members(statement, *(KEYS[name] for name in names))


def refused(world: World, submission: Submission, rule: str) -> None:
    size = world.ledger.size
    with pytest.raises(Refused) as failure:
        world.ledger.submit(submission)
    assert failure.value.rule == rule
    assert world.ledger.size == size


def test_members_change_by_quorum(world: World, tmp_path: Path) -> None:
    """Added, removed and rotated; all readers of the log come to the same members."""
    ledger = world.ledger
    assert ledger.registry.members is None
    first = proposal(world, NAMES)
    assert (first.number, first.threshold) == (1, 3)
    ledger.submit(world.members(first))
    assert ledger.registry.members == first
    added = proposal(world, (*NAMES, "e"))
    ledger.submit(approved(world, added, "a", "c", "d"))
    rotated = proposal(world, ("a", "b", "c", "f", "e"))
    ledger.submit(approved(world, rotated, "a", "b", "d", "e"))
    removed = proposal(world, ("a", "b", "c", "f"))
    ledger.submit(approved(world, removed, "a", "b", "c", "f"))
    assert ledger.registry.members == removed
    assert ledger.registry.copy().members == removed
    policy = members.policy_of(ledger.genesis, removed, {"a.example/rules-v1": "https://a"})
    assert policy.groups[0].threshold == 3
    assert policy.witnesses[0].url == "https://a"
    assert Policy.parse(policy.encode()) == policy
    with cosigner_of(ledger, tmp_path / "cosigner") as cosigner:
        cosigner.follow(publish(ledger, tmp_path / "public"))
        assert cosigner.mirror.registry.members == removed
    assert audit(ledger).registry.members == removed


def test_successors_of_a_pinned_policy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pinned members follows as far as their quorum has agreed, and no farther."""
    ledger = world.ledger
    statements = [proposal(world, NAMES)]
    ledger.submit(world.members(statements[0]))
    for names, approvals in (((*NAMES, "e"), "acd"), (("a", "b", "c", "f", "e"), "abde")):
        statements.append(proposal(world, names))
        ledger.submit(approved(world, statements[-1], *approvals))
    genesis = ledger.genesis
    policies = [members.policy_of(genesis, item) for item in statements]
    for policy in policies:
        assert members.successors(ledger, policy) == policies[-1]
    named = members.policy_of(genesis, statements[0], {"a.example/rules-v1": "https://a"})
    assert members.successors(ledger, named).witnesses[0].url == "https://a"
    others = [
        members.policy_of(genesis, replace(statements[0], threshold=2)),
        members.policy_of(genesis, proposal(world, ("a", "b", "c"))),
    ]
    for policy in others:
        with pytest.raises(StateConflict, match="not one that the log has named"):
            members.successors(ledger, policy)
    monkeypatch.setattr(ledger, "_verify", lambda _: None)  # an operator that lets anything in
    ledger.submit(approved(world, proposal(world, ("d", "e")), "a"))
    for policy in policies:
        with pytest.raises(Refused) as failure:
            members.successors(ledger, policy)
        assert failure.value.rule == "members-quorum"


def test_the_reference_agrees(tmp_path: Path) -> None:
    """The same verdict from code that shares nothing, on good and on bad successions."""
    with Operator.create(tmp_path / "ledger") as ledger:
        keys = [KEYS[name] for name in NAMES]
        first = members.propose(None, [member_of(item) for item in keys])
        operator = ledger._operator_keys().bls()
        ledger.submit(members.founding(operator, ledger.ledger_id, first))
        second = members.propose(first, [member_of(item) for item in keys[:2]])
        good = approved_by(second, ledger, first, "b", "c", "d")
        bad = {
            "few": (good.evidence[:130], "members-quorum"),
            "repeated": (good.evidence[:65] * 3, "order"),
            "cut": (good.evidence[:-1], "order"),
            "unknown": (good.evidence + b"\4" + bytes(64), "members-quorum"),
            "wrong": (good.evidence[:-1] + bytes([good.evidence[-1] ^ 1]), "members-quorum"),
        }
        for evidence, message in bad.values():
            forger = Forger.of(ledger)
            forger.add(Submission(second, evidence))
            rows = [row[1:] for row in forger.records]
            with pytest.raises(CheckFailed, match=message):
                reference_audit(Memory(ledger.genesis.encode(), rows))
        ledger.submit(good)
        third = Forger.of(ledger)
        third.add(approved_by(replace(second, number=4), ledger, second, "a", "b"))
        with pytest.raises(CheckFailed, match="members-order"):
            reference_audit(Memory(ledger.genesis.encode(), [row[1:] for row in third.records]))
    assert reference_audit(tmp_path / "ledger").verified == {"members": 2}


def test_only_the_operator_names_the_first(world: World) -> None:
    first = proposal(world, NAMES)
    digest = digests.registration_digest(world.ledger.ledger_id, first.encode())
    for evidence in (bls_key("somebody").sign(digest), world.issuer_key.sign(digest)):
        refused(world, Submission(first, evidence), "bad-signature")
    refused(world, world.members(replace(first, number=2)), "members-order")
    with pytest.raises(MalformedInput):
        world.ledger.submit(Submission(first, b""))


def test_two_successions_in_one_batch(world: World) -> None:
    """The second is approved by the members that the first has named."""
    ledger = world.ledger
    first = proposal(world, NAMES)
    second = members.propose(first, [member_of(KEYS["e"])])
    third = members.propose(second, [member_of(KEYS["f"])])
    batch = [
        world.members(first),
        approved_by(second, ledger, first, "a", "b", "c"),
        approved_by(third, ledger, second, "e"),
    ]
    assert not any(isinstance(found, Exception) for found in ledger.submit_many(batch))
    assert ledger.registry.members == third


@pytest.mark.parametrize("names", [("a", "b"), ("a",), ("d",)])
def test_too_few_members_change_nothing(world: World, names: tuple[str, ...]) -> None:
    world.ledger.submit(world.members(proposal(world, NAMES)))
    refused(world, approved(world, proposal(world, ("e",)), *names), "members-quorum")


def test_approvals_are_bound(world: World) -> None:
    """To members, statement and ledger; the operator's own word counts no more."""
    ledger = world.ledger
    first = proposal(world, NAMES)
    ledger.submit(world.members(first))
    statement = proposal(world, ("e", "f"))
    approvals = {
        member_of(KEYS[name]).key: members.approve(KEYS[name], ledger.ledger_id, statement)
        for name in NAMES
    }
    good = members.succession(first, statement, approvals)
    other = members.succession(first, replace(statement, threshold=1), approvals)
    refused(world, other, "members-quorum")
    foreign = {
        member_of(KEYS[name]).key: members.approve(KEYS[name], bytes(32), statement)
        for name in NAMES
    }
    refused(world, members.succession(first, statement, foreign), "members-quorum")
    bad = bytearray(good.evidence)
    bad[5] ^= 1
    refused(world, Submission(statement, bytes(bad)), "members-quorum")
    stranger = members.approve(KEYS["e"], ledger.ledger_id, statement)
    refused(world, Submission(statement, good.evidence + b"\4" + stranger), "members-quorum")
    founding = members.founding(ledger._operator_keys().bls(), ledger.ledger_id, statement)
    with pytest.raises(MalformedInput):
        ledger.submit(founding)
    with pytest.raises(MalformedInput):
        ledger.submit(Submission(statement, good.evidence[:65] * 3))
    with pytest.raises(CallerError, match="no member"):
        members.succession(first, statement, {b"x" * 32: stranger})
    with pytest.raises(CallerError, match="Ed25519"):
        members.member(KEYS["a"].public(Role.RULES)[1])
    ledger.submit(good)
    again = proposal(world, NAMES)
    refused(world, approved_by(again, ledger, first, "a", "b", "c"), "members-quorum")


def approved_by(
    statement: MembersStatement, ledger: Operator, current: MembersStatement, *names: str
) -> Submission:
    approvals = {
        member_of(KEYS[name]).key: members.approve(KEYS[name], ledger.ledger_id, statement)
        for name in names
    }
    return members.succession(current, statement, approvals)


def test_an_operator_cannot_replace_the_members(world: World, tmp_path: Path) -> None:
    """What it puts on the log by itself is void, for cosigner, auditor and reference."""
    ledger = world.ledger
    first = proposal(world, NAMES)
    ledger.submit(world.members(first))
    forger = Forger.of(ledger)
    own = CosignerKeys("operator.example", bytes(32))
    statement = members.propose(first, [member_of(own)])
    approvals = {member_of(own).key: members.approve(own, ledger.ledger_id, statement)}
    fake = replace(first, members=(member_of(own),), threshold=1)
    taken = forger.add(members.succession(fake, statement, approvals))
    skipped = forger.add(approved_by(replace(statement, number=3), ledger, first, "a", "b", "c"))
    source = forger.publish(tmp_path / "public")
    with cosigner_of(ledger, tmp_path / "cosigner") as cosigner:
        cosigner.follow(source)
        assert [(v.index, v.rule) for v in cosigner.voids()] == [
            (taken, "members-quorum"), (skipped, "members-order"),
        ]  # fmt: skip
        assert cosigner.mirror.registry.members == first
    with pytest.raises(CheckFailed, match="2 entries are void"):
        audit(source)
