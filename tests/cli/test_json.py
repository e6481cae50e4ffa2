"""``--json``: one object with known keys; amounts are integers of minor units."""

from __future__ import annotations

import json

import pytest
from clikit import World, call, keys

LINE = (
    "line status ledger_id issuer_id terms_hash currency minor_digits period available_minor "
    "due_minor limit_minor balance_minor minimum_minor must_refresh pending problem "
    "statement_moment_ms"
)
SALE = (
    "number state amount_minor currency label invoice_hash not_after_ms claim_index settle_index "
    "claim_ledger_state settle_ledger_state"
)
FINALITY = "policy_hash final_size cosigned_by missing voids_possible warnings problems"
ACCOUNT = (
    "account customer state terms_hash currency limit_minor balance_minor minimum_minor "
    "arrears_minor period open_index note"
)
FILE = "file message"
AUDIT = (
    "ok ledger_id size root checkpoint_size pinned_size kinds entries_verified purchases "
    "claims_settled unanswered faults faults_count totals uncovered_claims uncovered_bills "
    "attachments_missing verify_us_per_purchase wall_s"
)


def test_every_command(opened: World) -> None:
    keys(opened, "ledger ledger_id origin verifier_keys", "z", "ledger", "init", "--ledger", "two")
    keys(opened, "name issuer_id index folder", "bank", "lender", "init", "Bank")
    keys(opened, "terms_hash terms", "bank", "lender", "terms", "--currency", "EUR")
    period = ("lender", "period", "open", "1", "--terms")
    terms = opened.get("op", "ledger", "show")["terms"]
    twd = next(item["terms_hash"] for item in terms if item["currency"] == "TWD")
    keys(opened, "terms_hash period opened", "bank", *period, twd[:12])
    keys(opened, "wallet phrase", "bob", "wallet", "new")
    keys(opened, "phrase", "bob", "wallet", "phrase")
    keys(opened, FILE, "bob", "wallet", "open", "--terms", twd[:12], "-o", "r.json")
    grant = ("lender", "grant", "r.json", "--limit", "9.00 TWD", "--customer", "Bob")
    keys(opened, ACCOUNT + " disclosed", "bank", *grant)
    received = keys(opened, "events waiting", "bob", "wallet", "receive")
    assert set(received["events"][0]) == {"line", "kind", "status", "text"}
    keys(opened, "name merchant_id index folder", "shop", "merchant", "new", "Corner Shop")
    invoice = ("merchant", "invoice", "1.00 TWD", "--label", "x", "-o", "i.json")
    keys(opened, FILE, "shop", *invoice)
    pay = ("wallet", "pay", "i.json", "--yes")
    fields = "line index amount_minor currency invoice_hash signed ledger_state finality"
    paid = keys(opened, fields, "bob", *pay)
    assert (paid["ledger_state"], set(paid["finality"])) == ("accepted", set(FINALITY.split()))
    sign = keys(opened, "signed posted refused waiting faults", "bank", "lender", "sign")
    assert sign["signed"] == 1
    found = keys(opened, "paid wrong invoice finality", "shop", "merchant", "check", "i.json")
    assert set(found["invoice"]) == set(SALE.split())
    keys(opened, "paid wrong finality", "shop", "merchant", "check")
    keys(opened, "submitted", "bob", "wallet", "submit")
    opened.do("bob", "wallet", "receive")
    history = keys(opened, "history finality", "bob", "wallet", "history")["history"]
    assert [row["ledger_state"] for row in history] == ["accepted", "accepted"]
    shown = keys(opened, "lines finality", "bob", "wallet", "show")
    assert set(shown["lines"][0]) == set(LINE.split())
    keys(opened, "closed no_shows terms_hash", "bank", *_next_and_close(opened, twd))


def _next_and_close(world: World, twd: str) -> tuple[str, ...]:
    """Bills and settles everything of period 1, then closes it."""
    world.do("bank", "lender", "period", "open", "2", "--terms", twd)
    for who, number in (("ann", 1), ("bob", 2)):
        keys(world, FILE, who, "wallet", "statement", "-o", f"{who}.json")
        payment = ("lender", "payment", str(number), "1.00 TWD", "--reference", "r")
        keys(world, ACCOUNT + " owed_minor recorded", "bank", *payment)
        keys(world, "bills refused", "bank", "lender", "statement", f"{who}.json")
        world.do(who, "wallet", "receive")
    keys(world, "bills finality", "bank", "lender", "statement")
    bills = keys(world, "bills finality", "bob", "wallet", "statement", "--show")["bills"]
    assert bills[0]["ledger_state"] == "accepted"
    settle = ("merchant", "settle", "--reference", "a", "--force", "-o", "s.json")
    keys(world, FILE, "shop", *settle)
    keys(world, FILE, "bank", "lender", "payout", "s.json", "-o", "o.json")
    world.get("shop", "merchant", "payout", "o.json")
    keys(world, "files messages", "shop", *settle)
    found = keys(world, "name merchant_id sales payouts finality", "shop", "merchant", "show")
    assert set(found["sales"][0]) == set(SALE.split())
    assert found["payouts"][0]["ledger_state"] == "accepted"
    shown = "name issuer_id accounts unanswered payouts finality"
    found = keys(world, shown, "bank", "lender", "show")
    assert set(found["accounts"][0]) == {*ACCOUNT.split(), "owed_minor", "ledger_state"}
    assert found["payouts"][0]["ledger_state"] == "accepted"
    keys(world, FILE, "bob", "wallet", "update", "-o", "u.json")
    keys(world, "updates refused", "bank", "lender", "update", "u.json")
    world.do("bob", "wallet", "receive")
    keys(world, FILE, "shop", "merchant", "totals", "-o", "st.json")
    keys(world, FILE, "bank", "lender", "totals", "-o", "bt.json")
    keys(world, "file checkpoint", "op", "ledger", "checkpoint", "-o", "c")
    keys(world, "checkpoint", "op", "ledger", "checkpoint")
    audit = ("audit", "--checkpoint", "c", "--totals", "st.json", "--totals", "bt.json")
    report = keys(world, AUDIT, "op", *audit)
    assert set(report["totals"][0]) == {"role", "issuer_id", "asset", "sum_minor", "entries"}
    keys(world, "size root checkpoints ok", "op", "ledger", "verify")
    keys(world, "ok checks", "bob", "doctor")
    world.file("w").write_text(world.get("bob", "wallet", "phrase")["phrase"])
    restore = ("wallet", "restore", "--phrase-file", "w")
    keys(world, "scanned restored must_refresh lines", "bob2", *restore)
    keys(world, "line index", "bob2", "wallet", "refresh")
    keys(world, ACCOUNT, "bank", "lender", "dispute", "2", "--reason", "x")
    keys(world, ACCOUNT, "bank", "lender", "resolve", "2")
    return ("lender", "period", "close", "1", "--terms", twd)


def test_the_ledgers_entries(bought: World) -> None:
    head = "ledger_id origin size root last_timestamp_ms overdue_replies terms issuers merchants"
    head += " finality"
    size = keys(bought, head, "op", "ledger", "show")["size"]
    entry = "index kind timestamp_ms statement entry_bytes evidence_bytes memo_bytes answered"
    entry += " ledger_state finality"
    kinds = [
        keys(bought, entry, "op", "ledger", "show", str(index))["kind"] for index in range(size)
    ]
    assert kinds == ["issuer", "terms", "period", "merchant", "open", "spend"]
    assert "spend" in bought.do("op", "ledger", "show", "5").out


def test_published_files_and_receipts(bought: World) -> None:
    place = str(bought.file("www"))
    keys(bought, "folder size root retired", "op", "ledger", "publish", place)
    report = keys(bought, AUDIT, "nobody", "audit", "--published", place)
    assert report["size"] == 6
    keys(bought, "index ledger_state file", "op", "ledger", "receipt", "5", "-o", "r.tlog-proof")
    assert keys(bought, "index ledger_state receipt", "op", "ledger", "receipt", "5")["index"] == 5
    genesis = str(bought.file("www") / "genesis")
    check = ("ledger", "check-receipt", "r.tlog-proof", "--genesis", genesis)
    found = keys(bought, "ok index kind timestamp_ms origin size ledger_state", "nobody", *check)
    assert (found["index"], found["kind"], found["size"]) == (5, "spend", 6)
    assert "Entry 5 (spend" in bought.do("op", *check[:3]).out
    assert "Published 6 entries" in bought.do("op", "ledger", "publish", place).out


def test_a_submission(opened: World) -> None:
    opened.invoice()
    pay = ("wallet", "pay", "invoice.json", "--yes", "--offline", "s.json")
    keys(opened, FILE, "ann", *pay)
    keys(opened, "index timestamp_ms duplicate statement_hash", "op", "ledger", "submit", "s.json")


def test_the_option_may_stand_anywhere(opened: World) -> None:
    places = (
        ("--json", "wallet", "show"),
        ("wallet", "--json", "show"),
        ("wallet", "show", "--json"),
    )
    outputs = {opened.do("ann", *arguments).out for arguments in places}
    assert len(outputs) == 1
    assert json.loads(outputs.pop())["lines"]


@pytest.mark.timeout(120)
def test_demo(opened: World) -> None:
    place = opened.place
    result = call("demo", "--customers", "1", "--json", "-", cwd=place)
    assert result.code == 0, result
    wanted = (
        "customers cores opened purchases_accepted purchases_over_limit over_limit_minor "
        "cancelled_minor credited_minor statements settlements charged_minor settled_minor "
        "billed_minor paid_minor outstanding_minor customers_never_refused "
        "statements_equal_to_data merchant_totals_minor clients_sha256 log_size log_root audit_ok "
        "entries_verified prove_ms_median verify_us_per_purchase wall_s"
    )
    assert set(wanted.split()) <= set(result.json)
    again = call("demo", "--customers", "1", "--json", "f.json", cwd=place)
    assert (again.code, "What just happened" in again.out) == (0, True)
    assert json.loads((place / "f.json").read_text())["clients_sha256"]
    assert call("demo", "--data", "nowhere", cwd=place).code == 6
    (place / "bad").mkdir()
    (place / "bad" / "clients.csv.gz").write_bytes(b"not gzip")
    (place / "bad" / "months.csv.gz").write_bytes(b"not gzip")
    assert call("demo", "--data", "bad", cwd=place).code in (4, 6)
    assert call("demo", "--customers", "0", cwd=place).code == 2
