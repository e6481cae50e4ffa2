"""BLS signatures of registrations, and the sum of a settlement's payee keys.

The suite is ``BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_``: keys in G1, 48
bytes; signatures in G2, 96 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from py_ecc.bls.hash_to_curve import hash_to_G2

from zkcredit.errors import MalformedInput, ProofRefused
from zkcredit.reference import g1, hashing, pairing

_TAG = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
_POSSESSION_TAG = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_"
_IDENTITY = b"\xc0" + bytes(95)
_KEYS_MAX = 1024


def verify(key: bytes, message: bytes, signature: bytes) -> None:
    """Checks one signature.

    Raises MalformedInput for bytes that are no key, ProofRefused ``bad-signature`` for
    what is not its signature or none at all.
    """
    public = g1.decode_in_group(key, "BLS key")
    try:
        point = pairing.decode(signature, "BLS signature")
    except MalformedInput as error:
        raise ProofRefused(f"malformed signature: {error}", rule="bad-signature") from error
    _check(public, message, point, _TAG)


def verify_possession(key: bytes, proof: bytes) -> None:
    """Checks a proof of possession of ``key``.

    Raises MalformedInput for bytes that are no key or no point, ProofRefused
    ``bad-signature`` for the identity and for a proof of something else.
    """
    public = g1.decode_in_group(key, "BLS key")
    if proof == _IDENTITY:
        raise ProofRefused("the identity proves nothing", rule="bad-signature")
    _check(public, key, pairing.decode(proof, "possession"), _POSSESSION_TAG)


def _check(public: g1.Point, message: bytes, signature: pairing.Point2, tag: bytes) -> None:
    hashed = hash_to_G2(message, tag, hashing.SHA256)
    pairs = [(public, hashed), (g1.negate(g1.GENERATOR), signature)]
    if not pairing.product_is_one(pairs):
        raise ProofRefused("signature does not verify", rule="bad-signature")


def aggregate_payee_keys(keys: Sequence[bytes], context: bytes) -> bytes:
    """The weighted sum of payee keys whose secret a settlement proves.

    Weights are 16 bytes each of one output over the whole ordered set. Raises
    MalformedInput for none, too many, or what is no key, ProofRefused if the
    sum is the identity.
    """
    if not 1 <= len(keys) <= _KEYS_MAX:
        raise MalformedInput(f"a settlement has 1..{_KEYS_MAX} keys")
    points = [g1.decode_in_group(key, "payee key") for key in keys]
    material = len(context).to_bytes(8, "big") + context
    material += len(keys).to_bytes(8, "big") + b"".join(keys)
    wide = hashing.derive_key("zkcredit v1 payee weights", material, 16 * len(keys))
    weights = [int.from_bytes(wide[i : i + 16], "big") for i in range(0, len(wide), 16)]
    total = g1.sum_of_multiples(points, weights)
    if g1.is_identity(total):
        raise ProofRefused("the payee keys cancel")
    return g1.encode(total)
