"""Signed lists: their bytes, their versions on the ledger, and what a holder reads about them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from credentialkit import Scene
from issuerkit import Office, new_issuer
from kit import DAY_MS, refused

from zkcredit.credentials.builtin import IDENTITY
from zkcredit.credentials.lists import (
    LIST_MAX_BYTES,
    LIST_MAX_ITEMS,
    ListPlace,
    SignedList,
    list_schema,
)
from zkcredit.credentials.schema import Field, FieldType, Schema
from zkcredit.errors import CallerError, MalformedInput, StoreError
from zkcredit.ledger.attachments import ATTACHMENT_MAX_BYTES
from zkcredit.policies.present import Consent, plan

DOCUMENT = IDENTITY.field("document_hash")
OURS = "P1234567"
NUMBERS = list_schema("numbers", "Numbers", FieldType.TEXT)
PLACE = ListPlace(bytes(32), bytes(32), bytes(32), 1, 1)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def publish(scene: Scene, texts: list[str], *, gaps: bool, schema: Schema = NUMBERS) -> None:
    scene.lister.publish_list(schema, map(DOCUMENT.scalar, texts), gaps=gaps)


def asked(scene: Scene, clause: str, reveal: tuple[str, ...] = (), name: str = "numbers") -> Any:
    return scene.request(scene.policy([clause], reveal, tables=scene.list_table(name)))


def consent(scene: Scene, clause: str) -> Consent:
    return plan(scene.ledger, asked(scene, clause), scene.holdings, scene.clock())


# -- proofs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reveal", [(), ("document_hash",)])
def test_on_a_list_and_off_it(scene: Scene, reveal: tuple[str, ...]) -> None:
    inside = "document_hash in numbers"
    outside = "document_hash not in numbers"
    scene.lister.publish(NUMBERS)
    with refused("no-list"):
        scene.present(asked(scene, inside, reveal))
    publish(scene, ["A", OURS, "Z"], gaps=False)
    request = asked(scene, inside, reveal)
    scene.verify(request, scene.present(request))
    with refused("no-list"):  # it says who is on it
        scene.present(asked(scene, outside, reveal))
    publish(scene, ["A", "Z"], gaps=False)
    with refused("clause-fails"):
        scene.present(asked(scene, inside, reveal))
    for texts in ([], ["A"], ["A", "B", "C", "D", "E"]):
        publish(scene, texts, gaps=True)
        request = asked(scene, outside, reveal)
        scene.verify(request, scene.present(request))
    publish(scene, ["A", OURS], gaps=True)
    with refused("clause-fails"):
        scene.present(asked(scene, outside, reveal))
    with refused("no-list"):
        scene.present(asked(scene, inside, reveal))


def test_numbers_and_amounts(scene: Scene) -> None:
    """2,500.00 TWD is the holder's income."""
    currency = scene.registry.find_schema("income")[0].schema.field("income").currency
    schema = list_schema("sums", "Sums", FieldType.AMOUNT, currency=currency, minor_digits=2)
    for items, gaps in (([250_000, 5], False), ([249_999, 250_001], True)):
        scene.lister.publish_list(schema, items, gaps=gaps)
        clause = f"income {'not ' * gaps}in sums"
        tables = scene.list_table("sums")
        scene.check(scene.policy([clause], credentials=("income",), tables=tables))


# -- what a policy may say ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (FieldType.AMOUNT, {"currency": "XYZ", "minor_digits": 2}),
        (FieldType.AMOUNT, {"currency": "own", "minor_digits": 3}),
        (FieldType.INTEGER, {}),
    ],
)
def test_items_of_another_kind(scene: Scene, kind: FieldType, more: dict[str, Any]) -> None:
    """Amounts of another currency are other amounts, whatever their numbers."""
    if more.get("currency") == "own":
        income = scene.registry.find_schema("income")[0].schema.field("income")
        more = more | {"currency": income.currency}
    scene.lister.publish_list(list_schema("sums", "Sums", kind, **more), [250_000], gaps=False)
    tables = scene.list_table("sums")
    with refused("bad-policy"):
        scene.request(scene.policy(["income in sums"], credentials=("income",), tables=tables))


def test_an_enum_is_compared_with_a_set(scene: Scene) -> None:
    scene.lister.publish(NUMBERS)
    with refused("bad-policy"):
        asked(scene, "country in numbers")
    with pytest.raises(CallerError):
        list_schema("countries", "Countries", FieldType.ENUM)


def test_what_is_no_list(scene: Scene) -> None:
    plain = Schema("plain", "Plain", False, NUMBERS.fields)
    other = Schema("other", "Other", True, (Field("thing", "thing", FieldType.TEXT),))
    wide = Schema("wide", "Wide", True, (*NUMBERS.fields, *other.fields))
    colours = Field("item", "item", FieldType.ENUM, values=("red",))
    for schema in (plain, other, wide, Schema("colours", "Colours", True, (colours,)), IDENTITY):
        assert not schema.is_list
        if schema is not IDENTITY:
            scene.lister.publish(schema)
        table = scene.list_table("L") + f'name = "{schema.name}"'
        with refused("unknown-list"):
            scene.request(scene.policy(["document_hash in L"], tables=table))
    with refused("unknown-schema"):
        asked(scene, "document_hash in nothing", name="nothing")
    scene.bank.publish(NUMBERS)
    with refused("unknown-schema"):  # of another owner
        asked(scene, "document_hash in numbers")
    table = f'[lists.numbers]\nissuer = "{scene.lister.id.hex()}"\nname = "{NUMBERS.hash.hex()}"'
    with refused("unknown-list"):
        scene.request(scene.policy(["document_hash in numbers"], tables=table))


def test_lists_of_one_name_are_told_apart(scene: Scene) -> None:
    """An owner cannot ask one holder about another list that is called the same."""
    twin = list_schema("numbers", "Other numbers", FieldType.TEXT)
    for schema in (NUMBERS, twin):
        publish(scene, ["A"], gaps=True, schema=schema)
    with refused("unknown-schema"):
        asked(scene, "document_hash not in numbers")
    table = f'[lists.numbers]\nissuer = "{scene.lister.id.hex()}"\nname = "{twin.hash.hex()}"'
    request = scene.request(scene.policy(["document_hash not in numbers"], tables=table))
    said = plan(scene.ledger, request, scene.holdings, scene.clock()).convinced[1]
    assert f"the list 'numbers {twin.hash.hex()[:16]}' of 'Lister'" in said


# -- what the holder reads ---------------------------------------------------------------------


def test_the_holder_reads_which_list_it_is(scene: Scene) -> None:
    publish(scene, ["A"], gaps=True)
    scene.clock.forward(3 * DAY_MS)
    publish(scene, [f"A{n}" for n in range(1_200)], gaps=True)
    day = dt.date(1970, 1, 1) + dt.timedelta(days=scene.clock() // DAY_MS)
    scene.clock.forward(3_600_000)
    found = consent(scene, "document_hash not in numbers")
    assert found.convinced[1] == (
        "your identity document's hash is not on the list 'numbers' of 'Lister' "
        f"(1,200 items, version 2 of {day})"
    )
    assert found.warnings == []
    assert found.convinced[1] in found.text


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, ["the list 'numbers' has one item: being on it says who you are"]),
        (19, ["the list 'numbers' has 19 items only: being on it says nearly who you are"]),
        (20, []),
    ],
)
def test_a_list_that_says_who_one_is(scene: Scene, count: int, said: list[str]) -> None:
    publish(scene, [OURS, *(f"A{n}" for n in range(count - 1))], gaps=False)
    found = consent(scene, "document_hash in numbers")
    assert found.warnings == said
    assert [f"Mind: {warning}." for warning in said] == [
        line for line in found.text.splitlines() if line.startswith("Mind")
    ]


def test_not_to_be_on_a_short_list_says_little(scene: Scene) -> None:
    publish(scene, ["A"], gaps=True)
    assert consent(scene, "document_hash not in numbers").warnings == []


# -- bytes -------------------------------------------------------------------------------------


def test_bytes(scene: Scene) -> None:
    key = scene.lister.key(NUMBERS)
    signed = SignedList.sign(key, PLACE, FieldType.INTEGER, [5, -7, 5], gaps=True)
    assert (signed.items, len(signed.signatures)) == ((-7, 5), 3)
    data = signed.encode()
    assert SignedList.decode(data) == signed
    assert len(data) == 111 + 2 * 112 + 80
    for wrong in (data[:-1], data + b"\0", b"\2" + data[1:], b"\1\3" + data[2:], b""):
        with pytest.raises(MalformedInput):
            SignedList.decode(wrong)
    with pytest.raises(MalformedInput):  # an enum
        SignedList.decode(data[:106] + b"\5" + data[107:])
    first, second = ((x).to_bytes(32, "big", signed=True) for x in (-7, 5))
    for swapped in (data.replace(first + second, second + first), data.replace(first, second)):
        with pytest.raises(MalformedInput):
            SignedList.decode(swapped)
    with pytest.raises(MalformedInput):
        SignedList.sign(key, PLACE, FieldType.TEXT, [-7], gaps=True)


# -- publishing --------------------------------------------------------------------------------


@pytest.fixture
def office() -> Office:
    office = Office()
    office.issuer.publish_schema(office.ledger, NUMBERS)
    office.issuer.open_key(office.ledger, NUMBERS.hash)
    return office


def current(office: Office) -> tuple[int, SignedList | None]:
    number = office.ledger.registry.current_credential_key(office.issuer.issuer_id, NUMBERS.hash)
    key = office.ledger.registry.credential_key(office.issuer.issuer_id, NUMBERS.hash, number)
    data = office.ledger.attachment(key.list_hash) if key.epoch else None
    return key.epoch, None if data is None else SignedList.decode(data)


def test_versions(office: Office) -> None:
    assert current(office) == (0, None), "no empty list of revoked credentials"
    publish_list, ledger = office.issuer.publish_list, office.ledger
    assert publish_list(ledger, NUMBERS.hash, ["b", "a", "b"], gaps=True) == 1
    size = ledger.size
    assert publish_list(ledger, NUMBERS.hash, ["a", "b"], gaps=True) == 1
    assert ledger.size == size
    assert publish_list(ledger, NUMBERS.hash, ["a", "b"], gaps=False) == 2
    assert publish_list(ledger, NUMBERS.hash, [], gaps=True) == 3
    version, signed = current(office)
    assert signed is not None
    assert (version, signed.place.version, signed.items, signed.gaps) == (3, 3, (), True)


@pytest.mark.parametrize(("again", "version"), [(["a", "b"], 1), (["a", "c"], 2)])
def test_interrupted_before_the_file_was_there(
    office: Office, monkeypatch: pytest.MonkeyPatch, again: list[str], version: int
) -> None:
    """No version ever has two contents: another content is the next version."""

    def fails(_: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(office.ledger, "attach", fails)
        with pytest.raises(StoreError):
            office.issuer.publish_list(office.ledger, NUMBERS.hash, ["a", "b"], gaps=True)
    assert current(office) == (1, None)
    found = office.issuer.publish_list(office.ledger, NUMBERS.hash, again, gaps=True)
    assert found == version
    _, signed = current(office)
    assert signed is not None
    assert signed.items == tuple(sorted(map(DOCUMENT.scalar, again)))


def test_a_list_is_its_publishers(office: Office) -> None:
    other = new_issuer(office, "Other")
    other.open_key(office.ledger, NUMBERS.hash)
    with pytest.raises(CallerError, match="another issuer"):
        other.publish_list(office.ledger, NUMBERS.hash, ["a"], gaps=True)


def test_the_longest_list_fits_beside_the_ledger() -> None:
    assert LIST_MAX_BYTES == ATTACHMENT_MAX_BYTES
    largest = 111 + 112 * LIST_MAX_ITEMS + 80
    assert largest <= LIST_MAX_BYTES < largest + 112


def test_what_is_not_published(office: Office) -> None:
    issuer, ledger = office.issuer, office.ledger
    size = ledger.size
    with pytest.raises(CallerError):
        issuer.publish_list(ledger, IDENTITY.hash, ["a"], gaps=True)
    for items in ([5], [""], ["a\u202eb"]):
        with pytest.raises(CallerError):
            issuer.publish_list(ledger, NUMBERS.hash, items, gaps=True)
    with pytest.raises(CallerError, match="list"):
        issuer.publish_revocations(ledger, NUMBERS.hash)
    request = office.book("holder").request(ledger, issuer.issuer_id, NUMBERS.hash)
    with pytest.raises(CallerError, match="list"):
        issuer.issue(ledger, request, {"item": "a"}, dt.date(2030, 1, 1))
    assert ledger.size == size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("zkcredit.credentials.lists.LIST_MAX_ITEMS", 2)
        with pytest.raises(CallerError, match="at most 2 items"):
            issuer.publish_list(ledger, NUMBERS.hash, ["a", "b", "c"], gaps=True)
    assert ledger.size == size
    issuer.close_key(ledger, NUMBERS.hash, 1)
    with refused("key-closed"):
        issuer.publish_list(ledger, NUMBERS.hash, ["a"], gaps=True)
    fresh = list_schema("fresh", "Fresh", FieldType.DATE)
    issuer.publish_schema(ledger, fresh)
    with refused("unknown-credential-key"):
        issuer.publish_list(ledger, fresh.hash, [dt.date(2026, 1, 1)], gaps=True)
