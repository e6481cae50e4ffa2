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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PASSPHRASE = "correct horse"
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


def build(place: Path) -> World:
    """A ledger, a lender with terms, a merchant, and a holder with 500.00 TWD."""
    world = World(place)
    world.do("op", "ledger", "init", "--origin", "test.example/credit")
    world.do("bank", "lender", "init", "Bank")
    world.do("bank", "lender", "terms", "--currency", "TWD", "--apr", "15%", "--plans", "3")
    world.do("bank", "lender", "period", "open", "1")
    world.do("shop", "merchant", "new", "Corner Shop")
    world.do("ann", "wallet", "new")
    world.do("ann", "wallet", "open", "-o", "request.json")
    grant = ("lender", "grant", "request.json", "--limit", "500.00 TWD", "--customer", "Ann")
    world.do("bank", *grant)
    world.do("ann", "wallet", "receive")
    return world
