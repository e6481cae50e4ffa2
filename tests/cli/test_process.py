"""The command as a process: exit codes, signals, locks, pipes, start-up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from clikit import PASSPHRASE, World, call, environment, spawn

from zkcredit import __version__

HEAVY = ("cryptography", "msgspec", "pysqlite3", "rich", "sqlalchemy", "mnemonic", "blake3")


def start(*arguments: str, cwd: Path, **more: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "zkcredit.cli", *arguments]
    options: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
    return subprocess.Popen(command, cwd=cwd, env=environment(), **options)  # type: ignore[call-overload, no-any-return]


def ann(*arguments: str) -> tuple[str, ...]:
    return ("--home", "ann", "--ledger", "ledger", *arguments)


def test_every_exit_code(opened: World) -> None:
    opened.invoice("999.00 TWD")
    opened.file("broken.json").write_text("{")
    cases = {
        0: ann("wallet", "show"),
        2: ann("wallet", "fly"),
        3: ann("wallet", "pay", "invoice.json", "--yes"),
        4: ann("wallet", "pay", "broken.json", "--yes"),
        5: ann("wallet", "new"),
        6: ann("wallet", "pay", "missing.json", "--yes"),
    }
    for code, arguments in cases.items():
        result = spawn(*arguments, "--json", cwd=opened.place)
        assert result.code == code, result
        assert set(json.loads(result.out)) == ({"error"} if code else {"lines", "finality"})
        assert "Traceback" not in result.err
    result = spawn(*ann("wallet", "show"), cwd=opened.place, ZKCREDIT_PASSPHRASE="wrong")
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)


def test_two_at_once(opened: World) -> None:
    from zkcredit.vault import Vault

    with Vault.open(opened.file("ann/default/wallet.vault"), PASSPHRASE, "wallet"):
        result = spawn(*ann("wallet", "show", "--json"), cwd=opened.place)
    assert (result.code, result.error["code"]) == (5, "conflict")
    assert "in use" in result.error["message"]


def test_many_processes_at_once(opened: World) -> None:
    for number in range(3):
        opened.invoice("1.00 TWD", f"invoice-{number}.json")
    size = opened.size()
    running = [
        start(*ann("wallet", "pay", f"invoice-{number}.json", "--yes"), cwd=opened.place)
        for number in range(3)
    ]
    codes = sorted(process.wait(60) for process in running)
    for process in running:
        process.communicate()
    assert codes[0] == 0
    assert set(codes) <= {0, 3, 5}, "in use, or the line waits for its signature"
    assert opened.size() == size + 1


def test_ctrl_c_while_waiting(opened: World) -> None:
    opened.invoice()
    check = ("merchant", "check", "invoice.json", "--wait", "50s")
    process = start("--home", "shop", "--ledger", "ledger", *check, cwd=opened.place)
    deadline = time.monotonic() + 20
    lock = opened.file("shop/default/merchant.vault.lock")
    while not lock.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err
    opened.do("shop", "merchant", "check")


@pytest.mark.parametrize("delay_s", [0.0, 0.1, 0.3, 0.5, 0.7])
def test_killed_at_any_moment_and_run_again(opened: World, delay_s: float) -> None:
    opened.invoice()
    size = opened.size()
    process = start(*ann("wallet", "pay", "invoice.json", "--yes"), cwd=opened.place)
    time.sleep(delay_s)
    process.kill()
    process.communicate()
    paid = opened.get("ann", "wallet", "pay", "invoice.json", "--yes")
    assert (paid["index"], opened.size()) == (size, size + 1)


def test_broken_pipe(opened: World) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*ann("wallet", "history", "--json"), cwd=opened.place, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk(opened: World) -> None:
    with Path("/dev/full").open("wb") as full:
        process = start(*ann("wallet", "show", "--json"), cwd=opened.place, stdout=full)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 6
    assert b"Traceback" not in err
    result = opened.run("shop", "merchant", "totals", "-o", "/dev/full")
    assert result.code == 6


def test_passphrase_from_a_file(opened: World) -> None:
    opened.file("secret").write_text(PASSPHRASE + "\nnot this\n")
    show = ann("wallet", "show", "--passphrase-file", "secret")
    assert spawn(*show, cwd=opened.place, ZKCREDIT_PASSPHRASE="").code == 0
    opened.file("secret").write_text("")
    assert spawn(*show, cwd=opened.place, ZKCREDIT_PASSPHRASE="").code == 2


_AS_NOBODY = """
import os, sys
from zkcredit.cli import main
for command in (["audit"], ["ledger", "show"], ["ledger", "verify"]):  # loads all that is needed
    assert main(["--ledger", sys.argv[1], *command]) == 0
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
assert not os.access(sys.argv[2], os.W_OK)
for command in (["audit"], ["ledger", "show"], ["ledger", "verify"]):
    assert main(["--home", "/nowhere", "--ledger", sys.argv[2], *command]) == 0, command
"""


def test_who_may_only_read_can_check(opened: World) -> None:
    with tempfile.TemporaryDirectory() as place:
        shown = Path(place) / "ledger"
        shutil.copytree(opened.file("ledger"), shown)
        for path, mode in ((Path(place), 0o755), (shown / "ledger.db", 0o444), (shown, 0o555)):
            path.chmod(mode)
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, opened.file("ledger"), shown],
            env=environment(),
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        shown.chmod(0o755)
    assert done.returncode == 0, done.stdout + done.stderr


def test_secrets_are_for_their_owner_only(opened: World) -> None:
    for name in ("ann/default/wallet.vault", "bank/default/lender.db", "request.json"):
        assert opened.file(name).stat().st_mode & 0o077 == 0
    assert opened.file("ann/default").stat().st_mode & 0o077 == 0


def test_ledger_and_profile_are_remembered(opened: World) -> None:
    opened.do("ann", "wallet", "show")
    result = call("wallet", "show", "--json", cwd=opened.place, ZKCREDIT_HOME="ann")
    assert result.code == 0
    other = call("--profile", "two", "wallet", "show", cwd=opened.place, ZKCREDIT_HOME="ann")
    assert other.code == 2


_HELP = """
import io, sys, contextlib
import click
from zkcredit.cli import cli, main

def paths(command, names=()):
    yield names
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from paths(command.get_command(context, name), (*names, name))

for names in paths(cli):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*names, "--help"]) == 0, names
    text = out.getvalue()
    assert "Example:\\n  $ zkcredit" in text, names
    assert text.startswith("Usage: zkcredit"), names
    print(" ".join(names))
assert main(["--version"]) == 0
loaded = [name for name in sys.modules if name.split(".")[0] in HEAVY]
loaded += [name for name in sys.modules if name in ("zkcredit._native", "zkcredit.entries")]
assert not loaded, loaded
"""


def python(*arguments: str, cwd: Path, text: bool = True) -> subprocess.CompletedProcess[Any]:
    """The interpreter on its own, as users have it."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=environment(),
        cwd=cwd,
        capture_output=True,
        text=text,
        check=False,
        timeout=60,
    )


def test_help_of_every_command_loads_nothing_heavy(tmp_path: Path) -> None:
    done = python("-c", f"HEAVY = {HEAVY!r}\n{_HELP}", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = set(done.stdout.splitlines())
    wanted = {
        "ledger": "init submit show verify",
        "lender": "init terms period grant sign statement payment payout totals",
        "wallet": "new restore show history open pay receive statement",
        "merchant": "new invoice check settle show totals",
    }
    assert {f"{group} {name}" for group, text in wanted.items() for name in text.split()} <= names
    assert {"audit", "doctor", "demo"} <= names


def test_doctor(opened: World) -> None:
    found = opened.get("ann", "doctor")
    assert found["ok"]
    assert {check["name"] for check in found["checks"]} >= {
        "extension",
        "sqlite",
        "wallet",
        "ledger",
    }
    vault = opened.file("ann/default/wallet.vault")
    vault.chmod(0o644)
    marks = {c["name"]: c["status"] for c in opened.get("ann", "doctor")["checks"]}
    assert marks["wallet"] == "warning"
    vault.write_bytes(b"ZKCVAULT\x09")
    result = opened.run("ann", "doctor", "--json")
    assert (result.code, result.json["ok"]) == (1, False)


def test_internal_errors_are_told_without_a_traceback(
    opened: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zkcredit.wallet import Wallet

    def broken(_: bytes) -> None:
        raise ZeroDivisionError("a bug\x1b[31m")

    monkeypatch.setattr(Wallet, "load", broken)
    result = opened.run("ann", "wallet", "show")
    assert (result.code, result.out) == (1, "")
    assert "internal error (ZeroDivisionError" in result.err
    assert "\x1b" not in result.err


def test_json_is_utf8_whatever_a_folder_is_called(tmp_path: Path) -> None:
    done = spawn("--ledger", "h\udcff", "ledger", "show", "--json", cwd=tmp_path)
    assert done.code == 6
    assert "h?: it has no file" in done.error["message"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_closed_standard_output(opened: World, as_json: bool) -> None:
    options = ["--json"] if as_json else []
    command = [sys.executable, "-m", "zkcredit.cli", "--ledger", "ledger", "ledger", "show"]
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command, *options],
        cwd=opened.place,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 6
    assert done.stderr.startswith("zkcredit: standard output is closed")


def test_a_closed_standard_input_has_ended(opened: World) -> None:
    command = [sys.executable, "-m", "zkcredit.cli", "--home", "ann", "--ledger", "ledger"]
    done = subprocess.run(
        ["sh", "-c", '"$@" <&-', "sh", *command, "wallet", "pay", "-", "--yes", "--json"],
        cwd=opened.place,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 4
    assert "standard input" in done.stdout
    assert done.stderr == ""


_EARLY = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[-1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from zkcredit.__main__ import run
run()
"""


@pytest.mark.parametrize("module", ["click", "zkcredit.cli", "zkcredit.cli.output"])
def test_interrupted_while_it_loads(tmp_path: Path, module: str) -> None:
    done = python("-c", _EARLY, module, cwd=tmp_path, text=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_as_a_module(tmp_path: Path) -> None:
    for module in ("zkcredit", "zkcredit.cli"):
        done = python("-m", module, "--version", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, f"zkcredit {__version__}\n")
