"""Credentials by commands: issued, held, shown, revoked; and what is refused."""

from __future__ import annotations

import pytest
from clikit import ADULT, PRESENT, VERIFY, World, ask, clause_fails, issue, keys, refused, tree

FILE = "file message"
HELD = "credential schema schema_hash issuer_id issuer key_number expires values epoch revoked"
ISSUED = "handle schema schema_hash key_number issued_ms expires values revoked_ms epoch reason"
SCHEMA = "name title schema_hash publisher_id index revocable fields"
DISCLOSED = "request_hash values issuers pseudonym commitment"
OFFICE = ("credential",)
WALLET = ("wallet", "credential")


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
    keys(licensed, "file media_type presentation", "ann", *PRESENT)
    found = keys(licensed, DISCLOSED, "shop", *VERIFY)
    assert found["values"] == {"identity.country": "AT"}
    assert found["commitment"] == ""
    for more in ((), ("--format", "cbor")):
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
    assert "1 credential can be shown" in licensed.do("ann", *WALLET, "refresh").out
    assert "issuer" in licensed.do("nobody", *OFFICE, "verify", "ann-id.json").out
    assert "at least 18 years old" in licensed.do("shop", "merchant", "policy", "check",
                                                  "wine.toml").out  # fmt: skip


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


def test_another_holders_credential(licensed: World) -> None:
    licensed.do("ann", "wallet", "export", "credential", "1", "-o", "c.json")
    for command in (("wallet", "import", "c.json"), (*WALLET, "take", "ann-id.json")):
        error = refused(licensed, 3, "ben", *command)
        assert error["rule"] in ("bad-signature", "not-requested")
    assert len(licensed.get("ben", *WALLET, "show")["credentials"]) == 1


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
        ("office", 2, (*OFFICE, "publish-list", "identity", "wine.toml", "--prove", "absence")),
        ("office", 3, (*OFFICE, "publish-list", "nothing", "wine.toml", "--prove", "absence")),
        ("office", 2, (*OFFICE, "publish-list", "identity", "wine.toml")),
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


def test_a_list_of_ones_own(licensed: World) -> None:
    schema = licensed.file("stolen.toml")
    schema.write_text(
        'name = "stolen-documents"\ntitle = "Stolen documents"\nrevocable = true\n'
        '[[field]]\nname = "item"\ntitle = "number"\ntype = "text"\n'
    )
    publish = (*OFFICE, "publish-list", "stolen-documents", "numbers.txt", "--prove", "absence")
    licensed.file("numbers.txt").write_text("A1\n\nB2\nA1\n")
    assert refused(licensed, 3, "office", *publish)["rule"] == "unknown-schema"
    for _ in range(2):
        licensed.do("office", *OFFICE, "schema", "publish", "stolen.toml")
    shown = licensed.do("nobody", *OFFICE, "schema", "show", "stolen-documents").out
    assert "a signed list" in shown
    found = keys(licensed, "name schema_hash version items prove", "office", *publish)
    assert (found["version"], found["items"], found["prove"]) == (1, 2, "absence")
    size = licensed.size()
    assert licensed.get("office", *publish) == found
    assert licensed.size() == size
    licensed.file("wine.toml").write_text(
        licensed.file("wine.toml")
        .read_text()
        .replace("prove = [", 'prove = ["document_hash not in stolen", ')
        + f"""
        [lists.stolen]
        issuer = "{licensed.get("office", *OFFICE, "init")["issuer_id"]}"
        name = "stolen-documents"
        """
    )
    ask(licensed)
    said = licensed.do("ann", *PRESENT).err
    assert "is not on the list 'stolen-documents' of 'Office' (2 items, version 1 of 20" in said
    licensed.do("shop", *VERIFY)
    number = licensed.get("ann", *WALLET, "show")["credentials"][0]["values"]["document_hash"]
    licensed.file("numbers.txt").write_text(f"A1\n{number}\n")
    assert "version 2 with 2 items" in licensed.do("office", *publish).out
    clause_fails(licensed, "ann", *PRESENT)
    licensed.file("numbers.txt").write_text("A1\n" + "B" * 256 + "\n")
    assert "numbers.txt" in refused(licensed, 4, "office", *publish)["message"]
