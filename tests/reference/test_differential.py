"""Two verifiers, one verdict: on proofs of every circuit and on thousands of changed ones.

``ZKCREDIT_DIFFERENTIAL=5000`` tries as many random changes of every proof (50 by default).
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import pytest
from referencekit import accepts, make
from referencemutations import mutations, random_mutations
from referenceprover import bits, torsion
from referencepurchase import MESSAGES, SECRETS, purchase

from zkcredit.reference import engine, g1
from zkcredit.reference.circuit import NAMES, load

ROOT = Path(__file__).parents[2]
RANDOM = int(os.environ.get("ZKCREDIT_DIFFERENTIAL", "50"))
BASES = [
    ("settle", {}), ("request", {}), ("open", {}), ("refresh", {}), ("update", {}),
    ("statement", {}), ("statement", {"K": 3, "M": 2}),
    ("spend", {}), ("spend", {"K": 0}), ("spend", {"bits": 64}),
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


@pytest.mark.parametrize("name", NAMES)
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
