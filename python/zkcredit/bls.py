"""BLS signatures as Ethereum uses them: keys in G1, signatures in G2, aggregation.

The ciphersuite is ``BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_`` of
draft-irtf-cfrg-bls-signature: public keys of 48 bytes, signatures of 96. Usable on its
own, without the rest of the package.

>>> from zkcredit import bls
>>> alice, bob = bls.generate(), bls.generate()
>>> signature = bls.sign(alice, b"checkpoint")
>>> bls.verify(alice.public_key, b"checkpoint", signature)
>>> both = bls.aggregate([signature, bls.sign(bob, b"checkpoint")])
>>> bls.fast_aggregate_verify([alice.public_key, bob.public_key], b"checkpoint", both)
>>> bls.verify(bob.public_key, b"checkpoint", signature)
Traceback (most recent call last):
...
zkcredit.errors.ProofRefused: refused: BLS signature [bad-proof]

Whatever verifies returns ``None``; whatever does not raises
:class:`~zkcredit.errors.ProofRefused`. Bytes that are not the canonical encoding of a
point of the right group raise :class:`~zkcredit.errors.MalformedInput`; the identity,
which is no public key, raises ``ProofRefused``.

**Rogue keys.** Aggregates on one message, and aggregates in which messages repeat, prove
something only about keys whose owners have proved possession: check every key once with
:func:`verify_possession`. :func:`verify_batch` needs no such proof.

A secret key is a handle: it does not print, pickle or copy, and is wiped when it goes.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from zkcredit._native import BlsKey as SecretKey
from zkcredit._native import (
    bls_aggregate,
    bls_aggregate_verify,
    bls_check_public_key,
    bls_check_signature,
    bls_fast_aggregate_verify,
    bls_hash_to_g2,
    bls_verify,
    bls_verify_batch,
    bls_verify_possession,
)

__all__ = [
    "POSSESSION_TAG",
    "SIGNATURE_TAG",
    "SecretKey",
    "aggregate",
    "aggregate_verify",
    "check_public_key",
    "check_signature",
    "fast_aggregate_verify",
    "generate",
    "hash_to_g2",
    "prove_possession",
    "sign",
    "verify",
    "verify_batch",
    "verify_possession",
]

SIGNATURE_TAG = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
POSSESSION_TAG = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"


def generate(material: bytes | None = None, *, info: bytes = b"") -> SecretKey:
    """A secret key: from the system's random source, or ``KeyGen`` of given material.

    ``material`` is at least 32 secret random bytes, ``info`` is public. Raises
    CallerError for less. The handle's ``public_key`` has 48 bytes; ``expose()`` gives the
    32 bytes of the key for a keystore, ``SecretKey.from_bytes`` reads them.
    """
    return SecretKey.generate(secrets.token_bytes(32) if material is None else material, info)


def sign(key: SecretKey, message: bytes) -> bytes:
    """A signature of 96 bytes. Deterministic; constant time in the key."""
    return key.sign(message)


def prove_possession(key: SecretKey) -> bytes:
    """A proof, 96 bytes, that somebody holds the secret of this public key."""
    return key.prove_possession()


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raise unless this is the key's signature on the message."""
    bls_verify(public_key, message, signature)


def verify_possession(public_key: bytes, proof: bytes) -> None:
    """Raise unless the proof of possession belongs to the key."""
    bls_verify_possession(public_key, proof)


def aggregate(signatures: Sequence[bytes]) -> bytes:
    """The sum of at least one signature: 96 bytes. It checks that they decode, no more."""
    return bls_aggregate(signatures)


def aggregate_verify(
    public_keys: Sequence[bytes], messages: Sequence[bytes], signature: bytes
) -> None:
    """Raise unless the aggregate holds a signature of every key on its own message.

    Where a message repeats, its keys must have proved possession. Raises CallerError if
    there are no keys or not as many messages.
    """
    bls_aggregate_verify(public_keys, messages, signature)


def fast_aggregate_verify(public_keys: Sequence[bytes], message: bytes, signature: bytes) -> None:
    """Raise unless the aggregate holds a signature of every key on this one message.

    Every key must have proved possession. Raises CallerError if there are no keys.
    """
    bls_fast_aggregate_verify(public_keys, message, signature)


def verify_batch(items: Sequence[tuple[bytes, bytes, bytes]]) -> None:
    """Raise unless all of many (public key, message, signature) verify, each by itself.

    One product of pairings with random 128-bit weights, on all cores; signatures on the
    same message are cheaper still. ``ProofRefused.indexes`` names the culprits, malformed
    ones included. A wrong signature passes with a probability of 2^-127.
    """
    bls_verify_batch(items)


def check_public_key(public_key: bytes) -> None:
    """Raise unless these are the 48 canonical bytes of a key: a point of G1, not zero."""
    bls_check_public_key(public_key)


def check_signature(signature: bytes) -> None:
    """Raise unless these are the 96 canonical bytes of a point of G2 (zero included)."""
    bls_check_signature(signature)


def hash_to_g2(message: bytes, tag: bytes = SIGNATURE_TAG) -> bytes:
    """The point of G2 to which a message is hashed (RFC 9380), compressed: 96 bytes."""
    return bls_hash_to_g2(message, tag)
