"""All generators, derived again from their public names."""

from __future__ import annotations

import functools

from zkcredit.reference import g1, hashing

SUITE = b"BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_"
API_ID = SUITE + b"H2G_HM2S_"
_OWN_TAG = b"ZKCREDIT-V01-GENERATORS_with_BLS12381G1_XMD:SHA-256_SSWU_RO_"


@functools.cache
def named(name: str) -> g1.Point:
    """A fixed generator: ``blinding``, ``owner``, ``G/0``, …"""
    return hashing.hash_to_point(b"zkcredit generator v1:" + name.encode(), _OWN_TAG)


@functools.lru_cache(maxsize=4096)
def labelled(label: bytes) -> g1.Point:
    """The generator that belongs to a public string."""
    return hashing.hash_to_point(b"zkcredit derived v1:" + label, _OWN_TAG)


def vector_blinding() -> g1.Point:
    """H of the vector commitments."""
    return named("vector-blinding")


class _BbsGenerators:
    """``create_generators`` of the BBS draft; the sequence is extended when needed."""

    def __init__(self, seed: bytes) -> None:
        self._state = hashing.expand(API_ID + seed, API_ID + b"SIG_GENERATOR_SEED_", 48)
        self._points: list[g1.Point] = []

    def first(self, count: int) -> list[g1.Point]:
        """The first ``count`` generators."""
        while len(self._points) < count:
            number = (len(self._points) + 1).to_bytes(8, "big")
            self._state = hashing.expand(self._state + number, API_ID + b"SIG_GENERATOR_SEED_", 48)
            point = hashing.hash_to_point(self._state, API_ID + b"SIG_GENERATOR_DST_")
            self._points.append(point)
        return self._points[:count]


_MESSAGES = _BbsGenerators(b"MESSAGE_GENERATOR_SEED")
_BASE = _BbsGenerators(b"BP_MESSAGE_GENERATOR_SEED")


def bbs_base() -> g1.Point:
    """P1 of the BBS suite."""
    return _BASE.first(1)[0]


def bbs_domain_base() -> g1.Point:
    """Q1 of the BBS suite."""
    return _MESSAGES.first(1)[0]


def bbs_messages(count: int) -> list[g1.Point]:
    """H/0 … H/count−1 of the BBS suite."""
    return _MESSAGES.first(count + 1)[1:]
