"""Running the command line in tests: in this process or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PASSPHRASE = "correct horse"
PRESENT = ("wallet", "present", "asked.json", "--yes", "-o", "shown.json")
VERIFY = ("merchant", "policy", "verify", "shown.json")
PEOPLE = ("op", "bank", "ann", "shop")


@dataclass(frozen=True)
class Result:
    """Exit code and both outputs of one command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        return self.json["error"]


def environment(**more: str) -> dict[str, str]:
    """The environment of a command, without anything of whoever runs the tests."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ZKCREDIT_")}
    python = Path(__file__).resolve().parents[2] / "python"
    return {**kept, "PYTHONPATH": str(python), "ZKCREDIT_PASSPHRASE": PASSPHRASE, **more}


def spawn(*arguments: str, cwd: Path, stdin: bytes | None = None, **more: str) -> Result:
    """Runs ``zkcredit`` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "zkcredit.cli", *arguments],
        cwd=cwd,
        env=environment(**more),
        input=stdin if stdin is not None else b"",
        capture_output=True,
        check=False,
        timeout=60,
    )
    return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextlib.contextmanager
def background(
    place: Path, *arguments: str, program: Sequence[str] = ("-m", "zkcredit.cli"), **more: str
) -> Iterator[tuple[subprocess.Popen[bytes], Any]]:
    """A command that keeps running, with the first JSON object that it prints.

    ``program`` is what Python runs; what goes to standard error is added to the file
    ``log``. The process is dead at the end.
    """
    with (place / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *program, *arguments],
            cwd=place, env=environment(**more), stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        text = b""
        while not text.endswith(b"\n}\n"):
            line = process.stdout.readline()
            assert line, (place / "log").read_text() + text.decode()
            text += line
        found = json.loads(text)
        assert "error" not in found, found
        yield process, found
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


# The installed command, but for a key derivation that is too cheap for real secrets.
COMMAND = f"""#!{sys.executable}
import sys
from zkcredit import vault
from zkcredit.cli import main
vault.DEFAULT_COST = vault.TEST_COST
sys.exit(main())
"""


def blocks(document: str, language: str) -> list[str]:
    """The code of one language in a Markdown text, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, re.DOTALL | re.MULTILINE)


def run_document(document: str, place: Path) -> str:
    """Runs all shell blocks of a Markdown text as one script; returns what it printed."""
    with _script(document, place, COMMAND) as bash:
        printed, _ = bash.communicate(timeout=230)
    assert bash.returncode == 0, printed
    return printed


@contextlib.contextmanager
def _script(document: str, place: Path, command: str) -> Iterator[subprocess.Popen[str]]:
    """The script in bash, with ``command`` as the text of the program ``zkcredit``."""
    program = place / "bin" / "zkcredit"
    program.parent.mkdir(exist_ok=True)
    program.write_text(command)
    program.chmod(0o755)
    with subprocess.Popen(
        ["bash", "-eu", "-c", "\n".join(blocks(document, "sh"))],
        cwd=place,
        env=environment(PATH=f"{program.parent}{os.pathsep}{os.environ['PATH']}"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as bash:
        try:
            yield bash
        finally:
            bash.kill()


# Hands its arguments over to the process of the tests, and prints what comes back.
DELEGATE = f"""#!{sys.executable} -IS
import json, os, socket, sys
own = {{name: value for name, value in os.environ.items() if name.startswith("ZKCREDIT_")}}
with socket.socket(socket.AF_UNIX) as line:
    line.connect(os.path.join(os.path.dirname(__file__), "socket"))
    line.sendall(json.dumps([sys.argv[1:], os.getcwd(), own]).encode())
    line.shutdown(socket.SHUT_WR)
    code, out, err = json.load(line.makefile())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""


def run_document_here(document: str, place: Path) -> str:
    """As :func:`run_document`, but all commands run in this process: many times quicker."""
    (place / "bin").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "bin" / "socket"))
        server.listen()
        server.settimeout(0.2)
        with _script(document, place, DELEGATE) as bash:
            while bash.poll() is None:
                with contextlib.suppress(TimeoutError):
                    _answer(server.accept()[0])
            printed, _ = bash.communicate()
    assert bash.returncode == 0, printed
    return printed


def _answer(line: socket.socket) -> None:
    """Runs one command for a :data:`DELEGATE`."""
    with line, line.makefile("rw") as file:
        arguments, cwd, own = json.load(file)
        result = call(*arguments, cwd=Path(cwd), **own)
        json.dump([result.code, result.out, result.err], file)


def call(*arguments: str, cwd: Path, stdin: bytes = b"", **more: str) -> Result:
    """Runs ``zkcredit`` inside this process: quicker, with cheap key derivation."""
    from zkcredit import vault
    from zkcredit.cli import main

    streams = [io.TextIOWrapper(io.BytesIO(data), encoding="utf-8") for data in (stdin, b"", b"")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "DEFAULT_COST", vault.TEST_COST)
        for name in [name for name in os.environ if name.startswith("ZKCREDIT_")]:
            patch.delenv(name)
        for name, value in {"ZKCREDIT_PASSPHRASE": PASSPHRASE, **more}.items():
            patch.setenv(name, value)
        patch.chdir(cwd)
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        code = main(arguments)
        for stream in streams[1:]:
            stream.flush()
    out, err = (stream.buffer.getvalue().decode() for stream in streams[1:])  # type: ignore[attr-defined]
    return Result(code, out, err)


class World:
    """A folder with a ledger and the folders of its people."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def copy(self, place: Path) -> World:
        shutil.copytree(self.place, place, dirs_exist_ok=True)
        return World(place)

    def run(self, who: str, *arguments: str, stdin: bytes = b"", **more: str) -> Result:
        """One person's command; the ledger is that of this world, wherever it was copied."""
        common = ("--home", who, "--ledger", "ledger")
        return call(*common, *arguments, cwd=self.place, stdin=stdin, **more)

    def do(self, who: str, *arguments: str, **more: Any) -> Result:
        """A command that must succeed."""
        result = self.run(who, *arguments, **more)
        assert result.code == 0, (arguments, result)
        return result

    def get(self, who: str, *arguments: str, **more: Any) -> Any:
        """The JSON of a command that must succeed."""
        return self.do(who, *arguments, "--json", **more).json

    def file(self, name: str) -> Path:
        return self.place / name

    def message(self, name: str) -> dict[str, Any]:
        return json.loads(self.file(name).read_text())

    def rewrite(self, name: str, **fields: Any) -> None:
        """Changes fields of a message file."""
        self.file(name).write_text(json.dumps({**self.message(name), **fields}))

    def size(self) -> int:
        return int(self.get("op", "ledger", "show")["size"])

    def invoice(self, amount: str = "12.50 TWD", name: str = "invoice.json") -> str:
        self.do("shop", "merchant", "invoice", amount, "--label", "coffee", "-o", name)
        return name

    def buy(self, amount: str = "12.50 TWD", name: str = "invoice.json") -> None:
        """A purchase from invoice to the holder's next token."""
        self.invoice(amount, name)
        self.do("ann", "wallet", "pay", name, "--yes")
        self.do("bank", "lender", "sign")
        self.do("ann", "wallet", "receive")


def build(place: Path, plans: str = "3") -> World:
    """A ledger, a lender with terms, a merchant, and a holder with 500.00 TWD."""
    world = World(place)
    world.do("op", "ledger", "init", "--origin", "test.example/credit")
    world.do("bank", "lender", "init", "Bank")
    world.do("bank", "lender", "terms", "--currency", "TWD", "--apr", "15%", "--plans", plans)
    world.do("bank", "lender", "period", "open", "1")
    world.do("shop", "merchant", "new", "Corner Shop")
    world.do("ann", "wallet", "new")
    world.do("ann", "wallet", "open", "-o", "request.json")
    grant = ("lender", "grant", "request.json", "--limit", "500.00 TWD", "--customer", "Ann")
    world.do("bank", *grant)
    world.do("ann", "wallet", "receive")
    return world


ADULT, CHILD = "1994-05-31", "2020-03-09"


def identity(world: World, who: str, born: str = ADULT, person: str = "7f2a") -> None:
    """Gives a wallet an identity from the office; its files are WHO-ask.json and WHO-id.json."""
    ask, issued = f"{who}-ask.json", f"{who}-id.json"
    world.do(who, "wallet", "credential", "ask", "Office", "identity", "-o", ask)
    world.do("office", *issue(ask, issued, born, person))
    world.do(who, "wallet", "credential", "take", issued)


def issue(ask: str, target: str, born: str = ADULT, person: str = "7f2a") -> list[str]:
    """The command that answers a request for an identity."""
    values = {
        "given_names": "Ann",
        "family_name": "Lin",
        "birth_date": born,
        "country": "AT",
        "document_hash": "5c1f",
        "verification_level": "3",
        "person": person,
    }
    given = [part for name, value in values.items() for part in ("--value", f"{name}={value}")]
    return ["credential", "issue", ask, "--expires", "2035-12-31", *given, "-o", target]


POLICY = """
title = "Wine on credit"
reveal = ["country"]
prove = ["birth_date <= today - 18y"]
pseudonym = "wine.example"
[credentials.identity]
schema = "identity"
issuers = ["{office}"]
"""


def add_office(world: World) -> None:
    """An office, an adult "ann", a child "ben", a verified shop, and its policy wine.toml."""
    office = world.get("office", "credential", "init", "Office")["issuer_id"]
    for name in ("identity", "business"):
        world.do("office", "credential", "schema", "publish", name)
    world.do("ben", "wallet", "new")
    identity(world, "ann")
    identity(world, "ben", CHILD, "c41d")
    credential = ("merchant", "credential")
    world.do("shop", *credential, "ask", "Office", "business", "-o", "shop-ask.json")
    values = ("registered_name=Shop Ltd", "category=alcohol", "country=AT")
    given = [part for value in values for part in ("--value", value)]
    ends = ("--expires", "2035-12-31", "-o", "shop-id.json")
    world.do("office", "credential", "issue", "shop-ask.json", *given, *ends)
    world.do("shop", *credential, "take", "shop-id.json")
    world.file("wine.toml").write_text(POLICY.format(office=office))


def add_records(world: World) -> None:
    """Records 1 to 3 of "ann": a receipt, a bill and an agreement; 3 is anchored."""
    world.do("bank", "lender", "period", "open", "2")
    world.do("ann", "wallet", "statement", "-o", "opening.json")
    world.do("bank", "lender", "statement", "opening.json")
    world.do("ann", "wallet", "receive")
    world.do("ann", "wallet", "records")
    world.do("bank", "lender", "record", "agreement", "1", "-o", "agreement.json")
    world.do("ann", "wallet", "import", "agreement.json")
    world.do("landlord", "record", "key", "Landlord", "-o", "landlord.json")


# -- checks ---------------------------------------------------------------------------------


def ask(world: World, target: str = "asked.json") -> None:
    """The shop asks for its policy, without a purchase."""
    world.do("shop", "merchant", "policy", "request", "wine.toml", "-o", target)


def sell(world: World, sale: str = "1") -> None:
    """An invoice that asks for the policy, and its request."""
    policy = ("--policy", "wine.toml", "--verified", "-o", "invoice.json")
    world.do("shop", "merchant", "invoice", "9.00 TWD", "--label", "wine", *policy)
    world.do("shop", "merchant", "policy", "request", "--sale", sale, "-o", "asked.json")


def tree(world: World) -> dict[str, bytes]:
    """All files of a world but locks, databases' helpers and what a profile has seen."""
    skipped = (".lock", "-wal", "-shm", "profile.json")
    files = (path for path in world.place.rglob("*") if path.is_file())
    return {
        str(path.relative_to(world.place)): path.read_bytes()
        for path in files
        if not path.name.endswith(skipped)
    }


def refused(world: World, code: int, who: str, *arguments: str, **more: str) -> dict[str, str]:
    """The error of a command that must change nothing."""
    before = tree(world)
    plain = world.run(who, *arguments, **more)
    result = world.run(who, *arguments, "--json", **more)
    assert (plain.code, result.code) == (code, code), (plain, result)
    assert plain.err.startswith("zkcredit: ")
    assert "Traceback" not in plain.err + result.err
    assert plain.out == ""
    assert set(result.json) == {"error"}
    assert set(result.error) - {"rule", "check"} == {"code", "message"}
    assert ("rule" in result.error) == (code == 3)
    assert "check" not in result.error or code == 1
    assert tree(world) == before
    return result.error


def clause_fails(world: World, who: str, *arguments: str) -> str:
    """What a holder reads who cannot answer: only the wallet's memory of it has changed."""
    before = tree(world)
    result = world.run(who, *arguments, "--json")
    assert result.code == 3
    assert result.error["rule"] == "clause-fails"
    changed = {name for name, data in tree(world).items() if before.get(name) != data}
    assert all(who in name and name.endswith("wallet.vault") for name in changed), changed
    return result.error["message"]


def _check_json(value: Any, path: str = "") -> None:
    """No floats as money, no bytes as anything but lower-case hexadecimal."""
    if isinstance(value, dict):
        for name, item in value.items():
            assert name == name.lower(), path
            if name.endswith("_minor") and item is not None:
                amounts = item if isinstance(item, list) else [item]
                assert all(type(amount) is int for amount in amounts), (path, name, item)
            if name.endswith(("_id", "_hash", "root")) and item is not None:
                assert bytes.fromhex(item).hex() == item
            _check_json(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            _check_json(item, path)


def keys(world: World, wanted: str, who: str, *arguments: str) -> Any:
    """The JSON of a command that must succeed with exactly these keys."""
    result = world.get(who, *arguments)
    assert set(result) == set(wanted.split()), arguments
    _check_json(result)
    return result
