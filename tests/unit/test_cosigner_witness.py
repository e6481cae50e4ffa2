"""The witness protocol: the published requests and their statuses, strictness, and HTTP."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.cosignerkit import NOW_S, cosigner_of, publish
from tests.support.ledgerkit import Clock, World, stub_engine
from tests.support.vectors import load

from zkcredit.cosigner import Cosigner
from zkcredit.cosigner.keys import Role
from zkcredit.cosigner.server import Application
from zkcredit.cosigner.store import CosignerStore
from zkcredit.cosigner.witness import REQUEST_MAX_BYTES, Request, Witness
from zkcredit.errors import MalformedInput, StateConflict
from zkcredit.ledger import Operator, log
from zkcredit.ledger.note import Checkpoint, Ed25519Signer, Note, VerifierKey, parse_signature

SIGNER = Ed25519Signer("example.com/witness", bytes(32), cosigner=True)
LOG = Ed25519Signer("example.com/log", bytes(range(32)))
LEAVES = [log.leaf_hash(bytes((i,))) for i in range(8)]


def witness_of(store: CosignerStore, *keys: VerifierKey) -> Witness:
    logs = {keys[0].name: keys}
    return Witness(store, "witness", logs, lambda _note, _head: [SIGNER], lambda: NOW_S * 1000)


def tree(size: int) -> log.Frontier:
    frontier = log.Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf)
    return frontier


def node(level: int, number: int) -> bytes:
    frontier = log.Frontier()
    for leaf in LEAVES[number << level : (number + 1) << level]:
        frontier.append(leaf)
    return frontier.root()


def request(old: int, size: int, **changes: object) -> bytes:
    """A request of the toy log; ``root`` and ``proof`` may be given."""
    root = changes.get("root", tree(size).root())
    assert isinstance(root, bytes)
    head = Checkpoint(LOG.public.name, size, root)
    note = Note(head.text(), ()).signed_by(LOG, time_s=NOW_S)
    proof = changes.get("proof")
    if proof is None:
        proof = log.consistency_proof(node, old, size) if old <= size else ()
    return Request(old, tuple(proof), note, head).encode()  # type: ignore[arg-type]


def test_published_requests_and_statuses() -> None:
    """All nine, in order, with the state carried over; unknown logs get 404 as in v1.0.0."""
    vectors = load("c2sp/witness/add-checkpoint.json")
    witness = witness_of(CosignerStore.create(None, b""), VerifierKey.decode(vectors["log_vkey"]))
    assert len(vectors["steps"]) == 9
    for step in vectors["steps"]:
        data = step["request"].encode()
        answer = witness.add_checkpoint(data)
        assert answer.status == step["spec_v1_status"], answer.body
        if answer.status == 200:
            line = parse_signature(answer.body.decode().removesuffix("\n"))
            note = Request.decode(data).note
            assert Request.decode(data).encode() == data
            assert Note(note.text, (line,)).times(SIGNER.public) == [NOW_S]
        elif answer.status == 409:
            assert f'body == "{answer.body.decode().strip()}\\n"' in step["asserts"]
            assert answer.content_type == "text/x.tlog.size"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request(5, 3), 400),
        (request(4, 5), 409),
        (request(3, 3, root=tree(4).root()), 422),
        (request(3, 5, proof=()), 422),
        (request(3, 5, root=tree(6).root()), 422),
        (request(3, 3, proof=(bytes(32),)), 422),
        (request(3, 3), 200),
        (request(3, 8), 200),
        (b"", 400),
        (b"old 3\n", 400),
        (b"old 03" + request(3, 5)[5:], 400),
        (b"new 3" + request(3, 5)[5:], 400),
        (request(3, 5, proof=(bytes(31),)), 400),
        (request(3, 5, proof=(bytes(32),) * 64), 400),
        (request(3, 5).replace(b"\n5\n", b"\n%d\n" % (1 << 63)), 400),
        (request(3, 5) + b"\xff", 400),
        (request(3, 5) + b" " * REQUEST_MAX_BYTES, 400),
        (request(3, 5).replace(b"example.com/log", b"example.com/xyz"), 404),
        (request(3, 5).replace(b"\n5\n", b"\n6\n"), 403),
    ],
)
def test_statuses(data: bytes, status: int) -> None:
    store = CosignerStore.create(None, b"")
    witness = witness_of(store, LOG.public)
    assert witness.add_checkpoint(request(0, 3)).status == 200
    assert witness.add_checkpoint(data).status == status
    size = store.head("witness", LOG.public.name).size
    assert size == (8 if (status, data) == (200, request(3, 8)) else 3)


@given(st.one_of(st.binary(), st.data()))
def test_any_bytes_are_answered(found: bytes | st.DataObject) -> None:
    """Random bytes, and good requests with bytes changed: never an error of the program."""
    store = CosignerStore.create(None, b"")
    witness = witness_of(store, LOG.public)
    assert witness.add_checkpoint(request(0, 3)).status == 200
    if isinstance(found, bytes):
        assert witness.add_checkpoint(found).status == 400
        return
    data = bytearray(request(3, 5))
    for _ in range(found.draw(st.integers(1, 3))):
        data[found.draw(st.integers(0, len(data) - 1))] ^= found.draw(st.integers(1, 255))
    answer = witness.add_checkpoint(bytes(data))
    assert answer.status in (200, 400, 403, 404, 409, 422)
    signed = store.head("witness", LOG.public.name)
    assert signed.size == (5 if answer.status == 200 else 3)
    assert signed.root == tree(signed.size).root()


def test_the_empty_tree() -> None:
    witness = witness_of(CosignerStore.create(None, b""), LOG.public)
    assert witness.add_checkpoint(request(0, 0, root=bytes(32))).status == 422
    assert witness.add_checkpoint(request(0, 0)).status == 200
    assert witness.add_checkpoint(request(0, 2, proof=(bytes(32),))).status == 422
    assert witness.add_checkpoint(request(0, 2)).status == 200


def test_all_keys_of_the_log_must_have_signed() -> None:
    second = Ed25519Signer(LOG.public.name, bytes(32))
    witness = witness_of(CosignerStore.create(None, b""), LOG.public, second.public)
    assert witness.add_checkpoint(request(0, 3)).status == 403


def test_nothing_is_remembered_if_signing_is_refused() -> None:
    def prepare(_note: Note, _head: Checkpoint) -> list[Ed25519Signer]:
        raise StateConflict("not now")

    store = CosignerStore.create(None, b"")
    witness = Witness(store, "witness", {LOG.public.name: (LOG.public,)}, prepare)
    assert witness.add_checkpoint(request(0, 3)).status == 422
    assert store.head("witness", LOG.public.name).size == 0


def test_heads_only_grow() -> None:
    store = CosignerStore.create(None, b"")
    with store.write():
        store.advance_head("rules", Checkpoint("log", 5, bytes(32)))
        store.advance_head("rules", Checkpoint("log", 5, bytes(32)))
        store.advance_head("witness", Checkpoint("log", 3, bytes(32)))
    for head in (Checkpoint("log", 4, bytes(32)), Checkpoint("log", 5, b"\1" * 32)):
        with pytest.raises(StateConflict), store.write():
            store.advance_head("rules", head)
    assert store.head("rules", "log") == Checkpoint("log", 5, bytes(32))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    stub_engine(monkeypatch)
    with Operator.create(tmp_path / "ledger", clock=Clock()) as ledger:
        yield World(ledger, Clock())


@pytest.fixture
def cosigner(world: World, tmp_path: Path) -> Iterator[Cosigner]:
    with cosigner_of(world.ledger, tmp_path / "cosigner") as cosigner:
        yield cosigner


def call(cosigner: Cosigner, method: str, path: str, **options: Any) -> httpx.Response:
    """One request to the application, without a network."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=Application(cosigner))
        async with httpx.AsyncClient(
            transport=transport, base_url="https://bank-a.example"
        ) as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def test_over_http(world: World, cosigner: Cosigner, tmp_path: Path) -> None:
    place = f"/{hashlib.sha256(world.ledger.genesis.origin.encode()).hexdigest()}/checkpoint"
    assert call(cosigner, "GET", place).status_code == 404
    source = publish(world.ledger, tmp_path / "public")
    note = Note.decode(source.published_checkpoint)
    body = Request(0, (), note, Checkpoint.parse(note.text)).encode()
    answer = call(cosigner, "POST", "/add-checkpoint", content=body)
    assert answer.status_code == 200
    cosigned = Note.decode(note.encode() + answer.text)
    assert cosigned.times(cosigner.keys.public(Role.WITNESS)[0]) == [NOW_S]
    assert call(cosigner, "GET", place).text == cosigned.encode()
    again = call(cosigner, "POST", "/add-checkpoint", content=body)
    assert (again.status_code, again.text) == (409, f"{world.ledger.size}\n")
    assert again.headers["content-type"] == "text/x.tlog.size"
    too_long = call(cosigner, "POST", "/add-checkpoint", content=bytes(REQUEST_MAX_BYTES + 1))
    assert too_long.status_code == 413
    assert call(cosigner, "GET", "/add-checkpoint").status_code == 405
    keys = call(cosigner, "GET", "/keys").json()
    assert [VerifierKey.decode(item["key"]) for item in keys[:2]] == list(
        cosigner.keys.public(Role.RULES)
    )
    assert call(cosigner, "GET", "/voids").json() == []
    for start in ("-1", "x", "1" * 30):
        assert call(cosigner, "GET", "/voids", params={"start": start}).status_code == 400


def test_requests_are_strict() -> None:
    with pytest.raises(MalformedInput, match="not text"):
        Request.decode(b"\xff")
    with pytest.raises(MalformedInput, match="too long"):
        Request.decode(bytes(REQUEST_MAX_BYTES + 1))
