"""Files beside the log: stored only if an entry names them, read only if they are those."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ledgerkit import Clock, World, stub_engine, tag

from zkcredit import hashing, reference
from zkcredit.auditor import audit
from zkcredit.credentials.schema import Field, FieldType, Schema
from zkcredit.entries import (
    CredentialKeyStatement,
    KeyAction,
    RevocationStatement,
    SchemaStatement,
)
from zkcredit.errors import CallerError, CheckFailed, MalformedInput, Refused, StoreError
from zkcredit.ledger import Operator, attachments

LIST = b"a revocation list"
DIGEST = hashing.blake3(LIST)


@pytest.fixture(params=["folder", "memory"])
def world(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[World]:
    stub_engine(monkeypatch)
    place = tmp_path / "ledger" if request.param == "folder" else None
    clock = Clock()
    with Operator.create(place, clock=clock) as ledger:
        yield World(ledger, clock)


def name_list(world: World, *lists: bytes) -> None:
    """Entries that name these lists as those of the first epochs."""
    schema = Schema("member", "member", True, (Field("word", "word", FieldType.TEXT),))
    world.register(SchemaStatement(world.issuer_id, schema.encode()))
    ids = world.issuer_id, schema.hash, 1
    world.register(CredentialKeyStatement(*ids, KeyAction.OPEN, tag("credentials", 96)))
    for epoch, data in enumerate(lists, 1):
        world.register(RevocationStatement(*ids, epoch, hashing.blake3(data)))


def test_only_what_an_entry_names_is_stored(world: World) -> None:
    with pytest.raises(Refused) as caught:
        world.ledger.attach(LIST)
    assert caught.value.rule == "unknown-attachment"
    assert world.ledger.attachment(DIGEST) is None
    name_list(world, LIST, b"newer")
    assert world.ledger.attachment(DIGEST) is None
    for _ in range(2):
        assert world.ledger.attach(LIST) == DIGEST
    assert world.ledger.attachment(DIGEST) == LIST
    assert world.ledger.attach(b"newer") == hashing.blake3(b"newer")
    assert world.ledger.attachment(DIGEST) == LIST
    with pytest.raises(Refused, match="unknown-attachment"):
        world.ledger.attach(LIST + b"!")


def test_too_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name_list(world, LIST)
    monkeypatch.setattr(attachments, "ATTACHMENT_MAX_BYTES", len(LIST) - 1)
    with pytest.raises(CallerError):
        world.ledger.attach(LIST)
    assert world.ledger.attachment(DIGEST) is None


@dataclass
class Changed:
    """A source whose attachments are all ``data``."""

    ledger: Operator
    data: bytes

    def __getattr__(self, name: str) -> object:
        return getattr(self.ledger, name)

    def attachment(self, _: bytes) -> bytes:
        return self.data


def test_the_audit_counts_missing_files_and_finds_false_ones(world: World) -> None:
    name_list(world, LIST, b"newer")
    assert audit(world.ledger).attachments_missing == 2
    world.ledger.attach(LIST)
    assert audit(world.ledger).attachments_missing == 1
    with pytest.raises(CheckFailed, match="not what the log names"):
        audit(Changed(world.ledger, b"something else"))  # type: ignore[arg-type]


@pytest.mark.parametrize("world", ["folder"], indirect=True)
def test_files(world: World) -> None:
    place = world.ledger._path
    assert place is not None
    name_list(world, LIST, b"newer")
    with Operator.open(place, read_only=True) as reader, pytest.raises(StoreError, match="reading"):
        reader.attach(LIST)
    world.ledger.attach(LIST)
    with Operator.open(place, read_only=True) as reader:
        assert reader.attachment(DIGEST) == LIST
    assert reference.audit(place, sample=0).attachments_missing == 1
    path = place / "attachments" / DIGEST.hex()
    path.write_bytes(b"damaged")
    with pytest.raises(MalformedInput, match="damaged"):
        world.ledger.attachment(DIGEST)
    for check in (audit, lambda source: reference.audit(source, sample=0)):
        with pytest.raises(CheckFailed):
            check(place)
    world.ledger.attach(LIST)  # mends it
    assert path.read_bytes() == LIST
    assert [item.name for item in path.parent.iterdir()] == [DIGEST.hex()]
