"""Accepted and final on every screen: a policy that is pinned, cosigners that sign, waiting."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clikit import World, call, refused
from servicekit import serving

from zkcredit.cosigner import Cosigner
from zkcredit.cosigner.collect import collect, write
from zkcredit.ledger import Operator
from zkcredit.ledger.note import Ed25519Signer, Note
from zkcredit.ledger.quorum import Party, Policy
from zkcredit.ledger.static import StaticLog, StaticSource

MEMBERS = ("bank-a", "bank-b", "bank-c", "bank-d")
PEOPLE = ("op", "bank", "ann", "shop")


@pytest.fixture(scope="module")
def watched_once(bought_once: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A settled purchase, a bill, and four cosigners whose policy lies there as a file."""
    world = bought_once.copy(tmp_path_factory.mktemp("watched"))
    world.do("bank", "lender", "period", "open", "2")
    world.do("ann", "wallet", "statement", "-o", "opening.json")
    world.do("bank", "lender", "statement", "opening.json")
    world.do("ann", "wallet", "receive")
    world.do("shop", "merchant", "check")
    world.do("shop", "merchant", "settle", "--reference", "a", "--force", "-o", "s.json")
    world.do("bank", "lender", "payout", "s.json", "-o", "o.json")
    world.do("shop", "merchant", "payout", "o.json")
    world.do("op", "ledger", "publish", "public")
    keys = []
    for name in MEMBERS:
        world.do(name, "cosigner", "init", "public", "--name", f"{name}.example")
        found = world.get(name, "cosigner", "keys")["keys"]
        keys.append(next(item["key"] for item in found if item["role"] == "rules-v1"))
    world.do("op", "ledger", "policy", *keys, "-o", "policy")
    return world


@pytest.fixture
def watched(watched_once: World, tmp_path: Path) -> World:
    return watched_once.copy(tmp_path)


@pytest.fixture
def trusting(watched: World) -> World:
    """The same, and everybody has pinned the policy."""
    for who in PEOPLE:
        watched.do(who, "ledger", "trust", "policy")
    return watched


def cosign(world: World, count: int) -> None:
    """Publishes, and has so many cosigners look and sign; collects what they signed."""
    world.do("op", "ledger", "publish", "public")
    given: list[str] = []
    for name in MEMBERS[:count]:
        world.do(name, "cosigner", "once", "public", "-o", f"{name}.note")
        given += ["--from", f"{name}.note"]
    collected = world.run("op", "ledger", "cosign", "public", "--policy", "policy", *given)
    assert collected.code == (0 if count >= 3 else 1)


def states(world: World) -> dict[str, set[str | None]]:
    """What each screen says of its entries."""
    get = world.get
    sales = get("shop", "merchant", "show")
    lender = get("bank", "lender", "show")
    records = get("ann", "wallet", "records")["records"]
    assert [record["index"] is None for record in records] == [False, True], "a bill is no entry"
    return {
        "history": {row["ledger_state"] for row in get("ann", "wallet", "history")["history"]},
        "bills": {b["ledger_state"] for b in get("ann", "wallet", "statement", "--show")["bills"]},
        "records": {records[0]["ledger_state"]},
        "claims": {sale["claim_ledger_state"] for sale in sales["sales"]},
        "settlements": {sale["settle_ledger_state"] for sale in sales["sales"]},
        "payouts": {p["ledger_state"] for p in sales["payouts"]},
        "accounts": {a["ledger_state"] for a in lender["accounts"]},
        "orders": {p["ledger_state"] for p in lender["payouts"]},
        "issued": {b["ledger_state"] for b in get("bank", "lender", "statement")["bills"]},
        "entry": {get("op", "ledger", "show", "5")["ledger_state"]},
    }


def test_without_a_policy(watched: World) -> None:
    """Everything is accepted and nothing is final, whatever is published."""
    cosign(watched, 4)
    assert set().union(*states(watched).values()) == {"accepted"}
    for who, *command in (
        ("ann", "wallet", "show"),
        ("ann", "wallet", "history"),
        ("shop", "merchant", "show"),
        ("shop", "merchant", "check"),
        ("bank", "lender", "show"),
        ("bank", "lender", "statement"),
        ("op", "ledger", "show"),
        ("op", "ledger", "show", "5"),
    ):
        result = watched.do(who, *command)
        assert "No cosigner policy" in result.err, command
        assert "final" not in result.out.replace("final            none", "", 1), command
        found = watched.get(who, *command)["finality"]
        assert (found["policy_hash"], found["final_size"]) == (None, None)
    assert "No cosigner policy" in watched.do("ann", "ledger", "trust").out
    invoice = watched.invoice(name="two.json")
    for who, *command in (
        ("ann", "wallet", "pay", invoice, "--yes", "--final"),
        ("shop", "merchant", "check", invoice, "--final"),
        ("ann", "ledger", "final"),
    ):
        assert "ledger trust" in refused(watched, 2, who, *command)["message"]


def test_three_of_four(trusting: World) -> None:
    """Two cosignatures are too few; with the third everything below is final, everywhere."""
    world = trusting
    cosign(world, 2)
    assert set().union(*states(world).values()) == {"accepted"}
    size = world.size()
    world.file("ledger/published").mkdir()  # where a service publishes
    shutil.copy(world.file("public/checkpoint"), world.file("ledger/published"))
    shown = world.get("ann", "wallet", "show")["finality"]
    assert (shown["final_size"], len(shown["cosigned_by"]), len(shown["missing"])) == (0, 2, 2)
    assert "Missing cosignatures: bank-c" in world.do("ann", "wallet", "show").err
    cosign(world, 3)
    found = states(world)
    assert all(seen == {"final"} for seen in found.values()), found
    assert world.get("op", "ledger", "show")["finality"]["final_size"] == size
    assert "final  " in world.do("shop", "merchant", "show").out
    assert f"the first {size} entries" in world.do("ann", "wallet", "history").err
    world.do("ann", "wallet", "refresh")
    line = world.get("ann", "wallet", "show")["lines"][0]
    assert line["pending"]["ledger_state"] == "accepted"
    assert "(accepted) waits" in world.do("ann", "wallet", "show").out
    assert world.get("ann", "ledger", "final")["finality"]["final_size"] == size
    assert world.run("ann", "ledger", "final", str(size)).code == 1
    assert world.run("ann", "ledger", "final", str(size - 1)).code == 0
    assert world.run("ann", "ledger", "final", str(size + 1)).code == 2
    assert "Final" in world.do("bank", "lender", "payout", "s.json", "-o", "again.json").err


def test_receipts(trusting: World) -> None:
    world = trusting
    check = ("ledger", "check-receipt", "r.tlog-proof", "--json")
    early = world.get("op", "ledger", "receipt", "5", "-o", "r.tlog-proof")
    assert early["ledger_state"] == "accepted"
    result = world.run("shop", *check)
    assert (result.code, result.json["ledger_state"], result.json["final"]) == (
        1,
        "accepted",
        False,
    )
    cosign(world, 3)
    late = world.get("op", "ledger", "receipt", "5", "-o", "r.tlog-proof")
    assert late["ledger_state"] == "final"
    result = world.run("shop", *check)
    assert (result.code, result.json["ledger_state"], result.json["final"]) == (0, "final", True)
    genesis = world.get("x", *check[:3], "--genesis", "ledger/genesis")
    assert genesis["ledger_state"] == "accepted"
    assert "nothing is final" in world.do("x", *check[:3], "--genesis", "ledger/genesis").out


def test_what_was_final_stays_final(trusting: World) -> None:
    """The profile keeps the proof: an older one, or none, takes nothing back."""
    world = trusting
    cosign(world, 3)
    final = world.get("ann", "ledger", "final")["finality"]["final_size"]
    (world.file("ledger/checkpoint.cosigned")).unlink()
    assert world.get("ann", "ledger", "final")["finality"]["final_size"] == final
    kept = world.file("ann/default/final.checkpoint").read_text()
    assert world.get("shop", "ledger", "final")["finality"]["final_size"] == 0
    world.file("mine.note").write_text(kept)
    taken = world.get("shop", "ledger", "final", "--from", "mine.note")
    assert taken["finality"]["final_size"] == final
    assert world.get("shop", "ledger", "final")["finality"]["final_size"] == final


def test_a_forged_cosignature(trusting: World) -> None:
    """It counts for nothing, and is told."""
    world = trusting
    cosign(world, 3)
    path = world.file("ledger/checkpoint.cosigned")
    text = path.read_text()
    name = "— bank-a.example/rules-v1 "
    at = text.index(name) + len(name) + 30
    path.write_text(text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
    found = world.get("ann", "wallet", "show")["finality"]
    assert found["final_size"] == 0
    assert "does not verify" in found["problems"][0]
    assert "not believed" in world.do("ann", "wallet", "show").err
    assert world.run("ann", "ledger", "final", "0").code == 1


def test_a_ledger_that_was_rolled_back(trusting: World, watched_once: World) -> None:
    """Behind what was final: noticed also by a profile that has forgotten the rest."""
    world = trusting
    world.do("ann", "wallet", "refresh")
    cosign(world, 3)
    world.do("shop", "ledger", "final")
    shutil.rmtree(world.file("ledger"))
    shutil.copytree(watched_once.file("ledger"), world.file("ledger"))
    assert "rolled back" in refused(world, 1, "shop", "merchant", "show")["message"]
    world.file("shop/default/profile.json").unlink()
    assert refused(world, 1, "shop", "merchant", "show")["check"] == "rolled-back"


def test_policies_of_somebody_else(watched: World) -> None:
    """That of another log is not pinned; other keys under the same names do not count."""
    world = watched
    world.do("z", "ledger", "init", "--ledger", "other")
    strangers = [Ed25519Signer(f"{m}.example/rules-v1", m.encode().ljust(32), cosigner=True)
                 for m in MEMBERS]  # fmt: skip
    parties = [Party(s.public.name, s.public) for s in strangers]
    genesis = StaticSource(world.file("public")).genesis
    other = call("ledger", "policy", strangers[0].public.encode(), "--ledger", "other",
                 "--home", "z", "-o", "foreign", cwd=world.place)  # fmt: skip
    assert other.code == 0
    assert refused(world, 1, "ann", "ledger", "trust", "foreign")["check"] == "other-ledger"
    assert refused(world, 1, "new", "ledger", "trust", "foreign")["check"] == "other-ledger"
    assert not world.file("new").exists(), "nothing was pinned at this first contact"
    world.file("nobody").write_text("quorum none\n")
    assert "nobody" in refused(world, 2, "ann", "ledger", "trust", "nobody")["message"]
    world.file("bad").write_text("quorum\n")
    assert refused(world, 4, "ann", "ledger", "trust", "bad")["code"] == "malformed"
    assert world.get("ann", "ledger", "trust")["policy"] is None
    world.file("strangers").write_text(Policy.of_members(genesis.log_keys, parties).encode())
    world.do("ann", "ledger", "trust", "policy")
    note = Note.decode(world.file("public/checkpoint").read_text())
    world.file("ledger/checkpoint.cosigned").write_text(
        note.signed_by(*strangers, time_s=1_900_000_000).encode()
    )
    assert world.get("ann", "ledger", "final")["finality"]["final_size"] == 0
    world.do("shop", "ledger", "trust", "strangers")
    assert world.get("shop", "ledger", "final")["finality"]["final_size"] == world.size()


def test_another_genesis_in_the_folder(watched: World) -> None:
    """What was pinned at the first contact counts, not what the folder says now."""
    world = watched
    world.do("op", "ledger", "receipt", "5", "-o", "r.tlog-proof")
    world.do("ann", "ledger", "check-receipt", "r.tlog-proof")
    world.do("z", "ledger", "init", "--ledger", "other")
    genesis = world.file("other/genesis").read_bytes()
    world.file("ledger/genesis").write_bytes(genesis)
    assert refused(world, 5, "ann", "ledger", "check-receipt", "r.tlog-proof")["code"] == "conflict"


def test_pinning(watched: World) -> None:
    world = watched
    pinned = world.get("ann", "ledger", "trust", "policy")
    assert pinned == world.get("ann", "ledger", "trust")
    assert Policy.parse(pinned["policy"]).quorum == "members"
    assert pinned["warnings"] == []
    assert pinned["policy_hash"] in world.do("ann", "ledger", "trust").out
    three = [line for line in pinned["policy"].splitlines() if "bank-d" not in line]
    weak = "\n".join([*(x for x in three if not x.startswith(("group", "quorum"))),
                      "group two 2 " + " ".join(f"{m}.example/rules-v1" for m in MEMBERS[:3]),
                      "quorum two", ""])  # fmt: skip
    world.file("weak").write_text(weak)
    assert len(world.get("shop", "ledger", "trust", "weak")["warnings"]) == 2
    assert "below 4" in world.do("shop", "merchant", "show").err
    assert len(world.get("shop", "merchant", "show")["finality"]["warnings"]) == 2
    found = [world.get(name, "cosigner", "keys")["keys"] for name in MEMBERS]
    keys = [item["key"] for keys in found for item in keys if item["role"] == "witness"][::2]
    silent = world.get("op", "ledger", "policy", *keys, "-o", "silent")["warnings"]
    assert ["say nothing about the rules" in warning for warning in silent] == [True]
    assert world.get("shop", "ledger", "trust", "silent")["warnings"] == silent
    assert world.get("ann", "ledger", "trust", "--off")["policy"] is None
    assert not world.file("ann/default/cosigners.policy").exists()
    for wrong in (("policy", "--off"), ("--from-log", "--off"), ("policy", "--from-log")):
        refused(world, 2, "ann", "ledger", "trust", *wrong)


def test_trust_on_first_use(watched: World) -> None:
    """The log's word is taken once; afterwards only the quorum's of those that it named."""
    world = watched
    keys = [line.split()[2] for line in world.file("policy").read_text().splitlines()
            if line.startswith("witness")]  # fmt: skip
    assert refused(world, 2, "ann", "ledger", "trust", "--from-log")["code"] == "usage"
    world.do("op", "ledger", "members", *keys)
    first = world.do("ann", "ledger", "trust", "--from-log")
    assert "first use" in first.err
    world.do("shop", "ledger", "trust", "policy")
    cosign(world, 3)
    assert world.get("ann", "ledger", "final")["finality"]["final_size"] == world.size()
    world.do("op", "ledger", "members", *keys[:3], "-o", "change")
    submit = ["ledger", "members", "--submit", "change"]
    for name in MEMBERS[:3]:
        world.do(name, "cosigner", "approve", "change", "-o", f"{name}.approval")
        submit += ["--approval", f"{name}.approval"]
    world.do("op", *submit)
    assert world.get("ann", "ledger", "trust")["policy"].count("witness") == 4
    for who in ("ann", "shop"):
        later = world.get(who, "ledger", "trust", "--from-log")
        assert later["policy"].count("witness") == 3, "a quorum of those four has agreed"
    stranger = Ed25519Signer("x.example", bytes(32), cosigner=True).public.encode()
    world.do("op", "ledger", "policy", stranger, "-o", "elsewhere")
    world.do("bank", "ledger", "trust", "elsewhere")
    assert (
        "not one that the log"
        in refused(world, 5, "bank", "ledger", "trust", "--from-log")["message"]
    )


# -- waiting ---------------------------------------------------------------------------------


@pytest.fixture
def later(trusting: World) -> Iterator[threading.Thread]:
    """Three cosigners that sign a moment after others have begun to wait."""

    def work() -> None:
        time.sleep(0.5)
        _publish(trusting)
        source = StaticSource(trusting.file("public"))
        notes = []
        for name in MEMBERS[:3]:
            with Cosigner.open(trusting.file(f"{name}/default/cosigner")) as cosigner:
                notes.append((name, cosigner.follow(source).note.encode()))
        policy = Policy.parse(trusting.file("policy").read_text())
        write(trusting.file("public"), collect(source, policy, notes), trusting.file("ledger"))

    thread = threading.Thread(target=work)
    yield thread
    thread.join()


def _publish(world: World) -> None:
    with Operator.open(world.file("ledger")) as ledger:
        StaticLog(ledger, world.file("public")).publish()


def test_paying_until_it_is_final(trusting: World, later: threading.Thread) -> None:
    world = trusting
    invoice = world.invoice(name="two.json")
    pay = ("wallet", "pay", invoice, "--yes", "--final", "--json")
    soon = world.run("ann", *pay, "--wait", "1s")
    assert (soon.code, soon.json["ledger_state"], soon.json["signed"]) == (1, "accepted", False)
    unpaid = world.run("shop", "merchant", "check", invoice, "--final", "--json")
    assert (unpaid.code, unpaid.json["invoice"]["state"]) == (1, "paid")
    assert unpaid.json["invoice"]["claim_ledger_state"] == "accepted"
    assert world.run("shop", "merchant", "check", invoice).code == 0
    later.start()
    found = world.run("shop", "merchant", "check", invoice, "--final", "--wait", "60s", "--json")
    assert (found.code, found.json["invoice"]["claim_ledger_state"]) == (0, "final")
    again = world.run("ann", *pay, "--wait", "60s")
    assert (again.code, again.json["ledger_state"]) == (0, "final")
    assert again.json["index"] == soon.json["index"]
    assert world.get("bank", "ledger", "final", str(soon.json["index"]), "--wait", "1s")
    assert world.run("ann", *pay[:-1]).out.startswith("Paid")


def test_options_that_do_not_fit(trusting: World) -> None:
    invoice = trusting.invoice(name="two.json")
    for who, *command in (
        ("ann", "wallet", "pay", invoice, "--yes", "--wait", "1s"),
        ("ann", "wallet", "pay", invoice, "--yes", "--final", "--offline", "x"),
        ("shop", "merchant", "check", "--final"),
        ("ann", "ledger", "final", "--wait", "1s"),
    ):
        assert refused(trusting, 2, who, *command)["code"] == "usage"


# -- over HTTP -------------------------------------------------------------------------------


def test_over_http(trusting: World) -> None:
    """A client verifies what the service offers as cosigned against what it has pinned."""
    world = trusting
    with serving(world.file("ledger")) as running:

        def get(who: str, *command: str) -> Any:
            result = call("--home", who, "--ledger", running.url, *command, "--json",
                          cwd=world.place)  # fmt: skip
            assert result.code == 0, result
            return result.json

        assert get("ann", "wallet", "show")["finality"]["final_size"] == 0
        cosign(world, 3)
        shutil.copy(world.file("ledger/checkpoint.cosigned"), world.file("ledger/published"))
        size = world.size()
        found = get("ann", "ledger", "final")
        assert (found["size"], found["finality"]["final_size"]) == (size, size)
        assert {row["ledger_state"] for row in get("ann", "wallet", "history")["history"]} == {
            "final"
        }
        sales = get("shop", "merchant", "show")["sales"]
        assert {sale["claim_ledger_state"] for sale in sales} == {"final"}
        world.file("ledger/published/checkpoint.cosigned").write_bytes(b"\xff" * 100)
        found = get("bank", "lender", "show")["finality"]
        assert (found["final_size"], len(found["problems"])) == (0, 1)
        assert get("ann", "ledger", "final")["finality"]["final_size"] == size
