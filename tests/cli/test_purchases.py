"""Purchases proved by commands: asked, agreed to, verified; and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from clikit import World, build, keys, refused, tree

FILE = "file message"
FINDING = (
    "request_hash entries timestamps_ms currency amounts_minor total_minor below_minor complete "
    "pseudonym ledger_states finality"
)
ASK = ("purchases", "ask", "--periods", "1")
PROVE = ("wallet", "prove-purchases", "ask.json", "--yes", "-o", "proof.json")
VERIFY = ("purchases", "verify", "proof.json", "ask.json")


@pytest.fixture(scope="module")
def shopped_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = build(tmp_path_factory.mktemp("shopped"), plans="1")
    for number, amount in enumerate(("10.00 TWD", "20.00 TWD", "33.00 TWD")):
        world.buy(amount, f"{number}.json")
    world.do("bank", "lender", "period", "open", "2")
    world.do("ann", "wallet", "statement", "-o", "opening.json")
    world.do("bank", "lender", "statement", "opening.json")
    world.do("ann", "wallet", "receive")
    return world


@pytest.fixture
def shopped(shopped_once: World, tmp_path: Path) -> World:
    """Purchases of 10, 20 and 33 TWD at entries 5 to 7, and their bill."""
    return shopped_once.copy(tmp_path)


def ask(world: World, *more: str, who: str = "shop", target: str = "ask.json") -> None:
    world.do(who, *ASK, *more, "-o", target)


def test_json_of_every_command(shopped: World) -> None:
    keys(shopped, FILE, "shop", *ASK, "-o", "ask.json")
    keys(shopped, FILE, "ann", *PROVE)
    found = keys(shopped, FINDING, "nobody", *VERIFY)
    assert (found["entries"], found["total_minor"], found["complete"]) == ([5, 6, 7], 6300, False)
    assert (found["amounts_minor"], found["below_minor"], found["pseudonym"]) == (None, 0, "")


@pytest.mark.parametrize("who", ["shop", "bank"])
def test_the_average_of_all(shopped: World, who: str) -> None:
    wish = ("--show", "average", "--below", "21.01 TWD", "--all", "--pseudonym", "survey")
    ask(shopped, *wish, who=who)
    told = shopped.do("ann", *PROVE).err
    assert "less than 21.01 TWD on average" in told
    assert "your pseudonym for 'survey'" in told
    assert "3 purchases over 63.00 TWD" in told
    found = shopped.get("nobody", *VERIFY)
    assert (found["total_minor"], found["below_minor"], found["complete"]) == (None, 2101, True)
    printed = shopped.do("nobody", *VERIFY).out
    assert "On average less than 21.01 TWD." in printed
    assert "There are no others" in printed
    assert found["pseudonym"] in printed
    assert "10.00" not in printed


def test_chosen_amounts(shopped: World) -> None:
    ask(shopped, "--show", "amounts")
    shopped.do("ann", *PROVE, "--entry", "7", "--entry", "5")
    found = shopped.get("nobody", *VERIFY)
    assert (found["entries"], found["amounts_minor"]) == ([5, 7], [1000, 3300])
    assert "33.00 TWD" in shopped.do("nobody", *VERIFY).out


def test_nothing_without_consent(shopped: World) -> None:
    ask(shopped)
    prove = PROVE[:3]
    before = tree(shopped)
    no = shopped.run("ann", *prove, stdin=b"n\n")
    assert (no.code, no.out) == (3, "")
    assert "nothing was shown [no-consent]" in no.err
    assert shopped.run("ann", *prove).code == 2  # input has ended
    assert shopped.run("ann", *prove, "--json").code == 2
    request = shopped.file("ask.json").read_bytes()
    assert shopped.run("ann", "wallet", "prove-purchases", "-", stdin=request).code == 2
    assert tree(shopped) == before
    yes = shopped.run("ann", *prove, stdin=b"y\n")
    assert (yes.code, '"zkcredit/purchases-proof/1"' in yes.out) == (0, True)


def test_interrupted_at_the_question(shopped: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    ask(shopped)
    shopped.file("proof.json").write_text("as it was")
    before = tree(shopped)
    with monkeypatch.context() as patch:
        patch.setattr("zkcredit.cli.consent.click.confirm", interrupt)
        proving = tuple(part for part in PROVE if part != "--yes")
        assert shopped.run("ann", *proving).code == 130
    assert tree(shopped) == before


def test_what_cannot_be_proved(shopped: World) -> None:
    ask(shopped, "--show", "average", "--below", "21.00 TWD")
    error = shopped.run("ann", *PROVE, "--entry", "9", "--json").error
    assert error["rule"] == "unknown-purchase"
    error = shopped.run("ann", *PROVE, "--json").error
    assert (error["code"], error["rule"]) == ("refused", "purchases.average")
    ask(shopped, "--all")
    assert shopped.run("ann", *PROVE, "--entry", "5").code == 2
    shopped.do("shop", "purchases", "ask", "--periods", "1-2", "--all", "-o", "ask.json")
    assert shopped.run("ann", *PROVE, "--json").error["rule"] == "not-billed"
    shopped.rewrite("ask.json", coverage="chosen")
    assert refused(shopped, 3, "ann", *PROVE)["rule"] == "bad-signature"
    assert not shopped.file("proof.json").exists()


def test_what_does_not_verify(shopped: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(shopped)
    ask(shopped, target="other.json")
    shopped.do("ann", *PROVE)
    error = refused(shopped, 3, "nobody", "purchases", "verify", "proof.json", "other.json")
    assert error["rule"] == "purchases"
    shopped.rewrite("proof.json", amounts_minor=[6301])
    assert refused(shopped, 3, "nobody", *VERIFY)["rule"] == "purchases"
    shopped.do("ann", *PROVE)
    with monkeypatch.context() as patch:
        patch.setattr("zkcredit.clock.time.time_ns", lambda: 4 * 10**18)
        assert refused(shopped, 3, "nobody", *VERIFY)["rule"] == "expired"
    assert refused(shopped, 4, "nobody", "purchases", "verify", "ask.json", "ask.json")
    assert refused(shopped, 4, "ann", "wallet", "prove-purchases", "proof.json", "--yes")


@pytest.mark.parametrize(
    ("who", "code", "arguments"),
    [
        ("shop", 2, ("purchases", "ask")),
        ("shop", 2, (*ASK[:3], "2-1")),
        ("shop", 2, (*ASK[:3], "0")),
        ("shop", 2, (*ASK[:3], "one")),
        ("shop", 2, (*ASK, "--show", "average")),
        ("shop", 2, (*ASK, "--below", "1.00 TWD")),
        ("shop", 2, (*ASK, "--show", "average", "--below", "1.00 EUR")),
        ("shop", 3, (*ASK[:3], "9")),
        ("shop", 3, (*ASK, "--terms", "abcd")),
        ("ann", 6, ASK),
        ("ann", 2, ("purchases", "verify", "-", "-")),
        ("ann", 6, VERIFY),
    ],
)
def test_usage(shopped: World, who: str, code: int, arguments: tuple[str, ...]) -> None:
    refused(shopped, code, who, *arguments)


def test_whole_lines_only_where_bills_are_whole(bought: World) -> None:
    error = refused(bought, 3, "shop", *ASK, "--all")
    assert error["rule"] == "not-billed-whole"
