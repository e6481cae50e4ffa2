"""Two verifiers, one verdict: on proofs of every circuit and on thousands of changed ones.

``ZKCREDIT_DIFFERENTIAL=5000`` tries as many random changes of every proof (50 by default).
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from referencekit import Case, accepts, data32, issuer_key, make, sign
from referencemutations import mutations, random_mutations
from referenceprover import Prover, bits, torsion

from zkcredit.reference import engine, g1
from zkcredit.reference.circuit import load

ROOT = Path(__file__).parents[2]
RANDOM = int(os.environ.get("ZKCREDIT_DIFFERENTIAL", "50"))
BASES = [
    ("settle", {}), ("open", {}), ("refresh", {}), ("update", {}), ("statement", {}),
    ("statement", {"K": 3, "M": 2}), ("spend", {}), ("spend", {"K": 0}), ("spend", {"bits": 64}),
    ("spend", {"K": 3, "M": 2}),
]  # fmt: skip


@pytest.mark.timeout(600 + RANDOM)
@pytest.mark.parametrize(("circuit", "sizes"), BASES)
def test_both_verifiers_agree(circuit: str, sizes: dict[str, int]) -> None:
    case = make(circuit, **sizes)
    case.native()
    case.reference()
    seed = 0 if RANDOM <= 50 else secrets.randbits(32)
    changed = [*mutations(case), *random_mutations(case, RANDOM, seed)]
    assert len({item.name for item in changed}) == len(changed)
    accepted = [
        (item.name, item.base, accepts(item.native), accepts(item.reference))
        for item in changed
        if accepts(item.native) or accepts(item.reference)
    ]
    assert accepted == []


@pytest.mark.parametrize("name", ["open", "spend", "refresh", "update", "statement", "settle"])
def test_frozen_proofs(name: str) -> None:
    """The proofs that are pinned beside the relations."""
    pins = json.loads((ROOT / "circuits" / "pins" / f"{name}.json").read_text())
    for pin in pins["digests"]:
        assert load(name, pin["parameters"]).digest.hex() == pin["digest"]
    frozen = pins["frozen"]
    circuit = load(name, frozen["parameters"])
    points = [item.point for item in circuit.commitments]
    statement = engine.Statement(
        circuit,
        bytes.fromhex(frozen["ledger_id"]),
        bytes.fromhex(frozen["context"]),
        [(bytes.fromhex(one["key"]), bytes.fromhex(one["header"])) for one in frozen["keys"]],
        dict(zip(circuit.labels, map(bytes.fromhex, frozen["labels"]), strict=True)),
        dict(zip(circuit.publics, map(bytes.fromhex, frozen["publics"]), strict=True)),
        dict(zip(points, map(bytes.fromhex, frozen["points"]), strict=True)),
    )
    engine.verify(statement, bytes.fromhex(frozen["proof"]))


# --- proofs of another prover ----------------------------------------------------------

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


def test_proofs_of_another_prover_are_accepted() -> None:
    case = purchase(SECRETS)
    case.native()
    case.reference()


@pytest.mark.parametrize("order", [3, 11, 10177])
def test_torsion_is_ignored_where_only_equations_look(order: int) -> None:
    changes = dict.fromkeys([*MESSAGES, "next"], torsion(order))
    case = purchase(SECRETS, changes)
    case.native()
    case.reference()


def test_torsion_is_refused_where_points_are_stored() -> None:
    case = purchase(SECRETS, {"claim": torsion(3)})
    assert not accepts(case.native)
    assert not accepts(case.reference)


@pytest.mark.parametrize("name", [*MESSAGES, "next", "claim"])
def test_any_other_addition_is_refused(name: str) -> None:
    case = purchase(SECRETS, {name: g1.GENERATOR})
    assert not accepts(case.native)
    assert not accepts(case.reference)


LIES = {
    "more credit left": bits("spend.credit-left", 901, 32),
    "a smaller amount": bits("spend.amount-positive", 98, 32),
    "a bit of two": bits("spend.credit-left", 898, 32) | {"spend.credit-left[0].0": 2},
    "another owner": {"owner": 23},
    "another account": {"account": 8},
    "a smaller debt": {"due[0]": 4},
}


@pytest.mark.parametrize("lie", LIES)
def test_false_statements_are_refused(lie: str) -> None:
    case = purchase(SECRETS | LIES[lie])
    assert not accepts(case.native)
    assert not accepts(case.reference)
