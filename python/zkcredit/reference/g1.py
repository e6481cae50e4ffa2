"""Points of G1 in plain integers: strict decoding, sums of multiples, cofactor.

A point is a triple ``(X, Y, Z)`` of integers modulo p in Jacobian coordinates
(x = X/Z², y = Y/Z³); Z = 0 is the identity. Nothing here takes constant time,
for nothing here is secret. Constants come from ``py_ecc``, and a test compares
every operation with that of ``py_ecc``.
"""

from __future__ import annotations

from collections.abc import Sequence

from py_ecc.optimized_bls12_381.optimized_curve import G1, curve_order, field_modulus, normalize

from zkcredit.errors import MalformedInput

Point = tuple[int, int, int]

P: int = field_modulus
"""Order of the field of coordinates."""
R: int = curve_order
"""Prime order of the groups."""
H_EFF = 0xD201000000010001
"""Multiplying by it takes every point of the curve into the group of prime order."""
IDENTITY: Point = (1, 1, 0)


def _base() -> Point:
    x, y = normalize(G1)
    return int(x), int(y), 1


GENERATOR: Point = _base()
"""The fixed generator of G1 (of BLS keys)."""

_COMPRESSED, _INFINITY, _LARGER_Y = 0x80, 0x40, 0x20


def is_identity(point: Point) -> bool:
    """Whether this is the neutral element."""
    return point[2] == 0


def affine(point: Point) -> tuple[int, int]:
    """Coordinates x, y of a point other than the identity."""
    x, y, z = point
    inverse = pow(z, -1, P)
    square = inverse * inverse % P
    return x * square % P, y * square * inverse % P


def negate(point: Point) -> Point:
    """The inverse element."""
    return point[0], -point[1] % P, point[2]


def double(point: Point) -> Point:
    """Twice the point."""
    x, y, z = point
    y_squared = y * y % P
    s = 4 * x * y_squared % P
    m = 3 * x * x % P
    new_x = (m * m - 2 * s) % P
    return new_x, (m * (s - new_x) - 8 * y_squared * y_squared) % P, 2 * y * z % P


def add(left: Point, right: Point) -> Point:
    """The sum of any two points."""
    x1, y1, z1 = left
    x2, y2, z2 = right
    if z1 == 0:
        return right
    if z2 == 0:
        return left
    z1_squared, z2_squared = z1 * z1 % P, z2 * z2 % P
    u1, u2 = x1 * z2_squared % P, x2 * z1_squared % P
    s1, s2 = y1 * z2_squared * z2 % P, y2 * z1_squared * z1 % P
    if u1 == u2:
        return double(left) if s1 == s2 else IDENTITY
    h, r = (u2 - u1) % P, (s2 - s1) % P
    h_squared = h * h % P
    h_cubed = h * h_squared % P
    v = u1 * h_squared % P
    x3 = (r * r - h_cubed - 2 * v) % P
    return x3, (r * (v - x3) - s1 * h_cubed) % P, z1 * z2 * h % P


def equal(left: Point, right: Point) -> bool:
    """Whether two triples are the same point."""
    return is_identity(add(left, negate(right)))


def multiply(point: Point, factor: int) -> Point:
    """``factor`` ≥ 0 times the point, by doubling and adding."""
    total = IDENTITY
    for bit in f"{factor:b}":
        total = double(total)
        if bit == "1":
            total = add(total, point)
    return total


def in_group(point: Point) -> bool:
    """Whether the point lies in the subgroup of prime order r."""
    return is_identity(multiply(point, R))


def sum_of_multiples(points: Sequence[Point], factors: Sequence[int]) -> Point:
    """``Σ factor·point`` with factors ≥ 0, by the bucket method of Pippenger."""
    pairs = [(p, f) for p, f in zip(points, factors, strict=True) if f]
    if not pairs:
        return IDENTITY
    width = 3 if len(pairs) < 16 else 5 if len(pairs) < 200 else 7
    bits = max(factor.bit_length() for _, factor in pairs)
    total = IDENTITY
    for shift in range((bits - 1) // width * width, -1, -width):
        for _ in range(width):
            total = double(total)
        total = add(total, _window(pairs, shift, (1 << width) - 1))
    return total


def _window(pairs: Sequence[tuple[Point, int]], shift: int, mask: int) -> Point:
    """``Σ digit·point`` of one window of the factors."""
    buckets = [IDENTITY] * (mask + 1)
    for point, factor in pairs:
        digit = factor >> shift & mask
        if digit:
            buckets[digit] = add(buckets[digit], point)
    running = total = IDENTITY
    for bucket in reversed(buckets[1:]):
        running = add(running, bucket)
        total = add(total, running)
    return total


def clear_cofactor(point: Point) -> Point:
    """h_eff times the point: no trace of its torsion is left."""
    return multiply(point, H_EFF)


# --- bytes -----------------------------------------------------------------------


def encode(point: Point) -> bytes:
    """48 bytes, compressed."""
    if is_identity(point):
        return bytes((_COMPRESSED | _INFINITY,)) + bytes(47)
    x, y = affine(point)
    flags = _COMPRESSED | (_LARGER_Y if y > P - y else 0)
    data = x.to_bytes(48, "big")
    return bytes((data[0] | flags,)) + data[1:]


def encode_uncompressed(point: Point) -> bytes:
    """96 bytes: x and y; not for the identity."""
    x, y = affine(point)
    return x.to_bytes(48, "big") + y.to_bytes(48, "big")


def decode(data: bytes, what: str) -> Point:
    """The point of 48 compressed bytes: on the curve, not the identity.

    Whether it lies in the group of prime order is not looked at (see
    :func:`decode_in_group`).
    """
    if len(data) != 48:
        raise MalformedInput(f"{what} has {len(data)} bytes, not 48")
    if not data[0] & _COMPRESSED:
        raise MalformedInput(f"{what} is not a compressed point")
    if data[0] & _INFINITY:
        raise MalformedInput(f"{what} is the identity")
    x = int.from_bytes(data, "big") & ((1 << 381) - 1)
    if x >= P:
        raise MalformedInput(f"{what} has a coordinate that is not below p")
    square = (x * x * x + 4) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        raise MalformedInput(f"{what} is not on the curve")
    if (y > P - y) != bool(data[0] & _LARGER_Y):
        y = P - y
    return x, y, 1


def decode_in_group(data: bytes, what: str) -> Point:
    """As :func:`decode`, and in the subgroup of prime order."""
    point = decode(data, what)
    if not in_group(point):
        raise MalformedInput(f"{what} is not in the group of prime order")
    return point


def decode_uncompressed(data: bytes, what: str) -> Point:
    """The point of 96 bytes: flags zero, coordinates below p, on the curve."""
    if len(data) != 96:
        raise MalformedInput(f"{what} has {len(data)} bytes, not 96")
    x, y = int.from_bytes(data[:48], "big"), int.from_bytes(data[48:], "big")
    if x >= P or y >= P:
        raise MalformedInput(f"{what} has a coordinate that is not below p")
    if (y * y - x * x * x - 4) % P:
        raise MalformedInput(f"{what} is not on the curve")
    return x, y, 1


def decode_scalar(data: bytes, what: str) -> int:
    """The number below r that 32 big-endian bytes hold."""
    if len(data) != 32:
        raise MalformedInput(f"{what} has {len(data)} bytes, not 32")
    value = int.from_bytes(data, "big")
    if value >= R:
        raise MalformedInput(f"{what} is not below the group order")
    return value
