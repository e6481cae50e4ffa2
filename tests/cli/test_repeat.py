"""Every step may be repeated: the same answer, and nothing twice."""

from __future__ import annotations

import pytest
from clikit import World


def test_registrations(opened: World) -> None:
    size = opened.size()
    first = opened.get("bank", "lender", "init", "Bank")
    assert first == opened.get("bank", "lender", "init", "Bank")
    shop = opened.get("shop", "merchant", "new", "Corner Shop")
    assert shop == opened.get("shop", "merchant", "new", "Corner Shop")
    terms = ("lender", "terms", "--currency", "TWD", "--apr", "15%", "--plans", "3")
    assert opened.get("bank", *terms) == opened.get("bank", *terms)
    assert not opened.get("bank", "lender", "period", "open", "1")["opened"]
    assert opened.size() == size
    assert opened.run("op", "ledger", "init").code == 5
    assert opened.run("ann", "wallet", "new").code == 5
    assert opened.run("bank", "lender", "init", "Other").code == 5
    assert opened.run("shop", "merchant", "new", "Other").code == 5
    assert opened.size() == size


def test_an_interrupted_lender_goes_on(opened: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from zkcredit.lender import Lender

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Lender, "create", interrupt)
        assert opened.run("fresh", "lender", "init", "New Bank").code == 130
    made = opened.get("fresh", "lender", "init", "New Bank")
    assert made == opened.get("fresh", "lender", "init", "New Bank")


def test_a_lost_signers_table_is_never_replaced(opened: World) -> None:
    opened.file("bank/default/lender.db").unlink()
    lost = opened.run("bank", "lender", "init", "Bank", "--json")
    assert (lost.code, lost.error["code"]) == (6, "store")
    assert opened.run("bank", "lender", "sign").code == 6


def test_line(opened: World) -> None:
    opened.do("bob", "wallet", "new")
    opened.do("bob", "wallet", "open", "-o", "a.json")
    opened.do("bob", "wallet", "open", "-o", "b.json")
    assert opened.message("a.json") == opened.message("b.json")
    grant = ("lender", "grant", "a.json", "--limit", "1.00 TWD", "--customer", "Bob")
    first = opened.get("bank", *grant)
    size = opened.size()
    assert opened.get("bank", *grant) == first
    other = opened.run("bank", *grant[:-1], "Eve", "--json")
    assert (other.code, other.error["code"]) == (5, "conflict")
    assert opened.get("bob", "wallet", "receive")["events"][0]["status"] == "ready"
    assert opened.get("bob", "wallet", "receive")["events"] == []
    assert opened.run("bob", "wallet", "open").code == 5
    assert opened.size() == size
    opened.do("bob", "wallet", "open", "--another", "-o", "c.json")
    assert len(opened.get("bob", "wallet", "show")["lines"]) == 2


def test_purchase(opened: World) -> None:
    opened.invoice()
    size = opened.size()
    pay = ("wallet", "pay", "invoice.json", "--yes")
    first = opened.get("ann", *pay)
    assert opened.get("ann", *pay)["index"] == first["index"]
    assert opened.get("bank", "lender", "sign")["signed"] == 1
    assert opened.get("bank", "lender", "sign")["signed"] == 0
    assert opened.get("bank", "lender", "sign", "--rescan")["signed"] == 0
    assert len(opened.get("shop", "merchant", "check")["paid"]) == 1
    assert opened.get("shop", "merchant", "check")["paid"] == []
    after = opened.get("ann", *pay)
    assert (after["index"], after["signed"]) == (first["index"], True)
    assert opened.size() == size + 1
    assert opened.get("ann", "wallet", "submit")["submitted"] == []


def test_bill_and_payment(bought: World) -> None:
    bought.do("bank", "lender", "period", "open", "2")
    bought.do("ann", "wallet", "statement", "-o", "a.json")
    bought.do("ann", "wallet", "statement", "-o", "b.json")
    assert bought.message("a.json") == bought.message("b.json")
    payment = ("lender", "payment", "1", "2.00 TWD", "--reference", "r")
    assert bought.get("bank", *payment)["recorded"]
    assert not bought.get("bank", *payment)["recorded"]
    assert bought.run("bank", *payment[:3], "3.00 TWD", *payment[4:]).code == 5
    bill = bought.get("bank", "lender", "statement", "a.json")
    assert bought.get("bank", "lender", "statement", "b.json") == bill
    assert len(bought.get("ann", "wallet", "receive")["events"]) == 1
    assert bought.get("ann", "wallet", "receive")["events"] == []
    assert bought.run("ann", "wallet", "statement").code == 3
    assert bought.get("bank", "lender", "statement")["bills"] == bill["bills"]


def test_settlement(bought: World) -> None:
    settle = ("merchant", "settle", "--reference", "acct", "--force", "-o")
    bought.do("shop", *settle, "a.json")
    size = bought.size()
    bought.do("shop", *settle, "b.json")
    assert bought.message("a.json") == bought.message("b.json")
    payout = ("lender", "payout", "a.json", "-o")
    bought.do("bank", *payout, "c.json")
    bought.do("bank", *payout, "d.json")
    assert bought.message("c.json") == bought.message("d.json")
    bought.do("shop", "merchant", "payout", "c.json")
    bought.do("shop", "merchant", "payout", "d.json")
    assert bought.get("shop", *settle, "e.json")["files"] == []
    assert bought.size() == size
    assert not bought.file("e.json").exists()


def test_update(opened: World) -> None:
    opened.do("ann", "wallet", "update", "-o", "a.json")
    opened.do("ann", "wallet", "update", "-o", "b.json")
    assert opened.message("a.json") == opened.message("b.json")
    first = opened.get("bank", "lender", "update", "a.json")
    assert opened.get("bank", "lender", "update", "a.json") == first
