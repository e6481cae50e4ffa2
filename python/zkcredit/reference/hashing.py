"""The hash functions by their public definitions: BLAKE3, SHAKE128, RFC 9380."""

from __future__ import annotations

import hashlib
from typing import Any

from blake3 import blake3
from py_ecc.bls.hash import expand_message_xmd
from py_ecc.bls.hash_to_curve import hash_to_G1
from py_ecc.optimized_bls12_381.optimized_curve import normalize

from zkcredit.reference import g1

SHA256: Any = hashlib.sha256
"""SHA-256 for ``py_ecc``, whose annotations take an object where it takes a function."""


def plain_hash(data: bytes) -> bytes:
    """BLAKE3 of 32 bytes."""
    return blake3(data).digest()


def derive_key(context: str, material: bytes, length: int = 32) -> bytes:
    """BLAKE3 in its derive-key mode, with an output of any length."""
    return blake3(material, derive_key_context=context).digest(length=length)


def hash_to_scalar(context: str, data: bytes) -> int:
    """64 bytes of :func:`derive_key`, big-endian, modulo r."""
    return int.from_bytes(derive_key(context, data, 64), "big") % g1.R


def expand(message: bytes, tag: bytes, length: int) -> bytes:
    """``expand_message_xmd`` of RFC 9380 with SHA-256."""
    return expand_message_xmd(message, tag, length, SHA256)


def hash_to_point(message: bytes, tag: bytes) -> g1.Point:
    """``hash_to_curve`` of RFC 9380, suite ``BLS12381G1_XMD:SHA-256_SSWU_RO_``."""
    x, y = normalize(hash_to_G1(message, tag, SHA256))
    return int(x), int(y), 1


def session_id(tag: bytes) -> bytes:
    """32 bytes that begin a transcript of this ``tag`` (draft-irtf-cfrg-fiat-shamir)."""
    start = b"irtf-cfrg-fiat-shamir/session-id".ljust(168, b"\0")
    return hashlib.shake_128(start + tag).digest(32)
