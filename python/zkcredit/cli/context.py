"""The session of one command: whose folder, which ledger, which passphrase."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.output import Output, progress
from zkcredit.errors import (
    CallerError,
    CheckFailed,
    MalformedInput,
    StateConflict,
    StoreError,
    ZkCreditError,
)

if TYPE_CHECKING:
    from typing import TypeAlias

    from zkcredit.ledger.genesis import Genesis
    from zkcredit.ledger.operator import Operator
    from zkcredit.remote import RemoteLedger
    from zkcredit.service.signatures import RequestSigner
    from zkcredit.vault import Vault

    AnyLedger: TypeAlias = Operator | RemoteLedger

PROFILE_TYPE = "zkcredit/profile/1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PASSPHRASE_BYTES = 4096


_MAKERS = {"lender": "lender init", "issuer": "credential init"}
"""Commands that make a role's vault, where it is not ``new``."""


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Holds Ctrl-C back until the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    old = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)
    if caught:
        raise KeyboardInterrupt


class Profile:
    """What a folder remembers that is no secret: its ledger and how much of it was seen.

    ``size`` and ``root`` are the largest head seen, so a ledger that was rolled back or
    rewritten behind one's back is noticed.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "profile.json"
        self.ledger: str | None = None
        self.ledger_id: bytes | None = None
        self.size = 0
        self.root = b""
        if self._path.exists():
            self._read()

    def _read(self) -> None:
        from zkcredit.messages import load_json

        damaged = f"{self._path} is damaged: remove it and use --ledger"
        try:
            data = load_json(self._path.read_bytes(), "a profile")
        except MalformedInput:
            raise MalformedInput(damaged) from None
        try:
            if data["type"] != PROFILE_TYPE:
                found = data["type"]
                raise MalformedInput(f"{self._path}: expected {PROFILE_TYPE}, found {found!r}")
            self.ledger = str(data["ledger"])
            self.ledger_id, self.root = (
                bytes.fromhex(data["ledger_id"]),
                bytes.fromhex(data["root"]),
            )
            self.size = int(data["size"])
        except (KeyError, TypeError, ValueError):
            raise MalformedInput(damaged) from None

    def check_id(self, ledger_id: bytes) -> None:
        """StateConflict for another ledger than this folder has pinned."""
        if self.ledger_id not in (None, ledger_id):
            raise StateConflict(
                f"this profile belongs to ledger {self.ledger_id.hex()[:16]}…, "
                f"not to {ledger_id.hex()[:16]}…: use another --profile"
            )

    def check(self, ledger: AnyLedger) -> None:
        """StateConflict for another ledger, CheckFailed for one that was rolled back."""
        self.check_id(ledger.ledger_id)
        if self.ledger_id is None:
            return
        if ledger.size < self.size:
            raise CheckFailed(
                f"the ledger has {ledger.size} entries, {self.size} were seen before: "
                "it was rolled back"
            )
        if ledger.root(self.size) != self.root:
            raise CheckFailed(f"the first {self.size} entries changed since they were seen")

    def remember(self, place: Path | str, ledger: AnyLedger) -> None:
        """Pins the ledger and its present head."""
        from zkcredit.vault import replace_file

        size = ledger.size
        known = (self.ledger, self.ledger_id, self.size)
        if known == (str(place), ledger.ledger_id, size):
            return
        self.ledger, self.ledger_id = str(place), ledger.ledger_id
        self.size, self.root = size, ledger.root(size)
        content = {
            "type": PROFILE_TYPE,
            "ledger": self.ledger,
            "ledger_id": self.ledger_id.hex(),
            "size": self.size,
            "root": self.root.hex(),
        }
        replace_file(self._path, json.dumps(content, indent=2).encode() + b"\n")


class Session:
    """Options, folders and passphrase of the command that runs."""

    def __init__(self) -> None:
        self._options: dict[str, Any] = {}
        self._profile: Profile | None = None
        self.exit_code = 0

    def set_option(self, name: str, value: Any) -> None:
        """Notes a common option; a later (inner) one replaces an earlier one."""
        self._options[name] = value

    def _option(self, name: str, variable: str) -> str | None:
        return self._options.get(name) or os.environ.get(variable) or None

    @property
    def output(self) -> Output:
        """Where results go."""
        return Output(bool(self._options.get("json")))

    @property
    def folder(self) -> Path:
        """The profile's folder; it may not exist yet."""
        home = self._option("home", "ZKCREDIT_HOME")
        name = self._option("profile", "ZKCREDIT_PROFILE") or "default"
        if not _NAME.fullmatch(name):
            raise CallerError(f"not a profile name: {name!r} (letters, digits, - and _)")
        base = Path(home).expanduser() if home else Path.home() / ".zkcredit"
        return base.absolute() / name

    def make_folder(self) -> Path:
        """The profile's folder, made for its owner only."""
        folder = self.folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {folder}: {error.strerror}") from None
        return folder

    @property
    def profile(self) -> Profile:
        """What the folder remembers."""
        if self._profile is None:
            self._profile = Profile(self.folder)
        return self._profile

    # -- ledger ----------------------------------------------------------------------------

    def ledger_place(self, *, new: bool = False) -> Path | str:
        """Folder or URL of the ledger: option, environment or the one used last."""
        chosen = self._option("ledger", "ZKCREDIT_LEDGER")
        if chosen is None and not new:
            chosen = self.profile.ledger
        if chosen is None:
            raise CallerError(
                "which ledger? Give its folder or address with --ledger or ZKCREDIT_LEDGER"
            )
        return chosen if "://" in chosen else Path(chosen).expanduser().absolute()

    def ledger_folder(self, *, new: bool = False) -> Path:
        """The ledger's folder; CallerError for a URL: only the operator has the folder."""
        place = self.ledger_place(new=new)
        if isinstance(place, str):
            raise CallerError("this is done where the ledger's folder is, not over its address")
        return place

    def genesis(self) -> Genesis:
        """The genesis in the ledger's folder, or what a service says of itself.

        StateConflict or CheckFailed if it is not that of this profile's ledger.
        """
        place = self.ledger_place()
        if isinstance(place, Path):
            from zkcredit.ledger.folder import read_genesis

            genesis = read_genesis(place)
            self.profile.check_id(genesis.ledger_id)
            return genesis
        with self.ledger(read_only=True) as ledger:
            return ledger.genesis

    def sign_in(self, ledger: AnyLedger, signer: Callable[[], RequestSigner]) -> None:
        """Names the party that speaks, to a ledger that is a service."""
        if isinstance(self.ledger_place(), str):
            from zkcredit.remote import RemoteLedger

            assert isinstance(ledger, RemoteLedger)
            ledger.sign_as(signer)

    def _open_ledger(self, place: Path | str, read_only: bool) -> AnyLedger:
        if isinstance(place, Path):
            from zkcredit.ledger.operator import Operator

            return Operator.open(place, read_only=read_only)
        from zkcredit.remote import RemoteLedger

        light = bool(self._options.get("light"))
        name = "ledger-light.db" if light else "ledger.db"
        cache = self.folder / name if self.folder.is_dir() else None
        with progress("verifying the log") as update:
            return RemoteLedger.open(
                place, cache, ledger_id=self.profile.ledger_id, light=light, progress=update
            )

    @contextlib.contextmanager
    def ledger(self, *, read_only: bool = False) -> Iterator[AnyLedger]:
        """The ledger, checked against what was seen of it before and remembered at the end."""
        place = self.ledger_place()
        with self._open_ledger(place, read_only) as ledger:
            self.profile.check(ledger)
            try:
                yield ledger
            finally:
                if self.folder.is_dir():
                    with contextlib.suppress(ZkCreditError), uninterrupted():
                        self.profile.remember(place, ledger)

    # -- secrets ---------------------------------------------------------------------------

    def passphrase(self, *, new: bool = False) -> str:
        """From file, environment or prompt; twice from the prompt when it is ``new``."""
        path = self._options.get("passphrase_file")
        if path is not None:
            return _passphrase_of(Path(path).expanduser())
        value = os.environ.get("ZKCREDIT_PASSPHRASE")
        if value:
            return value
        if not sys.stdin.isatty():
            raise CallerError("a passphrase is needed: --passphrase-file or ZKCREDIT_PASSPHRASE")
        prompt = "New passphrase" if new else "Passphrase"
        found: str = click.prompt(prompt, hide_input=True, confirmation_prompt=new, err=True)
        return found

    def vault_path(self, role: str) -> Path:
        """The vault of a role in this profile."""
        return self.folder / f"{role}.vault"

    def create_vault(self, role: str, data: bytes) -> Vault:
        """A new vault of a role; StateConflict if there is one."""
        from zkcredit import vault

        folder = self.make_folder()
        path = folder / f"{role}.vault"
        if path.exists():
            raise StateConflict(f"{path} exists already")
        passphrase = self.passphrase(new=True)
        with uninterrupted():
            return vault.Vault.create(path, passphrase, role, data, vault.DEFAULT_COST)

    def open_vault(self, role: str) -> Vault:
        """The role's vault, unlocked and held."""
        from zkcredit.vault import Vault

        path = self.vault_path(role)
        if not path.exists():
            command = _MAKERS.get(role, f"{role} new")
            raise StoreError(f"no {role} in {self.folder}: make one with `{command}`")
        return Vault.open(path, self.passphrase(), role)

    @contextlib.contextmanager
    def keep(self, vault: Vault, dump: Callable[[], bytes]) -> Iterator[Callable[[], None]]:
        """Yields ``save``; saves at the end and after a refusal, and closes the vault."""

        def save() -> None:
            data = dump()
            if data != vault.data:
                with uninterrupted():
                    vault.save(data)

        try:
            yield save
            save()
        except ZkCreditError:
            with contextlib.suppress(ZkCreditError):
                save()
            raise
        finally:
            vault.close()


def _passphrase_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_PASSPHRASE_BYTES + 1)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > _PASSPHRASE_BYTES:
        raise MalformedInput(f"{path} is too long for a passphrase")
    try:
        text = data.decode().splitlines()[0] if data else ""
    except UnicodeDecodeError:
        raise MalformedInput(f"{path} is not text") from None
    if not text:
        raise CallerError(f"the first line of {path} is empty: it must be the passphrase")
    return text


pass_session = click.make_pass_decorator(Session)
