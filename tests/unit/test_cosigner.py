"""Cosigners: what they verify, keep, sign and never sign."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cosignerkit import NOW_S, Forger, cosigner_of, publish
from tests.support.ledgerkit import World, payee_key, stubbed_world, tag
from tlog_scales.backend import make_backend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey, VkeySet

from zkcredit import digests
from zkcredit.cosigner import Cosigner
from zkcredit.cosigner.keys import CosignerKeys, Role
from zkcredit.cosigner.store import CosignerStore
from zkcredit.errors import CallerError, CheckFailed, MalformedInput, StateConflict, StoreError
from zkcredit.ledger import Operator
from zkcredit.ledger.note import Checkpoint, KeyKind, Note
from zkcredit.ledger.static import StaticSource

world = pytest.fixture(stubbed_world)


@pytest.fixture
def cosigner(world: World, tmp_path: Path) -> Iterator[Cosigner]:
    with cosigner_of(world.ledger, tmp_path / "cosigner") as cosigner:
        yield cosigner


def fill(world: World, start: int, stop: int) -> None:
    results = world.ledger.submit_many([world.prove(world.spend(i)) for i in range(start, stop)])
    assert len(results) == stop - start


def test_a_cosigner_follows_and_signs(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    """In steps that end within, at and beyond bundles; all indexes are its own."""
    claims: list[tuple[int, object]] = []
    for start, stop in ((0, 3), (3, 253), (253, 254), (254, 700), (700, 700)):
        fill(world, start, stop)
        found = cosigner.follow(publish(world.ledger, tmp_path / "public"))
        assert found.entries == stop - start + (4 if start == 0 else 0) - (1 if start == 0 else 0)
        assert found.head == Checkpoint(
            world.ledger.genesis.origin, world.ledger.size, world.ledger.root()
        )
        assert cosigner.mirror.root() == world.ledger.root()
        assert found.signed == ["bank-a.example/rules-v1", "bank-a.example/witness"]
        for role in (Role.RULES, Role.WITNESS):
            for key in cosigner.keys.public(role):
                assert found.note.times(key) == [NOW_S]
        claims.append((world.ledger.find_payee(world.spend(start).payee) or 0, start))
    mirror = cosigner.mirror
    assert list(mirror.registry.issuers) == list(world.ledger.registry.issuers)
    assert mirror.find_nullifier(world.issuer_id, tag(("nullifier", 600))) is not None
    assert mirror.find_payee(digests.payee_hash(payee_key(600))) is not None
    index = world.submit(world.settlement(claims[:3])).index
    cosigner.follow(publish(world.ledger, tmp_path / "public"))
    assert mirror.claim_settled_by(claims[1][0]) == index


def test_another_programs_client_verifies_the_cosignatures(
    world: World, cosigner: Cosigner, tmp_path: Path
) -> None:
    """Both types of keys, from the file that the cosigner hands out."""
    public = tmp_path / "public"
    cosigner.follow(publish(world.ledger, public))
    shutil.copy(tmp_path / "cosigner/checkpoint", public / "checkpoint")
    head = TilesReader(make_backend(str(public))).get_checkpoint()
    own = [key for role in (Role.RULES, Role.WITNESS) for key in cosigner.keys.public(role)]
    for key in (*world.ledger.verifier_keys, *own):
        assert len(VkeySet(Vkey.from_string(key.encode())).verify(head.signatures, head)) == 1
    for key in cosigner.keys.public(Role.VOIDS):
        assert not VkeySet(Vkey.from_string(key.encode())).verify(head.signatures, head)


def test_what_was_followed_survives_closing(world: World, tmp_path: Path) -> None:
    place = tmp_path / "cosigner"
    with cosigner_of(world.ledger, place) as cosigner:
        fill(world, 0, 300)
        signed = cosigner.follow(publish(world.ledger, tmp_path / "public")).note
        keys = cosigner.keys
    with Cosigner.open(place) as again:
        assert again.keys == keys
        assert again.mirror.size == world.ledger.size
        assert again.last_signed() == signed
        fill(world, 300, 301)
        source = publish(world.ledger, tmp_path / "public")
        steps: list[tuple[int, int]] = []
        assert again.follow(source, lambda done, size: steps.append((done, size))).entries == 1
        assert steps == [(world.ledger.size, world.ledger.size)]


@pytest.mark.parametrize("when", range(1, 8))
def test_an_interruption_changes_nothing(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    """At any write: afterwards a new start comes to the same end, and signs one root."""
    fill(world, 0, 1_100)
    source = publish(world.ledger, tmp_path / "public")
    calls = 0

    def interrupted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            result = original(*arguments)
            if calls == when:
                raise KeyboardInterrupt
            return result

        return call

    with cosigner_of(world.ledger, tmp_path / "cosigner") as cosigner:
        with monkeypatch.context() as patch:
            for name in ("insert_voids", "advance", "advance_head"):
                patch.setattr(CosignerStore, name, interrupted(getattr(CosignerStore, name)))
            with contextlib.suppress(KeyboardInterrupt):
                cosigner.follow(source)
        assert calls == min(when, 6)
        signed = [cosigner.signed_head(role).size for role in Role]
        assert signed in ([0, 0, 0], [world.ledger.size] * 3)
        assert cosigner.mirror.size in (0, 1024, world.ledger.size)
        cosigner.follow(source)
        assert cosigner.mirror.root() == world.ledger.root()
        assert list(cosigner.mirror.registry.periods) == list(world.ledger.registry.periods)
        assert cosigner._store._value("SELECT COUNT(*) FROM nullifiers") == 1_100
        assert not cosigner.voids()


def test_every_role_has_keys_of_its_own() -> None:
    keys = CosignerKeys("bank-a.example", bytes(32))
    public = [key for role in Role for key in keys.public(role)]
    assert len({key.key for key in public}) == len(public) == 6
    assert {key.kind for key in public} == {KeyKind.ED25519_COSIGNATURE, KeyKind.ML_DSA_44}
    assert keys.public(Role.VOIDS)[0].name == "bank-a.example/rules-v1-voids"
    assert len({role.statement for role in Role}) == 3
    assert CosignerKeys("bank-b.example", bytes(32)).public(Role.RULES) != keys.public(Role.RULES)
    assert bytes(32).hex() not in repr(keys)


def full_disk(*_: object) -> None:
    raise StoreError("the disk is full")


def test_folders_of_cosigners(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    genesis, place = world.ledger.genesis, tmp_path / "cosigner"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CosignerStore, "create", full_disk)
        with pytest.raises(StoreError, match="full"):
            Cosigner.create(tmp_path / "new", genesis, "new")
    Cosigner.create(tmp_path / "new", genesis, "new").close()
    with pytest.raises(StateConflict, match="already holds"):
        Cosigner.create(place, genesis, "again")
    with pytest.raises(CallerError):
        Cosigner.create(tmp_path / "other", genesis, "two words")
    with pytest.raises(StoreError, match="no cosigner"):
        Cosigner.open(tmp_path / "ledger")
    assert (place / "cosigner.key").stat().st_mode & 0o077 == 0
    with Operator.create(None) as other:
        (place / "genesis").write_bytes(other.genesis.encode())
    with pytest.raises(MalformedInput, match="different ledgers"):
        Cosigner.open(place)
    (place / "cosigner.key").write_bytes(b"\x01\x01a")
    with pytest.raises(MalformedInput):
        Cosigner.open(place)


def test_a_checkpoint_that_only_the_witness_knows(
    world: World, cosigner: Cosigner, tmp_path: Path
) -> None:
    """The rules keys sign later, and nothing that contradicts the witness's head."""
    from zkcredit.cosigner.witness import Request

    fill(world, 0, 5)
    source = publish(world.ledger, tmp_path / "public")
    note = Note.decode(source.published_checkpoint)
    answer = cosigner.add_checkpoint(Request(0, (), note, Checkpoint.parse(note.text)).encode())
    assert answer.status == 200
    lines = answer.body.decode().splitlines()
    assert [line.split()[1] for line in lines] == ["bank-a.example/witness"] * 2
    assert cosigner.follow(source).signed[0] == "bank-a.example/rules-v1"
    old = Request(world.ledger.size, (), note, Checkpoint.parse(note.text))
    assert len(cosigner.add_checkpoint(old.encode()).body.splitlines()) == 4


def test_a_restored_database_remembers_from_its_signatures(world: World, tmp_path: Path) -> None:
    place, backup = tmp_path / "cosigner", tmp_path / "backup.db"
    public = tmp_path / "public"
    with cosigner_of(world.ledger, place) as cosigner:
        fill(world, 0, 5)
        cosigner.follow(publish(world.ledger, public))
    shutil.copy(place / "cosigner.db", backup)
    fork = Forger.of(world.ledger)
    with Cosigner.open(place) as cosigner:
        fill(world, 5, 10)
        note = cosigner.follow(publish(world.ledger, public)).note
    for i in range(5):
        fork.add(world.prove(world.spend(("fork", i))))
    forked, honest = fork.publish(tmp_path / "fork"), tmp_path / "honest"
    shutil.copytree(public, honest)
    (honest / "checkpoint").write_text(note.encode())
    (honest / "tile/entries/000.p" / str(world.ledger.size)).unlink()

    shutil.copy(backup, place / "cosigner.db")
    with Cosigner.open(place) as cosigner:  # remembers from the file in its folder
        assert cosigner.signed_head(Role.RULES) == Checkpoint.parse(note.text)
        with pytest.raises(CheckFailed, match="fork"):
            cosigner.follow(forked)
    shutil.copy(backup, place / "cosigner.db")
    (place / "checkpoint").unlink()
    with Cosigner.open(place) as cosigner:  # remembers from what the log publishes
        assert cosigner.signed_head(Role.RULES).size < world.ledger.size
        with pytest.raises(CheckFailed, match="withheld"):
            cosigner.follow(StaticSource(honest))
        with pytest.raises(CheckFailed, match="fork"):
            cosigner.follow(forked)
        assert cosigner.mirror.size == forked.size - 5
        assert cosigner.follow(publish(world.ledger, public)).entries == 5


def test_two_roots_under_ones_own_keys_stop_everything(
    world: World, cosigner: Cosigner, tmp_path: Path
) -> None:
    cosigner.follow(publish(world.ledger, tmp_path / "public"))
    head = Checkpoint(world.ledger.genesis.origin, world.ledger.size, tag("another root"))
    stolen = Note(head.text(), ()).signed_by(*cosigner.keys.signers(Role.RULES), time_s=NOW_S)
    (tmp_path / "cosigner/checkpoint").write_text(stolen.encode())
    with pytest.raises(StateConflict, match="two roots"):
        Cosigner.open(tmp_path / "cosigner")
