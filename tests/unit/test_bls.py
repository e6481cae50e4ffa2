"""BLS from Python: Ethereum's cases, and what must not verify."""

from __future__ import annotations

import copy
import doctest
import pickle
from typing import Any

import pytest

from vectors import cases, unhex
from zkcredit import bls
from zkcredit.errors import CallerError, MalformedInput, ProofRefused, ZkCreditError

KEYS = [bls.generate(bytes([n]) * 32) for n in range(6)]
ITEMS = [
    (key.public_key, b"message %d" % n, key.sign(b"message %d" % n)) for n, key in enumerate(KEYS)
]
P = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf"
    "6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)
IDENTITY_G1 = b"\xc0" + bytes(47)
IDENTITY_G2 = b"\xc0" + bytes(95)


def _cases(folder: str) -> list[Any]:
    return [pytest.param(case, id=f"{folder}-{name}") for name, case in cases(f"bls/{folder}")]


def _valid(call: Any) -> bool:
    try:
        call()
    except ZkCreditError:
        return False
    return True


def test_the_examples_of_the_documentation() -> None:
    assert doctest.testmod(bls).failed == 0


@pytest.mark.parametrize("case", _cases("sign"))
def test_sign(case: Any) -> None:
    found, message = case["input"], unhex(case["input"]["message"])
    if case["output"] is None:
        with pytest.raises(MalformedInput):
            bls.SecretKey.from_bytes(unhex(found["privkey"]))
        return
    key = bls.SecretKey.from_bytes(unhex(found["privkey"]))
    signature = bls.sign(key, message)
    assert signature == unhex(case["output"])
    bls.verify(key.public_key, message, signature)


@pytest.mark.parametrize("case", _cases("verify"))
def test_verify(case: Any) -> None:
    found = case["input"]
    key, message = unhex(found["pubkey"]), unhex(found["message"])
    signature = unhex(found["signature"])
    assert case["output"] == _valid(lambda: bls.verify(key, message, signature))
    assert case["output"] == _valid(lambda: bls.verify_batch([(key, message, signature)]))


@pytest.mark.parametrize("case", _cases("aggregate"))
def test_aggregate(case: Any) -> None:
    signatures = [unhex(text) for text in case["input"]]
    if case["output"] is None:
        with pytest.raises(ZkCreditError):
            bls.aggregate(signatures)
    else:
        assert bls.aggregate(signatures) == unhex(case["output"])


@pytest.mark.parametrize("case", _cases("aggregate_verify"))
def test_aggregate_verify(case: Any) -> None:
    found = case["input"]
    keys, messages = map(_list, (found["pubkeys"], found["messages"]))
    signature = unhex(found["signature"])
    assert case["output"] == _valid(lambda: bls.aggregate_verify(keys, messages, signature))


def _list(texts: list[str]) -> list[bytes]:
    return [unhex(text) for text in texts]


@pytest.mark.parametrize("case", _cases("fast_aggregate_verify"))
def test_fast_aggregate_verify(case: Any) -> None:
    found = case["input"]
    keys, message = _list(found["pubkeys"]), unhex(found["message"])
    signature = unhex(found["signature"])
    assert case["output"] == _valid(lambda: bls.fast_aggregate_verify(keys, message, signature))


@pytest.mark.parametrize("case", _cases("batch_verify"))
def test_batch_verify(case: Any) -> None:
    found = case["input"]
    lists = (_list(found[name]) for name in ("pubkeys", "messages", "signatures"))
    items = list(zip(*lists, strict=True))
    assert case["output"] == _valid(lambda: bls.verify_batch(items))


@pytest.mark.parametrize("case", _cases("deserialization_G1"))
def test_public_keys_decode(case: Any) -> None:
    key = unhex(case["input"]["pubkey"])
    if case["output"] and key == IDENTITY_G1:  # a point, but no key
        with pytest.raises(ProofRefused):
            bls.check_public_key(key)
    elif case["output"]:
        bls.check_public_key(key)
    else:
        with pytest.raises(MalformedInput):
            bls.check_public_key(key)


@pytest.mark.parametrize("case", _cases("deserialization_G2"))
def test_signatures_decode(case: Any) -> None:
    signature = unhex(case["input"]["signature"])
    if case["output"]:
        bls.check_signature(signature)
    else:
        with pytest.raises(MalformedInput):
            bls.check_signature(signature)


@pytest.mark.parametrize("case", _cases("hash_to_G2"))
def test_hash_to_g2(case: Any) -> None:
    tag = b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_"
    point = bls.hash_to_g2(case["input"]["msg"].encode(), tag)
    low, high = case["output"]["x"].split(",")
    assert bytes([point[0] & 0x1F]) + point[1:] == unhex(high) + unhex(low)
    y_low, y_high = (int(part, 16) for part in case["output"]["y"].split(","))
    assert bool(point[0] & 0x20) == ((y_high or y_low) > (P - 1) // 2)


# --- what must not verify ---


def _refused(items: list[tuple[bytes, bytes, bytes]]) -> tuple[int, ...]:
    try:
        bls.verify_batch(items)
    except ProofRefused as refused:
        return refused.indexes
    return ()


def test_batches_name_their_culprits() -> None:
    assert _refused(ITEMS) == ()
    assert _refused([]) == ()
    for culprit, (key, message, signature) in enumerate(ITEMS):
        bad = list(ITEMS)
        bad[culprit] = (key, message + b"!", signature)
        assert _refused(bad) == (culprit,)
    bad = [(key, b"", signature) for key, _, signature in ITEMS]
    assert _refused(bad) == tuple(range(len(ITEMS)))


def test_swapped_signatures_and_keys_do_not_cancel() -> None:
    (k1, m1, s1), (k2, m2, s2) = ITEMS[:2]
    assert _refused([(k1, m1, s2), (k2, m2, s1), *ITEMS[2:]]) == (0, 1)
    assert _refused([(k2, m1, s1), (k1, m2, s2), *ITEMS[2:]]) == (0, 1)
    # Their sums do verify, so only weights tell them apart.
    bls.aggregate_verify([k1, k2], [m1, m2], bls.aggregate([s2, s1]))


def test_duplicates_and_shared_messages() -> None:
    assert _refused([ITEMS[0]] * 5 + ITEMS) == ()
    shared = [(key.public_key, b"checkpoint", key.sign(b"checkpoint")) for key in KEYS]
    assert _refused(shared + ITEMS) == ()
    (k1, m, s1), (k2, _, s2) = shared[:2]
    assert _refused([(k1, m, s2), (k2, m, s1), *shared[2:]]) == (0, 1)
    assert _refused([*shared[:3], ITEMS[0], (k1, m, ITEMS[0][2]), *shared]) == (4,)


def test_the_identity_verifies_nothing() -> None:
    key, message, _ = ITEMS[0]
    assert _refused([(key, message, IDENTITY_G2), *ITEMS]) == (0,)
    assert _refused([*ITEMS, (IDENTITY_G1, message, IDENTITY_G2)]) == (len(ITEMS),)
    with pytest.raises(ProofRefused):
        bls.verify(key, message, IDENTITY_G2)
    with pytest.raises(ProofRefused):
        bls.verify(IDENTITY_G1, message, IDENTITY_G2)
    negative = bytes([key[0] ^ 0x20]) + key[1:]
    with pytest.raises(ProofRefused):
        bls.fast_aggregate_verify([key, negative], message, IDENTITY_G2)
    with pytest.raises(ProofRefused):
        bls.aggregate_verify([key, IDENTITY_G1], [message, message], ITEMS[0][2])


def test_malformed_entries_are_culprits() -> None:
    key, message, signature = ITEMS[0]
    bad = [
        (key, message, signature),
        (b"", message, signature),
        (key, message, signature[:-1]),
        (key, message, bytes(96)),
        (bytes(48), message, signature),
    ]
    assert _refused(bad) == (1, 2, 3, 4)


def test_a_rogue_key_has_no_proof_of_possession() -> None:
    for key in KEYS:
        bls.verify_possession(key.public_key, bls.prove_possession(key))
    with pytest.raises(ProofRefused):
        bls.verify_possession(KEYS[1].public_key, bls.prove_possession(KEYS[0]))
    with pytest.raises(ProofRefused):  # a signature on the key is not one: another tag
        bls.verify_possession(KEYS[0].public_key, KEYS[0].sign(KEYS[0].public_key))


def test_aggregates() -> None:
    keys, messages, signatures = (list(column) for column in zip(*ITEMS, strict=True))
    total = bls.aggregate(signatures)
    bls.aggregate_verify(keys, messages, total)
    for wrong in (messages[::-1], [*messages[:-1], b""]):
        with pytest.raises(ProofRefused):
            bls.aggregate_verify(keys, wrong, total)
    shared = bls.aggregate([key.sign(b"checkpoint") for key in KEYS])
    bls.fast_aggregate_verify(keys, b"checkpoint", shared)
    with pytest.raises(ProofRefused):
        bls.fast_aggregate_verify(keys[:-1], b"checkpoint", shared)
    with pytest.raises(ProofRefused):
        bls.fast_aggregate_verify([*keys, keys[0]], b"checkpoint", shared)
    for empty in (
        lambda: bls.aggregate([]),
        lambda: bls.aggregate_verify([], [], total),
        lambda: bls.aggregate_verify(keys, messages[:-1], total),
        lambda: bls.fast_aggregate_verify([], b"", total),
    ):
        with pytest.raises(CallerError):
            empty()


def test_keys() -> None:
    assert bls.generate().expose() != bls.generate().expose()
    assert bls.generate(bytes(32), info=b"a").expose() != bls.generate(bytes(32)).expose()
    key = KEYS[0]
    assert bls.SecretKey.from_bytes(key.expose()).public_key == key.public_key
    assert "REDACTED" in repr(key)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(CallerError):
            attempt(key)
    with pytest.raises(CallerError):
        bls.generate(b"short")
    with pytest.raises(MalformedInput):
        bls.SecretKey.from_bytes(b"short")
    with pytest.raises(CallerError):
        bls.hash_to_g2(b"", b"")
