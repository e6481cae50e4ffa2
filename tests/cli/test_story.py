"""The whole way by commands: granted, spent, paid, billed, settled, audited."""

from __future__ import annotations

import csv
import io

import pytest
from clikit import World


def test_from_purchase_to_audit(opened: World) -> None:
    for number in range(1, 6):
        opened.buy("10.00 TWD", f"invoice-{number}.json")
    states = [sale["state"] for sale in opened.get("shop", "merchant", "show")["sales"]]
    assert states == ["open"] * 5
    assert len(opened.get("shop", "merchant", "check")["paid"]) == 5

    opened.do("bank", "lender", "period", "open", "2")
    opened.do("ann", "wallet", "statement", "-o", "opening.json")
    assert opened.message("opening.json")["due_minor"] == 5000
    opened.do("bank", "lender", "payment", "1", "20.00 TWD", "--reference", "p1")
    bill = opened.get("bank", "lender", "statement", "opening.json")["bills"][0]
    assert (bill["bill_minor"], bill["payments_minor"], bill["balance_minor"]) == (5000, 2000, 3000)
    opened.do("ann", "wallet", "receive")
    line = opened.get("ann", "wallet", "show")["lines"][0]
    assert (line["available_minor"], line["balance_minor"], line["period"]) == (47_000, 3000, 2)
    assert opened.get("ann", "wallet", "statement", "--show")["bills"] == [bill]

    opened.do("shop", "merchant", "settle", "--reference", "acct 1", "-o", "settlement.json")
    order = opened.get("bank", "lender", "payout", "settlement.json", "-o", "order.json")
    assert order["message"]["net_minor"] == 5000
    opened.do("shop", "merchant", "payout", "order.json")
    opened.do("op", "ledger", "checkpoint", "-o", "checkpoint")
    opened.do("shop", "merchant", "totals", "-o", "shop.json")
    opened.do("bank", "lender", "totals", "-o", "bank.json")

    audit = (
        "audit",
        "--checkpoint",
        "checkpoint",
        "--totals",
        "shop.json",
        "--totals",
        "bank.json",
    )
    report = opened.get("auditor", *audit)
    assert report["ok"]
    assert report["purchases"] == 5
    assert (report["uncovered_claims"], report["uncovered_bills"]) == (0, 0)
    assert [total["sum_minor"] for total in report["totals"]] == [5000, 5000]
    assert report["pinned_size"] == report["size"]
    assert not opened.file("auditor").exists(), "an auditor leaves nothing behind"


def test_plan_update_credit_and_limit(opened: World) -> None:
    opened.invoice("9.00 TWD")
    opened.do("ann", "wallet", "pay", "invoice.json", "--plan", "3", "--yes")
    opened.do("bank", "lender", "sign")
    opened.do("ann", "wallet", "receive")
    assert opened.get("ann", "wallet", "show")["lines"][0]["due_minor"] == [300, 300, 300]
    opened.do("bank", "lender", "credit", "1", "5.00 TWD", "--reference", "c1")
    opened.do("bank", "lender", "limit", "1", "600.00 TWD", "--reference", "l1")
    opened.do("ann", "wallet", "update", "-o", "update.json")
    done = opened.get("bank", "lender", "update", "update.json")["updates"][0]
    assert (done["credits_minor"], done["limit_change_minor"]) == (500, 10_000)
    opened.do("ann", "wallet", "receive")
    line = opened.get("ann", "wallet", "show")["lines"][0]
    assert (line["available_minor"], line["limit_minor"]) == (50_000 - 900 + 500 + 10_000, 60_000)


def test_messages_through_pipes(opened: World) -> None:
    invoice = opened.do("shop", "merchant", "invoice", "3.00 TWD", "--label", "tea").out
    opened.do("ann", "wallet", "pay", "-", "--yes", stdin=invoice.encode())
    found = opened.get("shop", "merchant", "check", "-", stdin=invoice.encode())
    assert found["invoice"]["state"] == "paid"


def test_history_and_bills_as_csv(bought: World) -> None:
    bought.do("bank", "lender", "period", "open", "2")
    bought.do("ann", "wallet", "statement", "-o", "opening.json")
    bought.do("bank", "lender", "statement", "opening.json")
    bought.do("ann", "wallet", "receive")
    rows = list(csv.DictReader(io.StringIO(bought.do("ann", "wallet", "history", "--csv").out)))
    assert [row["step"] for row in rows] == ["open", "spend", "statement"]
    assert (rows[1]["amount"], rows[1]["currency"]) == ("12.50", "TWD")
    for who, command in (("ann", "wallet"), ("bank", "lender")):
        bills = list(csv.DictReader(io.StringIO(bought.do(who, command, "statement", "--csv").out)))
        assert [(bill["bill"], bill["balance"]) for bill in bills] == [("12.50", "12.50")]
        table = bought.do(who, command, "statement", *(["--show"] if who == "ann" else [])).out
        assert "12.50 TWD" in table
    sales = list(csv.DictReader(io.StringIO(bought.do("shop", "merchant", "show", "--csv").out)))
    assert sales[0]["amount"] == "12.50 TWD"
    accounts = bought.do("bank", "lender", "show", "--csv").out
    assert "Ann" in accounts


def test_formula_in_a_label_is_defused(opened: World) -> None:
    opened.do("shop", "merchant", "invoice", "1.00 TWD", "--label", "=1+1", "-o", "invoice.json")
    assert "'=1+1" in opened.do("shop", "merchant", "show", "--csv").out


def test_the_preview_names_what_everybody_learns(opened: World) -> None:
    opened.invoice()
    shown = opened.run("ann", "wallet", "pay", "invoice.json", stdin=b"n\n")
    assert shown.code == 1
    for text in ("12.50 TWD to Corner Shop", "487.50 TWD afterwards", "Who learns what", "Bank:"):
        assert text in shown.err
    assert "at most 1; below 50" in shown.err
    size = opened.size()
    paid = opened.run("ann", "wallet", "pay", "invoice.json", stdin=b"y\n")
    assert (paid.code, opened.size()) == (0, size + 1)


def test_only_a_preview(opened: World) -> None:
    opened.invoice()
    size = opened.size()
    found = opened.get("ann", "wallet", "pay", "invoice.json", "--preview")
    assert (found["merchant"], found["available_after_minor"]) == ("Corner Shop", 48_750)
    assert set(found["learns"]) == {"Corner Shop", "Bank", "everybody"}
    assert opened.size() == size


def test_a_bill_that_does_not_follow_from_the_terms(
    bought: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zkcredit.terms import Terms

    bought.do("bank", "lender", "period", "open", "2")
    bought.do("ann", "wallet", "statement", "-o", "opening.json")
    with monkeypatch.context() as patch:
        patch.setattr(Terms, "minimum_payment_minor", lambda *_: 777)
        bought.do("bank", "lender", "statement", "opening.json")
    result = bought.run("ann", "wallet", "receive", "--json")
    assert (result.code, result.json["events"][0]["status"]) == (1, "disputed")
    assert "minimum_minor" in result.json["events"][0]["text"]
    assert "disputed" in bought.do("ann", "wallet", "show").out
    bought.do("ann", "wallet", "accept", "1")
    assert bought.get("ann", "wallet", "show")["lines"][0]["status"] == "ready"


def test_submitting_later(opened: World) -> None:
    opened.invoice()
    size = opened.size()
    pay = ("wallet", "pay", "invoice.json", "--yes")
    opened.do("ann", *pay, "--offline", "purchase.json")
    assert opened.size() == size
    found = opened.get("op", "ledger", "submit", "purchase.json")
    assert (found["index"], found["duplicate"]) == (size, False)
    assert opened.get("op", "ledger", "submit", "purchase.json")["duplicate"]
    opened.do("bank", "lender", "sign")
    assert opened.get("ann", "wallet", "receive")["events"][0]["kind"] == "spend"


def test_dispute_and_closing(bought: World) -> None:
    bought.do("bank", "lender", "dispute", "1", "--reason", "never came")
    assert bought.get("bank", "lender", "show")["accounts"][0]["state"] == "disputed"
    bought.do("bank", "lender", "resolve", "1")
    bought.do("bank", "lender", "close", "1")
    assert bought.get("bank", "lender", "show")["accounts"][0]["state"] == "closed"


def test_no_show_ends_the_line(bought: World) -> None:
    bought.do("bank", "lender", "period", "open", "2")
    assert bought.get("bank", "lender", "period", "close", "1")["no_shows"] == [1]
    assert bought.get("bank", "lender", "period", "close", "1")["no_shows"] == []
    refused = bought.run("ann", "wallet", "statement", "--json")
    assert (refused.code, refused.error["rule"]) == (3, "period-closed")
    assert bought.get("ann", "wallet", "show")["lines"][0]["status"] == "closed"
