"""A wallet comes back from its words and the ledger, wherever it stopped."""

from __future__ import annotations

from typing import Any

from clikit import World


def words(world: World) -> None:
    world.file("words").write_text(world.get("ann", "wallet", "phrase")["phrase"])


def restore(world: World, who: str = "new") -> dict[str, Any]:
    words(world)
    return world.get(who, "wallet", "restore", "--phrase-file", "words")


def line(world: World, who: str) -> dict[str, Any]:
    return world.get(who, "wallet", "show")["lines"][0]


def test_in_a_new_folder(bought: World) -> None:
    found = restore(bought)
    assert (found["restored"], found["must_refresh"]) == (1, [1])
    assert line(bought, "new")["available_minor"] == 48_750
    history = ("wallet", "history")
    assert bought.get("new", *history) == bought.get("ann", *history)
    bought.invoice("1.00 TWD")
    pay = ("wallet", "pay", "invoice.json", "--yes", "--json")
    assert bought.run("new", *pay).error["rule"] == "refresh-first"
    bought.do("new", "wallet", "refresh")
    bought.do("bank", "lender", "sign")
    bought.do("new", "wallet", "receive")
    bought.do("new", *pay)
    bought.do("bank", "lender", "sign")
    bought.do("new", "wallet", "receive")
    assert line(bought, "new")["available_minor"] == 48_650


def test_while_a_purchase_waits(opened: World) -> None:
    opened.invoice()
    opened.do("ann", "wallet", "pay", "invoice.json", "--yes")
    restore(opened)
    assert line(opened, "new")["pending"]["amount_minor"] == 1250
    opened.do("bank", "lender", "sign")
    assert opened.get("new", "wallet", "receive")["events"][0]["kind"] == "spend"
    assert line(opened, "new")["available_minor"] == 48_750


def test_after_storing_but_before_submitting(opened: World) -> None:
    opened.invoice()
    opened.do("ann", "wallet", "pay", "invoice.json", "--yes", "--offline", "purchase.json")
    size = opened.size()
    found = opened.get("ann", "wallet", "submit")["submitted"]
    assert found == [{"line": 1, "index": size, "error": None}]


def test_an_aborted_purchase_never_lands(opened: World) -> None:
    opened.invoice()
    opened.do("ann", "wallet", "pay", "invoice.json", "--yes", "--offline", "purchase.json")
    opened.do("ann", "wallet", "refresh")
    late = opened.run("op", "ledger", "submit", "purchase.json", "--json")
    assert (late.code, late.error["rule"]) == (3, "already-spent")
    opened.do("bank", "lender", "sign")
    opened.do("ann", "wallet", "receive")
    assert line(opened, "ann")["available_minor"] == 50_000


def test_while_a_bill_waits(bought: World) -> None:
    bought.do("bank", "lender", "period", "open", "2")
    bought.do("ann", "wallet", "statement", "-o", "a.json")
    restore(bought)
    bought.do("new", "wallet", "statement", "-o", "b.json")
    assert bought.message("a.json") == bought.message("b.json")
    bought.do("bank", "lender", "statement", "b.json")
    bought.do("new", "wallet", "receive")
    shown = ("wallet", "statement", "--show")
    assert len(bought.get("new", *shown)["bills"]) == 1


def test_an_older_copy_of_the_wallet_follows_the_ledger(opened: World) -> None:
    old = opened.file("ann/default/wallet.vault").read_bytes()
    opened.buy()
    opened.file("ann/default/wallet.vault").write_bytes(old)
    assert line(opened, "ann")["available_minor"] == 50_000
    opened.do("ann", "wallet", "restore")
    assert line(opened, "ann")["available_minor"] == 48_750


def test_other_words(opened: World) -> None:
    opened.do("bob", "wallet", "new")
    words(opened)
    result = opened.run("bob", "wallet", "restore", "--phrase-file", "words")
    assert (result.code, "other words" in result.err) == (5, True)


def test_words_from_standard_input_and_mistyped_ones(opened: World) -> None:
    words(opened)
    phrase = opened.file("words").read_bytes()
    found = opened.get("x", "wallet", "restore", "--phrase-file", "-", stdin=phrase)
    assert found["restored"] == 1
    for wrong in (b"", phrase.rsplit(b" ", 1)[0], b"zoo " * 24, b"\xff", phrase + b" zoo"):
        result = opened.run("y", "wallet", "restore", "--phrase-file", "-", stdin=wrong)
        assert (result.code, opened.file("y").exists()) == (4, False)
