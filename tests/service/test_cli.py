"""Processes: a ledger served by one, lender, holder and merchant in others; signals."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clikit import background, spawn

from zkcredit.ledger import Operator
from zkcredit.service.openapi import document_bytes


@contextmanager
def serve(place: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    arguments = ("--home", "op", "--ledger", "ledger", "serve", "--port", "0", "--json", *options)
    with background(place, *arguments) as (process, found):
        yield process, found["url"]


def do(place: Path, who: str, url: str, *arguments: str) -> Any:
    result = spawn("--home", who, "--ledger", url, *arguments, "--json", cwd=place)
    assert result.code == 0, (arguments, result)
    return result.json


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_purchase_over_http(tmp_path: Path) -> None:
    do(tmp_path, "op", "ledger", "ledger", "init", "--origin", "test.example/credit")
    with serve(tmp_path) as (service, url):
        do(tmp_path, "bank", url, "lender", "init", "Bank")
        do(tmp_path, "bank", url, "lender", "terms", "--currency", "TWD", "--merchant-fee", "1%")
        do(tmp_path, "bank", url, "lender", "period", "open", "1")
        do(tmp_path, "shop", url, "merchant", "new", "Corner Shop")
        do(tmp_path, "ann", url, "wallet", "new")
        do(tmp_path, "ann", url, "wallet", "open", "-o", "request.json")
        grant = ("--limit", "500.00 TWD", "--customer", "Ann")
        do(tmp_path, "bank", url, "lender", "grant", "request.json", *grant)
        do(tmp_path, "ann", url, "wallet", "receive")
        with background(
            tmp_path, "--home", "bank", "--ledger", url, "lender", "serve", "--interval", "0.2",
            "--json",
        ) as (lender, _):  # fmt: skip
            invoice = ("12.50 TWD", "--label", "coffee", "-o", "invoice.json")
            do(tmp_path, "shop", url, "merchant", "invoice", *invoice)
            paid = do(tmp_path, "ann", url, "wallet", "pay", "invoice.json", "--yes")
            assert paid["index"] == 5
            deadline = time.monotonic() + 30
            while do(tmp_path, "bank-view", url, "ledger", "show", "5")["answered"] is False:
                assert time.monotonic() < deadline
            do(tmp_path, "ann", url, "wallet", "receive")
            (line,) = do(tmp_path, "ann", url, "wallet", "show")["lines"]
            assert line["available_minor"] == 48_750
            do(tmp_path, "shop", url, "merchant", "check", "invoice.json")
            settle = ("--force", "--reference", "IBAN 1", "-o", "settlement.json")
            do(tmp_path, "shop", url, "merchant", "settle", *settle)
            lender.send_signal(signal.SIGINT)
            assert lender.wait(30) == 0
        do(tmp_path, "bank", url, "lender", "payout", "settlement.json", "-o", "payout.json")
        payout = do(tmp_path, "shop", url, "merchant", "payout", "payout.json")
        assert payout
        do(tmp_path, "shop", url, "ledger", "receipt", "5", "-o", "purchase.tlog-proof")
        found = do(tmp_path, "ann", url, "ledger", "check-receipt", "purchase.tlog-proof")
        assert (found["index"], found["kind"]) == (5, "spend")
        assert do(tmp_path, "anybody", url, "audit")["size"] == 7
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    local = do(tmp_path, "op", "ledger", "audit")
    assert local["size"] == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_answers_what_was_accepted(tmp_path: Path, number: signal.Signals) -> None:
    """Clients register merchants as fast as they can while the service is told to end."""
    import httpx
    from ledgerkit import bls_key

    from zkcredit import digests
    from zkcredit.entries import MerchantStatement, Submission
    from zkcredit.service import wire

    with Operator.create(tmp_path / "ledger") as ledger:
        ledger_id = ledger.ledger_id
    accepted: dict[str, int] = {}

    def client(url: str, name: int) -> None:
        with httpx.Client(base_url=url, timeout=30) as http:
            for step in range(10_000):
                key = bls_key(f"{name} {step}")
                statement = MerchantStatement(key.public_key, f"shop {name} {step}")
                digest = digests.registration_digest(ledger_id, statement.encode())
                evidence = key.prove_possession() + key.sign(digest)
                headers = {"Content-Type": wire.SUBMISSION, "Idempotency-Key": f'"{step}-{name}"'}
                content = Submission(statement, evidence).encode()
                try:
                    answer = http.post("/v1/entries", content=content, headers=headers)
                except httpx.HTTPError:
                    return
                if answer.status_code in (200, 201):
                    accepted[answer.json()["statement_hash"]] = answer.json()["index"]

    with serve(tmp_path, "--rate", "0") as (service, url):
        threads = [threading.Thread(target=client, args=(url, name)) for name in range(4)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 30
        while len(accepted) < 40 and time.monotonic() < deadline:
            time.sleep(0.05)
        service.send_signal(number)
        assert service.wait(40) == 0
        for thread in threads:
            thread.join(30)
    assert len(accepted) >= 40
    with Operator.open(tmp_path / "ledger") as ledger:
        for statement_hash, index in accepted.items():
            assert ledger.find_statement(bytes.fromhex(statement_hash)) == index
        head = ledger.published_checkpoint
        assert head is not None
        assert int(head.splitlines()[1]) == ledger.size, "the end is published too"


def test_a_service_killed_and_started_again(tmp_path: Path) -> None:
    with Operator.create(tmp_path / "ledger"):
        pass
    for _ in range(2):
        with serve(tmp_path) as (service, url):
            assert do(tmp_path, "anybody", url, "ledger", "show")["size"] == 0
            service.kill()
            assert service.wait(10) == -signal.SIGKILL


def test_what_cannot_be_served(tmp_path: Path) -> None:
    result = spawn("--ledger", "nowhere", "serve", "--port", "0", "--json", cwd=tmp_path)
    assert (result.code, result.error["code"]) == (6, "store")
    result = spawn("--ledger", "https://x.example", "serve", "--json", cwd=tmp_path)
    assert result.code == 2
    with Operator.create(tmp_path / "ledger"):
        pass
    with serve(tmp_path) as (_, url):
        port = url.rsplit(":", 1)[1]
        again = ("--ledger", "ledger", "serve", "--json", "--port")
        assert spawn(*again, port, cwd=tmp_path).code == 6
        result = spawn(*again, "0", cwd=tmp_path)
        assert (result.code, result.error["code"]) == (5, "conflict")
        assert "Traceback" not in result.err
    result = spawn("--ledger", url, "ledger", "show", "--json", cwd=tmp_path)
    assert (result.code, result.error["code"]) == (6, "store")
    assert (tmp_path / "ledger/published/checkpoint").is_file()


def test_the_checked_in_document_is_what_is_served() -> None:
    checked_in = Path(__file__).parents[2] / "docs/openapi.json"
    assert checked_in.read_bytes() == document_bytes(), "python -m zkcredit.service.openapi"
