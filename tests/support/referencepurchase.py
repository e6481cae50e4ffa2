"""Purchases by the prover of the tests, with whatever points and secrets it likes."""

from __future__ import annotations

from dataclasses import replace

from referencekit import Case, data32, issuer_key, sign
from referenceprover import Prover, bits

from zkcredit.reference import g1

TOKEN = [11, 22, 33, 7, 1000, 5]
SECRETS = {
    "blind": 11, "owner": 22, "account": 7, "blind_next": 5, "serial_next": 6, "rho": 77,
    "due[0]": 5,
    **bits("spend.amount-positive", 99, 32), **bits("spend.credit-left", 900, 32),
}  # fmt: skip
MESSAGES = ["A bar", "B bar", "T old", "T next", "T claim", "A", "B"]


def purchase(secret: dict[str, int], changes: dict[str, g1.Point] | None = None) -> Case:
    """A purchase of 100 out of 1,000 by the prover of the tests, points changed by addition."""
    key, header = issuer_key(), b"header"
    parameters = {"K": 1, "M": 0, "bits": 32}
    case = Case(
        "own purchase", "spend", parameters, data32("ledger"), data32("context"),
        ((key.public_key, header),), {"value": b"value"}, {"nullifier": bytes(31) + b"\x21"},
        {"next": b"", "claim": b""},
    )  # fmt: skip

    def change(name: str, point: g1.Point) -> g1.Point:
        return g1.add(point, (changes or {}).get(name, g1.IDENTITY))

    tokens = [(sign(key, header, TOKEN), TOKEN)]
    statement, proof = Prover(case.statement(), secret, tokens, change).prove()
    return replace(case, points=statement.points, proof=proof)
