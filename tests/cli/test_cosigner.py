"""Cosigners, policies and finality on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clikit import World, environment

from zkcredit.ledger.quorum import Policy

MEMBERS = ("bank-a", "bank-b", "bank-c", "bank-d")


@pytest.fixture
def published(bought: World) -> World:
    """A log with one purchase, published, and four cosigners that have not looked yet."""
    bought.do("op", "ledger", "publish", "public")
    for name in MEMBERS:
        bought.do(name, "cosigner", "init", "public", "--name", f"{name}.example")
    return bought


def rules_keys(world: World) -> list[str]:
    found = [world.get(name, "cosigner", "keys")["keys"] for name in MEMBERS]
    return [item["key"] for keys in found for item in keys if item["role"] == "rules-v1"][::2]


def purchase(world: World) -> str:
    for index in reversed(range(world.size())):
        if world.get("op", "ledger", "show", str(index))["kind"] == "spend":
            return str(index)
    raise AssertionError("nothing was bought")


def test_accepted_then_final(published: World) -> None:
    world = published
    world.do("op", "ledger", "policy", *rules_keys(world), "-o", "policy")
    assert "group members 3 " in world.file("policy").read_text()
    index = purchase(world)
    world.do("op", "ledger", "receipt", index, "-o", "early.tlog-proof")
    check = ("ledger", "check-receipt", "early.tlog-proof")
    assert world.run("shop", *check).code == 0
    early = world.run("shop", *check, "--policy", "policy", "--json")
    assert (early.code, early.json["ok"], early.json["final"]) == (1, True, False)
    cosigned = []
    for number, name in enumerate(MEMBERS[:3], 1):
        found = world.get(name, "cosigner", "once", "public", "-o", f"{name}.note")
        assert found["signed"] == [f"{name}.example/rules-v1", f"{name}.example/witness"]
        assert found["entries"] == found["size"] == world.size()
        cosigned += ["--from", f"{name}.note"]
        result = world.run("op", "ledger", "cosign", "public", "--policy", "policy", *cosigned)
        assert result.code == (0 if number == 3 else 1)
    assert "Final" in result.out
    world.do("op", "ledger", "publish", "public")  # the same log again keeps what was collected
    for note in ("public/checkpoint", "public/checkpoint.cosigned"):
        world.do("op", "ledger", "receipt", index, "--checkpoint", note, "-o", "r.tlog-proof")
        late = world.get("shop", "ledger", "check-receipt", "r.tlog-proof", "--policy", "policy")
        assert late["final"]
        assert late["missing"] == ["bank-d.example/rules-v1"]
        assert late["voids_possible"] is False
    text = world.do("shop", "ledger", "check-receipt", "r.tlog-proof", "--policy", "policy").out
    assert "Final: the quorum has cosigned." in text
    audited = world.get("op", "audit", "--published", "public")
    assert audited["checkpoint_size"] == world.size()


def test_what_is_shown(published: World) -> None:
    world = published
    assert (
        "every entry up to this size keeps the rules" in world.do("bank-a", "cosigner", "keys").out
    )
    world.do("bank-a", "cosigner", "once", "public")
    found = world.get("bank-a", "cosigner", "show")
    assert found["size"] == found["signed"]["rules"] == found["signed"]["witness"] == world.size()
    assert (found["issuers"], found["merchants"], found["voids"]) == (1, 1, [])
    assert "bank-a.example" in world.do("bank-a", "cosigner", "show").out


def test_policies_that_are_weak(published: World) -> None:
    world, keys = published, rules_keys(published)
    weak = world.get("op", "ledger", "policy", *keys, "--threshold", "2")
    assert "2 of 4" in weak["warnings"][0]
    few = world.run("op", "ledger", "policy", *keys[:3])
    assert "below 4" in few.err
    assert Policy.parse(few.out).quorum == "members"
    assert world.run("op", "ledger", "policy", *keys, "--threshold", "5").code == 2
    assert world.run("op", "ledger", "policy", keys[0], keys[0]).code == 2
    assert world.run("op", "ledger", "policy", "no key").code == 4


def test_refusals(published: World) -> None:
    world = published
    again = world.run("bank-a", "cosigner", "init", "public", "--name", "x", "--json")
    assert (again.code, again.error["code"]) == (5, "conflict")
    assert world.run("nobody", "cosigner", "show").code == 6
    assert world.run("bank-a", "cosigner", "once", "nowhere").code == 6
    world.do("bank-a", "cosigner", "once", "public")
    size = world.size()
    world.file(f"public/tile/entries/000.p/{size}").unlink()
    gone = world.run("bank-b", "cosigner", "once", "public", "--json")
    assert (gone.code, gone.error["check"]) == (1, "withheld")
    world.do("op", "ledger", "policy", *rules_keys(world), "-o", "policy")
    cosign = ("ledger", "cosign", "http://127.0.0.1:9", "--policy", "policy")
    assert world.run("op", *cosign).code == 2
    assert world.run("op", *cosign, "-o", "-").code == 6
    world.file("other.note").write_text(world.file("ledger/checkpoint").read_text())
    world.do("ann", "wallet", "refresh")
    world.do("op", "ledger", "publish", "public")
    stale = world.run(
        "op", "ledger", "cosign", "public", "--policy", "policy", "--from", "other.note", "--json"
    )
    assert (stale.code, list(stale.json["failures"])) == (1, ["other.note"])


@pytest.fixture
def running(published: World) -> Iterator[list[tuple[subprocess.Popen[str], str]]]:
    """Three cosigners that follow the log and answer over HTTP, with their addresses."""
    processes = [start(published.place, name) for name in MEMBERS[:3]]
    try:
        yield [(process, events(process, "listening")["url"]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def start(place: Path, name: str) -> subprocess.Popen[str]:
    arguments = ("--home", name, "cosigner", "run", "public", "--port", "0", "--interval", "0.2")
    return subprocess.Popen(
        [sys.executable, "-m", "zkcredit.cli", *arguments, "--json"],
        cwd=place,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )


def events(process: subprocess.Popen[str], wanted: str, size: int | None = None) -> Any:
    """The next event of this name (at this size), on standard output."""
    assert process.stdout is not None
    for line in process.stdout:
        found = json.loads(line)
        if found["event"] == wanted and size in (None, found.get("size")):
            return found
    raise AssertionError(f"{wanted} never came")


def test_cosigners_that_run(
    published: World, running: list[tuple[subprocess.Popen[str], str]]
) -> None:
    """They sign what is published, answer the collector, and end cleanly on both signals."""
    world = published
    members = [f"{key},{url}" for key, (_, url) in zip(rules_keys(world)[:3], running, strict=True)]
    world.do("op", "ledger", "policy", *members, "-o", "policy")
    for process, _ in running:
        assert events(process, "followed", world.size())["voids"] == []
    found = world.get("op", "ledger", "cosign", "public", "--policy", "policy")
    assert (found["final"], found["failures"]) == (True, {})
    world.do("ann", "wallet", "refresh")
    world.do("op", "ledger", "publish", "public")
    for process, _ in running:
        assert events(process, "followed", world.size())["entries"] == 1
    found = world.get("op", "ledger", "cosign", "public", "--policy", "policy")
    assert len(found["cosigned_by"]) == 3
    with urllib.request.urlopen(f"{running[0][1]}/keys") as answer:
        assert json.load(answer)[0]["role"] == "rules-v1"
    codes = []
    for (process, _), number in zip(
        running, (signal.SIGINT, signal.SIGTERM, signal.SIGINT), strict=True
    ):
        os.kill(process.pid, number)
        codes.append(process.wait(timeout=30))
    assert codes == [0, 0, 0]
    gone = world.run("op", "ledger", "cosign", "public", "--policy", "policy", "--json")
    assert (gone.code, len(gone.json["failures"])) == (0, 3)


def test_following_without_a_port_ends_on_ctrl_c(published: World) -> None:
    arguments = ("--home", "bank-a", "cosigner", "run", "public", "--interval", "0.2", "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "zkcredit.cli", *arguments],
        cwd=published.place,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert events(process, "followed")["size"] == published.size()
        bundle = published.file(f"public/tile/entries/000.p/{published.size()}")
        published.do("ann", "wallet", "refresh")
        published.do("op", "ledger", "publish", "public")
        assert events(process, "followed")["entries"] == 1
        assert bundle.exists()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.communicate()


def test_members_on_the_log(published: World) -> None:
    """Named by the operator, replaced by a quorum of themselves."""
    world, keys = published, rules_keys(published)
    assert world.get("op", "ledger", "members") == {"members": []}
    assert "Nobody" in world.do("op", "ledger", "members").out
    assert world.run("op", "ledger", "policy", "--from-log").code == 2
    first = world.get("op", "ledger", "members", *keys)
    assert (first["number"], first["threshold"], first["members"]) == (1, 3, keys)
    assert world.run("op", "ledger", "members", *keys).code == 2
    policy = world.do("op", "ledger", "policy", "--from-log").out
    assert Policy.parse(policy).groups[0].threshold == 3
    world.do("ann", "ledger", "members", *keys[:3], "-o", "change")
    submit = ["ledger", "members", "--submit", "change"]
    for number, name in enumerate(MEMBERS[:3], 1):
        found = world.get(name, "cosigner", "approve", "change", "-o", f"{name}.approval")
        assert found["members"] == keys[:3]
        submit += ["--approval", f"{name}.approval"]
        result = world.run("ann", *submit, "--json")
        assert result.code == (0 if number == 3 else 3)
    assert result.json["number"] == 2
    assert "3 of 3" in world.do("ann", "ledger", "members").out
    assert world.run("ann", *submit).code == 0  # the same again gives the same answer
    show = world.get("op", "ledger", "show", str(result.json["index"]))
    assert show["kind"] == "members"
    assert "members" in world.do("op", "ledger", "show", str(result.json["index"])).out


@pytest.fixture
def address(bought: World) -> Iterator[str]:
    """The ledger served over HTTP by a process of its own."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "zkcredit.cli",
            "--ledger",
            "ledger",
            "serve",
            "--port",
            "0",
            "--json",
        ],
        cwd=bought.place,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "}\n")
        yield json.loads("".join(lines) + "}")["url"]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_service_is_followed_as_files_are(bought: World, address: str) -> None:
    """Everything that a cosigner and a collector need comes over HTTP."""
    world = bought
    keys = []
    for name in MEMBERS[:2]:
        world.do(name, "cosigner", "init", address, "--name", f"{name}.example")
        found = world.get(name, "cosigner", "once", address, "-o", f"{name}.note")
        assert (found["size"], found["voids"]) == (world.size(), [])
        keys += [k["key"] for k in world.get(name, "cosigner", "keys")["keys"][:1]]
    world.do("op", "ledger", "policy", *keys, "-o", "policy")
    collect = ["ledger", "cosign", address, "--policy", "policy", "-o", "final.note"]
    for name in MEMBERS[:2]:
        collect += ["--from", f"{name}.note"]
    assert world.get("shop", *collect)["final"]
    world.do("op", "ledger", "receipt", "5", "--checkpoint", "final.note", "-o", "r.tlog-proof")
    check = ("ledger", "check-receipt", "r.tlog-proof", "--policy", "policy")
    assert world.get("shop", *check)["final"]
