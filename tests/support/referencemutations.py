"""Accepted cases with one thing changed: nothing of it may be accepted by anybody."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from referencekit import Case, P, R, data32, issuer_key
from referenceprover import torsion

from zkcredit.reference import g1


def points_of(case: Case) -> int:
    """Number of points at the front of the proof."""
    return case.statement().circuit.point_count


def mutations(case: Case) -> Iterator[Case]:
    """Each point, some responses, the length, and each part of the statement changed."""
    yield from _lengths(case)
    yield from _points(case)
    yield from _responses(case)
    yield from _statement(case)
    yield from _claimed_points(case)


def random_mutations(case: Case, count: int, seed: int = 0) -> Iterator[Case]:
    """``count`` random changes of one or two bytes anywhere, or of whole scalars."""
    rng = random.Random(f"{case.name} {seed}")
    cut = 96 * points_of(case)
    for number in range(count):
        data = bytearray(case.proof)
        if rng.random() < 0.5:
            for place in rng.sample(range(len(data)), rng.choice((1, 1, 2))):
                data[place] ^= 1 << rng.randrange(8)
        else:  # another scalar below r: decoding cannot refuse it
            place = cut + 32 * rng.randrange((len(data) - cut) // 32)
            data[place : place + 32] = rng.randrange(R).to_bytes(32, "big")
        yield case.mutated(f"random {seed}.{number}", proof=bytes(data))


def _patched(case: Case, name: str, place: int, piece: bytes) -> Case:
    proof = case.proof[:place] + piece + case.proof[place + len(piece) :]
    return case.mutated(name, proof=proof)


def _lengths(case: Case) -> Iterator[Case]:
    proof = case.proof
    cut = 96 * points_of(case)
    yield case.mutated("no bytes", proof=b"")
    yield case.mutated("one byte less", proof=proof[:-1])
    yield case.mutated("one byte more", proof=proof + b"\0")
    yield case.mutated("one response less", proof=proof[:-32])
    yield case.mutated("one response more", proof=proof + proof[-32:])
    yield case.mutated("one point less", proof=proof[:cut][:-96] + proof[cut:])
    yield case.mutated("one point more", proof=proof[:cut] + proof[:96] + proof[cut:])


def _points(case: Case) -> Iterator[Case]:
    count, proof = points_of(case), case.proof
    for number in range(count):
        place = 96 * number
        data = proof[place : place + 96]
        x, y = (int.from_bytes(half, "big") for half in (data[:48], data[48:]))
        point = (x, y, 1)
        other = proof[96 * ((number + 1) % count) :][:96]
        changes = {
            "negated": g1.encode_uncompressed(g1.negate(point)),
            "with torsion": g1.encode_uncompressed(g1.add(point, torsion(3))),
            "doubled": g1.encode_uncompressed(g1.double(point)),
            "replaced by another": other,
            "off the curve": data[:95] + bytes((data[95] ^ 1,)),
            "identity": b"\x40" + bytes(95),
            "zero": bytes(96),
            "flag compressed": bytes((data[0] | 0x80,)) + data[1:],
            "flag larger": bytes((data[0] | 0x20,)) + data[1:],
            "x + p": (x + P).to_bytes(48, "big") + data[48:],
            "y + p": data[:48] + (y + P).to_bytes(48, "big"),
        }
        for name, piece in changes.items():
            if piece != data:
                yield _patched(case, f"point {number} {name}", place, piece)


def _responses(case: Case) -> Iterator[Case]:
    cut = 96 * points_of(case)
    count = (len(case.proof) - cut) // 32
    chosen = sorted({*range(min(count, 9)), *range(max(0, count - 5), count)})
    for number in chosen:
        place = cut + 32 * number
        data = case.proof[place : place + 32]
        value = int.from_bytes(data, "big")
        yield _patched(case, f"response {number} + 1", place, ((value + 1) % R).to_bytes(32, "big"))
        yield _patched(case, f"response {number} zero", place, bytes(32))
        alias = value + R  # the same scalar in other bytes; at most 2^256
        if alias < 1 << 256:
            yield _patched(case, f"response {number} + r", place, alias.to_bytes(32, "big"))
        if number + 1 < count:
            following = case.proof[place + 32 : place + 64]
            yield _patched(case, f"response {number} swapped", place, following + data)


def _statement(case: Case) -> Iterator[Case]:
    yield case.mutated("another ledger", ledger_id=data32("another"))
    yield case.mutated("another context", context=data32("another"))
    if case.parameters:
        more = {**case.parameters, "K": case.parameters["K"] + 1}
        yield case.mutated("one bucket more", parameters=more)
        yield case.mutated("one attribute more", parameters=more | {"K": more["K"] - 1, "M": 9})
    if case.keys:
        [(key, header)] = case.keys
        yield case.mutated("another issuer", keys=((issuer_key("other").public_key, header),))
        yield case.mutated("another header", keys=((key, header + b"\0"),))
        yield case.mutated("malformed issuer", keys=((key[:-1] + b"\0", header),))
        yield case.mutated("identity as issuer", keys=((b"\xc0" + bytes(95), header),))
    for name, label in case.labels.items():
        yield case.mutated(f"another {name}", labels={**case.labels, name: label + b"\0"})
    for name, data in case.publics.items():
        value = int.from_bytes(data, "big")
        for text, changed in (("+ 1", (value + 1) % R), ("+ r", value + R), ("zero", 0)):
            publics = {**case.publics, name: changed.to_bytes(32, "big")}
            yield case.mutated(f"{name} {text}", publics=publics)


def _claimed_points(case: Case) -> Iterator[Case]:
    """The statement's points changed alone, and together with those in the proof."""
    order = [item.point for item in case.statement().circuit.commitments]
    for number, name in enumerate(order):
        data = case.points[name]
        point = g1.decode(data, name)
        flipped = bytes((data[0] ^ 0x20,)) + data[1:]
        for text, piece in (
            ("negated alone", flipped),
            ("identity", b"\xc0" + bytes(47)),
            ("not compressed", bytes((data[0] & 0x7F,)) + data[1:]),
            ("x + p", _plus_p(data)),
        ):
            points = {**case.points, name: piece}
            yield case.mutated(f"statement's {name} {text}", points=points)
        for text, changed in (
            ("negated", g1.negate(point)),
            ("with torsion", g1.add(point, torsion(3))),
            ("plus a generator", g1.add(point, g1.GENERATOR)),
        ):
            both = replace(case, points={**case.points, name: g1.encode(changed)})
            yield replace(
                _patched(both, "", 96 * number, g1.encode_uncompressed(changed)),
                name=f"{case.name}: {name} {text} in both",
                base=case.name,
            )


def _plus_p(data: bytes) -> bytes:
    x = (int.from_bytes(data, "big") & ((1 << 381) - 1)) + P
    top = (x >> 376) & 0x1F if x < 1 << 381 else 0x1F
    body = (x & ((1 << 376) - 1)).to_bytes(47, "big")
    return bytes(((data[0] & 0xE0) | top,)) + body
