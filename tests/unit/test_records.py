"""Commitments, anchors, bodies, recipients: the parts of records one by one."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit import World, seed

from zkcredit.commitment import (
    canonical_value,
    commit_fields,
    field_leaf,
    field_salt,
    record_commitment,
)
from zkcredit.errors import CallerError, CheckFailed, MalformedInput, Refused, StoreError
from zkcredit.hashing import derive_key
from zkcredit.ledger import log
from zkcredit.messages import (
    committed_fields,
    decode_message,
    encode_message,
    signed,
    signing_digest,
)
from zkcredit.records.anchors import GROUP_MAX, Group, group_root
from zkcredit.records.bodies import (
    BODY_MAX_BYTES,
    FolderBodies,
    MemoryBodies,
    body_hash,
    open_body,
    seal_body,
)
from zkcredit.records.recipients import (
    PUBLIC_BYTES,
    Recipient,
    RecipientKey,
    check_recipient,
    fingerprint,
    seal_for,
)

NONCE = bytes(range(32))


# -- commitment ------------------------------------------------------------------------------


def test_a_commitment_is_what_the_documents_say() -> None:
    salt = derive_key("zkcredit v1 record salt", NONCE + b"\x06amount")
    assert field_salt(NONCE, "amount") == salt
    leaf = derive_key("zkcredit v1 record field", salt + b"\x06amounti" + (5).to_bytes(8, "big"))
    assert field_leaf(salt, "amount", 5) == leaf
    expected = derive_key("zkcredit v1 record", b"\x01k\x00\x01" + leaf)
    assert commit_fields("k", NONCE, [("amount", 5)]) == expected
    assert record_commitment("k", [leaf]) == expected


def test_every_part_changes_the_commitment() -> None:
    fields: list[tuple[str, object]] = [("a", 1), ("b", "x")]
    commitments = {
        commit_fields("k", NONCE, fields),
        commit_fields("l", NONCE, fields),
        commit_fields("k", bytes(32), fields),
        commit_fields("k", NONCE, fields[::-1]),
        commit_fields("k", NONCE, fields[:1]),
        commit_fields("k", NONCE, [("a", 2), ("b", "x")]),
        commit_fields("k", NONCE, [("b", 1), ("a", "x")]),
        commit_fields("k", NONCE, [("a", 1), ("b", b"x")]),
    }
    assert len(commitments) == 8


def test_salts_differ_by_field_and_by_record() -> None:
    salts = {field_salt(nonce, name) for nonce in (NONCE, bytes(32)) for name in ("a", "b", "aa")}
    assert len(salts) == 6


def test_a_field_of_few_values_is_not_guessed_from_its_leaf() -> None:
    salt = field_salt(NONCE, "paid")
    leaf = field_leaf(salt, "paid", 1)
    guesses = {field_leaf(bytes(32), "paid", value) for value in range(100)}
    guesses |= {field_leaf(field_salt(NONCE, "due"), "paid", value) for value in range(100)}
    assert leaf not in guesses


@given(st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.binary(), st.text()), max_size=3))
def test_canonical_values_have_one_reading(values: list[Any]) -> None:
    encoded = b"".join(map(canonical_value, values))
    assert canonical_value(values) == b"l" + len(values).to_bytes(4, "big") + encoded
    assert _read_all(encoded) == values


def _read_all(data: bytes) -> list[object]:
    found: list[object] = []
    while data:
        kind, rest = data[:1], data[1:]
        if kind == b"i":
            found.append(int.from_bytes(rest[:8], "big", signed=True))
            data = rest[8:]
            continue
        size = int.from_bytes(rest[:4], "big")
        value = rest[4 : 4 + size]
        found.append(value if kind == b"b" else value.decode())
        data = rest[4 + size :]
    return found


@pytest.mark.parametrize("value", [1.0, None, True, {}, (1,)])
def test_values_that_cannot_be_committed(value: object) -> None:
    with pytest.raises(CallerError):
        canonical_value(value)


def test_wrong_lengths_are_refused() -> None:
    for make in (
        lambda: field_salt(bytes(31), "a"),
        lambda: field_salt(NONCE, ""),
        lambda: field_leaf(bytes(33), "a", 1),
        lambda: record_commitment("k", []),
        lambda: record_commitment("k", [bytes(32)] * 65),
        lambda: record_commitment("k", [bytes(31)]),
    ):
        with pytest.raises(CallerError):
            make()


def test_an_invoice_commits_to_every_field_but_nonce_and_signature(world: World) -> None:
    invoice = world.invoice(100)
    names = [name for name, _ in committed_fields(invoice)]
    left_out = {"nonce", "presentation", "signature"}
    assert names == [x for x in invoice.__struct_fields__ if x not in left_out]
    digest = signing_digest(invoice)
    other = world.invoice(101)
    for name in [*names, "nonce"]:
        value = "EUR" if name == "currency" else getattr(other, name)
        if name in ("ledger_id", "merchant_id", "accepted", "not_after_ms", "label"):
            value = {"accepted": [bytes(32)], "not_after_ms": 1, "label": "x"}.get(name, bytes(32))
        assert signing_digest(msgspec.structs.replace(invoice, **{name: value})) != digest, name
    assert signing_digest(msgspec.structs.replace(invoice, signature=bytes(96))) == digest


@pytest.fixture
def world() -> World:
    return World()


# -- anchors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 64, 100])
def test_every_commitment_of_a_group_has_its_path(count: int) -> None:
    commitments = [hashlib.sha256(bytes([i])).digest() for i in range(count)]
    group = Group(commitments)
    tree = log.Frontier()
    for commitment in commitments:
        tree.append(log.leaf_hash(commitment))
    assert group.root() == group_root(count, tree.root())
    for position, commitment in enumerate(commitments):
        anchor = group.anchor(7, position)
        assert (anchor.entry_index, anchor.position, anchor.count) == (7, position, count)
        log.verify_inclusion(log.leaf_hash(commitment), position, count, anchor.path, tree.root())


def test_a_root_says_how_many_it_holds() -> None:
    leaves = [log.leaf_hash(bytes([i]) * 32) for i in range(3)]
    path = Group([bytes([i]) * 32 for i in range(3)]).anchor(0, 0).path
    roots = {log.inclusion_root(leaves[0], 0, size, path) for size in (3, 4)}
    assert len(roots) == 1  # of itself, a tree's root does not
    assert group_root(3, bytes(32)) != group_root(4, bytes(32))
    with pytest.raises(CallerError):
        Group([])
    with pytest.raises(CallerError):
        Group([bytes(32)] * (GROUP_MAX + 1))
    with pytest.raises(CallerError):
        Group([bytes(32)]).anchor(0, 1)


# -- bodies ----------------------------------------------------------------------------------


def test_bodies_open_under_their_key_only() -> None:
    key = bytes(32)
    body = seal_body(key, b'{"a":1}')
    assert open_body(key, body).rstrip() == b'{"a":1}'
    assert len(seal_body(key, b"x" * 1000)) == len(body) < len(seal_body(key, b"x" * 1025))
    assert seal_body(key, b'{"a":1}') != body
    with pytest.raises(CheckFailed):
        open_body(b"\x01" * 32, body)
    for position in range(0, len(body), 97):
        broken = bytearray(body)
        broken[position] ^= 1
        with pytest.raises(CheckFailed):
            open_body(key, bytes(broken))
    with pytest.raises(MalformedInput):
        open_body(key, body[:20])


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_a_store_keeps_and_forgets(kind: str, tmp_path: Path) -> None:
    bodies = MemoryBodies() if kind == "memory" else FolderBodies(tmp_path / "a" / "records")
    assert bodies.get(bytes(32)) is None
    digest = bodies.put(b"body")
    assert digest == body_hash(b"body") == bodies.put(b"body")
    assert bodies.get(digest) == b"body"
    bodies.delete(digest)
    bodies.delete(digest)
    assert bodies.get(digest) is None


def test_a_damaged_body_is_noticed(tmp_path: Path) -> None:
    bodies = FolderBodies(tmp_path)
    digest = bodies.put(b"body")
    assert (tmp_path / digest.hex()).stat().st_mode & 0o077 == 0
    for wrong in (b"bodz", b"x" * (BODY_MAX_BYTES + 2)):
        (tmp_path / digest.hex()).write_bytes(wrong)
        with pytest.raises(MalformedInput, match="damaged"):
            bodies.get(digest)


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    bodies = FolderBodies(tmp_path / "file")
    with pytest.raises(StoreError):
        bodies.put(b"body")
    with pytest.raises(StoreError):
        bodies.get(bytes(32))
    (tmp_path / bytes(32).hex()).mkdir()
    with pytest.raises(StoreError):
        FolderBodies(tmp_path).delete(bytes(32))


# -- recipients ------------------------------------------------------------------------------


def test_what_is_sealed_opens_under_its_key_and_info_only() -> None:
    key = RecipientKey.derive(seed("a"))
    assert len(key.public_key) == PUBLIC_BYTES
    assert RecipientKey.derive(seed("a")).public_key == key.public_key
    sealed = seal_for(key.public_key, b"secret", b"info")
    assert sealed != seal_for(key.public_key, b"secret", b"info")
    assert key.open(sealed, b"info") == b"secret"
    other, secret = RecipientKey.generate()
    assert RecipientKey(secret).public_key == other.public_key
    for opener, data, info in (
        (other, sealed, b"info"),
        (key, sealed, b"other"),
        (key, sealed[:-1], b"info"),
        (key, b"", b"info"),
        (key, sealed[:1088] + bytes(32) + sealed[1120:], b"info"),
        (key, bytes(1088) + sealed[1088:], b"info"),
    ):
        with pytest.raises(CheckFailed):
            opener.open(data, info)


def test_both_halves_of_the_hybrid_are_used() -> None:
    mine, others = RecipientKey.derive(seed("a")), RecipientKey.derive(seed("b"))
    for mixed in (
        mine.public_key[:-32] + others.public_key[-32:],
        others.public_key[:-32] + mine.public_key[-32:],
    ):
        sealed = seal_for(mixed, b"secret", b"")
        for key in (mine, others):
            with pytest.raises(CheckFailed):
                key.open(sealed, b"")


@pytest.mark.parametrize(
    "public_key",
    [b"", bytes(PUBLIC_BYTES - 1), bytes(PUBLIC_BYTES + 1), b"\xff" * PUBLIC_BYTES, bytes(1216)],
)
def test_what_is_no_public_key(public_key: bytes) -> None:
    with pytest.raises(MalformedInput):
        seal_for(public_key, b"secret", b"")


def test_a_key_shows_no_secret() -> None:
    key, secret = RecipientKey.generate()
    assert secret.hex() not in repr(key)
    assert fingerprint(key.public_key).hex()[:16] in repr(key)
    with pytest.raises(CallerError):
        pickle.dumps(key)
    with pytest.raises(CallerError):
        RecipientKey(secret[:-1])


def test_the_ledger_vouches_for_registered_recipients(world: World) -> None:
    ledger = world.ledger
    for party in (world.lender, world.merchant):
        recipient = party.recipient(ledger)
        assert decode_message(encode_message(recipient), Recipient) == recipient
        assert check_recipient(ledger, recipient) is True
        bls = (party._desk.keys if party is world.lender else party._keys).bls
        other_role = "merchant" if recipient.role == "issuer" else "issuer"
        for changes, rule in (
            ({"public_key": RecipientKey.derive(seed("thief")).public_key}, "bad-signature"),
            ({"signature": bytes(96)}, "bad-signature"),
            ({"name": "Another Bank"}, "bad-signature"),
            ({"party_id": bytes(32)}, "unknown-"),
            ({"role": other_role}, "unknown-"),
            ({"ledger_id": bytes(32)}, "wrong-ledger"),
        ):
            forged = msgspec.structs.replace(recipient, **changes)
            if rule != "bad-signature" or "name" in changes:  # even if it is signed
                forged = signed(forged, bls.sign(signing_digest(forged)))
            with pytest.raises(Refused, match=rule):
                check_recipient(ledger, forged)
    other = RecipientKey.derive(seed("x")).unregistered(ledger.ledger_id, "Accountant")
    assert check_recipient(ledger, other) is False
    for changes in ({"party_id": world.issuer_id}, {"signature": b"\x01" * 96}):
        with pytest.raises(MalformedInput):
            check_recipient(ledger, msgspec.structs.replace(other, **changes))
