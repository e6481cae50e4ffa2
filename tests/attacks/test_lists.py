"""Attacks on signed lists: a list for one customer, old lists, borrowed signatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from credentialkit import Scene
from forgerkit import fails, forge, lie
from kit import refused

from zkcredit._native import blake3_hash
from zkcredit.credentials.builtin import IDENTITY
from zkcredit.credentials.lists import SignedList, list_schema
from zkcredit.credentials.schema import FieldType
from zkcredit.entries import RevocationStatement
from zkcredit.errors import CheckFailed
from zkcredit.policies.lists import CurrentList, fetch_lists
from zkcredit.policies.present import plan, present
from zkcredit.policies.request import PresentationRequest, read_request

DOCUMENT = IDENTITY.field("document_hash")
OURS = DOCUMENT.scalar("P1234567")
MEMBERS = list_schema("members", "Members", FieldType.TEXT)
STOLEN = list_schema("stolen", "Stolen documents", FieldType.TEXT)
INSIDE, OUTSIDE = "document_hash in members", "document_hash not in stolen"


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    scene.lister.publish_list(MEMBERS, [1, OURS, OURS + 1], gaps=False)
    scene.lister.publish_list(STOLEN, [1, 2, 3], gaps=True)
    yield scene
    scene.close()


def ask(scene: Scene, clause: str) -> PresentationRequest:
    tables = scene.list_table("members") + scene.list_table("stolen")
    return scene.request(scene.policy([clause], tables=tables))


def fetched(scene: Scene, request: PresentationRequest) -> CurrentList:
    asked = read_request(scene.registry, request, scene.clock())
    return fetch_lists(scene.ledger, asked.requirements.clauses)[1]


def forged(scene: Scene, request: PresentationRequest, found: CurrentList) -> Any:
    return forge(scene, request, {"identity": scene.identity}, lists={1: found})


# -- one list for all --------------------------------------------------------------------------


@pytest.mark.parametrize("clause", [INSIDE, OUTSIDE])
def test_a_list_for_one_customer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, clause: str
) -> None:
    """Well signed by its owner, handed to one customer alone: it would mark that customer."""
    request = ask(scene, clause)
    honest = fetched(scene, request).signed
    schema = MEMBERS if clause == INSIDE else STOLEN
    own = SignedList.sign(
        scene.lister.key(schema), honest.place, honest.type, [7, OURS][: 2 - honest.gaps],
        gaps=honest.gaps,
    )  # fmt: skip
    with refused("unknown-attachment"):
        scene.ledger.attach(own.encode())
    scene.present(request)
    monkeypatch.setattr(scene.ledger, "attachment", lambda _: own.encode())
    with pytest.raises(CheckFailed):
        scene.present(request)


@pytest.mark.parametrize("change", ["version", "key_number", "schema_hash", "issuer_id", "type"])
def test_the_file_of_another_list(scene: Scene, change: str) -> None:
    """Its owner puts it on the ledger in the place of the list that is asked about."""
    request = ask(scene, INSIDE)
    honest = fetched(scene, request).signed
    place = honest.place._replace(version=honest.place.version + 1)
    if change == "type":
        moved = replace(honest, place=place, type=FieldType.INTEGER, items=(1, 2, 3))
    else:
        value: Any = 7 if isinstance(getattr(place, change), int) else bytes(32)
        moved = replace(honest, place=place._replace(**{change: value}))
    data = moved.encode()
    scene.lister.submit(RevocationStatement(*place[1:], blake3_hash(data)))
    scene.ledger.attach(data)
    with pytest.raises(CheckFailed):
        scene.present(ask(scene, INSIDE))


def test_two_lists_at_one_time(scene: Scene) -> None:
    """A second key of the owner does not keep a second list alive."""
    request = ask(scene, INSIDE)
    old = fetched(scene, request)
    answer = scene.present(request)
    scene.verify(request, answer)
    scene.lister.offer(MEMBERS, 2)
    with refused("no-list"):
        scene.present(request)
    fails(scene, request, answer)
    scene.lister.publish_list(MEMBERS, [5], gaps=False)
    fails(scene, request, answer)
    with refused("clause-fails"):
        scene.present(request)
    assert fetched(scene, request).signed.place.key_number == old.signed.place.key_number + 1


def test_a_closed_key(scene: Scene) -> None:
    request = ask(scene, OUTSIDE)
    answer = scene.present(request)
    scene.lister.close(STOLEN)
    fails(scene, request, answer)
    with refused("key-closed"):
        scene.present(request)


# -- old lists ---------------------------------------------------------------------------------


def test_an_answer_by_an_older_version(scene: Scene) -> None:
    """Reported stolen since: the old list does not help."""
    request = ask(scene, OUTSIDE)
    answer = scene.present(request)
    old = fetched(scene, request)
    scene.lister.publish_list(STOLEN, [1, OURS], gaps=True)
    fails(scene, request, answer)
    with refused("clause-fails"):
        scene.present(request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zkcredit.policies.present._check_versions", lambda *_: None)
        fails(scene, request, forged(scene, request, old))


def test_a_list_that_changed_after_the_question(scene: Scene) -> None:
    """What the holder has agreed to, version and number of items included, is what is proved."""
    request = ask(scene, OUTSIDE)
    consent = plan(scene.ledger, request, scene.holdings, scene.clock())
    consent.given = True
    scene.lister.publish_list(STOLEN, [1], gaps=True)
    with refused("old-list"):
        present(scene.registry, consent, scene.keys)


# -- borrowed signatures -----------------------------------------------------------------------


def test_a_signature_of_an_older_version(scene: Scene) -> None:
    request = ask(scene, INSIDE)
    old = fetched(scene, request).signed
    scene.lister.publish_list(MEMBERS, [1], gaps=False)
    found = old.messages_for(OURS)
    assert found is not None
    fails(scene, request, forged(scene, request, lie(fetched(scene, request), *found)))


def test_a_signature_of_a_list_in_another_currency(scene: Scene) -> None:
    """2,500.00 of whatever currency is not on the list of sums in another."""
    own = scene.registry.find_schema("income")[0].schema.field("income").currency
    schemas = {
        currency: list_schema(
            f"sums-{currency.lower()}", "Sums", FieldType.AMOUNT, currency=currency, minor_digits=2
        )
        for currency in (own, "XYZ")
    }
    signed = {
        currency: scene.lister.publish_list(schema, [250_000], gaps=False)
        for currency, schema in schemas.items()
    }
    name = schemas[own].name
    tables = f'[lists.sums]\nissuer = "{scene.lister.id.hex()}"\nname = "{name}"'
    policy = scene.policy(["income in sums"], credentials=("income",), tables=tables)
    request = scene.request(policy)
    chosen, honest = {"income": scene.income}, fetched(scene, request)
    scene.verify(request, forge(scene, request, chosen, lists={1: honest}))
    other = signed["XYZ"].messages_for(250_000)
    assert other is not None
    fails(scene, request, forge(scene, request, chosen, lists={1: lie(honest, *other)}))


@pytest.mark.parametrize("clause", [INSIDE, OUTSIDE])
def test_a_list_that_is_not_signed_where_the_holder_stands(scene: Scene, clause: str) -> None:
    """Whether such a proof fails would tell a verifier where on the list the holder is."""
    request = ask(scene, clause)
    honest = fetched(scene, request).signed
    place = honest.place._replace(version=honest.place.version + 1)
    turned = (*honest.signatures[1:], honest.signatures[0])
    scene.lister.anchor(replace(honest, place=place, signatures=turned))
    with refused("bad-list"):
        scene.present(request)
