"""Policies and presentations by commands: what is asked, shown, agreed to and refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from clikit import ADULT, PRESENT, VERIFY, World, ask, clause_fails, refused, sell, tree

COUNTRY = 7
"""Slot of the country among blind, owner, handle, expires and the fields of an identity."""


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def coded(header: dict[str, Any]) -> str:
    return base64url(json.dumps(header).encode())


def plain(text: str) -> dict[str, Any]:
    """A header of a presentation's file."""
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "==="))
    return found


def header(world: World) -> dict[str, Any]:
    """The header of the answer in the file."""
    return plain(json.loads(world.file("shown.json").read_bytes())["presentation"])


def changed(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    raw = json.loads(data)
    change(raw)
    return json.dumps(raw).encode()


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
    first = header(licensed)["bound"]
    again = licensed.get("ann", *PRESENT, "--invoice", "invoice.json")
    assert again["presentation"]["bound"] == first != ""


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


# -- what the holder reads, and what the shop hears --------------------------------------------


def test_the_holder_reads_the_clause(licensed: World) -> None:
    sell(licensed)
    size = licensed.size()
    for more in ((), ("--invoice", "invoice.json")):
        said = clause_fails(licensed, "ben", *PRESENT, *more)
        assert "clause 1 does not hold: your date of birth is on or before" in said
    assert not licensed.file("shown.json").exists()
    assert licensed.size() == size


Change = Callable[[dict[str, Any]], object]


def _head(**fields: Any) -> Change:
    """The header of the presentation with other fields."""

    def change(raw: dict[str, Any]) -> None:
        raw["presentation"] = coded({**plain(raw["presentation"]), **fields})

    return change


def _use(**fields: Any) -> Change:
    """The header of its one credential with other fields."""

    def change(raw: dict[str, Any]) -> None:
        part = raw["credentials"][0]
        part["issuer"] = coded({**plain(part["issuer"]), **fields})

    return change


def _slot(place: int, text: bytes) -> Change:
    def change(raw: dict[str, Any]) -> None:
        raw["credentials"][0]["payloads"][place] = base64url(text)

    return change


def _other_ledger(raw: dict[str, Any]) -> None:
    _head(ledger="00" * 32)(raw)
    _use(ledger="00" * 32)(raw)


DOCTORED: dict[str, Change] = {
    "a proof": lambda raw: raw.update(proofs=[raw["proofs"][0][:-4] + "AAAA"]),
    "no proof": lambda raw: raw.update(proofs=[""]),
    "another request": _head(request="00" * 32),
    "another ledger": _other_ledger,
    "a revealed value": _slot(COUNTRY, b"DE"),
    "no pseudonym": _head(pseudonym=""),
    "bound to something": _head(bound="00" * 48),
    "another epoch": _use(epoch=9),
    "another key": _use(key=2),
    "another issuer": _use(issuer="00" * 32),
}
MISSHAPEN: dict[str, Change] = {
    "one value more": _slot(COUNTRY + 1, b"5c1f"),
    "a hidden value": _slot(0, b"5"),
    "no credential": lambda raw: raw.update(credentials=[]),
    "two proofs": lambda raw: raw.update(proofs=raw["proofs"] * 2),
    "ledgers that differ": _head(ledger="00" * 32),
    "a field more": _head(list_keys=[1]),
    "a member more": lambda raw: raw.update(more=""),
}


def test_the_shop_hears_refused_and_nothing_else(licensed: World) -> None:
    ask(licensed)
    licensed.do("ann", *PRESENT)
    good = licensed.file("shown.json").read_bytes()
    for what, change in DOCTORED.items():
        licensed.file("shown.json").write_bytes(changed(good, change))
        error = refused(licensed, 3, "shop", *VERIFY)
        assert (error["rule"], error["message"]) == (
            "presentation",
            "the presentation is refused [presentation]",
        ), what
    for change in MISSHAPEN.values():
        licensed.file("shown.json").write_bytes(changed(good, change))
        assert "shown.json" in refused(licensed, 4, "shop", *VERIFY)["message"]
    licensed.file("shown.json").write_bytes(good)
    licensed.do("shop", *VERIFY)


def test_both_forms_are_read_and_told_apart_by_content(licensed: World) -> None:
    """One answer in two forms: whatever the file is called, it is the same answer."""
    ask(licensed)
    given = licensed.get("ann", *PRESENT, "--format", "cbor")
    assert given["media_type"] == "application/vnd.zkcredit.presentation+cbor"
    data = licensed.file("shown.json").read_bytes()
    assert data[:1] == b"\x83"
    for hidden in (ADULT.encode(), b"Ann"):
        assert hidden not in data
    licensed.file("shown.json").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert refused(licensed, 3, "shop", *VERIFY)["rule"] == "presentation"
    licensed.file("shown.json").write_bytes(data)
    found = licensed.get("shop", *VERIFY)
    assert found["values"] == {"identity.country": "AT"}
    ask(licensed)
    given = licensed.get("ann", *PRESENT, "--format", "json")
    assert given["media_type"] == "application/vnd.zkcredit.presentation+json"
    raw = json.loads(licensed.file("shown.json").read_bytes())
    assert list(raw) == ["presentation", "credentials", "proofs"]
    shown = [slot for slot in raw["credentials"][0]["payloads"] if slot is not None]
    assert shown == [base64url(b"AT")]
    licensed.do("shop", *VERIFY)
    licensed.file("shown.json").write_text(json.dumps(given["presentation"]))
    refused(licensed, 4, "shop", *VERIFY)  # the message inside of other messages is no file


def test_an_answer_is_for_one_request(licensed: World) -> None:
    ask(licensed)
    licensed.do("ann", *PRESENT)
    shown = licensed.file("shown.json")
    first = shown.read_bytes()
    ask(licensed)
    licensed.do("ann", *PRESENT)
    shown.write_bytes(changed(first, _head(request=header(licensed)["request"])))
    assert refused(licensed, 3, "shop", *VERIFY)["rule"] == "presentation"
    shown.write_bytes(first)
    licensed.do("corner", "merchant", "new", "Corner")
    assert refused(licensed, 3, "corner", *VERIFY)["rule"] == "presentation"
    licensed.do("shop", *VERIFY)
    licensed.do("ann", *PRESENT)
    licensed.do("shop", *VERIFY)
    licensed.do("ann", *PRESENT)
    assert refused(licensed, 5, "shop", *VERIFY)["code"] == "conflict"


def test_a_request_that_was_changed(licensed: World) -> None:
    ask(licensed)
    licensed.rewrite("asked.json", nonce="00" * 32)
    assert refused(licensed, 3, "ann", *PRESENT)["rule"] == "bad-signature"


# -- consent ---------------------------------------------------------------------------------


def test_nothing_without_consent(licensed: World) -> None:
    sell(licensed)
    asking = ("wallet", "present", "asked.json", "--invoice", "invoice.json", "-o", "shown.json")
    before = tree(licensed)
    no = licensed.run("ann", *asking, stdin=b"n\n")
    assert no.code == 3
    assert "It will learn: your country" in no.err
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


def test_a_search_is_noticed(licensed: World) -> None:
    """The wallet remembers over commands, and also what it could not answer."""
    text = licensed.file("wine.toml").read_text()

    def asked(day: str) -> World:
        licensed.file("wine.toml").write_text(text.replace("today - 18y", day))
        ask(licensed)
        return licensed

    for day in ("2010-01-01", "2005-01-01", "2000-01-01"):
        assert "Mind" not in asked(day).do("ann", *PRESENT).err
    clause_fails(asked("1980-01-01"), "ann", *PRESENT)
    said = asked("1999-01-01").do("ann", *PRESENT).err
    assert "Mind: this is question 5 of 'Corner Shop' about your date of birth" in said
    assert "lies from 0001-01-01 to 1999-01-01" in said


# -- policies -------------------------------------------------------------------------------


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
