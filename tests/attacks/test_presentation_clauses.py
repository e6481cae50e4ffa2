"""One negative for each clause of a policy's circuit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from credentialkit import Scene, secret
from forgerkit import Edit, edits, fails, forge, lie

from zkcredit._native import commit
from zkcredit.codec import GROUP_ORDER
from zkcredit.credentials.builtin import IDENTITY
from zkcredit.credentials.lists import list_schema
from zkcredit.credentials.schema import FieldType
from zkcredit.errors import Unsatisfied
from zkcredit.policies.binding import Bound
from zkcredit.policies.circuit import build
from zkcredit.policies.clauses import to_scalar
from zkcredit.policies.lists import CurrentList, fetch_lists
from zkcredit.policies.presentation import Presentation
from zkcredit.policies.request import read_request

DOCUMENT = IDENTITY.field("document_hash")
OURS = DOCUMENT.scalar("P1234567")
LISTS = {"stolen": ["A1", "B2", "C3"], "members": ["P1234567", "Z9"]}
SCHEMAS = {name: list_schema(name, name, FieldType.TEXT) for name in LISTS}
AGE = "birth_date <= today - 18y"


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


@dataclass
class Case:
    """A policy with every kind of clause, and a holder that satisfies it."""

    scene: Scene
    lists: dict[int, CurrentList] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scene = self.scene
        for name, texts in LISTS.items():
            items = [DOCUMENT.scalar(text) for text in texts]
            scene.lister.publish_list(SCHEMAS[name], items, gaps=name == "stolen")
        tables = "".join(map(scene.list_table, LISTS))
        policy = scene.policy(
            [
                AGE,
                "country in ['AT', 'DE', 'FR', 'IT']",
                "country not in ['FR', 'US', 'GB']",
                "family_name == 'Muster'",
                "given_names != family_name",
                "income >= 3 * instalment",
                "document_hash not in stolen",
                "document_hash in members",
                "on_time_periods >= 12",
            ],
            ["verification_level"],
            credentials=("identity", "income", "history"),
            extra='pseudonym = "shop.example"',
            tables='[variables]\ninstalment = "amount"\n' + tables,
        )
        self.request = scene.request(
            policy, variables={"instalment": "700.00"}, bound_to="credential"
        )
        asked = read_request(scene.registry, self.request, scene.clock())
        self.lists = fetch_lists(scene.ledger, asked.requirements.clauses)
        blind = secret("bound")
        point = commit([(("H", 0), blind), (("H", 1), scene.keys.owner)])
        self.bound = Bound("credential", scene.shop_id, point, blind)
        self.chosen = {
            "identity": scene.identity,
            "income": scene.income,
            "history": scene.history,
        }

    def forge(self, **options: Any) -> Presentation:
        options.setdefault("lists", self.lists)
        chosen = {**self.chosen, **options.pop("chosen", {})}
        return forge(self.scene, self.request, chosen, bound=self.bound, **options)


@pytest.fixture(scope="module")
def case(scene: Scene) -> Case:
    return Case(scene)


def handle_gap(case: Case, alias: str, side: str) -> dict[str, Any]:
    """The handle is revoked: the issuer signed the gap that ends at it."""
    held = case.chosen[alias]
    issuer = case.scene.registrar if alias == "identity" else case.scene.bank
    ends = (held.handle, 1 << 32) if side == "low" else (0, held.handle)
    return {"chosen": {alias: msgspec.structs.replace(held, gap=issuer.gap(held.schema, *ends))}}


def expired(case: Case, alias: str) -> dict[str, Any]:
    held = case.chosen[alias]
    issuer = case.scene.registrar if alias == "identity" else case.scene.bank
    yesterday = dt.date(2025, 12, 31)
    return {
        "chosen": {
            alias: issuer.issue(case.scene.keys, held.schema, held.values, expires=yesterday)
        }
    }


def says(case: Case, alias: str, **values: Any) -> dict[str, Any]:
    """A credential that its issuer has really signed, with other values."""
    held = case.chosen[alias]
    issuer = case.scene.registrar if alias == "identity" else case.scene.bank
    signed = issuer.issue(case.scene.keys, held.schema, {**held.values, **values})
    return {"chosen": {alias: signed}}


def stolen(case: Case, *messages: int, edit: Edit | None = None) -> dict[str, Any]:
    """The number is on the list: its owner signed the gap that ends at it."""
    honest = case.lists[7]
    (signature,) = case.scene.lister.key(SCHEMAS["stolen"]).sign_messages(
        honest.signed.header, [list(map(to_scalar, messages))]
    )
    lists = {**case.lists, 7: lie(honest, messages, signature)}
    return {"lists": lists} | ({"edit": edit} if edit else {})


def unsigned(case: Case, number: int, *messages: int) -> dict[str, Any]:
    """Messages of the holder's choice under a signature on another item or gap."""
    honest = case.lists[number]
    other = next(
        signature
        for item, signature in zip(honest.signed.items, honest.signed.signatures, strict=False)
        if item != OURS
    )
    return {"lists": {**case.lists, number: lie(honest, messages, other)}}


COUNTRY = IDENTITY.field("country")
ONE_OF = sorted(COUNTRY.scalar(x) for x in ("AT", "DE", "FR", "IT"))
NONE_OF = sorted(COUNTRY.scalar(x) for x in ("FR", "US", "GB"))
CH, FR = COUNTRY.scalar("CH"), COUNTRY.scalar("FR")


def spared(step: int) -> Edit:
    """FR is not allowed; one product of the chain is claimed to be 1."""
    products = [*[(FR - NONE_OF[0]) * (FR - NONE_OF[1])][:step], 1]
    for item in NONE_OF[step + 2 :]:
        products.append(products[-1] * (FR - item))
    return edits(k3_product=products, k3_inverse=pow(products[-1], -1, GROUP_ORDER))


first_product = (CH - ONE_OF[0]) * (CH - ONE_OF[1])
FALSE: dict[str, Callable[[Case], dict[str, Any]]] = {
    "credential.identity": lambda _: {"edit": edits(c0_handle=4_000)},
    "credential.identity.expiry": lambda case: expired(case, "identity"),
    "credential.identity.gap": lambda _: {"edit": edits(c0_hi=(1 << 32) - 1)},
    "credential.identity.gap.low": lambda case: handle_gap(case, "identity", "low"),
    "credential.identity.gap.high": lambda case: handle_gap(case, "identity", "high"),
    "credential.income": lambda _: {"edit": edits(c1_f_employer_hash=1)},
    "credential.income.expiry": lambda case: expired(case, "income"),
    "credential.income.gap": lambda _: {"edit": edits(c1_hi=(1 << 32) - 1)},
    "credential.income.gap.low": lambda case: handle_gap(case, "income", "low"),
    "credential.income.gap.high": lambda case: handle_gap(case, "income", "high"),
    "credential.history": lambda _: {"edit": edits(c2_f_days_late=0)},
    "credential.history.expiry": lambda case: expired(case, "history"),
    "clause.1": lambda case: says(case, "identity", birth_date=dt.date(2008, 1, 2)),
    "clause.2": lambda case: says(case, "identity", country="CH"),
    "clause.2.product-0": lambda case: {
        **says(case, "identity", country="CH"),
        "edit": edits(k2_product=[0, 0]),
    },
    "clause.2.product-1": lambda case: {
        **says(case, "identity", country="CH"),
        "edit": edits(k2_product=[first_product, 0]),
    },
    "clause.3": lambda case: says(case, "identity", country="FR"),
    "clause.3.product-0": lambda case: {
        **says(case, "identity", country="FR"),
        "edit": spared(0),
    },
    "clause.3.product-1": lambda case: {
        **says(case, "identity", country="FR"),
        "edit": spared(1),
    },
    "clause.4": lambda case: says(case, "identity", family_name="Mustermann"),
    "clause.5": lambda case: says(case, "identity", given_names="Muster"),
    "clause.6": lambda case: says(case, "income", income=209_999),
    "clause.7": lambda case: unsigned(case, 7, OURS - 1, OURS + 1),
    "clause.7.low": lambda case: stolen(case, OURS, OURS + 5, edit=edits(clause_7_low_limb=0)),
    "clause.7.low.upper": lambda case: stolen(case, OURS, OURS + 5),
    "clause.7.high": lambda case: stolen(case, OURS - 5, OURS, edit=edits(clause_7_high_limb=0)),
    "clause.7.high.upper": lambda case: stolen(case, OURS - 5, OURS),
    "clause.8": lambda case: unsigned(case, 8),
    "clause.9": lambda case: says(case, "history", on_time_periods=11),
}
"""What a holder has and claims so that exactly one clause is false."""
POINTS = {"pseudonym", "bound"}
SIGNATURES = {
    *(f"credential.{alias}" for alias in ("identity", "income", "history")),
    *("credential.identity.gap", "credential.income.gap", "clause.7", "clause.8"),
}


def test_honest_holder(case: Case) -> None:
    found = case.scene.verify(case.request, case.forge())
    assert found.values == {"identity.verification_level": "3"}
    assert found.commitment == case.bound.commitment


def test_every_clause_has_a_negative(case: Case) -> None:
    asked = read_request(case.scene.registry, case.request, case.scene.clock())
    revealed = dict.fromkeys(asked.requirements.reveal, 3)
    circuit = build(asked.requirements, revealed, 2).circuit
    assert {ident for ident, _ in circuit.constraints} == set(FALSE) | POINTS


@pytest.mark.parametrize("ident", FALSE)
def test_false_clause(case: Case, ident: str) -> None:
    cheat = FALSE[ident](case)
    if ident in SIGNATURES:  # found by the verifier's pairing, not by the prover
        fails(case.scene, case.request, case.forge(**cheat))
    else:
        with pytest.raises(Unsatisfied) as caught:
            case.forge(**cheat)
        assert caught.value.rule == ident
    fails(case.scene, case.request, case.forge(**cheat, omit=ident))


@pytest.mark.parametrize("ident", sorted(POINTS))
def test_false_point(case: Case, ident: str) -> None:
    """The pseudonym or the bound commitment of somebody else."""
    honest = case.forge()
    other = commit([("blinding", 7)])
    fails(case.scene, case.request, msgspec.structs.replace(honest, **{ident: other}))
    fails(case.scene, case.request, msgspec.structs.replace(honest, **{ident: b""}))
    less = case.forge(omit=ident)
    fails(case.scene, case.request, less)
    fails(case.scene, case.request, msgspec.structs.replace(less, **{ident: other}))
