"""A ledger behind a URL for the roles: everything they do, and what they do not believe."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kit import PLAIN, Clock, World, seed
from servicekit import Running, serving

from zkcredit._native import BlsKey
from zkcredit.entries import MerchantStatement, SpendStatement, Submission
from zkcredit.errors import (
    CallerError,
    CheckFailed,
    MalformedInput,
    Refused,
    StateConflict,
    StoreError,
)
from zkcredit.ledger import Operator
from zkcredit.ledger.finality import VOID, finality
from zkcredit.ledger.store import Changes, Store
from zkcredit.lender import Lender
from zkcredit.merchant import Merchant
from zkcredit.remote import RemoteLedger, split_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Operator.create(tmp_path / "ledger", origin="test.example/log").close()
    return tmp_path / "ledger"


@pytest.fixture
def running(folder: Path) -> Iterator[Running]:
    with serving(folder) as found:
        yield found


@pytest.fixture
def ledger(running: Running, tmp_path: Path) -> Iterator[RemoteLedger]:
    with RemoteLedger.open(running.url, tmp_path / "cache.db") as found:
        yield found


def world_on(ledger: Any) -> World:
    """The world of the roles' tests on a ledger that is there already."""
    world = object.__new__(World)
    clock = Clock(time.time_ns() // 1_000_000)
    lender = Lender.create(None, seed("lender"), "Bank", clock=clock)
    world.terms, world.clock, world.merchants = PLAIN, clock, []
    world.ledger, world.lender, world.path, world.shops = ledger, lender, None, 1
    lender.register(ledger)
    ledger.sign_as(lender.request_signer)
    world.issuer_id = lender.issuer_id
    world.terms_hash = lender.publish_terms(ledger, PLAIN)
    lender.open_period(ledger, world.terms_hash)
    world.add_merchant("Shop 0")
    return world


@pytest.fixture
def world(ledger: RemoteLedger) -> Iterator[World]:
    found = world_on(ledger)
    yield found
    found.lender.close()


def test_the_life_of_a_line_over_http(world: World, ledger: RemoteLedger) -> None:
    wallet = world.holder("ann")
    paid = [world.pay(wallet, amount).index for amount in (1_000, 250)]
    assert [sale.claim_index for sale in world.merchant.check(ledger)] == paid
    first, second = (world.spend(wallet, amount) for amount in (100, 200))
    ledger.submit(first)
    with pytest.raises(Refused, match="already-spent"):
        ledger.submit(second)
    world.lender.sign_pending(ledger)
    with pytest.raises(Refused, match="already-spent"):
        wallet.pay(ledger, 1, world.invoice(5))
    (order,) = world.settle()
    assert order.sum_minor == 1_250
    assert world.wallet("ann").restore(ledger).restored == 1
    report = world.audit()
    assert (report.size, report.claims_settled) == (ledger.size, 2)
    everything = [ledger.evidence(index) for index in range(ledger.size)]
    assert ledger.evidence_of(range(ledger.size)) == everything
    assert ledger.evidence_of([paid[1], 0, paid[1]]) == [
        everything[index] for index in (paid[1], 0, paid[1])
    ]
    with pytest.raises(CallerError, match=f"no evidence of an entry {ledger.size}"):
        ledger.evidence_of([0, ledger.size])
    assert ledger.owed(world.clock()) == []


def test_a_wallet_looks_up_nothing_at_the_operator(
    world: World, ledger: RemoteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = world.holder("ann")
    world.pay(wallet, 1_000)
    sent: list[str] = []
    plain = httpx.Client.send

    def send(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        sent.append(f"{request.url} {request.content.hex()} {dict(request.headers)}")
        return plain(self, request, **options)

    monkeypatch.setattr(httpx.Client, "send", send)
    restored = world.wallet("ann")
    restored.restore(ledger)
    restored.receive(ledger)
    own = [
        entry.statement
        for _, entry in ledger.entries()
        if isinstance(entry.statement, SpendStatement)
    ]
    assert own
    assert sent, "something was asked for"
    for line in sent:
        assert "POST" not in line
        assert not any(s.nullifier.hex() in line or s.payee.hex() in line for s in own)
        paths = ("/checkpoint", "/genesis", "/tile/", "/evidence/", "/reply/")
        assert any(path in line for path in paths), line


def test_what_was_verified_is_kept(
    world: World, ledger: RemoteLedger, running: Running, tmp_path: Path
) -> None:
    world.pay(world.holder("ann"), 1_000)
    size = ledger.size
    ledger.close()
    before = len(running.log)
    with RemoteLedger.open(running.url, tmp_path / "cache.db") as again:
        assert again.size == size
    routes = [line.get("route", "") for line in running.log[before:]]
    assert not any(route.startswith(("/tile", "/evidence")) for route in routes)


def test_another_ledger_in_its_place(
    ledger: RemoteLedger, running: Running, tmp_path: Path
) -> None:
    cache, port = tmp_path / "cache.db", int(running.url.rsplit(":", 1)[1])
    known = ledger.ledger_id
    with RemoteLedger.open(f"{running.url}/#{known.hex()}"):
        pass
    with pytest.raises(CheckFailed, match="another ledger"):
        RemoteLedger.open(f"{running.url}#{'00' * 32}")
    running.stop()
    with pytest.raises(StoreError):
        RemoteLedger.open(running.url)
    Operator.create(tmp_path / "other").close()
    with serving(tmp_path / "other", port=port) as other:
        with pytest.raises(CheckFailed, match="other-ledger"):
            RemoteLedger.open(other.url, ledger_id=known)
        with pytest.raises(StateConflict, match="another ledger"):
            RemoteLedger.open(other.url, cache)
        with pytest.raises(CheckFailed, match="other-ledger"):
            ledger.sync()


def register(ledger: Any, name: str) -> Merchant:
    merchant = Merchant.from_seed(seed(name), name)
    merchant.register(ledger)
    return merchant


def test_a_log_that_was_rolled_back_or_forked(
    folder: Path, tmp_path: Path, running: Running, ledger: RemoteLedger
) -> None:
    port = int(running.url.rsplit(":", 1)[1])
    register(ledger, "one")
    running.stop()
    shutil.copytree(folder, tmp_path / "backup")
    with serving(folder, port=port):
        register(ledger, "two")
        size, root = ledger.size, ledger.root()
    with serving(tmp_path / "backup", port=port) as forked:
        with pytest.raises(CheckFailed) as rolled_back:
            ledger.sync()
        assert rolled_back.value.check == "rolled-back"
        with Operator.open(tmp_path / "backup") as operator:
            register(operator, "three")
            with pytest.raises(CheckFailed) as fork:
                ledger.sync()
            register(operator, "four")
        assert fork.value.check == "fork"
        forked.http.get("/checkpoint")
        with pytest.raises(CheckFailed):
            ledger.sync()
    ledger._polled = float("inf")
    assert (ledger.size, ledger.root()) == (size, root), "what was verified stays"


def test_a_receipt_for_another_entry(
    world: World, ledger: RemoteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = world.holder("ann")
    plain = ledger._client.post

    def lie(*arguments: Any, **options: Any) -> Any:
        body = plain(*arguments, **options)
        return type(body)(
            index=body.index - 1,
            timestamp_ms=ledger.entry(body.index - 1).timestamp_ms,
            statement_hash=body.statement_hash,
            duplicate=False,
        )

    monkeypatch.setattr(ledger._client, "post", lie)
    with pytest.raises(CheckFailed, match="holds something else"):
        wallet.pay(ledger, 1, world.invoice(10))


def test_attachments_and_a_damaged_attachment(
    world: World, ledger: RemoteLedger, folder: Path
) -> None:
    from zkcredit.hashing import blake3

    with pytest.raises(Refused, match="unknown-attachment"):
        ledger.attach(b"a file that nothing names")
    data = b"a list"
    (folder / "published/attachments").mkdir()
    place = folder / "published/attachments" / blake3(data).hex()
    place.write_bytes(data)
    assert ledger.attachment(blake3(data)) == data
    place.write_bytes(b"another")
    with pytest.raises(MalformedInput, match="not the one of this name"):
        ledger.attachment(blake3(data))
    assert ledger.attachment(bytes(32)) is None


def test_a_merchant_may_sign_its_settlements(
    world: World, ledger: RemoteLedger, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.pay(world.holder("ann"), 1_000)
    names: list[bool] = []
    plain = httpx.Client.send

    def send(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        if request.url.path == "/v1/entries":
            names.append(world.merchant.merchant_id.hex() in str(request.headers))
        return plain(self, request, **options)

    monkeypatch.setattr(httpx.Client, "send", send)
    with RemoteLedger.open(running.url) as own:
        (opening,) = world.merchant.settle(own, "IBAN 1", force=True)
        assert names == [False], "unless asked to, nothing says whose settlement it is"
        world.pay(world.holder("bob"), 500)
        own.sign_as(world.merchant.request_signer, submissions=True)
        names.clear()
        own.sync()
        (opening,) = world.merchant.settle(own, "IBAN 1", force=True)
    assert names[-1]
    ledger.sync()
    assert world.lender.settlement(world.ledger, opening).sum_minor == 500


def test_an_operator_that_slips_in_an_entry(
    world: World, ledger: RemoteLedger, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry with a bad proof is in the tree and counts for nothing."""
    wallet = world.holder("ann")
    spend = world.spend(wallet, 100)
    forged = dataclasses.replace(spend, evidence=spend.evidence[:-1] + b"\0\0")
    with Operator.open(folder) as operator:
        monkeypatch.setattr(operator, "_verify", lambda _: None)
        receipt = operator.submit(forged)
    ledger.sync()
    assert ledger.size > receipt.index
    assert isinstance(spend.statement, SpendStatement)
    assert ledger.find_nullifier(world.issuer_id, spend.statement.nullifier) is None


def test_a_service_that_lets_in_what_is_void(
    world: World, ledger: RemoteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever submitted it is told, and no merchant takes it for a payment."""
    wallet = world.holder("ann")
    spend = world.spend(wallet, 100)
    forged = dataclasses.replace(spend, evidence=spend.evidence[:-1] + b"\0\0")
    monkeypatch.setattr(Operator, "_verify", lambda *_: None)
    with pytest.raises(CheckFailed) as failure:
        ledger.submit(forged)
    assert failure.value.check == "void"
    index = ledger.size - 1
    assert ledger.is_void(index)
    assert index not in [i for i, _ in ledger.entries()]
    assert world.merchant.check(ledger) == []
    assert finality(ledger, None).state(index) == VOID
    assert world.lender.sign_pending(ledger).signed == 0


def test_a_light_client(
    world: World, ledger: RemoteLedger, running: Running, folder: Path, monkeypatch: Any
) -> None:
    """It believes proofs and nothing else, and needs no evidence but of registrations."""
    wallet = world.holder("ann")
    spend, twice = world.spend(wallet, 100), world.spend(wallet, 200)
    forged = dataclasses.replace(spend, evidence=spend.evidence[:-1] + b"\0\0")
    with Operator.open(folder) as operator:
        monkeypatch.setattr(operator, "_verify", lambda _: None)
        receipt = operator.submit(forged)
        monkeypatch.setattr("zkcredit.ledger.rules.check", lambda *_: None)
        monkeypatch.setattr("zkcredit.ledger.store.Store.insert", _without_unique(Store.insert))
        second = operator.submit(twice)
        statement = MerchantStatement(BlsKey.derive(seed("rogue"), b"x").public_key, "Rogue")
        rogue = operator.submit(Submission(statement, bytes(192)))
    monkeypatch.undo()
    with RemoteLedger.open(running.url, light=True) as light:
        assert light.size == rogue.index + 1 == second.index + 2
        assert isinstance(spend.statement, SpendStatement)
        found = light.find_nullifier(world.issuer_id, spend.statement.nullifier)
        assert found == receipt.index, "a proof is believed, a double spend is not"
        assert [party.name for party in light.registry.merchants.values()] == ["Shop 0"]
        assert light.evidence(3) == ledger.evidence(3)


def _without_unique(plain: Any) -> Any:
    """An insertion that adds entries and evidence, and nothing to the indexes."""

    def insert(self: Any, changes: Any) -> None:
        keep = {"entries": changes.entries, "evidence": changes.evidence, "tiles": changes.tiles}
        plain(self, Changes(**keep))

    return insert


def test_a_service_that_comes_back(
    folder: Path, running: Running, ledger: RemoteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call in flight while the service restarts is repeated and lands once."""
    register(ledger, "one")
    answers = iter([httpx.ConnectError("down"), httpx.ReadError("cut")])
    plain = httpx.Client.send

    def send(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        answer = plain(self, request, **options)
        error = next(answers, None) if request.method == "POST" else None
        if error is not None:
            raise error
        return answer

    monkeypatch.setattr(httpx.Client, "send", send)
    register(ledger, "two")
    assert ledger.size == 2


@pytest.mark.parametrize(
    "place", ["http://ledger.example", "ftp://x", "https://", "https://x#12", "http://127.0.0.1#zz"]
)
def test_addresses_that_are_refused(place: str) -> None:
    with pytest.raises(CallerError):
        split_url(place)
