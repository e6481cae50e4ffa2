"""``zkcredit doctor``: looks for what is wrong on this machine and in this folder."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import click

from zkcredit import __version__
from zkcredit.cli.base import Command
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.output import counted
from zkcredit.errors import CallerError, ZkCreditError

Mark = Literal["ok", "warning", "failed"]
Finding = tuple[Mark, str]
_FREE_BYTES = 100 << 20
_ROLES = ("lender", "wallet", "merchant")


@click.command("doctor", cls=Command, example="$ zkcredit doctor")
@pass_session
def doctor_command(session: Session) -> None:
    """Look for what is wrong: extension, database library, folders, ledger, clock.

    Needs no passphrase and changes nothing. Exit code 1 if something failed.
    """
    checks: list[tuple[str, Callable[[Session], Finding]]] = [
        ("python", _python),
        ("extension", _extension),
        ("proofs", _proofs),
        ("sqlite", _sqlite),
        ("folder", _folder),
        ("disk", _disk),
        *((role, partial(_vault, role)) for role in _ROLES),
        ("ledger", _ledger),
    ]
    findings = [(name, *_run(check, session)) for name, check in checks]
    failed = any(mark == "failed" for _, mark, _ in findings)
    session.exit_code = 1 if failed else 0
    found = {
        "ok": not failed,
        "checks": [{"name": n, "status": mark, "text": text} for n, mark, text in findings],
    }
    if not session.output.data(found):
        for name, mark, text in findings:
            session.output.line(f"{mark:<8} {name:<10} {text}")


def _run(check: Callable[[Session], Finding], session: Session) -> Finding:
    try:
        return check(session)
    except ZkCreditError as error:
        return "failed", str(error)
    except (OSError, ImportError) as error:
        return "failed", f"{type(error).__name__}: {error}"


def _python(_: Session) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return "ok" if sys.version_info >= (3, 11) else "failed", f"Python {version}"


def _extension(_: Session) -> Finding:
    from zkcredit import _native

    if _native.__version__ != __version__:
        return "failed", f"extension {_native.__version__}, package {__version__}: build it again"
    return "ok", f"extension {_native.__version__}"


def _proofs(_: Session) -> Finding:
    """A commitment opens, and a proof verifies."""
    from zkcredit import _native
    from zkcredit.relations import settlement_circuit

    started = time.perf_counter()
    seed = _native.Seed.from_bytes(bytes(range(32)))
    key = seed.scalar("zkcredit v1 doctor", b"")
    prover = _native.Prover(settlement_circuit(), witness={"key": key})
    place, context = bytes(32), bytes(32)
    proof = prover.prove(place, context, seed)
    statement = _native.Statement(
        settlement_circuit(), ledger_id=place, context=context, points=prover.points
    )
    _native.verify(statement, proof)
    return "ok", f"a proof was made and verified in {1000 * (time.perf_counter() - started):.0f} ms"


def _sqlite(_: Session) -> Finding:
    import importlib

    driver = importlib.import_module("pysqlite3")
    safe = driver.sqlite_version_info >= (3, 51, 3)
    mode = "WAL" if safe else "DELETE (WAL is not safe with this version)"
    return "ok" if safe else "warning", f"SQLite {driver.sqlite_version}, journal mode {mode}"


def _folder(session: Session) -> Finding:
    folder = session.folder
    if not folder.exists():
        return "ok", f"{folder} is not there yet"
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return "failed", f"{folder} cannot be read and written"
    if mode & 0o077:
        return "warning", f"{folder} can be opened by others (mode {mode:04o}): chmod 700"
    return "ok", str(folder)


def _disk(session: Session) -> Finding:
    place = session.folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    mark: Mark = "ok" if free >= _FREE_BYTES else "warning"
    return mark, f"{free >> 20} MiB free at {place}"


def _vault(role: str, session: Session) -> Finding:
    from zkcredit.vault import MAGIC, VERSION

    path = session.vault_path(role)
    if not path.exists():
        return "ok", "none in this folder"
    head = _head(path, len(MAGIC) + 1)
    if head[:-1] != MAGIC:
        return "failed", f"{path} is not a vault"
    if head[-1] != VERSION:
        return "failed", f"{path} has version {head[-1]}; this program reads {VERSION}"
    if role == "lender" and not path.with_name("lender.db").is_file():
        return "failed", f"{path.with_name('lender.db')} is missing"
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return "warning", f"{path} can be read by others (mode {mode:04o}): chmod 600"
    return "ok", str(path)


def _head(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def _ledger(session: Session) -> Finding:
    try:
        session.ledger_place()
    except CallerError:
        return "ok", "none chosen"
    from zkcredit.cli.ledger_commands import last_entry_ms

    with session.ledger(read_only=True) as ledger:
        now_ms = time.time_ns() // 1_000_000
        size = ledger.size
        last_ms = last_entry_ms(ledger) or 0
        if last_ms > now_ms + 1000:
            return "warning", f"its last entry is {(last_ms - now_ms) // 1000} s in the future"
        owed = len(ledger.owed(now_ms))
        if owed:
            return "warning", f"{counted(size, 'entry')}; overdue replies of lenders: {owed}"
        return "ok", f"{counted(size, 'entry')}, id {ledger.ledger_id.hex()[:16]}…"
