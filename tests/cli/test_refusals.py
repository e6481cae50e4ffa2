"""What is refused: the right exit code, one clear line, and nothing changed."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from clikit import World, call, refused


@pytest.mark.parametrize(
    "arguments",
    [
        ("wallet", "pay"),
        ("wallet", "fly"),
        ("--nonsense", "wallet", "show"),
        ("wallet", "pay", "invoice.json", "--plan", "0"),
        ("lender", "payment", "1", "12,50 TWD", "--reference", "x"),
        ("lender", "payment", "1", "12.50", "--reference", "x"),
        ("lender", "payment", "1", "12.5 TWD", "--reference", "x"),
        ("lender", "payment", "1", "-1.00 TWD", "--reference", "x"),
        ("lender", "payment", "1", "1.00 EUR", "--reference", "x"),
        ("lender", "payment", "99", "1.00 TWD", "--reference", "x"),
        ("lender", "terms", "--currency", "twd"),
        ("lender", "terms", "--currency", "TWD", "--apr", "1.234%"),
        ("lender", "terms", "--currency", "TWD", "--start", "2026-13"),
        ("lender", "period", "open", "0"),
        ("lender", "update"),
        ("ledger", "show", "999"),
        ("--profile", "../x", "ledger", "show"),
    ],
)
def test_usage(opened: World, arguments: tuple[str, ...]) -> None:
    assert refused(opened, 2, "bank", *arguments)["code"] == "usage"


def test_asking_needs_somebody(opened: World) -> None:
    opened.invoice()
    assert "--yes" in opened.run("ann", "wallet", "pay", "-").err
    assert opened.run("ann", "wallet", "pay", "invoice.json", "--json").code == 2
    assert opened.run("ann", "wallet", "pay", "invoice.json").code == 2  # input has ended
    assert opened.run("ann", "wallet", "show", ZKCREDIT_PASSPHRASE="").code == 2


@pytest.mark.parametrize(
    ("who", "arguments", "rule"),
    [
        ("ann", ("wallet", "pay", "big.json", "--yes"), "over-limit"),
        ("ann", ("wallet", "pay", "forged.json", "--yes"), "bad-signature"),
        ("ann", ("wallet", "pay", "invoice.json", "--yes", "--plan", "4"), "plan"),
        ("ann", ("wallet", "statement"), "period-not-over"),
        ("ann", ("wallet", "open", "--terms", "abcdef"), "unknown-terms"),
        ("bank", ("lender", "period", "open", "3"), "period-order"),
        ("bank", ("lender", "period", "close", "1"), "period-order"),
        ("shop", ("merchant", "invoice", "1.00 EUR", "--label", "x"), "no-terms"),
        ("shop", ("merchant", "check", "forged.json"), "unknown-invoice"),
    ],
)
def test_rules(opened: World, who: str, arguments: tuple[str, ...], rule: str) -> None:
    opened.invoice()
    opened.invoice("500.01 TWD", "big.json")
    opened.file("forged.json").write_bytes(opened.file("invoice.json").read_bytes())
    opened.rewrite("forged.json", amount_minor=1)
    assert refused(opened, 3, who, *arguments)["rule"] == rule


def test_an_expired_invoice(opened: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("zkcredit.merchant.merchant.system_clock", lambda: 1)
        opened.invoice()
    assert refused(opened, 3, "ann", "wallet", "pay", "invoice.json", "--yes")["rule"] == "expired"


def test_a_line_waits_for_its_signature(opened: World) -> None:
    opened.invoice()
    opened.invoice("1.00 TWD", "second.json")
    opened.do("ann", "wallet", "pay", "invoice.json", "--yes")
    error = refused(opened, 3, "ann", "wallet", "pay", "second.json", "--yes")
    assert error["rule"] == "line-not-ready"
    assert "receive the lender's answer" in error["message"]
    opened.do("ann", "wallet", "open", "--another", "-o", "two.json")
    error = refused(opened, 3, "ann", "wallet", "pay", "second.json", "--line", "2", "--yes")
    assert "its lender has to grant it" in error["message"]


def test_few_claims_wait(bought: World) -> None:
    bought.do("shop", "merchant", "check")
    settle = ("merchant", "settle", "--reference", "x", "-o", "s.json")
    assert refused(bought, 3, "shop", *settle)["rule"] == "too-few-claims"


def test_openings_that_do_not_open(bought: World) -> None:
    bought.do("bank", "lender", "period", "open", "2")
    bought.do("ann", "wallet", "statement", "-o", "opening.json")
    bought.rewrite("opening.json", due_minor=1)
    result = bought.run("bank", "lender", "statement", "opening.json", "--json")
    assert (result.code, result.json["refused"][0]["rule"]) == (3, "bad-opening")
    bought.do("shop", "merchant", "settle", "--reference", "x", "--force", "-o", "settlement.json")
    bought.rewrite("settlement.json", sum_minor=9_999)
    error = refused(bought, 3, "bank", "lender", "payout", "settlement.json")
    assert error["rule"] == "bad-signature"


def test_one_bad_file_among_good_ones(bought: World) -> None:
    bought.do("bank", "lender", "period", "open", "2")
    bought.do("ann", "wallet", "statement", "-o", "good.json")
    bought.file("bad.json").write_bytes(bought.file("good.json").read_bytes())
    bought.rewrite("bad.json", account=7)
    result = bought.run("bank", "lender", "statement", "bad.json", "good.json", "--json")
    assert result.code == 3
    assert [row["file"] for row in result.json["refused"]] == ["bad.json"]
    assert len(result.json["bills"]) == 1


def test_totals_that_do_not_agree(bought: World) -> None:
    bought.do("shop", "merchant", "check")
    bought.do("shop", "merchant", "totals", "-o", "totals.json")
    rows = bought.message("totals.json")["rows"]
    bought.rewrite("totals.json", rows=[{**rows[0], "sum_minor": rows[0]["sum_minor"] + 1}])
    error = refused(bought, 1, "op", "audit", "--totals", "totals.json")
    assert error["code"] == "check-failed"
    bought.rewrite("totals.json", ledger_id="00" * 32, rows=rows)
    assert refused(bought, 1, "op", "audit", "--totals", "totals.json")["code"] == "check-failed"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"type": "zkcredit/invoice/2"}',
        b'{"type": "zkcredit/invoice/1"}',
        b'{"type": "zkcredit/payout-order/1"}',
        b"[" * 100_000,
        b" " * (5 << 20),
    ],
)
def test_malformed_messages(opened: World, content: bytes) -> None:
    opened.file("x.json").write_bytes(content)
    for who, *command in (
        ("ann", "wallet", "pay", "x.json", "--yes"),
        ("bank", "lender", "payout", "x.json"),
        ("op", "ledger", "submit", "x.json"),
    ):
        assert opened.run(who, *command, "--json").error["code"] == "malformed"
        assert opened.run(who, *command).code == 4


@pytest.mark.parametrize("change", [{"extra": 1}, {"amount_minor": "12"}, {"amount_minor": 0}])
def test_messages_with_wrong_fields(opened: World, change: dict[str, object]) -> None:
    opened.invoice()
    opened.rewrite("invoice.json", **change)
    refused(opened, 4, "ann", "wallet", "pay", "invoice.json", "--yes")


def test_malformed_submission(opened: World) -> None:
    opened.invoice()
    opened.do("ann", "wallet", "pay", "invoice.json", "--yes", "--offline", "s.json")
    good = opened.message("s.json")
    for change in ({"memo": ""}, {"statement": good["statement"] + "00"}, {"statement": "ff"}):
        opened.file("s2.json").write_bytes(opened.file("s.json").read_bytes())
        opened.rewrite("s2.json", **change)
        assert refused(opened, 4, "op", "ledger", "submit", "s2.json")["code"] == "malformed"
    opened.rewrite("s.json", ledger_id="00" * 32)
    assert refused(opened, 3, "op", "ledger", "submit", "s.json")["rule"] == "wrong-ledger"


def test_wrong_passphrase(opened: World) -> None:
    for who, *command in (("ann", "wallet", "show"), ("bank", "lender", "show")):
        error = refused(opened, 1, who, *command, ZKCREDIT_PASSPHRASE="wrong")
        assert "wrong passphrase" in error["message"]


@pytest.mark.parametrize("position", [0, 8, 30, -1])
def test_damaged_vault(opened: World, position: int) -> None:
    path = opened.file("ann/default/wallet.vault")
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    refused(opened, 4, "ann", "wallet", "show")


def test_files_in_each_others_place(opened: World) -> None:
    shutil.copy(opened.file("ann/default/wallet.vault"), opened.file("shop/default/merchant.vault"))
    refused(opened, 4, "shop", "merchant", "show")
    opened.file("bank/default/lender.db").write_bytes(b"not a database, but longer than 100" * 40)
    refused(opened, 4, "bank", "lender", "show")
    opened.file("ann/default/profile.json").write_text("{}")
    assert opened.run("ann", "wallet", "show").code == 4


def _set_version(path: str, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version={version}")
    connection.commit()
    connection.close()


def test_other_versions(opened: World) -> None:
    _set_version(str(opened.file("bank/default/lender.db")), 77)
    assert "77" in refused(opened, 4, "bank", "lender", "show")["message"]
    _set_version(str(opened.file("ledger/ledger.db")), 78)
    assert "78" in opened.run("ann", "wallet", "show").err
    assert opened.run("ann", "wallet", "show").code in (4, 5)


def test_stores_that_are_not_there(opened: World) -> None:
    assert "wallet new" in refused(opened, 6, "nobody", "wallet", "show")["message"]
    refused(opened, 6, "ann", "wallet", "pay", "missing.json", "--yes")
    refused(opened, 6, "ann", "wallet", "show", "--passphrase-file", "missing")
    refused(opened, 6, "ann", "wallet", "phrase", "--home", "/proc/no")
    opened.invoice()
    refused(opened, 6, "shop", "merchant", "totals", "-o", "no/such/folder/x.json")
    shutil.rmtree(opened.file("ledger"))
    refused(opened, 6, "ann", "wallet", "show")


def test_no_ledger_chosen(opened: World) -> None:
    result = call("--home", "new", "wallet", "restore", cwd=opened.place)
    assert (result.code, "--ledger" in result.err) == (2, True)


def test_another_ledger(opened: World) -> None:
    opened.do("op2", "ledger", "init", "--ledger", "other")
    assert refused(opened, 5, "ann", "wallet", "show", "--ledger", "other")["code"] == "conflict"


def test_a_rolled_back_ledger_is_seen(opened: World) -> None:
    backup = opened.file("backup")
    shutil.copytree(opened.file("ledger"), backup)
    opened.do("op", "ledger", "checkpoint", "-o", "before")
    opened.buy()
    opened.do("shop", "merchant", "check")
    opened.do("op", "ledger", "checkpoint", "-o", "after")
    shutil.rmtree(opened.file("ledger"))
    shutil.copytree(backup, opened.file("ledger"))
    for who, *command in (("ann", "wallet", "show"), ("shop", "merchant", "check")):
        assert "rolled back" in refused(opened, 1, who, *command)["message"]
    refused(opened, 1, "auditor", "audit", "--checkpoint", "after")
    refused(opened, 1, "auditor", "ledger", "verify", "--checkpoint", "after")
    opened.do("auditor", "audit", "--checkpoint", "before")


def test_changed_bytes_of_the_ledger_are_seen(bought: World) -> None:
    bought.do("op", "ledger", "checkpoint")
    connection = sqlite3.connect(bought.file("ledger/ledger.db"))
    (old,) = connection.execute("SELECT evidence FROM evidence WHERE idx = 5").fetchone()
    connection.execute("UPDATE evidence SET evidence = ? WHERE idx = 5", (old[:-1] + b"?",))
    connection.commit()
    connection.close()
    refused(bought, 1, "auditor", "audit")
    refused(bought, 1, "auditor", "ledger", "verify")


def test_the_operators_key_is_needed(opened: World) -> None:
    opened.file("ledger/operator.key").unlink()
    refused(opened, 6, "op", "ledger", "checkpoint")
    opened.do("auditor", "audit")


@pytest.mark.parametrize(
    ("who", "arguments"),
    [
        ("shop", ("ledger", "check-receipt")),
        ("shop", ("ledger", "members", "--submit")),
        ("shop", ("cosigner", "init", "log", "--name", "a.example/x", "--genesis")),
        ("shop", ("merchant", "check")),
        ("shop", ("merchant", "policy", "check")),
        ("shop", ("purchases", "verify", "damaged")),
        ("shop", ("record", "verify")),
        ("bank", ("lender", "policy", "set")),
        ("ann", ("wallet", "import")),
    ],
)
def test_what_is_malformed_names_its_file(
    opened: World, who: str, arguments: tuple[str, ...]
) -> None:
    opened.file("damaged").write_text('{"type": "zkcredit/inv')
    assert refused(opened, 4, who, *arguments, "damaged")["message"].startswith("damaged: ")


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_not_the_name_of_a_file(opened: World, name: str) -> None:
    error = refused(opened, 2, "shop", "merchant", "check", name)
    assert error["message"] == f"not the name of a file: {name!r}"


def test_nobody_is_meant_by_an_empty_name(licensed: World) -> None:
    """An empty or short text is the start of every identifier: it must not choose one."""
    issuer_id, schema_hash = "", ""
    for item in licensed.get("ann", "wallet", "credential", "show")["credentials"]:
        issuer_id, schema_hash = item["issuer_id"], item["schema_hash"]
    for issuer in ("", issuer_id[:3]):
        error = refused(licensed, 3, "ann", "wallet", "credential", "ask", issuer, "identity")
        assert error["rule"] == "unknown-issuer"
    for schema in ("", schema_hash[:3]):
        error = refused(licensed, 3, "ann", "credential", "schema", "show", schema)
        assert error["rule"] == "unknown-schema"
    ask = ("wallet", "credential", "ask", issuer_id[:8], schema_hash[:8])
    assert licensed.get("ann", *ask, "-o", "again.json")["file"] == "again.json"


def test_a_message_is_one_line(opened: World) -> None:
    assert "\n" not in refused(opened, 2, "bank", "lender", "period")["message"]


def test_a_service_that_is_not_there(opened: World) -> None:
    error = refused(opened, 6, "ann", "--ledger", "http://127.0.0.1:1", "ledger", "show")
    assert error["message"].startswith("http://127.0.0.1:1 cannot be reached: ")


def test_a_message_is_no_presentation(opened: World) -> None:
    opened.invoice()
    error = refused(opened, 4, "shop", "merchant", "policy", "verify", "invoice.json")
    assert error["message"].startswith("invoice.json: not a credential or presentation: ")
