"""BBS signatures of tokens: domain, verification, and the tweak of serials."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from zkcredit.errors import MalformedInput, ProofRefused
from zkcredit.reference import g1, generators, hashing, pairing


@functools.lru_cache(maxsize=256)
def decode_key(key: bytes) -> pairing.Point2:
    """An issuer's public key of 96 bytes; raises MalformedInput."""
    return pairing.decode(key, "issuer key")


def domain(key: bytes, header: bytes, count: int) -> int:
    """``calculate_domain`` of the draft for a key, a header and ``count`` messages."""
    api_id = generators.API_ID
    points = [generators.bbs_domain_base(), *generators.bbs_messages(count)]
    octets = count.to_bytes(8, "big") + b"".join(map(g1.encode, points)) + api_id
    data = key + octets + len(header).to_bytes(8, "big") + header
    return int.from_bytes(hashing.expand(data, api_id + b"H2S_", 48), "big") % g1.R


@functools.lru_cache(maxsize=256)
def base(key: bytes, header: bytes, count: int) -> g1.Point:
    """``P1 + domain·Q1``."""
    product = g1.multiply(generators.bbs_domain_base(), domain(key, header, count))
    return g1.add(generators.bbs_base(), product)


def serial_tweak(origin: bytes, commitment: bytes) -> int:
    """What the signer adds to the serial; ``origin`` is the nullifier or ``b"open"``."""
    return hashing.hash_to_scalar("zkcredit v1 serial tweak", origin + commitment)


def verify_point(key: bytes, header: bytes, count: int, point: g1.Point, signature: bytes) -> None:
    """Checks A and e on ``P1 + domain·Q1 + point`` (torsion of ``point`` is ignored).

    Raises MalformedInput for bytes that are no key or signature, ProofRefused
    ``bad-signature`` if the signature is not one.
    """
    if len(signature) != 80:
        raise MalformedInput(f"signature has {len(signature)} bytes, not 80")
    a = g1.decode_in_group(signature[:48], "A of a signature")
    e = g1.decode_scalar(signature[48:], "e of a signature")
    if e == 0:
        raise MalformedInput("e of a signature is zero")
    w = decode_key(key)
    total = g1.add(base(key, header, count), point)
    left = pairing.combine(w, pairing.GENERATOR, e)
    if not pairing.product_is_one([(a, left), (total, pairing.NEGATED_GENERATOR)]):
        raise ProofRefused("signature does not verify", rule="bad-signature")


def verify_messages(key: bytes, header: bytes, messages: Sequence[int], signature: bytes) -> None:
    """Checks a signature on messages; errors as :func:`verify_point`."""
    points = generators.bbs_messages(len(messages))
    total = g1.sum_of_multiples(points, [m % g1.R for m in messages])
    verify_point(key, header, len(messages), total, signature)


def verify_public(
    key: bytes, header: bytes, count: int, *, nullifier: bytes, commitment: bytes, signature: bytes
) -> None:
    """Checks the public reply to a purchase or refresh.

    It signs ``C′ + H(N ‖ C′)·H/2`` without any adjustment. Errors as
    :func:`verify_point`.
    """
    tweak = serial_tweak(nullifier, commitment)
    serial_base = generators.bbs_messages(3)[2]
    final = g1.add(g1.decode(commitment, "commitment"), g1.multiply(serial_base, tweak))
    verify_point(key, header, count, final, signature)
