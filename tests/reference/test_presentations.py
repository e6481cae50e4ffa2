"""The second verifier reads a policy's circuit and believes its proof, as the first does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from credentialkit import Scene, secret
from kit import refused
from referenceprover import Prover, bits, torsion

from zkcredit._native import commit
from zkcredit.credentials.lists import list_schema
from zkcredit.credentials.schema import FieldType
from zkcredit.errors import ProofRefused
from zkcredit.policies import presentation as shown
from zkcredit.policies.binding import Bound
from zkcredit.policies.circuit import Relations, build
from zkcredit.policies.clauses import EXPIRY_BITS
from zkcredit.policies.presentation import Presentation
from zkcredit.policies.request import Asked, own_request
from zkcredit.reference import engine, g1
from zkcredit.reference.circuit import compile_circuit


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene()
    scene.lister.publish(list_schema("documents", "Documents", FieldType.TEXT))
    yield scene
    scene.close()


def statement(
    scene: Scene, asked: Asked, relations: Relations, presentation: Presentation
) -> engine.Statement:
    points = {"pseudonym": presentation.pseudonym, "bound": presentation.bound}
    return engine.Statement(
        compile_circuit(relations.text, {}),
        scene.ledger.ledger_id,
        shown.presentation_context(presentation),
        shown.signing_keys(scene.registry, asked, relations, presentation),
        shown.labels(asked),
        relations.publics,
        {name: bytes(point) for name, point in points.items() if point},
    )


@pytest.mark.timeout(120)
def test_both_verifiers_believe_a_presentation(scene: Scene) -> None:
    clauses = [
        "periods - on_time_periods <= 4",
        "periods in [12, 24, 36]",
        "days_late not in [1, 2, 3]",
        "on_time_periods != days_late",
    ]
    policy = scene.policy(clauses, ["as_of"], credentials=("history",), extra='pseudonym = "x"')
    request = scene.request(policy, bound_to="credential")
    blind = secret("blind")
    point = commit([(("H", 0), blind), (("H", 1), scene.keys.owner)])
    presentation = scene.present(request, bound=Bound("credential", scene.shop_id, point, blind))
    scene.verify(request, presentation)
    asked = own_request(scene.registry, request, scene.clock())
    revealed = shown.revealed_values(asked.requirements, presentation.revealed)
    relations = build(asked.requirements, revealed, 2)
    engine.verify(statement(scene, asked, relations, presentation), presentation.proof)
    other = msgspec.structs.replace(presentation, revealed=["2025-12-02"])
    with pytest.raises(ProofRefused):
        engine.verify(statement(scene, asked, relations, other), other.proof)


def number(message: Any) -> int:
    """A signed message as an integer."""
    if isinstance(message, int):
        return message
    data = message if isinstance(message, bytes) else message.expose()
    return int.from_bytes(data, "big")


@pytest.mark.parametrize("order", [0, 3, 11, 10177])
def test_a_second_face_by_torsion(scene: Scene, order: int) -> None:
    """Other bytes for the same pseudonym: the equations alone would not see them."""
    policy = scene.policy([], credentials=("history",), extra='pseudonym = "x"')
    request = scene.request(policy)
    honest = scene.present(request)
    scene.verify(request, honest)
    tag = torsion(order) if order else g1.IDENTITY
    face = g1.encode(g1.add(g1.decode(honest.pseudonym, "pseudonym"), tag))
    assert (face == honest.pseudonym) == (order == 0)
    draft = msgspec.structs.replace(honest, pseudonym=face)
    asked = own_request(scene.registry, request, scene.clock())
    relations = build(asked.requirements, {}, 0)
    held = scene.history
    numbers = list(map(number, held.messages(scene.keys)))
    names = ["c0_blind", "owner", "c0_handle", "c0_expires"]
    names += [f"c0_f_{field.name}" for field in held.schema.fields]
    days = (held.expires - asked.requirements.today).days
    secrets = dict(zip(names, numbers, strict=True))
    secrets |= bits("credential.history.expiry", days, EXPIRY_BITS)
    prover = Prover(
        statement(scene, asked, relations, draft),
        secrets,
        [(held.signature, numbers)],
        lambda name, point: g1.add(point, tag) if name == "pseudonym" else point,
    )
    _, proof = prover.prove()
    forged = msgspec.structs.replace(draft, proof=proof)
    if order == 0:
        scene.verify(request, forged)
        return
    with refused("presentation"):
        scene.verify(request, forged)


@pytest.mark.parametrize(
    "clause",
    [
        "birth_date <= today - 18y",
        "country in ['AT']",
        "country not in ['FR', 'DE', 'IT', 'BE']",
        "given_names == family_name",
        "document_hash not in documents",
        "document_hash in documents",
        "2 * verification_level - 3 < 7",
    ],
)
def test_both_compilers_read_a_clause_alike(scene: Scene, clause: str) -> None:
    tables = scene.list_table("documents")
    policy = scene.policy([clause, clause], ["country"], tables=tables)
    request = scene.request(policy)
    asked = own_request(scene.registry, request, scene.clock())
    for revealed in ({}, {asked.requirements.reveal[0]: 5}):
        relations = build(asked.requirements, revealed, 7)
        assert compile_circuit(relations.text, {}).digest == relations.circuit.digest
