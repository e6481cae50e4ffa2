"""Pairings and G2 through ``py_ecc``, with strict decoding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from py_ecc.bls.point_compression import decompress_G2
from py_ecc.fields import optimized_bls12_381_FQ as FQ
from py_ecc.fields import optimized_bls12_381_FQ12 as FQ12
from py_ecc.optimized_bls12_381.optimized_curve import G2, add, curve_order, is_inf, multiply, neg
from py_ecc.optimized_bls12_381.optimized_pairing import final_exponentiate, pairing
from py_ecc.typing import Optimized_Point3D

from zkcredit.errors import MalformedInput
from zkcredit.reference import g1

Point2 = Optimized_Point3D[Any]
"""A point of G2 as ``py_ecc`` has it."""

GENERATOR: Point2 = G2
"""P2, the fixed generator of G2."""
NEGATED_GENERATOR: Point2 = neg(G2)
"""−P2."""

_COMPRESSED, _INFINITY, _LARGER_Y = 0x80, 0x40, 0x20


def decode(data: bytes, what: str) -> Point2:
    """The point of 96 compressed bytes: in the group of order r, not the identity."""
    if len(data) != 96:
        raise MalformedInput(f"{what} has {len(data)} bytes, not 96")
    if not data[0] & _COMPRESSED or data[0] & _INFINITY:
        raise MalformedInput(f"{what} is the identity or not a compressed point")
    high, low = int.from_bytes(data[:48], "big"), int.from_bytes(data[48:], "big")
    if high & ((1 << 381) - 1) >= g1.P or low >= g1.P:
        raise MalformedInput(f"{what} has a coordinate that is not below p")
    try:
        point: Point2 = decompress_G2((high, low))  # type: ignore[arg-type]
    except ValueError:
        raise MalformedInput(f"{what} is not on the curve") from None
    if not is_inf(multiply(point, curve_order)):
        raise MalformedInput(f"{what} is not in the group of prime order")
    return point


def combine(left: Point2, right: Point2, factor: int) -> Point2:
    """``left + factor·right`` in G2."""
    return add(left, multiply(right, factor))


def product_is_one(pairs: Sequence[tuple[g1.Point, Point2]]) -> bool:
    """Whether ``Π e(P, Q) = 1``; cofactors of the left sides are cleared first."""
    total = FQ12.one()
    for left, right in pairs:
        point = g1.clear_cofactor(left)
        if g1.is_identity(point):
            continue
        x, y = g1.affine(point)
        total *= pairing(right, (FQ(x), FQ(y), FQ.one()), final_exponentiate=False)
    return bool(final_exponentiate(total) == FQ12.one())
