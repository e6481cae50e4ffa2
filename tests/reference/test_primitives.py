"""Curve, hashes and generators of the reference against py_ecc, drafts and extension."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from py_ecc.fields import optimized_bls12_381_FQ as FQ
from py_ecc.optimized_bls12_381 import optimized_curve as curve
from referenceprover import torsion

from zkcredit import _native
from zkcredit.errors import MalformedInput, ProofRefused, ZkCreditError
from zkcredit.reference import bbs, bls, g1, generators, hashing
from zkcredit.reference.merkle import Tree

VECTORS = Path(__file__).parents[1] / "vectors"
BBS = VECTORS / "bbs" / "bls12-381-sha-256"
BLS = VECTORS / "bls"


def points(count: int) -> list[g1.Point]:
    """Multiples of the generator, the identity, a negative and a point with torsion."""
    rng = random.Random(count)
    made = [g1.multiply(g1.GENERATOR, rng.randrange(g1.R)) for _ in range(count - 3)]
    return [*made, g1.IDENTITY, g1.negate(made[0]), g1.add(made[0], torsion(11))]


def to_py_ecc(point: g1.Point) -> tuple[FQ, FQ, FQ]:
    if g1.is_identity(point):
        return (FQ(1), FQ(1), FQ(0))
    x, y = g1.affine(point)
    return FQ(x), FQ(y), FQ(1)


def test_curve_arithmetic_is_that_of_py_ecc() -> None:
    some = points(6)
    for left in some:
        assert curve.eq(to_py_ecc(g1.double(left)), curve.double(to_py_ecc(left)))
        for right in some:
            expected = curve.add(to_py_ecc(left), to_py_ecc(right))
            assert curve.eq(to_py_ecc(g1.add(left, right)), expected)
        factor = random.Random(1).randrange(g1.R)
        expected = curve.multiply(to_py_ecc(left), factor)
        assert curve.eq(to_py_ecc(g1.multiply(left, factor)), expected)


@pytest.mark.parametrize("count", [4, 15, 16, 40, 210])
def test_a_sum_of_multiples_is_the_sum_of_multiples(count: int) -> None:
    rng = random.Random(count)
    some = points(6)
    terms = [
        (rng.choice(some), rng.choice((0, 1, 2**128, rng.randrange(g1.R)))) for _ in range(count)
    ]
    expected = g1.IDENTITY
    for point, factor in terms:
        expected = g1.add(expected, g1.multiply(point, factor))
    found = g1.sum_of_multiples([p for p, _ in terms], [f for _, f in terms])
    assert g1.equal(found, expected)


@pytest.mark.parametrize("order", [3, 11, 10177])
def test_the_cofactor_clears_torsion(order: int) -> None:
    point = torsion(order)
    assert not g1.in_group(point)
    assert g1.is_identity(g1.clear_cofactor(point))
    assert g1.in_group(g1.clear_cofactor(g1.add(point, g1.GENERATOR)))


def test_encodings_go_back_and_forth() -> None:
    for point in points(6):
        if g1.is_identity(point):
            with pytest.raises(MalformedInput):
                g1.decode(g1.encode(point), "point")
            continue
        assert g1.equal(g1.decode(g1.encode(point), "point"), point)
        assert g1.equal(g1.decode_uncompressed(g1.encode_uncompressed(point), "point"), point)


@pytest.mark.parametrize("name", ["blinding", "owner", "account", "due", "payee"])
def test_named_generators(name: str) -> None:
    assert g1.encode(generators.named(name)) == _native.commit([(name, 1)])


def test_other_generators() -> None:
    for label in (b"", b"value", b"v" * 300):
        assert g1.encode(generators.labelled(label)) == _native.commit([(label, 1)])
    for number, point in enumerate(generators.bbs_messages(60)):
        assert g1.encode(point) == _native.commit([(("H", number), 1)])


def test_generators_of_the_draft() -> None:
    data = json.loads((BBS / "generators.json").read_text())
    assert g1.encode(generators.bbs_base()).hex() == data["P1"]
    assert g1.encode(generators.bbs_domain_base()).hex() == data["Q1"]
    found = [g1.encode(p).hex() for p in generators.bbs_messages(len(data["MsgGenerators"]))]
    assert found == data["MsgGenerators"]


def test_hashes() -> None:
    for length in (0, 1, 63, 64, 1024, 5000):
        data = hashlib.shake_128(b"data").digest(length)
        assert hashing.derive_key("context", data, 70) == _native.derive_key("context", data, 70)
        expected = _native.hash_to_scalar("context", data)
        assert hashing.hash_to_scalar("context", data).to_bytes(32, "big") == expected
    tweak = bbs.serial_tweak(b"open", bytes(48)).to_bytes(32, "big")
    assert tweak == _native.serial_tweak(b"open", bytes(48))


def accepts(call: Callable[[], None]) -> bool:
    try:
        call()
    except ZkCreditError:
        return False
    return True


@pytest.mark.parametrize("path", sorted((BBS / "signature").glob("*.json")), ids=lambda p: p.stem)
def test_signatures_of_the_draft(path: Path) -> None:
    data = json.loads(path.read_text())
    api_id = generators.API_ID
    scalars = [
        int.from_bytes(
            hashing.expand(bytes.fromhex(message), api_id + b"MAP_MSG_TO_SCALAR_AS_HASH_", 48),
            "big",
        )
        % g1.R
        for message in data["messages"]
    ]
    key, header, signature = (
        bytes.fromhex(value)
        for value in (data["signerKeyPair"]["publicKey"], data["header"], data["signature"])
    )
    valid = accepts(lambda: bbs.verify_messages(key, header, scalars, signature))
    assert valid == data["result"]["valid"]


@pytest.mark.parametrize("path", sorted((BLS / "verify").glob("*.json")), ids=lambda p: p.stem)
def test_signatures_of_the_ethereum_suite(path: Path) -> None:
    data = json.loads(path.read_text())
    given = (bytes.fromhex(data["input"][k][2:]) for k in ("pubkey", "message", "signature"))
    key, message, signature = given
    assert accepts(lambda: bls.verify(key, message, signature)) == data["output"]


def test_possession_and_its_tag() -> None:
    key = _native.BlsKey.derive(_native.Seed.from_bytes(bytes(32)), b"key")
    bls.verify_possession(key.public_key, key.prove_possession())
    with pytest.raises(ProofRefused):
        bls.verify_possession(key.public_key, key.sign(key.public_key))


def payee_keys(count: int) -> list[bytes]:
    return [_native.commit([("payee", number + 1)]) for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 5, 64])
def test_payee_keys_are_weighted_alike(count: int) -> None:
    keys = payee_keys(count)
    for context in (bytes(32), b"context"):
        expected = _native.aggregate_payee_keys(keys, context)
        assert bls.aggregate_payee_keys(keys, context) == expected


def test_payee_keys_are_refused_alike() -> None:
    good = payee_keys(2)
    tainted = g1.encode(g1.add(g1.decode(good[0], "key"), torsion(3)))
    bad: list[list[bytes]] = [
        [], [good[0], tainted], [b"\xc0" + bytes(47)], [bytes(48)], good * 513,
    ]  # fmt: skip
    for keys in bad:
        for aggregate in (bls.aggregate_payee_keys, _native.aggregate_payee_keys):
            with pytest.raises(ZkCreditError):
                aggregate(keys, b"context")


def tree_hash(entries: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it stands there."""
    if len(entries) < 2:
        return hashlib.sha256(b"\0" + entries[0] if entries else b"").digest()
    k = 1
    while 2 * k < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:])).digest()


def test_roots() -> None:
    tree, entries = Tree(), []
    assert tree.root() == tree_hash([])
    for number in range(70):
        entries.append(b"entry %d" % number)
        tree.append(entries[-1])
        assert tree.root() == tree_hash(entries)
