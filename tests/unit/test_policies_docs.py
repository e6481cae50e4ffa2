"""What ``docs/policies.md`` says: its policy, its clauses and its example are run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from credentialkit import PERSON, Issuer, Scene
from kit import World

from zkcredit.credentials.builtin import IDENTITY
from zkcredit.credentials.lists import list_schema
from zkcredit.credentials.schema import FieldType
from zkcredit.credentials.schema_text import parse_schema
from zkcredit.policies.circuit import check_policy
from zkcredit.policies.policy import Policy

TEXT = (Path(__file__).parents[2] / "docs/policies.md").read_text(encoding="utf-8")
CLAUSES = re.findall(r"^\| `([^`]+)` \|[^|]+\|[^|]+\|$", TEXT, re.MULTILINE)

LISTS = ("members", "stolen")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene()
    for name in LISTS:
        scene.lister.publish(list_schema(name, name, FieldType.TEXT))
    scene.lister.publish(parse_schema(blocks("toml")[1]))
    yield scene
    scene.close()


def test_policy(scene: Scene) -> None:
    text, _ = blocks("toml")
    issuers = {"registrar": scene.registrar, "bank": scene.bank, "police": scene.lister}
    for name, issuer in issuers.items():
        text = text.replace("{" + name + "}", issuer.id.hex())
    policy = Policy.parse(text)
    assert next(clause.text for clause in policy.clauses) in CLAUSES
    check_policy(policy, scene.registry)


def test_list(scene: Scene) -> None:
    """The schema that the page shows is one of lists, and a policy may name it."""
    schema = parse_schema(blocks("toml")[1])
    assert schema.is_list
    table = scene.list_table(schema.name.replace("-", "_")) + f'name = "{schema.name}"'
    name = schema.name.replace("-", "_")
    check_policy(scene.policy([f"document_hash not in {name}"], tables=table), scene.registry)


def test_there_are_clauses() -> None:
    assert len(CLAUSES) == 11


@pytest.mark.parametrize("clause", CLAUSES)
def test_clause(scene: Scene, clause: str) -> None:
    tables = '[sets]\nEU = ["AT", "DE"]\n' + "".join(map(scene.list_table, LISTS))
    names = ("income", "history") if "." not in clause.split("0", maxsplit=1)[0] else ()
    aliases = [name for name in ("identity", "second") if f"{name}." in clause] or ["identity"]
    for alias in aliases:
        issuer = scene.registrar.id.hex()
        tables += f'[credentials.{alias}]\nschema = "identity"\nissuers = ["{issuer}"]\n'
    check_policy(scene.policy([clause], credentials=names, tables=tables), scene.registry)


@pytest.mark.parametrize("clause", ["birth_date <= 18", "income >= days_late"])
def test_refused_clauses(scene: Scene, clause: str) -> None:
    assert f"`{clause}`" in TEXT
    policy = scene.policy([clause], credentials=("identity", "income", "history"))
    with pytest.raises(Exception, match="bad-policy"):
        check_policy(policy, scene.registry)


def test_example(capsys: pytest.CaptureFixture[str]) -> None:
    world = World(shops=0)
    registrar = Issuer(world.ledger, "Registrar", (IDENTITY,))
    shop = world.add_merchant("Wine shop")
    wallet = world.holder()
    wallet._state.credentials.append(registrar.issue(wallet._keys, IDENTITY, PERSON))
    names = {"Policy": Policy, "registrar_id": registrar.id, "ledger": world.ledger}
    (example,), (printed,) = blocks("python"), blocks("text")
    exec(example, names | {"shop": shop, "wallet": wallet})
    assert capsys.readouterr().out == printed
    world.close()
