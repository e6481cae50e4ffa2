"""Requests in the name of a party: bound keys, what a signature covers, replays."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from http_message_signatures import HTTPMessageSigner, algorithms
from ledgerkit import World, bls_key, tag, toy_signature
from msgspec.json import encode
from servicekit import Running, serving

from zkcredit import digests
from zkcredit.entries import MerchantStatement
from zkcredit.service import signatures, wire
from zkcredit.service.context import Settings
from zkcredit.service.signatures import COVERED, Message, RequestSigner
from zkcredit.service.state import ServiceStore


class Keys:
    """A party's keys, from its name."""

    def __init__(self, name: str) -> None:
        self.bls = bls_key(name)
        self._name = name

    def request_seed(self) -> bytes:
        return tag(("request", self._name))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def bind(running: Running, signer: RequestSigner, world: World, **changes: Any) -> httpx.Response:
    binding = signer.binding(world.ledger.ledger_id, changes.pop("issued_ms", now_ms()))
    body = {name: getattr(binding, name) for name in binding.__struct_fields__} | changes
    return running.http.post(
        "/v1/keys", content=encode(body), headers={"Content-Type": "application/json"}
    )


@pytest.fixture
def signer(world: World) -> RequestSigner:
    return RequestSigner(Keys("issuer"), world.issuer_id)


@pytest.fixture
def bound(world: World, running: Running, signer: RequestSigner) -> Running:
    assert bind(running, signer, world).status_code == 200
    return running


def replies(world: World, running: Running, name: object = "a") -> bytes:
    spend = world.spend(name)
    index = running.submit(world.prove(spend)).json()["index"]
    return wire.encode_replies([(index, toy_signature(spend))])


def refused(answer: httpx.Response, name: str) -> None:
    assert answer.json()["type"] == f"urn:zkcredit:problem:{name}", answer.json()
    if answer.status_code == 401:
        assert 'tag="zkcredit"' in answer.headers["accept-signature"]


def sign(signer: RequestSigner, request: httpx.Request, content: bytes, **options: Any) -> None:
    """Signs as a client does that chooses what to cover and to say."""
    library = HTTPMessageSigner(
        signature_algorithm=algorithms.ED25519,
        key_resolver=signatures._Own(signer._private),
    )
    chosen = {
        "key_id": signer.party_id.hex(),
        "created": dt.datetime.now(dt.UTC),
        "nonce": secrets.token_urlsafe(24),
        "tag": "zkcredit",
        "covered_component_ids": COVERED,
        "body": content,
    }
    message = Message(request.method, str(request.url), request.headers)
    library.sign(message, **(chosen | options))


def test_an_issuer_posts_replies(world: World, bound: Running, signer: RequestSigner) -> None:
    content = replies(world, bound)
    refused(bound.post("/v1/replies", content, wire.REPLIES), "signature-missing")
    request = bound.signed("/v1/replies", content, wire.REPLIES, signer)
    answer = bound.http.send(request)
    assert (answer.status_code, answer.json()) == (200, {"stored": 1})
    assert world.ledger.reply(3) is not None
    refused(bound.http.send(request), "signature-replayed")
    again = bound.signed("/v1/replies", content, wire.REPLIES, signer)
    assert bound.http.send(again).status_code == 200, "signed anew, the same again is fine"
    other = wire.encode_replies([(3, bytes(80))])
    answer = bound.http.send(bound.signed("/v1/replies", other, wire.REPLIES, signer))
    assert answer.json()["rule"] == "bad-proof"


def test_a_key_of_idempotency_means_one_content(
    world: World, bound: Running, signer: RequestSigner
) -> None:
    first, second = replies(world, bound), replies(world, bound, "b")
    for content, status in ((first, 200), (first, 200), (second, 422)):
        request = bound.http.build_request(
            "POST", "/v1/replies", content=content,
            headers={"Content-Type": wire.REPLIES, "Idempotency-Key": '"mine"'},
        )  # fmt: skip
        sign(signer, request, content)
        assert bound.http.send(request).status_code == status


def test_what_a_signature_covers(world: World, bound: Running, signer: RequestSigner) -> None:
    content = replies(world, bound)
    other = content[:-1] + bytes((content[-1] ^ 1,))

    def signed(**changes: str) -> httpx.Request:
        return bound.signed("/v1/replies", content, wire.REPLIES, signer, **changes)

    swapped = signed()
    swapped.stream = httpx.ByteStream(other)
    moved = signed()
    moved.url = moved.url.copy_with(query=b"x=1")
    attacks = {
        "content": swapped,
        "key": signed(**{"Idempotency-Key": '"another"'}),
        "digest": signed(**{"Content-Digest": "sha-256=:AAAA:"}),
        "target": moved,
        "signature": signed(Signature="sig=:" + "A" * 86 + "==:"),
        "label": signed(Signature="other=:AAAA:"),
        "input": signed(**{"Signature-Input": "sig=();created=1"}),
    }
    for name, request in attacks.items():
        answer = bound.http.send(request)
        assert answer.status_code == 401, name
        refused(answer, "signature-refused")
    assert world.ledger.reply(3) is None


@pytest.mark.parametrize(
    "options",
    [
        {"created": dt.timedelta(seconds=-400)},
        {"created": dt.timedelta(seconds=400)},
        {"nonce": None},
        {"nonce": "short"},
        {"nonce": "n" * 65},
        {"tag": None},
        {"tag": "other"},
        {"key_id": "00" * 32},
        {"key_id": "nobody"},
        {"covered_component_ids": ("@method", "@target-uri", "content-digest")},
        {"covered_component_ids": ("@method", "idempotency-key", "content-digest")},
        {"covered_component_ids": ("@target-uri", "idempotency-key", "content-digest")},
    ],
    ids=str,
)
def test_signatures_that_say_too_little(
    world: World, bound: Running, signer: RequestSigner, options: dict[str, Any]
) -> None:
    content = replies(world, bound)
    request = bound.http.build_request(
        "POST", "/v1/replies", content=content,
        headers={"Content-Type": wire.REPLIES, "Idempotency-Key": '"k"'},
    )  # fmt: skip
    if "created" in options:
        options = {"created": dt.datetime.now(dt.UTC) + options["created"]}
    sign(signer, request, content, **options)
    refused(bound.http.send(request), "signature-refused")


def test_nonces_and_keys_survive_a_restart(
    world: World, bound: Running, signer: RequestSigner, folder: Path
) -> None:
    content = replies(world, bound)
    request = bound.signed("/v1/replies", content, wire.REPLIES, signer)
    assert bound.http.send(request).status_code == 200
    bound.stop()
    with serving(folder, Settings(rate=0, public_url=bound.url)) as later:
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        answer = later.http.post("/v1/replies", content=content, headers=headers)
        refused(answer, "signature-replayed")


def test_a_public_address_is_what_signatures_name(
    world: World, folder: Path, signer: RequestSigner
) -> None:
    with serving(folder, Settings(rate=0, public_url="https://ledger.example/x/")) as running:
        bind(running, signer, world)
        content = replies(world, running)
        own = running.signed("/v1/replies", content, wire.REPLIES, signer)
        refused(running.http.send(own), "signature-refused")
        public = httpx.Request(
            "POST", "https://ledger.example/x/v1/replies", content=content,
            headers={"Content-Type": wire.REPLIES, "Idempotency-Key": '"k"'},
        )  # fmt: skip
        sign(signer, public, content)
        headers = {name: value for name, value in public.headers.items() if name != "host"}
        sent = running.http.post("/v1/replies", content=content, headers=headers)
        assert sent.status_code == 200


def test_only_the_entrys_issuer_answers(world: World, running: Running) -> None:
    key = bls_key("shop")
    statement = MerchantStatement(key.public_key, "shop")
    running.submit(world.registration(statement, key))
    merchant_id = digests.merchant_id(world.ledger.ledger_id, statement.encode())
    shop = RequestSigner(Keys("shop"), merchant_id)
    assert bind(running, shop, world).status_code == 200
    content = replies(world, running)
    answer = running.http.send(running.signed("/v1/replies", content, wire.REPLIES, shop))
    assert answer.status_code == 403
    refused(answer, "not-yours")
    registration = wire.encode_replies([(0, bytes(80))])
    answer = running.http.send(running.signed("/v1/replies", registration, wire.REPLIES, shop))
    refused(answer, "not-yours")
    settle = world.prove(world.settlement([(4, "a")])).encode()
    signed = running.http.send(running.signed("/v1/entries", settle, wire.SUBMISSION, shop))
    assert signed.status_code == 201, "a merchant may sign what it submits"
    broken = running.signed("/v1/entries", settle, wire.SUBMISSION, shop, Signature="sig=:AAAA:")
    refused(running.http.send(broken), "signature-refused")


def test_keys_are_bound_by_their_party(
    world: World, running: Running, signer: RequestSigner, folder: Path
) -> None:
    moment = now_ms()
    wrong = bind(running, signer, world, key="11" * 32)
    assert (wrong.status_code, wrong.json()["rule"]) == (422, "bad-signature")
    assert bind(running, signer, world, signature="00" * 96).status_code in (400, 422)
    stranger = RequestSigner(Keys("stranger"), tag("stranger"))
    refused(bind(running, stranger, world), "not-found")
    impostor = RequestSigner(Keys("stranger"), world.issuer_id)
    assert bind(running, impostor, world).status_code == 422
    assert bind(running, signer, world, issued_ms=moment + 400_000).status_code == 400
    assert bind(running, signer, world, issued_ms=moment).status_code == 200
    assert bind(running, signer, world, issued_ms=moment).status_code == 200
    assert bind(running, signer, world, issued_ms=moment - 1).status_code == 409
    assert bind(running, signer, world, issued_ms=moment + 1).status_code == 200
    store = ServiceStore.at(folder / "service.db")
    assert store.key(world.issuer_id) == signer._private.public_key().public_bytes_raw()
    store.close()


def test_attachments_are_signed_and_named_by_an_entry(
    world: World, bound: Running, signer: RequestSigner
) -> None:
    refused(bound.post("/v1/attachments", b"a file", wire.BINARY), "signature-missing")
    request = bound.signed("/v1/attachments", b"a file", wire.BINARY, signer)
    answer = bound.http.send(request)
    assert (answer.status_code, answer.json()["rule"]) == (422, "unknown-attachment")
