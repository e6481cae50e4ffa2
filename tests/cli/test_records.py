"""Records by commands: kept, shared, opened, revoked, erased; and what is refused."""

from __future__ import annotations

import json

import pytest
from clikit import World, keys, refused, tree

ROW = "record kind commitment added_ms index"
GRANT = "grant_id record recipient fingerprint registered fields purpose issued_ms expires_ms state"
VERIFIED = "kind author author_id index timestamp_ms commitment fields hidden"
VERIFIED += " ledger_state finality"
SHARE = ("--with", "landlord.json", "--purpose", "flat to let")
OPEN = ("record", "open", "grant.json", "--purpose", "flat to let")


def share(world: World, number: str = "3", *more: str, target: str = "grant.json") -> str:
    """Shares a record with the landlord; returns the grant's identifier."""
    found = world.get("ann", "wallet", "share", number, *SHARE, *more, "-o", target)
    return str(found["message"]["grant_id"])


def test_json_of_every_command(recorded: World) -> None:
    listed = keys(recorded, "records new finality", "ann", "wallet", "records")
    assert [row["kind"] for row in listed["records"]] == ["receipt", "bill", "agreement"]
    assert set(listed["records"][0]) == {*ROW.split(), "ledger_state"}
    assert listed["new"] == []
    only = recorded.get("ann", "wallet", "records", "--kind", "bill")["records"]
    assert [row["record"] for row in only] == [2]
    shown = keys(recorded, ROW + " author fields", "ann", "wallet", "record", "1")
    assert (shown["author"], shown["fields"]["amount_minor"]) == ("Corner Shop", 1250)
    keys(recorded, "file message", "landlord", "record", "key", "-o", "k.json")
    keys(recorded, "file message", "shop", "record", "key", "-o", "shop.json")
    made = ("wallet", "share", "3", *SHARE, "--field", "limit_minor", "-o", "grant.json")
    grant = keys(recorded, "file body_file message", "ann", *made)
    assert grant["body_file"] == "grant.body"
    opened = keys(recorded, VERIFIED, "landlord", *OPEN, "-o", "kept.json")
    assert (opened["author"], opened["fields"]["limit_minor"]) == ("Bank", 50_000)
    assert "customer" in opened["hidden"]
    assert keys(recorded, VERIFIED, "nobody", "record", "verify", "kept.json") == opened
    rows = keys(recorded, "grants", "ann", "wallet", "grants")["grants"]
    assert set(rows[0]) == set(GRANT.split())
    assert not rows[0]["registered"]
    assert rows == recorded.get("ann", "wallet", "grants", "3")["grants"]
    grant_id = grant["message"]["grant_id"]
    keys(recorded, "grant_id revoked changed", "ann", "wallet", "revoke", grant_id)
    assert recorded.get("ann", "wallet", "grants")["grants"][0]["state"] == "revoked"
    keys(recorded, "file bytes", "ann", "wallet", "export", "record", "1", "-o", "r.json")
    keys(recorded, ROW, "ann", "wallet", "import", "r.json")
    keys(recorded, "record kind", "ann", "wallet", "erase", "1", "--yes")
    keys(recorded, "file message", "bank", "lender", "record", "report", "1", "-o", "r.json")
    keys(recorded, "entries", "bank", "lender", "anchor")
    assert recorded.get("op", "audit")["ok"]


def test_for_people(recorded: World) -> None:
    assert "agreement" in recorded.do("ann", "wallet", "records").out
    assert "12.50 TWD" in recorded.do("ann", "wallet", "record", "1").out
    shared = recorded.do("ann", "wallet", "share", "3", *SHARE, "-o", "grant.json")
    fingerprint = recorded.do("landlord", "record", "key", "-o", "k.json").err.split()[2]
    assert f"compare the fingerprint of the key: {fingerprint}" in shared.err
    assert "the whole record" in shared.err
    assert "500.00 TWD" in recorded.do("landlord", *OPEN).out
    grant_id = recorded.get("ann", "wallet", "grants")["grants"][0]["grant_id"]
    assert "Landlord (not on the ledger)" in recorded.do("ann", "wallet", "grants").out
    told = recorded.do("ann", "wallet", "share", "3", *SHARE, "--field", "limit_minor", "-o", "g")
    assert ": ledger_id, issuer_id, currency, limit_minor, agreed_ms." in told.err
    assert "is revoked" in recorded.do("ann", "wallet", "revoke", grant_id[:8]).out
    assert "was revoked before" in recorded.do("ann", "wallet", "revoke", grant_id[:8]).out
    partly = ("wallet", "export", "record", "1", "--field", "label", "-o", "part.json")
    recorded.do("ann", *partly)
    verified = recorded.do("nobody", "record", "verify", "part.json").out
    assert "Not shown: amount_minor" in verified
    assert "12.50" not in recorded.file("part.json").read_text()
    assert recorded.do("ann", "wallet", "export", "record", "1").out.startswith("{")
    assert "is gone" in recorded.do("ann", "wallet", "erase", "1", "--yes").out


def test_a_bill_is_anchored_later(recorded: World) -> None:
    error = refused(recorded, 3, "ann", "wallet", "share", "2", *SHARE, "-o", "g.json")
    assert error["rule"] == "not-anchored"
    assert not recorded.file("g.body").exists()
    recorded.do("bank", "lender", "record", "bill", "1", "--period", "1", "-o", "bill.json")
    assert recorded.get("ann", "wallet", "import", "bill.json")["record"] == 2
    share(recorded, "2")
    assert recorded.get("landlord", *OPEN)["fields"]["bill_minor"] == 1250


def test_repeated(recorded: World) -> None:
    size = recorded.size()
    first = recorded.message("agreement.json")
    recorded.do("bank", "lender", "record", "agreement", "1", "-o", "again.json")
    assert recorded.message("again.json") == first
    before = tree(recorded)
    for name in ("agreement.json", "again.json"):
        assert recorded.get("ann", "wallet", "import", name)["record"] == 3
    assert recorded.get("bank", "lender", "anchor")["entries"] == []
    assert recorded.get("ann", "wallet", "records")["new"] == []
    recorded.do("landlord", "record", "key", "-o", "landlord.json")
    recorded.do("landlord", "record", "key", "Landlord", "-o", "landlord.json")
    assert tree(recorded) == before
    assert recorded.size() == size
    grant_id = share(recorded)
    written = tree(recorded)
    recorded.do("ann", "wallet", "share", "--again", grant_id, "-o", "grant.json")
    assert recorded.get("landlord", *OPEN) == recorded.get("landlord", *OPEN)
    assert tree(recorded) == written


def test_bodies_are_encrypted_and_go_when_erased(recorded: World) -> None:
    folder = recorded.file("ann/default/records")
    bodies = list(folder.iterdir())
    assert len(bodies) == 3
    for body in bodies:
        assert body.stat().st_mode & 0o77 == 0
        assert b"zkcredit" not in body.read_bytes()
    share(recorded, "3", "--field", "limit_minor")
    assert len(list(folder.iterdir())) == 4
    recorded.do("ann", "wallet", "erase", "3", "--yes")
    assert len(list(folder.iterdir())) == 2
    assert recorded.get("ann", "wallet", "grants")["grants"] == []
    assert [row["record"] for row in recorded.get("ann", "wallet", "records")["records"]] == [1, 2]


def test_after_revoking_a_new_body_for_the_others(recorded: World) -> None:
    first = share(recorded, target="first.json")
    second = share(recorded, target="grant.json")
    gone = recorded.get("ann", "wallet", "revoke", first)
    assert (gone["revoked"], gone["changed"]) == (True, [second])
    assert not recorded.get("ann", "wallet", "revoke", first)["revoked"]
    recorded.do("ann", "wallet", "share", "--again", second, "-o", "grant.json")
    assert recorded.get("landlord", *OPEN)["kind"] == "agreement"
    opened = ("record", "open", "first.json", "--purpose", "flat to let")
    error = refused(recorded, 3, "landlord", *opened, "--body", "grant.body")
    assert error["rule"] == "body-missing", "the new body is not the one that the old grant names"


@pytest.mark.parametrize("role", ["shop", "bank"])
def test_registered_recipients_open_with_their_own_keys(recorded: World, role: str) -> None:
    recorded.do(role, "record", "key", "-o", "landlord.json")
    shared = recorded.do("ann", "wallet", "share", "3", *SHARE, "-o", "grant.json")
    assert "fingerprint" not in shared.err
    assert recorded.get(role, *OPEN)["fields"]["customer"] == "Ann"
    assert refused(recorded, 5, role, "record", "key", "Other")["code"] == "conflict"


def test_what_does_not_open(recorded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    share(recorded)
    wrong = ("record", "open", "grant.json", "--purpose", "a loan")
    assert refused(recorded, 3, "landlord", *wrong)["rule"] == "wrong-purpose"
    recorded.do("eve", "record", "key", "Eve", "-o", "eve.json")
    assert refused(recorded, 3, "eve", *OPEN)["rule"] == "wrong-recipient"
    assert "record key" in refused(recorded, 6, "nobody", *OPEN)["message"]
    with monkeypatch.context() as patch:
        patch.setattr("zkcredit.clock.time.time_ns", lambda: 4 * 10**18)
        assert refused(recorded, 3, "landlord", *OPEN)["rule"] == "grant-expired"
    body = recorded.file("grant.body").read_bytes()
    recorded.file("grant.body").write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    assert refused(recorded, 3, "landlord", *OPEN)["rule"] == "body-missing"
    recorded.file("grant.body").unlink()
    assert refused(recorded, 6, "landlord", *OPEN)["code"] == "store"
    recorded.file("grant.body").write_bytes(body)
    for change in ({"purpose": "flat to let "}, {"recipient_name": "Eve"}, {"expires_ms": 1 << 60}):
        share(recorded)
        recorded.rewrite("grant.json", **change)
        asked = ("record", "open", "grant.json", "--purpose", change.get("purpose", "flat to let"))
        assert refused(recorded, 1, "landlord", *map(str, asked))["code"] == "check-failed"


def test_what_does_not_verify(recorded: World) -> None:
    verify = ("record", "verify", "x.json")
    whole = recorded.message("agreement.json")
    document = {**whole["document"], "limit_minor": 1}
    recorded.file("x.json").write_text(json.dumps({**whole, "document": document}))
    assert refused(recorded, 3, "nobody", *verify)["rule"] == "bad-signature"
    assert refused(recorded, 3, "ann", "wallet", "import", "x.json")["rule"] == "bad-signature"
    anchor = {**whole["anchor"], "entry_index": 0}
    recorded.file("x.json").write_text(json.dumps({**whole, "anchor": anchor}))
    assert refused(recorded, 3, "nobody", *verify)["rule"] == "not-on-log"
    part = ("wallet", "export", "record", "3", "--field", "limit_minor", "-o", "part.json")
    recorded.do("ann", *part)
    shown = recorded.message("part.json")["shown"]
    recorded.rewrite("part.json", shown=[*shown[:-1], {**shown[-1], "value": 1}])
    assert (
        refused(recorded, 3, "nobody", "record", "verify", "part.json")["rule"] == "bad-signature"
    )
    for content in (b"", b"{", b'{"type": "zkcredit/record/2"}', b'{"type": "zkcredit/invoice/1"}'):
        recorded.file("x.json").write_bytes(content)
        assert refused(recorded, 4, "nobody", *verify)["code"] == "malformed"
        assert refused(recorded, 4, "ann", "wallet", "import", "x.json")["code"] == "malformed"
        assert refused(recorded, 4, "ann", "wallet", "share", "3", "--with", "x.json", "--purpose",
                       "p", "-o", "g.json")["code"] == "malformed"  # fmt: skip


def test_an_unpaid_invoice_is_no_receipt(recorded: World) -> None:
    recorded.invoice(name="unpaid.json")
    error = refused(recorded, 3, "ann", "wallet", "import", "unpaid.json")
    assert error["rule"] == "not-on-log"
    assert recorded.get("ann", "wallet", "import", "invoice.json")["record"] == 1


@pytest.mark.parametrize(
    ("who", "arguments"),
    [
        ("ann", ("wallet", "record", "9")),
        ("ann", ("wallet", "record", "0")),
        ("ann", ("wallet", "records", "--kind", "note")),
        ("ann", ("wallet", "share", "9", *SHARE, "-o", "g.json")),
        ("ann", ("wallet", "share", "3", *SHARE)),
        ("ann", ("wallet", "share", "3", *SHARE, "-o", "g.body")),
        ("ann", ("wallet", "share", "3", *SHARE, "--field", "salary_minor", "-o", "g.json")),
        ("ann", ("wallet", "share", "3", *SHARE, "--again", "abcd", "-o", "g.json")),
        ("ann", ("wallet", "share", "--again", "abcd", "-o", "g.json")),
        ("ann", ("wallet", "share", "3", "-o", "g.json")),
        ("ann", ("wallet", "grants", "9")),
        ("ann", ("wallet", "revoke", "abcd")),
        ("ann", ("wallet", "revoke", "xyz")),
        ("ann", ("wallet", "erase", "9", "--yes")),
        ("ann", ("wallet", "export", "record", "9")),
        ("ann", ("wallet", "export", "record", "1", "--format", "cbor")),
        ("ann", ("wallet", "export", "credential", "1", "--field", "x")),
        ("ann", ("wallet", "export", "credential", "1")),
        ("bank", ("lender", "record", "agreement", "9")),
        ("bank", ("lender", "record", "report", "1", "--period", "1")),
        ("bank", ("lender", "record", "bill", "1", "--period", "2")),
        ("new", ("record", "key")),
        ("landlord", ("record", "open", "-", "--purpose", "x")),
    ],
)
def test_usage(recorded: World, who: str, arguments: tuple[str, ...]) -> None:
    assert refused(recorded, 2, who, *arguments)["code"] == "usage"


def test_erasing_asks(recorded: World) -> None:
    before = tree(recorded)
    no = recorded.run("ann", "wallet", "erase", "1", stdin=b"n\n")
    assert (no.code, "nothing was erased [no-consent]" in no.err) == (3, True)
    assert recorded.run("ann", "wallet", "erase", "1").code == 2  # input has ended
    assert recorded.run("ann", "wallet", "erase", "1", "--json").code == 2
    assert tree(recorded) == before
    assert recorded.run("ann", "wallet", "erase", "1", stdin=b"y\n").code == 0


def test_interrupted_between_vault_and_file(
    recorded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("zkcredit.cli.wallet_records.write_bytes", interrupt)
        done = recorded.run("ann", "wallet", "share", "3", *SHARE, "-o", "grant.json")
    assert (done.code, recorded.file("grant.json").exists()) == (130, False)
    (row,) = recorded.get("ann", "wallet", "grants")["grants"]
    recorded.do("ann", "wallet", "share", "--again", row["grant_id"], "-o", "grant.json")
    assert recorded.get("landlord", *OPEN)["kind"] == "agreement"


def test_a_missing_body_is_said(recorded: World) -> None:
    for body in recorded.file("ann/default/records").iterdir():
        body.unlink()
    assert "not in the store" in refused(recorded, 5, "ann", "wallet", "record", "1")["message"]
