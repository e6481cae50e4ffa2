"""The engine's published vectors: how they are made, and how they are read.

``PYTHONPATH=python:tests/support python -m referencevectors`` makes them anew: proofs by the
prover of these tests, every intermediate value and every verdict by the reference.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from referencekit import Case, blank
from referencemutations import mutations
from referenceprover import Prover, bits, torsion
from referencepurchase import MESSAGES, SECRETS, purchase

from zkcredit.errors import ZkCreditError
from zkcredit.reference import bbs, engine, g1

FOLDER = Path(__file__).parents[1] / "vectors" / "engine"
FILES: dict[str, tuple[str, dict[str, int]]] = {
    "open": ("open", {}),
    "spend": ("spend", {}),
    "spend-in-parts": ("spend", {"K": 3, "M": 2}),
    "refresh": ("refresh", {}),
    "update": ("update", {}),
    "statement": ("statement", {"K": 2, "M": 1}),
    "settle": ("settle", {}),
    "request": ("request", {}),
}
REFUSALS = 40
_FIELDS = ("parameters", "ledger_id", "context", "keys", "labels", "publics", "points")


def scalar(value: int) -> str:
    """32 bytes in hexadecimal."""
    return value.to_bytes(32, "big").hex()


def flat(witness: dict[str, Any], sizes: dict[str, int]) -> dict[str, int]:
    """Secrets by the names of a circuit's responses: elements of arrays, bits of ranges."""
    values = {}
    for name, value in witness.items():
        items = [(name, value)] if isinstance(value, int) else enumerate(value)
        values |= {key if key == name else f"{name}[{key}]": item for key, item in items}
    if "amount" in witness:
        width, parts = sizes["bits"], witness.get("part", [])
        values |= bits("spend.amount-positive", witness["amount"] - 1, width)
        values |= bits("spend.credit-left", witness["available_next"], width)
        for turn, (part, following) in enumerate(itertools.pairwise(parts)):
            values |= bits("spend.parts-never-grow", part - following, width, turn)
        values |= bits("spend.last-part-in-range", parts[-1], width) if parts else {}
    return values


def prove(circuit: str, name: str, sizes: dict[str, int]) -> tuple[Case, dict[str, Any]]:
    """An accepted case by the prover of the tests, and what the prover knew."""
    case, witness, tokens = blank(circuit, name=name, **sizes)
    prover = Prover(case.statement(), flat(witness, dict(case.parameters)), tokens)
    statement, proof = prover.prove()
    names = prover.circuit.responses
    knew: dict[str, Any] = {
        "signatures": [signature.hex() for signature, _ in tokens],
        "messages": [[scalar(value) for value in messages] for _, messages in tokens],
        "secrets": dict(zip(names, map(scalar, prover.x), strict=True)),
        "masks": dict(zip(names, map(scalar, prover.a), strict=True)),
    }
    if prover.circuit.quadratics:
        knew |= {"r_A": scalar(prover.r_a), "r_B": scalar(prover.r_b)}
    return replace(case, points=statement.points, proof=proof), knew


def steps(case: Case) -> dict[str, Any]:
    """Every value on the way from a statement and a proof to the verdict."""
    statement = case.statement()
    check = engine.Check.of(statement, case.proof)
    items = [*statement.absorbed(), ("messages", check.proof.messages)]
    counts = [len(item.messages) for item in statement.circuit.signatures]
    return {
        "domains": [
            scalar(bbs.domain(key, header, count))
            for (key, header), count in zip(case.keys, counts, strict=True)
        ],
        "absorbed": [[label, data.hex()] for label, data in items],
        "challenge": scalar(check.challenge),
        "responses": {
            name: scalar(value)
            for name, value in zip(statement.circuit.responses, check.proof.responses, strict=True)
        },
        "z": scalar(check.proof.z) if statement.circuit.quadratics else None,
        "quadratics": [scalar(value) for value in check.quadratics()],
        "equations": [
            {
                "name": name,
                "first message": g1.encode(first).hex(),
                "sum of all else": g1.encode(others).hex(),
            }
            for name, first, others in check.equations()
        ],
    }


def plain(value: Any) -> Any:
    """Bytes in hexadecimal, tuples as lists."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def back(value: Any) -> Any:
    """The opposite of :func:`plain`, but for names of parameters."""
    if isinstance(value, str):
        return bytes.fromhex(value)
    if isinstance(value, dict):
        return {key: back(item) for key, item in value.items()}
    return tuple(back(item) for item in value) if isinstance(value, list) else value


def splice(old: bytes, new: bytes) -> dict[str, Any]:
    """Which bytes of ``old`` give way to which others."""
    head = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), None)
    if head is None:
        head = min(len(old), len(new))
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return {
        "at": head,
        "remove": len(old) - head - tail,
        "insert": new[head : len(new) - tail].hex(),
    }


def document(name: str) -> dict[str, Any]:
    """A file of vectors; the same each time."""
    circuit, sizes = FILES[name]
    case, knew = prove(circuit, name, sizes)
    compiled = case.statement().circuit
    changed = list(mutations(case))
    more = []
    if name == "spend":  # points outside the group of prime order where nobody looks for it
        tainted = purchase(SECRETS, dict.fromkeys([*MESSAGES, "next"], torsion(3)))
        more.append(replace(tainted, name="torsion in every message"))
    chosen = changed[:: max(1, len(changed) // REFUSALS)]
    return {
        "about": "Proof engine version 1; docs/engine.md says what each value is.",
        "circuit": circuit,
        "parameters": case.parameters,
        "canonical text": compiled.text().splitlines(),
        "digest": compiled.digest.hex(),
        "proof length": compiled.proof_length,
        "accepted": {
            case.name: accepted(case) | {"prover": knew},
            **{item.name: accepted(item) for item in more},
        },
        "refused": [dict(refusal(case, one)) for one in chosen],
    }


def accepted(case: Case) -> dict[str, Any]:
    """An accepted case with all its values."""
    fields = {key: plain(getattr(case, key)) for key in _FIELDS[1:]}
    return {**fields, "proof": case.proof.hex(), "steps": steps(case)}


def refusal(case: Case, changed: Case) -> Iterator[tuple[str, Any]]:
    """What makes a refused case out of the accepted one, and what the reference says of it."""
    yield "base", changed.base
    yield "change", changed.name.partition(": ")[2]
    for key in _FIELDS:
        if getattr(case, key) != getattr(changed, key):
            yield key, plain(getattr(changed, key))
    if case.proof != changed.proof:
        yield "splice", splice(case.proof, changed.proof)
    try:
        changed.reference()
    except ZkCreditError as error:
        yield "code", error.code
        yield "reason", str(error)


def read(name: str) -> tuple[dict[str, Any], dict[str, Case], list[Case]]:
    """A file, its accepted cases by name, and its refused ones."""
    data = json.loads((FOLDER / f"{name}.json").read_text())
    cases = {}
    for title, item in data["accepted"].items():
        fields = {key: back(item[key]) for key in _FIELDS[1:]}
        fields["proof"] = bytes.fromhex(item["proof"])
        cases[title] = Case(title, data["circuit"], data["parameters"], **fields)
    refused = []
    for item in data["refused"]:
        base = cases[item["base"]]
        changes = {key: back(item[key]) for key in _FIELDS[1:] if key in item}
        if "parameters" in item:
            changes["parameters"] = item["parameters"]
        if "splice" in item:
            at, remove = item["splice"]["at"], item["splice"]["remove"]
            middle = bytes.fromhex(item["splice"]["insert"])
            changes["proof"] = base.proof[:at] + middle + base.proof[at + remove :]
        refused.append(base.mutated(item["change"], **changes))
    return data, cases, refused


def main(names: list[str]) -> None:
    """Writes the files of these names, or all of them."""
    for name in names or FILES:
        text = json.dumps(document(name), indent=1, ensure_ascii=False)
        (FOLDER / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
