"""Submitting over HTTP: answers, repetition, races, problems, limits."""

from __future__ import annotations

import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from ledgerkit import World, bls_key, tag
from servicekit import Running, raw, serving

from zkcredit.entries import Entry, MerchantStatement, Submission
from zkcredit.ledger.note import Checkpoint
from zkcredit.ledger.tlogproof import TlogProof
from zkcredit.service import server, wire
from zkcredit.service.context import Settings
from zkcredit.service.problems import KINDS


def check_problem(answer: httpx.Response, name: str, rule: str = "") -> None:
    """The answer is a problem of this kind, complete and consistent."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"] == f"urn:zkcredit:problem:{name}", body
    assert (answer.status_code, body["status"]) == (KINDS[name].status,) * 2
    assert (body["title"], body.get("rule", "")) == (KINDS[name].title, rule)
    assert body["instance"] == "urn:zkcredit:request:" + answer.headers["x-request-id"]
    assert ("retry-after" in answer.headers) == (KINDS[name].retry_after_s is not None)


def test_one_purchase_from_submission_to_receipt(world: World, running: Running) -> None:
    spend = world.prove(world.spend("a"))
    answer = running.submit(spend)
    assert answer.status_code == 201
    assert answer.headers["location"] == "/v1/entries/3"
    accepted = answer.json()
    assert (accepted["index"], accepted["duplicate"]) == (3, False)
    again = running.submit(spend)
    assert again.status_code == 200
    assert again.json() == accepted | {"duplicate": True}
    head = Checkpoint.open(running.http.get("/checkpoint").text, *world.ledger.verifier_keys)
    assert head.size == 4, "whoever was answered finds the entry under the checkpoint"
    encoded = running.http.get("/v1/entries/3").content
    assert Entry.decode(encoded).statement == spend.statement
    proof = TlogProof.decode(running.http.get("/v1/entries/3/receipt").text)
    entry, _ = proof.verify(*world.ledger.verifier_keys)
    assert (proof.index, entry.encode()) == (3, encoded)


def test_a_batch_answers_each_in_order(world: World, running: Running) -> None:
    batch = [world.prove(world.spend(i)) for i in range(600)]
    bad = Submission(batch[300].statement, b"\1" * len(batch[300].evidence), batch[300].memo)
    spent = world.prove(world.spend("other", nullifier=tag(("nullifier", 7))))
    results = running.submit_many([*batch[:300], bad, *batch[301:], spent]).json()["results"]
    indexes = [one["accepted"]["index"] for one in results if one["accepted"]]
    assert sorted(indexes) == list(range(3, 602))
    assert results[300]["problem"]["type"].endswith(":bad-proof")
    assert results[600]["problem"]["rule"] == "already-spent"


def test_a_batch_may_need_its_own_registrations(world: World, running: Running) -> None:
    parties = [world.merchant(f"shop {i}") for i in range(3)]
    results = running.submit_many([*parties, world.prove(world.spend("a"))]).json()["results"]
    assert [one["accepted"]["index"] for one in results] == [3, 4, 5, 6]


def test_keys_of_requests(world: World, running: Running, folder: Path) -> None:
    first, second = (world.prove(world.spend(name)) for name in "ab")
    check_problem(
        running.submit(first, key=None), "idempotency-key-missing", "idempotency-key-missing"
    )
    for bad in ("bare", '""', '"a', f'"{"x" * 256}"', '"ä"'):
        sent = {"Content-Type": wire.SUBMISSION, "Idempotency-Key": bad.encode()}
        answer = running.http.post("/v1/entries", content=first.encode(), headers=sent)
        check_problem(answer, "malformed")
    assert running.submit(first, "mine").status_code == 201
    assert running.submit(first, "mine").status_code == 200
    check_problem(
        running.submit(second, "mine"), "idempotency-key-reused", "idempotency-key-reused"
    )
    assert running.submit_many([second], "mine").status_code == 200, "a key counts for its path"
    size = world.ledger.size
    running.stop()
    with serving(folder) as later:
        answer = later.submit(world.prove(world.spend("c")), "mine")
        check_problem(answer, "idempotency-key-reused", "idempotency-key-reused")
    assert world.ledger.size == size


def test_a_refused_request_leaves_its_key_free(world: World, running: Running) -> None:
    spend = world.prove(world.spend("a"))
    bad = Submission(spend.statement, b"\1" * len(spend.evidence), spend.memo)
    check_problem(running.submit(bad, "mine"), "bad-proof", "bad-proof")
    assert running.submit(spend, "mine").status_code == 201


def test_two_requests_with_one_key_at_once(
    world: World, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    spend = world.prove(world.spend("a"))
    started, go_on = threading.Event(), threading.Event()
    ledger = running.service.context.ledger
    plain = ledger.submit_many

    def slowly(*arguments: Any) -> Any:
        started.set()
        assert go_on.wait(20)
        return plain(*arguments)

    monkeypatch.setattr(ledger, "submit_many", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(running.submit, spend, "same")
        assert started.wait(20)
        second = running.submit(spend, "same")
        go_on.set()
        check_problem(second, "idempotency-key-in-use", "idempotency-key-in-use")
        assert first.result().status_code == 201
    assert running.submit(spend, "same").status_code == 200


def test_a_race_of_one_key(world: World, running: Running) -> None:
    spends = [world.prove(world.spend(i)) for i in range(2)]

    def send(number: int) -> httpx.Response:
        return running.submit(spends[number % 2], "same")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(64)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 201, 409, 422}
    assert [answer.status_code for answer in answers].count(201) == 1
    for answer in answers:
        if answer.status_code == 409:
            check_problem(answer, "idempotency-key-in-use", "idempotency-key-in-use")
    assert world.ledger.size == 4, "one request, one entry"


def test_one_token_spent_32_times_at_once(world: World, running: Running) -> None:
    nullifier = tag("token")
    spends = [world.prove(world.spend(i, nullifier=nullifier)) for i in range(32)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(running.submit, spends))
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 31
    for answer in answers:
        if answer.status_code == 422:
            check_problem(answer, "refused", "already-spent")


def test_contents_that_are_no_submission(world: World, running: Running) -> None:
    good = world.prove(world.spend("a")).encode()
    for content in (b"", b"\0", good[:-1], good + b"\0", secrets.token_bytes(500), b"{}"):
        check_problem(running.post("/v1/entries", content, wire.SUBMISSION), "malformed")
        check_problem(running.post("/v1/batches", content[1:], wire.BATCH), "malformed")
    many = wire.encode_batch([world.prove(world.spend("a"))] * 1_025)
    check_problem(running.post("/v1/batches", many, wire.BATCH), "malformed")
    check_problem(running.post("/v1/entries", good, "text/plain"), "media-type", "media-type")
    check_problem(running.post("/v1/keys", b'{"party": 1}', wire.JSON), "malformed")
    deep = b"[" * 100_000
    check_problem(running.post("/v1/keys", deep[:4_000], wire.JSON), "malformed")
    assert world.ledger.size == 3


def test_contents_that_are_too_large(running: Running) -> None:
    limit = (1 << 20) + (128 << 10)
    head = (
        f"POST /v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: {wire.SUBMISSION}\r\n"
        'Idempotency-Key: "k"\r\n'
    )
    announced = raw(running.url, f"{head}Content-Length: {limit + 1}\r\n\r\n".encode())
    assert announced.startswith(b"HTTP/1.1 413"), "refused before it is sent"
    chunk = b"10000\r\n" + b"\0" * 65_536 + b"\r\n"
    sent = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk * (limit // 65_536 + 1)
    assert raw(running.url, sent).startswith(b"HTTP/1.1 413")
    assert running.http.get("/healthz").status_code == 200


def test_paths_and_methods_that_do_not_exist(running: Running) -> None:
    paths = [
        "/",
        "/v2/entries",
        "/v1/entries/",
        "/v1/entries/99",
        "/v1/entries/-1",
        "/v1/entries/007",
        "/operator.key",
        "/tile/0/../../operator.key",
        "/tile/0/..%2f..%2foperator.key",
        "/tile/9/000",
        "/tile/0/00",
        "/evidence/999",
        "/attachments/xyz",
        "/v1/buckets/owners",
    ]
    for path in [*paths, f"/v1/issuers/{'0' * 64}/unanswered"]:
        answer = running.http.get(path)
        found = answer.json()
        assert (answer.status_code, found["type"]) == (404, "urn:zkcredit:problem:not-found"), path
    answer = running.http.delete("/v1/entries")
    check_problem(answer, "method-not-allowed")
    assert answer.headers["allow"] == "POST"
    assert running.http.head("/checkpoint").status_code == 200


def test_a_request_id_is_kept_or_made(running: Running) -> None:
    named = {"X-Request-Id": "trace-0123456789"}
    assert (
        running.http.get("/healthz", headers=named).headers["x-request-id"] == named["X-Request-Id"]
    )
    for bad in ("short", "x" * 65, 'quote"quote"quote', "with space inside"):
        made = running.http.get("/healthz", headers={"X-Request-Id": bad}).headers["x-request-id"]
        assert made != bad
        assert len(made) == 24


def test_slow_bodies(world: World, folder: Path) -> None:
    with serving(folder, Settings(rate=0, body_timeout_s=0.5)) as running:
        head = (
            f"POST /v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: {wire.SUBMISSION}\r\n"
            'Idempotency-Key: "k"\r\nContent-Length: 1000\r\n\r\n'
        )
        started = time.monotonic()
        answer = raw(running.url, head.encode() + b"\1")
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"urn:zkcredit:problem:too-slow" in answer
        assert 0.4 < time.monotonic() - started < 5
        assert running.submit(world.prove(world.spend("a"))).status_code == 201


def test_slow_heads(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEAD_TIMEOUT_S", 0.5)
    for sent in (b"", b"GET /healthz HTTP/1.1\r\nHost:"):
        started = time.monotonic()
        assert raw(running.url, sent) == b""
        assert 0.4 < time.monotonic() - started < 5
    assert running.http.get("/healthz").status_code == 200


def test_too_many_requests(world: World, folder: Path) -> None:
    with serving(folder, Settings(rate=0.5, burst=20)) as running:
        batch = [world.prove(world.spend(i)) for i in range(21)]
        check_problem(running.submit_many(batch), "rate-limited", "rate-limited")
        answers = [running.http.get("/genesis") for _ in range(30)]
        limited = [answer for answer in answers if answer.status_code == 429]
        assert 10 <= len(limited) <= 12
        check_problem(limited[0], "rate-limited", "rate-limited")
        assert running.http.get("/healthz").status_code == 200, "watching is not limited"


def test_a_full_queue(world: World, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkcredit.service.pipeline.OUTSTANDING_MAX", 8)
    batch = [world.prove(world.spend(i)) for i in range(9)]
    check_problem(running.submit_many(batch), "overloaded", "overloaded")
    assert running.submit_many(batch[:8]).status_code == 200
    assert running.http.get("/readyz").json() == {"status": "ok"}
    monkeypatch.setattr("zkcredit.service.pipeline.OUTSTANDING_MAX", 0)
    assert running.http.get("/readyz").status_code == 503


def test_the_operator_may_register_parties_itself(world: World, folder: Path) -> None:
    with serving(folder, Settings(rate=0, closed=True)) as running:
        answer = running.submit(world.merchant("shop"))
        check_problem(answer, "registration-closed", "registration-closed")
        assert running.submit(world.prove(world.spend("a"))).status_code == 201
    statement = MerchantStatement(bls_key("shop").public_key, "shop")
    world.ledger.submit(world.registration(statement, bls_key("shop")))


def test_logs_and_figures_name_nobody(world: World, running: Running) -> None:
    spend = world.spend("a")
    index = running.submit(world.prove(spend), "a-telling-key").json()["index"]
    running.http.get(f"/v1/issuers/{world.issuer_id.hex()}/unanswered")
    running.http.get(f"/v1/entries/{index}/receipt")
    figures = running.http.get("/metrics").text
    assert 'zkcredit_submissions_total{outcome="accepted"} 1.0' in figures
    assert 'zkcredit_requests_total{route="/v1/entries",status="201"} 1.0' in figures
    lines = [line for line in running.log if line["event"] == "request"]
    assert {line["route"] for line in lines} >= {"/v1/entries", "/v1/entries/{index}/receipt"}
    written = running.stream.getvalue() + figures
    for secret in (world.issuer_id.hex(), spend.nullifier.hex(), "127.0.0.1", "a-telling-key",
                   f"/{index}"):  # fmt: skip
        assert secret not in written
    assert all(set(line) <= {"time", "event", "request", "method", "route", "status", "ms"}
               for line in lines)  # fmt: skip
