"""What passes is tried again; a database that could not be synced ends its program."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from ledgerkit import World, unsynced
from servicekit import Running, serving

from zkcredit.cli.lender_serve import _rounds
from zkcredit.cosigner.following import Follower
from zkcredit.errors import MalformedInput, Refused, StateConflict, StoreError, ZkCreditError
from zkcredit.ledger import Operator
from zkcredit.lender.signing import SignReport
from zkcredit.service import wire
from zkcredit.service.app import Service
from zkcredit.service.client import Client
from zkcredit.service.problems import CONTENT_TYPE, KINDS, problem_of
from zkcredit.service.server import listen, run, server_of

# --- the service ----------------------------------------------------------------------


def test_a_failed_sync_ends_the_service(running: Running, world: World, folder: Path) -> None:
    with unsynced(running.service.context.ledger._store):
        assert running.submit(world.prove(world.refresh("a"))).status_code == 503
    running.thread.join(20)
    assert not running.thread.is_alive()
    assert isinstance(running.service.failure, StoreError)
    with serving(folder) as again:
        assert again.submit(world.prove(world.refresh("a"))).status_code == 201


def test_the_end_of_a_failed_service_is_an_error(folder: Path) -> None:
    service = Service(folder)

    def fail() -> None:
        service.context.store._failed = True

    with listen("127.0.0.1", 0) as bound, pytest.raises(StoreError, match="start the service"):
        run(service, server_of(service, on_ready=fail), bound)


# --- clients --------------------------------------------------------------------------


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("zkcredit.service.client.time.sleep", found.append)
    return found


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    @classmethod
    def of(cls, error: ZkCreditError) -> Answer:
        found = problem_of(error)
        seconds = KINDS[found.name].retry_after_s
        headers = {"Content-Type": CONTENT_TYPE}
        if seconds is not None:
            headers["Retry-After"] = str(seconds)
        return cls(found.status, headers, msgspec.json.encode(found))


def client_of(*answers: Answer) -> tuple[Client, list[httpx.Request]]:
    """A client to which these answers are given one after the other."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        found = answers[len(asked) - 1]
        stream = httpx.ByteStream(found.content)
        return httpx.Response(found.status, headers=found.headers, stream=stream)

    client = Client("http://service.example")
    client._http.close()
    client._http = httpx.Client(transport=httpx.MockTransport(answer))
    return client, asked


STORED = Answer(200, content=b'{"stored": 1}')


@pytest.mark.parametrize(
    "busy",
    [
        Answer.of(Refused("idempotency-key-in-use", "a request with this key is running")),
        Answer.of(Refused("overloaded", "too many")),
        Answer.of(Refused("rate-limited", "slowly")),
        Answer.of(StoreError("the disk is full")),
        Answer(502),
        Answer(504),
    ],
    ids=lambda answer: str(answer.status),
)
def test_a_client_asks_again_with_the_same_key(busy: Answer, pauses: list[float]) -> None:
    client, asked = client_of(busy, busy, STORED)
    assert client.post("/v1/replies", b"content", wire.REPLIES, wire.Stored).stored == 1
    keys = {request.headers["idempotency-key"] for request in asked}
    assert (len(asked), len(keys), {request.content for request in asked}) == (3, 1, {b"content"})
    assert all(pause >= float(busy.headers.get("Retry-After", 0)) for pause in pauses)
    client.close()


def test_a_client_takes_no_for_an_answer(pauses: list[float]) -> None:
    for error in (StateConflict("another reply"), Refused("already-spent", "spent")):
        client, asked = client_of(Answer.of(error))
        with pytest.raises(type(error)):
            client.post("/v1/replies", b"content", wire.REPLIES, wire.Stored)
        assert len(asked) == 1
        client.close()
    assert pauses == []


# --- those who go on for ever -----------------------------------------------------------


class Signer:
    """A lender to whom this happens, one round after the other; then it is told to stop."""

    def __init__(self, *rounds: ZkCreditError | None, failed: bool = False) -> None:
        self.failed = failed
        self.stop = threading.Event()
        self._rounds = list(rounds)

    def sign_pending(self, _: Any) -> SignReport:
        error = self._rounds.pop(0)
        if not self._rounds:
            self.stop.set()
        if error is not None:
            raise error
        return SignReport(signed=1)


WHOLE = SimpleNamespace(failed=False)


def test_a_signer_outlasts_what_passes() -> None:
    passing = (Refused(name, "later") for name in ("overloaded", "rate-limited"))
    lender = Signer(StoreError("no connection"), *passing, None)
    assert _rounds(lender, WHOLE, 0.0, lender.stop) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "lender",
    [
        Signer(StateConflict("the ledger was rolled back"), None),
        Signer(MalformedInput("not a log"), None),
        Signer(StoreError("disk I/O error"), None, failed=True),
    ],
)
def test_a_signer_ends_with_what_stays(lender: Signer) -> None:
    with pytest.raises(ZkCreditError):
        _rounds(lender, WHOLE, 0.0, lender.stop)  # type: ignore[arg-type]


def test_a_signer_ends_with_its_copy_of_the_log() -> None:
    lender = Signer(StoreError("disk I/O error"), None)
    with pytest.raises(StoreError):
        _rounds(lender, SimpleNamespace(failed=True), 0.0, lender.stop)  # type: ignore[arg-type]


def test_a_cosigner_ends_with_its_database(tmp_path: Path) -> None:
    with Operator.create(tmp_path / "ledger") as ledger:
        ledger.checkpoint()
    seen: list[ZkCreditError] = []
    mirror = SimpleNamespace(failed=False)

    def follow(*_: Any) -> None:
        mirror.failed = bool(seen)
        raise StoreError("disk I/O error")

    cosigner: Any = SimpleNamespace(mirror=mirror, follow=follow)
    place = str(tmp_path / "ledger")
    follower = Follower(cosigner, place, 0.0, lambda _: None, seen.append)
    with pytest.raises(StoreError, match="disk I/O error"):
        follower.run()
    assert len(seen) == 1
