"""Random sums: one point or scalar for many, with the weights of settlements.

A weight has 128 bits and comes from the whole ordered set of points and from a context,
so whoever chose the points could not know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkcredit._native import Scalar, SecretScalar


def weighted_points(points: Sequence[bytes], context: bytes) -> bytes:
    """Σ w_i·P_i (48 bytes) of 1..1,024 points, each tested to lie in the prime-order group.

    Raises MalformedInput, CallerError, or Refused if the sum is the identity.
    """
    from zkcredit._native import aggregate_payee_keys

    return aggregate_payee_keys(points, context)


def weighted_scalars(
    scalars: Sequence[Scalar], points: Sequence[bytes], context: bytes
) -> SecretScalar:
    """Σ w_i·x_i with the weights of these points, constant-time in the scalars."""
    from zkcredit._native import SecretScalar, aggregate_payee_secrets

    zero = SecretScalar.from_bytes(bytes(32))
    return aggregate_payee_secrets([zero + scalar for scalar in scalars], points, context)
