"""The same commands give the same answers over HTTP as in the folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clikit import World, call
from servicekit import Running, serving

READING = [
    ("op", "ledger", "show"),
    ("op", "ledger", "show", "5"),
    ("op", "ledger", "verify"),
    ("bank", "lender", "show"),
    ("shop", "merchant", "show"),
    ("ann", "wallet", "show"),
    ("ann", "wallet", "history"),
    ("ann", "wallet", "receive"),
]


@pytest.fixture
def running(bought: World) -> Iterator[Running]:
    with serving(bought.file("ledger")) as found:
        yield found


def over_http(world: World, running: Running, who: str, *arguments: str) -> Any:
    result = call("--home", who, "--ledger", running.url, *arguments, "--json", cwd=world.place)
    assert result.code == 0, (arguments, result)
    return result.json


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_the_same_answer(bought: World, running: Running, command: tuple[str, ...]) -> None:
    here = bought.get(*command)
    there = over_http(bought, running, *command)
    if command[1:] == ("ledger", "verify"):  # the folder's own checkpoint is met too
        here["checkpoints"] = there["checkpoints"]
    assert there == here


def test_audits_and_checks(bought: World, running: Running) -> None:
    report = over_http(bought, running, "nobody", "audit")
    known = bought.get("op", "audit")
    changing = {"verify_us_per_purchase", "wall_s", "checkpoint_size", "pinned_size"}
    assert set(report) == set(known)
    assert all(report[name] == known[name] for name in set(report) - changing)
    light = over_http(bought, running, "light", "--light", "ledger", "show")
    assert light["size"] == report["size"]
    over_http(bought, running, "ann", "doctor")


def test_what_needs_the_folder(bought: World, running: Running) -> None:
    for command in (
        ("ledger", "init"),
        ("ledger", "publish", "www"),
        ("serve",),
    ):
        arguments = ("--home", "op", "--ledger", running.url, *command, "--json")
        result = call(*arguments, cwd=bought.place)
        assert (result.code, result.error["code"]) == (2, "usage"), command
    result = call("--ledger", "http://ledger.example", "ledger", "show", cwd=bought.place)
    assert result.code == 2
    assert "https" in result.err


def test_another_ledger_behind_the_address(
    bought: World, running: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from zkcredit.ledger import Operator

    other = tmp_path_factory.mktemp("other")
    Operator.create(other / "ledger").close()
    with serving(other / "ledger") as elsewhere:
        result = call(
            "--home", "ann", "--ledger", elsewhere.url, "wallet", "show", "--json",
            cwd=bought.place,
        )  # fmt: skip
    assert (result.code, result.error["code"]) == (1, "check-failed")
