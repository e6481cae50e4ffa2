"""Credentials and presentations as files."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from credentialkit import Scene
from hypothesis import given
from hypothesis import strategies as st
from issuerkit import Office
from msgspec.structs import replace

from zkcredit.credentials.exchange import (
    PRESENTATION_CBOR,
    PRESENTATION_JSON,
    read_credential,
    read_presentation,
    write_credential,
    write_presentation,
)
from zkcredit.credentials.held import CREDENTIAL_CBOR, CREDENTIAL_JSON
from zkcredit.errors import CallerError, MalformedInput, ProofRefused, Refused
from zkcredit.ledger import Operator
from zkcredit.policies.request import own_request
from zkcredit.policies.resolve import Requirements

FORMS = [CREDENTIAL_JSON, CREDENTIAL_CBOR]


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


def _plain(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _coded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# -- credentials -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_an_exported_credential_opens_in_its_wallet(office: Office, form: str) -> None:
    book = office.book(form)
    held = office.credential(book)
    data = book.export(held.number, form)
    assert book.import_file(office.ledger, data) is held
    fresh = office.book(form)
    again = fresh.import_file(office.ledger, data)
    assert again == replace(held, gap=None)
    fresh.refresh_gaps(office.ledger)
    assert fresh.list() == book.list()


@pytest.mark.parametrize("form", FORMS)
def test_an_exported_credential_opens_in_no_other_wallet(office: Office, form: str) -> None:
    data = write_credential(office.credential(office.book(form)), form)
    thief = office.book("thief")
    with pytest.raises(ProofRefused):
        thief.import_file(office.ledger, data)
    assert thief.list() == []


def test_the_shape_in_json(office: Office) -> None:
    held = office.credential(office.book("shape"))
    raw = json.loads(write_credential(held))
    assert list(raw) == ["issuer", "payloads", "proofs"]
    assert json.loads(_plain(raw["issuer"])) == {
        "version": 1,
        "ledger": office.ledger.ledger_id.hex(),
        "typ": "vnd.zkcredit.credential",
        "alg": "zkcredit-bbs",
        "issuer": office.place[0].hex(),
        "schema": office.place[1].hex(),
        "key": 1,
        "ordinal": held.ordinal,
    }
    assert raw["payloads"][:2] == [None, None]
    texts = [_plain(slot).decode() for slot in raw["payloads"][2:]]
    assert texts == [str(held.handle), "2030-12-31", *held.texts]
    assert [_plain(proof) for proof in raw["proofs"]] == [held.signature]


def test_the_shape_in_cbor(office: Office) -> None:
    held = office.credential(office.book("cbor"))
    header, payloads, proofs = cbor2.loads(write_credential(held, CREDENTIAL_CBOR))
    assert cbor2.loads(header) == {
        1: "zkcredit-bbs",
        3: "vnd.zkcredit.credential",
        "version": 1,
        "ledger": office.ledger.ledger_id,
        "issuer": office.place[0],
        "schema": office.place[1],
        "key": 1,
        "ordinal": held.ordinal,
    }
    assert payloads[:2] == [None, None]
    assert [slot.decode() for slot in payloads[4:]] == held.texts
    assert proofs == [held.signature]


def test_neither_owner_nor_blinding_is_in_a_file(office: Office) -> None:
    book = office.book("secrets")
    held = office.credential(book)
    for form in FORMS:
        data = write_credential(held, form)
        for secret in (book._keys.owner.expose(), held.blind(book._keys).expose()):
            assert secret not in data
            assert _coded(secret).encode() not in data


def test_forms_that_do_not_exist(office: Office, scene: Scene) -> None:
    held = office.credential(office.book("forms"))
    with pytest.raises(CallerError, match="media type"):
        write_credential(held, PRESENTATION_JSON)
    request = scene.request(scene.policy(reveal=["country"]))
    asked = own_request(scene.registry, request, scene.clock())
    with pytest.raises(CallerError, match="media type"):
        write_presentation(scene.present(request), asked.requirements, CREDENTIAL_JSON)


def _in_json(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def apply(data: bytes) -> bytes:
        raw = json.loads(data)
        change(raw)
        return json.dumps(raw).encode()

    return apply


def _in_header(**changes: Any) -> Callable[[bytes], bytes]:
    def change(raw: dict[str, Any]) -> None:
        header = json.loads(_plain(raw["issuer"])) | changes
        header = {key: value for key, value in header.items() if value is not None}
        raw["issuer"] = _coded(json.dumps(header).encode())

    return _in_json(change)


def _slot(place: int, data: bytes | None) -> Callable[[bytes], bytes]:
    def change(raw: dict[str, Any]) -> None:
        raw["payloads"][place] = None if data is None else _coded(data)

    return _in_json(change)


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-1],
    "trailing": lambda data: data + b"{}",
    "too long": lambda data: data + b" " * (1 << 20),
    "nested": lambda data: b'{"issuer":' + b"[" * 100_000,
    "nested in bounds": lambda data: b'{"issuer":' + b"[" * 900 + b"]" * 900 + b"}",
    "other member": _in_json(lambda raw: raw.update(more="")),
    "no proofs": _in_json(lambda raw: raw.update(proofs=[])),
    "two proofs": _in_json(lambda raw: raw.update(proofs=raw["proofs"] * 2)),
    "short proof": _in_json(lambda raw: raw.update(proofs=[_coded(bytes(79))])),
    "padding": _in_json(lambda raw: raw.update(proofs=[raw["proofs"][0] + "="])),
    "plus and slash": _in_json(lambda raw: raw.update(proofs=["+/" * 53 + "A"])),
    "loose bits": _in_json(lambda raw: raw["payloads"].__setitem__(2, "MR")),
    "slot more": _in_json(lambda raw: raw["payloads"].append(None)),
    "slot less": _in_json(lambda raw: raw["payloads"].pop()),
    "blind shown": _slot(0, b"5"),
    "owner shown": _slot(1, b"5"),
    "hidden field": _slot(4, None),
    "no handle": _slot(2, b"0"),
    "large handle": _slot(2, b"4294967296"),
    "odd handle": _slot(2, b"07"),
    "other digits": _slot(2, "٧".encode()),
    "no date": _slot(3, b"2030-02-30"),
    "other date": _slot(3, b"20301231"),
    "no text": _slot(4, b"\xff"),
    "empty text": _slot(4, b""),
    "next version": _in_header(version=2),
    "version as text": _in_header(version="1"),
    "other type": _in_header(typ="jwp"),
    "other algorithm": _in_header(alg="BBS"),
    "short id": _in_header(issuer="00"),
    "key 0": _in_header(key=0),
    "more": _in_header(more=1),
    "less": _in_header(ordinal=None),
    "no version": _in_header(version=None),
    "no type": _in_header(typ=None),
    "no algorithm": _in_header(alg=None),
    "header list": _in_json(lambda raw: raw.update(issuer=_coded(b"[]"))),
    "header text": _in_json(lambda raw: raw.update(issuer="!")),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_files_that_are_malformed(office: Office, broken: str) -> None:
    book = office.book("broken")
    data = write_credential(office.credential(book) if not len(book) else book.get(1))
    fresh = office.book("broken")
    with pytest.raises(MalformedInput):
        fresh.import_file(office.ledger, BROKEN[broken](data))
    assert fresh.list() == []


def test_files_about_something_else(office: Office) -> None:
    data = write_credential(office.credential(office.book("else")))
    fresh = office.book("else")
    for change, rule in [
        (_in_header(ledger="00" * 32), "wrong-ledger"),
        (_in_header(schema="00" * 32), "unknown-schema"),
        (_in_header(issuer="00" * 32), "unknown-credential-key"),
        (_in_header(key=9), "unknown-credential-key"),
        (_in_header(ordinal=200), "bad-proof"),
        (_slot(2, b"7"), "bad-proof"),
        (_slot(3, b"2031-12-31"), "bad-proof"),
        (_slot(4, b"Eve"), "bad-proof"),
    ]:
        with pytest.raises(Refused) as caught:
            fresh.import_file(office.ledger, change(data))
        assert caught.value.rule in (rule, "bad-signature")
    assert fresh.list() == []
    elsewhere = Operator.create(None, clock=office.clock)
    with pytest.raises(Refused, match="unknown-schema"):
        read_credential(data, elsewhere.registry)


CBOR_BROKEN = [
    b"",
    b"\x83",
    b"\x80",
    b"\x81" * 60_000 + b"\x00",
    b"\x9f\xff",
    b"\xc5\x82\x1a\x7f\xff\xff\xff\x01",
    b"\xd8\x23\x64(a+)",
    b"\xd8\x1c\x81\xd8\x1d\x00",
    b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xf9\x7e\x00",
    b"\x61\xff",
]


@pytest.mark.parametrize("data", CBOR_BROKEN)
def test_bytes_that_are_no_cbor_of_ours(office: Office, data: bytes) -> None:
    with pytest.raises(MalformedInput):
        read_credential(data, office.ledger.registry)
    header = cbor2.dumps([data, [], []])
    with pytest.raises(MalformedInput):
        read_credential(header, office.ledger.registry)


def test_cbor_has_one_form_only(office: Office) -> None:
    data = write_credential(office.credential(office.book("one form")), CREDENTIAL_CBOR)
    header, payloads, proofs = cbor2.loads(data)
    fields = cbor2.loads(header)
    shuffled = cbor2.dumps(dict(reversed(fields.items())))
    named = cbor2.dumps({("alg" if k == 1 else k): v for k, v in fields.items()}, canonical=True)
    text_id = cbor2.dumps(fields | {"issuer": fields["issuer"].hex()}, canonical=True)
    both = cbor2.dumps(fields | {"typ": fields[3]}, canonical=True)
    for other in (shuffled, named, text_id, both):
        with pytest.raises(MalformedInput):
            read_credential(cbor2.dumps([other, payloads, proofs]), office.ledger.registry)
    for changed in (data + b"\0", b"\x98\x03" + data[1:], b"\x9f" + data[1:] + b"\xff"):
        with pytest.raises(MalformedInput):
            read_credential(changed, office.ledger.registry)


@given(st.binary(max_size=64))
def test_any_bytes_are_malformed(office: Office, data: bytes) -> None:
    with pytest.raises(MalformedInput):
        read_credential(data, office.ledger.registry)


@given(st.integers(0, 2_000), st.integers(1, 255), st.sampled_from(FORMS))
def test_a_changed_byte_never_goes_unnoticed(
    office: Office, place: int, change: int, form: str
) -> None:
    book = office.book("bytes")
    held = book.receive(office.ledger, office.reply(book))
    data = bytearray(write_credential(held, form))
    data[place % len(data)] ^= change
    fresh = office.book("bytes")
    with pytest.raises((MalformedInput, Refused)):
        fresh.import_file(office.ledger, bytes(data))


# -- presentations ---------------------------------------------------------------------------


@pytest.mark.parametrize("form", [PRESENTATION_JSON, PRESENTATION_CBOR])
def test_a_presentation_travels_as_a_file(scene: Scene, form: str) -> None:
    policy = scene.policy(
        prove=["birth_date <= today - 18y", "income >= 100.00"],
        reveal=["country", "since"],
        credentials=("identity", "income"),
        extra='pseudonym = "shop"',
    )
    request = scene.request(policy)
    presentation = scene.present(request)
    asked = own_request(scene.registry, request, scene.clock())
    data = write_presentation(presentation, asked.requirements, form)
    looked_up = []

    def requirements_of(wanted: bytes) -> Requirements:
        looked_up.append(wanted)
        return asked.requirements

    again = read_presentation(data, requirements_of)
    assert looked_up == [asked.hash]
    assert again == presentation
    disclosure = scene.verify(request, again)
    assert set(disclosure.values) == {"identity.country", "income.since"}
    for hidden in (b"Ada Maria", b"2001-05-31"):
        assert hidden not in data
        assert _coded(hidden).encode() not in data


def test_hidden_slots_of_a_presentation_are_null(scene: Scene) -> None:
    request = scene.request(scene.policy(reveal=["country"]))
    asked = own_request(scene.registry, request, scene.clock())
    raw = json.loads(write_presentation(scene.present(request), asked.requirements))
    assert list(raw) == ["presentation", "credentials", "proofs"]
    slots = raw["credentials"][0]["payloads"]
    shown = {place: _plain(slot) for place, slot in enumerate(slots) if slot is not None}
    assert (len(slots), shown) == (11, {7: b"AT"})
    header = json.loads(_plain(raw["presentation"]))
    assert header["typ"] == "vnd.zkcredit.presentation"


@pytest.mark.parametrize(("place", "text"), [(0, b"5"), (3, b"2030-12-31"), (4, b"Ada"), (7, None)])
def test_slots_that_were_not_asked_for(scene: Scene, place: int, text: bytes | None) -> None:
    request = scene.request(scene.policy(reveal=["country"]))
    asked = own_request(scene.registry, request, scene.clock())
    raw = json.loads(write_presentation(scene.present(request), asked.requirements))
    raw["credentials"][0]["payloads"][place] = None if text is None else _coded(text)
    with pytest.raises(MalformedInput, match="other fields"):
        read_presentation(json.dumps(raw).encode(), lambda _: asked.requirements)


def test_presentations_of_another_shape(scene: Scene) -> None:
    request = scene.request(scene.policy(reveal=["country"]))
    asked = own_request(scene.registry, request, scene.clock())
    presentation = scene.present(request)
    other = scene.request(scene.policy(reveal=["country", "person"]))
    asked_more = own_request(scene.registry, other, scene.clock())
    with pytest.raises(CallerError, match="does not answer"):
        write_presentation(presentation, asked_more.requirements)
    data = write_presentation(presentation, asked.requirements)
    with pytest.raises(MalformedInput, match="other fields"):
        read_presentation(data, lambda _: asked_more.requirements)

    def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
        return _in_json(change)(data)

    for broken in (
        changed(lambda raw: raw.update(credentials=[])),
        changed(lambda raw: raw.update(credentials=raw["credentials"] * 2)),
        changed(lambda raw: raw.update(proofs=raw["proofs"] * 2)),
        changed(lambda raw: raw["credentials"][0]["payloads"].pop()),
        changed(lambda raw: raw.update(presentation=raw["credentials"][0]["issuer"])),
        write_credential(scene.identity),
    ):
        with pytest.raises(MalformedInput):
            read_presentation(broken, lambda _: asked.requirements)
