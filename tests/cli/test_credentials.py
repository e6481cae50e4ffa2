"""Credentials, policies and presentations by commands; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from clikit import ADULT, World, issue, keys, refused, tree

FILE = "file message"
HELD = "credential schema schema_hash issuer_id issuer key_number expires values epoch revoked"
ISSUED = "handle schema schema_hash key_number issued_ms expires values revoked_ms epoch reason"
SCHEMA = "name title schema_hash publisher_id index revocable fields"
DISCLOSED = "request_hash values issuers pseudonym commitment"
OFFICE = ("credential",)
WALLET = ("wallet", "credential")
PRESENT = ("wallet", "present", "asked.json", "--yes", "-o", "shown.json")
VERIFY = ("merchant", "policy", "verify", "shown.json")


def ask(world: World, target: str = "asked.json") -> None:
    """The shop asks for its policy, without a purchase."""
    world.do("shop", "merchant", "policy", "request", "wine.toml", "-o", target)


def sell(world: World, sale: str = "1") -> None:
    """An invoice that asks for the policy, and its request."""
    policy = ("--policy", "wine.toml", "--verified", "-o", "invoice.json")
    world.do("shop", "merchant", "invoice", "9.00 TWD", "--label", "wine", *policy)
    world.do("shop", "merchant", "policy", "request", "--sale", sale, "-o", "asked.json")


def handle(world: World, number: int = 0) -> str:
    """The handle of what the office has issued, in order; 0 is the identity of "ann"."""
    return str(world.get("office", "credential", "show")["issued"][number]["handle"])


# -- shapes ----------------------------------------------------------------------------------


def test_json_of_issuing(licensed: World) -> None:
    keys(licensed, "name issuer_id index folder", "office", *OFFICE, "init")
    listed = keys(licensed, "schemas", "nobody", *OFFICE, "schema", "list")["schemas"]
    assert [set(item) for item in listed] == [set(SCHEMA.split())] * 2
    assert keys(licensed, SCHEMA, "nobody", *OFFICE, "schema", "show", "identity") == listed[0]
    publish = (*OFFICE, "schema", "publish", "income:TWD")
    keys(licensed, "name schema_hash key_number", "office", *publish)
    opened = keys(licensed, "schema_hash key_number closed", "office", *OFFICE, "key", "open",
                  "business")  # fmt: skip
    assert (opened["key_number"], opened["closed"]) == (2, False)
    closing = (*OFFICE, "key", "close", "business", "2")
    assert keys(licensed, "schema_hash key_number closed", "office", *closing)["closed"]
    keys(licensed, FILE, "ann", *WALLET, "ask", "Office", "identity", "-o", "a.json")
    keys(licensed, FILE, "office", *issue("a.json", "c.json"))
    verified = keys(licensed, "schema issuer key_number handle expires", "nobody", *OFFICE,
                    "verify", "c.json")  # fmt: skip
    assert verified["issuer"] == "Office"
    rows = keys(licensed, "issued", "office", *OFFICE, "show")["issued"]
    assert [set(row) for row in rows] == [set(ISSUED.split())] * 4
    one = (*OFFICE, "show", str(verified["handle"]))
    assert licensed.get("office", *one)["issued"] == rows[3:]
    revoke = (*OFFICE, "revoke", str(verified["handle"]), "--reason", "lost")
    found = keys(licensed, "handle revoked epochs", "office", *revoke)
    assert (found["revoked"], found["epochs"]) == (True, {"1": 2})


def test_json_of_holding_and_showing(licensed: World) -> None:
    shown = keys(licensed, "credentials", "ann", *WALLET, "show")["credentials"]
    assert [set(item) for item in shown] == [set(HELD.split())]
    assert shown[0]["values"]["birth_date"] == ADULT
    assert licensed.get("ann", *WALLET, "show", "1")["credentials"] == shown
    keys(licensed, HELD, "ann", *WALLET, "take", "ann-id.json")
    keys(licensed, "current revoked missing faulty", "ann", *WALLET, "refresh")
    own = licensed.get("shop", "merchant", "credential", "show")["credentials"]
    assert own[0]["values"]["category"] == "alcohol"
    check = ("merchant", "policy", "check", "wine.toml")
    words = keys(licensed, "title learns convinced", "shop", *check)
    assert words["learns"][0] == "your country"
    request = ("merchant", "policy", "request", "wine.toml", "-o", "asked.json")
    keys(licensed, FILE, "shop", *request)
    keys(licensed, FILE, "ann", *PRESENT)
    found = keys(licensed, DISCLOSED, "shop", *VERIFY)
    assert found["values"] == {"identity.country": "AT"}
    assert found["commitment"] == ""
    for more in ((), ("--cbor",)):
        export = ("wallet", "export", "credential", "1", *more, "-o", "c")
        keys(licensed, "file bytes", "ann", *export)
        assert keys(licensed, HELD, "ann", "wallet", "import", "c") == shown[0]
    keys(licensed, "credential ordinal", "ann", *WALLET, "drop", "1")
    assert licensed.get("ann", *WALLET, "show")["credentials"] == []
    assert licensed.get("ann", "wallet", "import", "c")["values"] == shown[0]["values"]


def test_for_people(licensed: World) -> None:
    assert "date of birth" in licensed.do("nobody", *OFFICE, "schema", "show", "identity").out
    assert "Office" in licensed.do("nobody", *OFFICE, "schema", "list").out
    assert ADULT in licensed.do("office", *OFFICE, "show", handle(licensed)).out
    assert "ready" in licensed.do("ann", *WALLET, "show").out
    assert ADULT in licensed.do("ann", *WALLET, "show", "1").out
    assert "1 credentials can be shown" in licensed.do("ann", *WALLET, "refresh").out
    assert "issuer" in licensed.do("nobody", *OFFICE, "verify", "ann-id.json").out
    assert "at least 18 years old" in licensed.do("shop", "merchant", "policy", "check",
                                                  "wine.toml").out  # fmt: skip


# -- from the policy to the paid sale --------------------------------------------------------


def test_a_sale_is_paid_once_claim_and_answer_are_there(licensed: World) -> None:
    sell(licensed)
    preview = licensed.get("ann", "wallet", "pay", "invoice.json", "--preview")
    assert preview["business"] == "verified by Office: alcohol, AT"
    told = licensed.do("ann", *PRESENT, "--invoice", "invoice.json").err
    assert "the shop is  verified by Office: alcohol, AT" in told
    assert "Shown: identity.country = AT" in told
    licensed.do("ann", "wallet", "pay", "invoice.json", "--yes")
    check = ("merchant", "check", "invoice.json")
    waiting = licensed.run("shop", *check, "--json")
    assert (waiting.code, waiting.json["invoice"]["state"]) == (1, "undisclosed")
    licensed.do("shop", *VERIFY)
    assert licensed.get("shop", *check)["invoice"]["state"] == "paid"
    licensed.do("bank", "lender", "sign")
    licensed.do("ann", "wallet", "receive")
    again = licensed.get("ann", *PRESENT, "--invoice", "invoice.json")
    assert again["message"]["bound"] == licensed.message("shown.json")["bound"]


def test_a_shop_that_is_not_verified(licensed: World) -> None:
    licensed.invoice()
    preview = licensed.get("ann", "wallet", "pay", "invoice.json", "--preview")
    assert preview["business"] == "not verified"
    assert "the shop is  not verified" in licensed.run("ann", "wallet", "pay", "invoice.json").err


def test_the_same_pseudonym_each_time(licensed: World) -> None:
    found = []
    for _ in range(2):
        ask(licensed)
        licensed.do("ann", *PRESENT)
        found.append(licensed.get("shop", *VERIFY)["pseudonym"])
    assert found[0] == found[1]
    assert len(found[0]) == 96


# -- again and again -------------------------------------------------------------------------


def test_repeated(licensed: World) -> None:
    size = licensed.size()
    licensed.do("ann", *WALLET, "ask", "Office", "identity", "--ordinal", "0", "-o", "a.json")
    assert (
        licensed.message("ann-ask.json")["commitment"] == licensed.message("a.json")["commitment"]
    )
    licensed.do("office", *issue("a.json", "b.json"))
    assert licensed.message("b.json") == licensed.message("ann-id.json")
    before = tree(licensed)
    assert licensed.get("ann", *WALLET, "take", "b.json")["credential"] == 1
    licensed.do("ann", *WALLET, "refresh")
    for name in ("identity", "business"):
        assert licensed.get("office", *OFFICE, "schema", "publish", name)["key_number"] == 1
    licensed.do("office", *OFFICE, "init", "Office")
    assert tree(licensed) == before
    assert licensed.size() == size
    ask(licensed)
    licensed.do("ann", *PRESENT)
    first = licensed.get("shop", *VERIFY)
    before = tree(licensed)
    assert licensed.get("shop", *VERIFY) == first
    assert tree(licensed) == before
    revoke = (*OFFICE, "revoke", handle(licensed), "--reason", "lost")
    assert licensed.get("office", *revoke)["revoked"]
    size = licensed.size()
    assert not licensed.get("office", *revoke)["revoked"]
    assert licensed.size() == size


def test_other_values_for_the_same_request(licensed: World) -> None:
    other = issue("ann-ask.json", "x.json", born="1990-01-01")
    assert refused(licensed, 5, "office", *other)["code"] == "conflict"
    assert not licensed.file("x.json").exists()


# -- revoked, closed, expired ----------------------------------------------------------------


def test_revoked(licensed: World) -> None:
    ask(licensed)
    licensed.do("ann", *PRESENT)
    licensed.do("office", *OFFICE, "revoke", handle(licensed), "--reason", "lost")
    error = refused(licensed, 3, "shop", *VERIFY)
    assert (error["rule"], error["message"]) == (
        "presentation",
        "the presentation is refused [presentation]",
    )
    assert licensed.get("ann", *WALLET, "refresh")["revoked"] == [1]
    assert "revoked" in licensed.do("ann", *WALLET, "show").out
    ask(licensed)
    error = refused(licensed, 3, "ann", *PRESENT)
    assert (error["rule"], "credential 1 was revoked" in error["message"]) == (
        "no-credential",
        True,
    )
    assert licensed.get("ben", *WALLET, "refresh")["current"] == [1], "others go on"


def test_a_closed_key_ends_its_credentials(licensed: World) -> None:
    ask(licensed)
    licensed.do("office", *OFFICE, "key", "close", "identity", "1")
    assert refused(licensed, 3, "ann", *PRESENT)["rule"] == "no-credential"
    assert refused(licensed, 3, "nobody", *OFFICE, "verify", "ann-id.json")["rule"] == "key-closed"
    assert "void" in licensed.do("ann", *WALLET, "show").out


def test_expired(licensed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(licensed)
    monkeypatch.setattr("zkcredit.clock.time.time_ns", lambda: 4 * 10**18)
    assert refused(licensed, 3, "ann", *PRESENT)["rule"] == "expired"


# -- what the holder reads, and what the shop hears --------------------------------------------


def test_the_holder_reads_the_clause(licensed: World) -> None:
    sell(licensed)
    size = licensed.size()
    for more in ((), ("--invoice", "invoice.json")):
        error = refused(licensed, 3, "ben", *PRESENT, *more)
        assert error["rule"] == "clause-fails"
        assert "clause 1 does not hold: your date of birth is on or before" in error["message"]
    assert not licensed.file("shown.json").exists()
    assert licensed.size() == size


def _doctored(world: World) -> dict[str, dict[str, Any]]:
    good = world.message("shown.json")
    flip = {
        name: {name: good[name][:-2] + ("00" if good[name][-2:] != "00" else "01")}
        for name in ("proof", "pseudonym", "request", "ledger_id")
    }
    use = good["credentials"][0]
    return {
        **flip,
        "a revealed value": {"revealed": ["DE"]},
        "one value more": {"revealed": ["AT", "AT"]},
        "no pseudonym": {"pseudonym": ""},
        "another epoch": {"credentials": [{**use, "epoch": use["epoch"] + 1}]},
        "another key": {"credentials": [{**use, "key_number": 2}]},
        "another issuer": {"credentials": [{**use, "issuer_id": "00" * 32}]},
        "no credential": {"credentials": []},
        "bound to something": {"bound": good["pseudonym"]},
    }


def test_the_shop_hears_refused_and_nothing_else(licensed: World) -> None:
    ask(licensed)
    licensed.do("ann", *PRESENT)
    good = licensed.file("shown.json").read_bytes()
    for what, change in _doctored(licensed).items():
        licensed.file("shown.json").write_bytes(good)
        licensed.rewrite("shown.json", **change)
        error = refused(licensed, 3, "shop", *VERIFY)
        assert (error["rule"], error["message"]) == (
            "presentation",
            "the presentation is refused [presentation]",
        ), what
    licensed.file("shown.json").write_bytes(good)
    licensed.do("shop", *VERIFY)


def test_an_answer_is_for_one_request(licensed: World) -> None:
    ask(licensed)
    licensed.do("ann", *PRESENT)
    first = licensed.message("shown.json")
    ask(licensed)
    licensed.do("ann", *PRESENT)
    other = licensed.message("shown.json")["request"]
    licensed.rewrite("shown.json", **{**first, "request": other})
    assert refused(licensed, 3, "shop", *VERIFY)["rule"] == "presentation"
    licensed.rewrite("shown.json", **first)
    licensed.do("corner", "merchant", "new", "Corner")
    assert refused(licensed, 3, "corner", *VERIFY)["rule"] == "presentation"
    licensed.do("shop", *VERIFY)
    licensed.do("ann", "wallet", "present", "asked.json", "--yes", "-o", "shown.json")
    licensed.do("shop", *VERIFY)
    licensed.do("ann", "wallet", "present", "asked.json", "--yes", "-o", "shown.json")
    assert refused(licensed, 5, "shop", *VERIFY)["code"] == "conflict"


def test_a_request_that_was_changed(licensed: World) -> None:
    ask(licensed)
    licensed.rewrite("asked.json", nonce="00" * 32)
    assert refused(licensed, 3, "ann", *PRESENT)["rule"] == "bad-signature"


def test_another_holders_credential(licensed: World) -> None:
    licensed.do("ann", "wallet", "export", "credential", "1", "-o", "c.json")
    for command in (("wallet", "import", "c.json"), (*WALLET, "take", "ann-id.json")):
        error = refused(licensed, 3, "ben", *command)
        assert error["rule"] in ("bad-signature", "not-requested")
    assert len(licensed.get("ben", *WALLET, "show")["credentials"]) == 1


# -- consent ---------------------------------------------------------------------------------


def test_nothing_without_consent(licensed: World) -> None:
    sell(licensed)
    asking = ("wallet", "present", "asked.json", "--invoice", "invoice.json", "-o", "shown.json")
    before = tree(licensed)
    no = licensed.run("ann", *asking, stdin=b"n\n")
    assert no.code == 3
    assert "Shop will learn: your country" in no.err
    assert "nothing was shown [no-consent]" in no.err
    assert licensed.run("ann", *asking).code == 2  # input has ended
    assert licensed.run("ann", *asking, "--json").code == 2
    assert tree(licensed) == before
    line = licensed.get("ann", "wallet", "show")["lines"][0]
    assert (line["status"], line["pending"]) == ("ready", None), "no purchase was prepared"
    assert licensed.run("ann", *asking, stdin=b"y\n").code == 0


@pytest.mark.parametrize(
    "place",
    [
        "zkcredit.cli.consent.click.confirm",
        "zkcredit.wallet.presenter.present",
        "zkcredit.vault.replace_file",
    ],
)
def test_interrupted(licensed: World, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    ask(licensed)
    licensed.file("shown.json").write_text("as it was")
    before = tree(licensed)
    with monkeypatch.context() as patch:
        patch.setattr(place, interrupt)
        asking = tuple(x for x in PRESENT if x != "--yes" or "confirm" not in place)
        assert licensed.run("ann", *asking).code == 130
    assert tree(licensed) == before
    licensed.do("ann", *PRESENT)
    licensed.do("shop", *VERIFY)


# -- a lender's own credentials ----------------------------------------------------------------


def test_a_lender_issues_credit_histories(licensed: World) -> None:
    made = keys(licensed, "name issuer_id index folder", "bank", *OFFICE, "init")
    assert made["name"] == "Bank"
    assert made == licensed.get("bank", *OFFICE, "init")
    assert refused(licensed, 5, "bank", *OFFICE, "init", "Other")["code"] == "conflict"
    licensed.do("bank", *OFFICE, "schema", "publish", "credit-history")
    licensed.do("ann", *WALLET, "ask", "Bank", "credit-history", "-o", "ask.json")
    issuing = (*OFFICE, "issue", "ask.json", "--expires", "2035-12-31", "-o", "h.json")
    licensed.do("bank", *issuing, "--history", "1")
    values = licensed.get("ann", *WALLET, "take", "h.json")["values"]
    assert values["periods"] == "0"
    assert refused(licensed, 2, "bank", *issuing)["code"] == "usage"


# -- used wrongly ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "code", "arguments"),
    [
        ("office", 2, (*OFFICE, "schema", "list", "identity")),
        ("office", 2, (*OFFICE, "schema", "show")),
        ("office", 2, (*OFFICE, "schema", "publish", "passport")),
        ("office", 3, (*OFFICE, "schema", "show", "passport")),
        ("office", 2, (*OFFICE, "key", "close", "identity")),
        ("office", 2, (*OFFICE, "key", "open", "identity", "1")),
        ("office", 3, (*OFFICE, "key", "close", "identity", "7")),
        ("office", 2, (*OFFICE, "show", "1")),
        ("office", 2, (*OFFICE, "revoke", "1", "--reason", "x")),
        ("office", 2, (*OFFICE, "issue", "ann-ask.json", "--expires", "2035-12-31")),
        ("office", 2, (*OFFICE, "issue", "ann-ask.json", "--expires", "31.12.2035")),
        ("office", 2, issue("ann-ask.json", "x.json", born="31.5.1994")),
        ("office", 2, [*issue("ann-ask.json", "x.json"), "--value", "country=AT"]),
        ("office", 2, [*issue("ann-ask.json", "x.json"), "--value", "country"]),
        ("office", 4, issue("shop-id.json", "x.json")),
        ("office", 5, (*OFFICE, "init", "Other Office")),
        ("ann", 6, (*OFFICE, "show")),
        ("ann", 3, (*WALLET, "ask", "Ministry", "identity")),
        ("ann", 3, (*WALLET, "ask", "Office", "passport")),
        ("ann", 2, (*WALLET, "show", "9")),
        ("ann", 2, (*WALLET, "drop", "9")),
        ("ann", 4, (*WALLET, "take", "ann-ask.json")),
        ("ann", 4, ("wallet", "import", "ann-ask.json")),
        ("ann", 4, ("wallet", "present", "ann-ask.json", "--yes")),
        ("shop", 2, ("merchant", "policy", "request")),
        ("shop", 2, ("merchant", "policy", "request", "wine.toml", "--sale", "1")),
        ("shop", 2, ("merchant", "policy", "request", "--sale", "9")),
        ("shop", 2, ("merchant", "policy", "check", "wine.toml", "--set", "x")),
        ("shop", 4, ("merchant", "policy", "check", "ann-ask.json")),
        ("shop", 4, ("merchant", "policy", "verify", "wine.toml")),
        ("shop", 6, ("merchant", "policy", "check", "missing.toml")),
    ],
)
def test_usage(licensed: World, who: str, code: int, arguments: tuple[str, ...]) -> None:
    refused(licensed, code, who, *arguments)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('reveal = ["country"]', 'reveal = ["salary"]'),
        ('schema = "identity"', 'schema = "passport"'),
        ("birth_date <= today", "birth_date <= tomorrow"),
        ("birth_date <= today - 18y", "(" * 5_000),
        ('title = "Wine on credit"', ""),
    ],
)
def test_policies_that_make_no_sense(licensed: World, old: str, new: str) -> None:
    text = licensed.file("wine.toml").read_text()
    assert old in text
    licensed.file("wine.toml").write_text(text.replace(old, new))
    before = tree(licensed)
    for command in (("policy", "check", "wine.toml"), ("policy", "request", "wine.toml")):
        result = licensed.run("shop", "merchant", *command, "--json")
        assert result.code in (2, 3, 4), result
        assert result.error["code"] in ("usage", "refused", "malformed")
    assert tree(licensed) == before


def test_a_schema_of_ones_own(licensed: World) -> None:
    schema = licensed.file("club.toml")
    schema.write_text(
        'name = "club-member"\ntitle = "Club member"\nrevocable = false\n'
        '[[field]]\nname = "since"\ntitle = "member since"\ntype = "date"\n'
    )
    licensed.do("office", *OFFICE, "schema", "publish", "club.toml")
    found = licensed.get("nobody", *OFFICE, "schema", "show", "club-member")
    assert [field["name"] for field in found["fields"]] == ["since"]
    schema.write_text('name = "club-member"\n')
    refused(licensed, 4, "office", *OFFICE, "schema", "publish", "club.toml")
