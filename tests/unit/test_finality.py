"""Accepted and final: up to where a ledger is final under the reader's own policy."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.cosignerkit import NOW_S, Forger, cosigner_of, publish
from tests.support.ledgerkit import World, stubbed_world, tag

from zkcredit.cosigner.keys import Role
from zkcredit.cosigner.mirror import Mirror
from zkcredit.cosigner.store import CosignerStore
from zkcredit.errors import CheckFailed, StoreError
from zkcredit.ledger import Operator
from zkcredit.ledger.finality import ACCEPTED, FINAL, VOID, Finality, finality, wait_until_final
from zkcredit.ledger.folder import COSIGNED, PUBLISHED
from zkcredit.ledger.note import Checkpoint, Ed25519Signer, Note, Signer
from zkcredit.ledger.quorum import Party, Policy

MEMBERS = [Ed25519Signer(f"m{i}.example", bytes([i + 1]) * 32, cosigner=True) for i in range(4)]
STRANGERS = [Ed25519Signer(f"m{i}.example", bytes([i + 9]) * 32, cosigner=True) for i in range(4)]


world = pytest.fixture(stubbed_world)


@pytest.fixture
def policy(world: World) -> Policy:
    return policy_of(world)


def policy_of(world: World, signers: Sequence[Signer] = MEMBERS, **options: int) -> Policy:
    parties = [Party(signer.public.name, signer.public) for signer in signers]
    return Policy.of_members(world.ledger.genesis.log_keys, parties, **options)


def cosigned(world: World, signers: Sequence[Signer] = MEMBERS[:3], text: str = "") -> str:
    """The log's checkpoint with these lines."""
    note = Note.decode(text or world.ledger.checkpoint())
    return note.signed_by(*signers, time_s=NOW_S).encode()


def offer(world: World, text: str) -> None:
    """What the operator offers to everybody."""
    place = world.ledger._path
    assert place is not None
    (place / COSIGNED).write_text(text)


def grow(world: World, name: object) -> int:
    return world.ledger.submit(world.prove(world.spend(name))).index


def test_accepted_then_final(world: World, policy: Policy) -> None:
    index = grow(world, "a")
    found = finality(world.ledger, policy)
    assert (found.size, found.verdict, found.state(index)) == (0, None, ACCEPTED)
    offer(world, cosigned(world, MEMBERS[:2]))
    found = finality(world.ledger, policy)
    assert found.verdict is not None
    assert (found.size, found.note, found.state(index)) == (0, "", ACCEPTED)
    assert len(found.verdict.signed) == 2
    offer(world, cosigned(world))
    later = grow(world, "b")
    found = finality(world.ledger, policy)
    assert (found.size, found.state(index), found.state(later)) == (later, FINAL, ACCEPTED)
    assert found.state(None) is None
    assert found.problems == ()
    assert finality(world.ledger, None) == Finality()
    assert finality(world.ledger, None).state(index) == ACCEPTED


def test_where_an_operator_offers_checkpoints(world: World, policy: Policy) -> None:
    """In the folder, and where a service publishes; the largest that is final counts."""
    small = cosigned(world)
    size = world.ledger.size
    grow(world, "a")
    large = cosigned(world)
    grow(world, "b")
    unsigned = cosigned(world, MEMBERS[:1])
    place = world.ledger._path
    assert place is not None
    (place / PUBLISHED).mkdir()
    for names in ([PUBLISHED], [PUBLISHED, "."]):
        (place / names[-1] / COSIGNED).write_text(small if names == [PUBLISHED] else large)
        (place / PUBLISHED / "checkpoint").write_text(unsigned)
        found = finality(world.ledger, policy)
        assert found.size == (size if names == [PUBLISHED] else size + 1)
    assert found.note == large
    (place / PUBLISHED / "checkpoint").write_text(cosigned(world, MEMBERS))
    assert finality(world.ledger, policy).size == size + 2
    (place / PUBLISHED / "checkpoint").write_bytes(b"\xff")
    found = finality(world.ledger, policy)
    assert (found.size, len(found.problems)) == (size + 1, 1)


def test_what_was_final_stays_final(world: World, policy: Policy) -> None:
    """An operator that offers an older checkpoint, or none, takes nothing back."""
    old = cosigned(world)
    index = grow(world, "a")
    seen = finality(world.ledger, policy, [cosigned(world)])
    assert seen.state(index) == FINAL
    offer(world, old)
    assert finality(world.ledger, policy).state(index) == ACCEPTED
    again = finality(world.ledger, policy, [seen.note])
    assert (again.size, again.note, again.state(index)) == (seen.size, seen.note, FINAL)


def test_a_log_that_was_rolled_back(world: World, policy: Policy, tmp_path: Path) -> None:
    """Behind a checkpoint that is known, or that is offered."""
    database = tmp_path / "ledger" / "ledger.db"
    with sqlite3.connect(database) as source, sqlite3.connect(tmp_path / "old.db") as target:
        source.backup(target)
    old = cosigned(world, MEMBERS)
    grow(world, "a")
    seen = cosigned(world)
    world.ledger.close()
    for path in tmp_path.glob("ledger/ledger.db*"):
        path.unlink()
    (tmp_path / "old.db").rename(database)
    with Operator.open(tmp_path / "ledger") as ledger:
        assert finality(ledger, policy, [old]).size == ledger.size
        with pytest.raises(CheckFailed) as failure:
            finality(ledger, policy, [seen])
        assert failure.value.check == "rolled-back"
        (tmp_path / "ledger" / COSIGNED).write_text(seen)
        with pytest.raises(CheckFailed, match="rolled-back"):
            finality(ledger, policy)


def test_a_fork(world: World, policy: Policy) -> None:
    """The log's keys are enough to prove it: nobody else has to have signed."""
    fork = Forger.of(world.ledger)
    fork.records[-1] = (fork.records[-1][0], b"fork", b"", b"", None)
    for signers in (MEMBERS, ()):
        with pytest.raises(CheckFailed) as failure:
            finality(world.ledger, policy, [cosigned(world, signers, fork.checkpoint())])
        assert failure.value.check == "fork"


def test_checkpoints_that_count_for_nothing(world: World, policy: Policy) -> None:
    grow(world, "a")
    good = Note.decode(cosigned(world, MEMBERS))
    *lines, last = good.signatures
    forged = replace(last, signature=last.signature[:-1] + bytes([last.signature[-1] ^ 1]))
    other = Checkpoint.parse(good.text)
    elsewhere = Ed25519Signer("other.example", bytes(32))
    offers = {
        "does not verify": Note(good.text, (*lines, forged)).encode(),
        "not signed by": Note(good.text, tuple(lines[2:])).encode(),
        "no signature lines": good.text,
        "not of": Note(replace(other, origin="other.example").text(), ())
        .signed_by(elsewhere, *MEMBERS, time_s=NOW_S)
        .encode(),
    }
    for reason, text in offers.items():
        found = finality(world.ledger, policy, [text])
        assert (found.size, len(found.problems)) == (0, 1), reason
        assert reason in found.problems[0]
    found = finality(world.ledger, policy, [*offers.values(), good.encode()])
    assert found.size == world.ledger.size
    assert len(found.problems) == len(offers)


def test_cosigners_of_somebody_elses_policy(world: World, policy: Policy) -> None:
    """Names are not keys; and a policy of another log says nothing about this one."""
    grow(world, "a")
    text = cosigned(world, STRANGERS)
    assert finality(world.ledger, policy, [text]).size == 0
    assert finality(world.ledger, policy_of(world, STRANGERS), [text]).size == world.ledger.size
    with Operator.create(None) as other:
        parties = [Party(signer.public.name, signer.public) for signer in STRANGERS]
        foreign = Policy.of_members(other.genesis.log_keys, parties)
    found = finality(world.ledger, foreign, [text])
    assert found.size == 0
    assert "not signed by a log of the policy" in found.problems[0]


def test_a_quorum_of_nobody(world: World) -> None:
    index = grow(world, "a")
    policy = Policy.parse("quorum none\n")
    found = finality(world.ledger, policy, [world.ledger.checkpoint()])
    assert (found.size, found.state(index)) == (0, ACCEPTED)
    assert "none" in found.warnings[0]


def test_weak_policies_say_so(world: World) -> None:
    assert finality(world.ledger, policy_of(world)).warnings == []
    assert "2 of 4" in finality(world.ledger, policy_of(world, threshold=2)).warnings[0]
    assert "below 4" in finality(world.ledger, policy_of(world, MEMBERS[:3])).warnings[0]
    assert Finality().warnings == []


def test_what_is_void_is_never_final(world: World, policy: Policy, tmp_path: Path) -> None:
    """A reader that judges by itself shows it as void, and its roles do not see it at all."""
    forger = Forger.of(world.ledger)
    good = forger.add(world.prove(world.spend("token")))
    bad = forger.add(world.prove(world.spend("twin", nullifier=tag(("nullifier", "token")))))
    junk = forger.add_raw(b"no entry")
    after = forger.add(world.prove(world.spend("other")), world.clock.now_ms)
    source = forger.publish(tmp_path / "public")
    genesis = world.ledger.genesis
    with Mirror(CosignerStore.create(None, genesis.encode()), genesis) as mirror:
        mirror.follow(source, Checkpoint.open(source.published_checkpoint, *genesis.log_keys))
        offering = _Offering(mirror, cosigned(world, MEMBERS, source.published_checkpoint))
        found = finality(offering, policy)
        assert [found.state(i) for i in (good, bad, junk, after)] == [FINAL, VOID, VOID, FINAL]
        assert [i for i, _ in mirror.entries(good)] == [good, after]
        assert [i for i, _ in mirror.entries(good, junk)] == [good]
        for index in (bad, junk):
            with pytest.raises(CheckFailed) as failure:
                mirror.entry(index)
            assert failure.value.check == "void"
        waited = wait_until_final(offering, policy, bad, 60, sleep=_never)
        assert waited.state(bad) == VOID


class _Offering:
    """A mirror that has been handed a cosigned checkpoint."""

    def __init__(self, mirror: Mirror, text: str) -> None:
        self.genesis, self.size, self.root = mirror.genesis, mirror.size, mirror.root
        self.is_void = mirror.is_void
        self._text = text

    def cosigned_checkpoints(self) -> list[str]:
        return [self._text]


def _never(_: float) -> None:
    raise AssertionError("there is nothing to wait for")


def test_waiting(world: World, policy: Policy) -> None:
    """Until it is final, or the time is over; a cosigner more comes every second."""
    index = grow(world, "a")
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        offer(world, cosigned(world, MEMBERS[: round(now[0])]))

    def clock() -> float:
        return now[0]

    found = wait_until_final(world.ledger, policy, index, 2.5, sleep=sleep, clock=clock)
    assert (found.state(index), now[0]) == (ACCEPTED, 2.5)
    found = wait_until_final(world.ledger, policy, index, 60, sleep=sleep, clock=clock)
    assert found.state(index) == FINAL
    assert 3 <= now[0] < 5
    assert wait_until_final(world.ledger, policy, index, 60, sleep=_never).state(index) == FINAL
    assert wait_until_final(world.ledger, None, index, 60, sleep=_never).state(index) == ACCEPTED


def test_waiting_through_an_outage(
    world: World, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, text = grow(world, "a"), cosigned(world)
    asked = []

    def offered() -> list[str]:
        asked.append(index)
        if len(asked) < 3:
            raise StoreError("not there")
        return [text]

    monkeypatch.setattr(world.ledger, "cosigned_checkpoints", offered)
    waited: list[float] = []
    found = wait_until_final(world.ledger, policy, index, 60, sleep=waited.append)
    assert (found.state(index), len(waited)) == (FINAL, 2)
    asked.clear()
    with pytest.raises(StoreError):
        wait_until_final(world.ledger, policy, index, 0, sleep=_never)


def test_four_cosigners_of_whom_three_sign(world: World, tmp_path: Path) -> None:
    """Real ones, that have verified every entry."""
    index = grow(world, "a")
    source = publish(world.ledger, tmp_path / "public")
    lines, keys = [], []
    for number in range(4):
        with cosigner_of(world.ledger, tmp_path / f"c{number}", f"c{number}.example") as cosigner:
            keys.append(Party(f"c{number}", cosigner.keys.public(Role.RULES)[0]))
            if number < 3:
                lines.append(cosigner.follow(source).note)
    policy = Policy.of_members(world.ledger.genesis.log_keys, keys)
    for count in range(4):
        note = Note.decode(source.published_checkpoint)
        extra = [s for n in lines[:count] for s in n.signatures if s not in note.signatures]
        found = finality(
            world.ledger, policy, [Note(note.text, (*note.signatures, *extra)).encode()]
        )
        assert found.state(index) == (FINAL if count == 3 else ACCEPTED)
        assert found.verdict is not None
        assert len(found.verdict.signed) == count
