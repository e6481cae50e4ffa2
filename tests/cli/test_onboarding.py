"""One person, one line, by commands: what newcomers present, and what is refused."""

from __future__ import annotations

from typing import Any

from clikit import World, clause_fails, identity, keys, refused, tree

ONBOARDING = """
title = "New customers"
reveal = ["country"]
prove = ["birth_date <= today - 18y"]
pseudonym = "onboarding"
pseudonym_from = "identity.person"
"""
GRANT = ("--limit", "1.00 TWD", "--customer", "C")


def _onboarding(world: World) -> None:
    wine = world.file("wine.toml").read_text()
    credential = wine[wine.index("[credentials") :]
    world.file("onboarding.toml").write_text(ONBOARDING + credential)
    world.do("bank", "lender", "policy", "set", "onboarding.toml")


def _open(world: World, who: str, target: str, *more: str) -> Any:
    world.do("bank", "lender", "policy", "request", "-o", "newcomer.json")
    opening = ("wallet", "open", "--present", "newcomer.json", "-o", target, *more)
    return world.get(who, *opening, "--yes")


def test_one_person_one_line(licensed: World) -> None:
    _onboarding(licensed)
    licensed.do("eve", "wallet", "new")
    identity(licensed, "eve")  # the same person with another wallet
    _open(licensed, "eve", "eve.json")
    _open(licensed, "ann", "ann.json", "--another")
    found = licensed.get("bank", "lender", "grant", "eve.json", *GRANT)
    assert found["disclosed"] == {"identity.country": "AT"}
    assert licensed.get("bank", "lender", "grant", "eve.json", *GRANT) == found
    size = licensed.size()
    error = licensed.run("bank", "lender", "grant", "ann.json", *GRANT, "--json").error
    assert error["rule"] == "person-has-line"
    licensed.do("ann", "wallet", "open", "--another", "-o", "bare.json")
    error = licensed.run("bank", "lender", "grant", "bare.json", *GRANT, "--json").error
    assert error["rule"] == "presentation-missing"
    bare = licensed.message("bare.json")
    licensed.rewrite("bare.json", presentation=licensed.message("eve.json")["presentation"])
    error = licensed.run("bank", "lender", "grant", "bare.json", *GRANT, "--json").error
    assert error["rule"] in ("presentation", "person-has-line")
    licensed.rewrite("bare.json", **bare)
    assert licensed.size() == size
    keys(licensed, "policy", "bank", "lender", "policy", "set", "off")
    licensed.do("bank", "lender", "grant", "bare.json", *GRANT)


def test_onboarding_asks_and_refuses(licensed: World) -> None:
    assert refused(licensed, 2, "bank", "lender", "policy", "request")["code"] == "usage"
    assert refused(licensed, 2, "bank", "lender", "policy", "set", "wine.toml")["code"] == "usage"
    _onboarding(licensed)
    words = keys(licensed, "policy", "bank", "lender", "policy", "set", "onboarding.toml")
    assert words["policy"]["title"] == "New customers"
    keys(licensed, "file message", "bank", "lender", "policy", "request", "-o", "newcomer.json")
    opening = ("wallet", "open", "--present", "newcomer.json", "-o", "b.json")
    clause_fails(licensed, "ben", *opening, "--yes")
    assert licensed.get("ben", "wallet", "show")["lines"] == []
    before = tree(licensed)
    another = (*opening, "--another")
    assert licensed.run("ann", *another, stdin=b"n\n").code == 3
    assert licensed.run("ann", *another, "--json").code == 2
    assert tree(licensed) == before
    request = ("merchant", "policy", "request", "wine.toml", "-o", "asked.json")
    licensed.do("shop", *request)
    wrong = ("wallet", "open", "--present", "asked.json", "--yes", "--another")
    assert refused(licensed, 2, "ann", *wrong)["code"] == "usage"
    answer = ("wallet", "present", "newcomer.json", "--yes")
    assert "which line" in licensed.run("ann", *answer).err
