"""A PostgreSQL server of the tests' own: one for each run, a schema for each test.

The server's programs are found where Debian puts them; `.ci/run` installs them. They
refuse to run as root, so root runs them as the user `postgres`, or as `nobody`.

A server never outlives its tests: this file, run as a program, waits until whoever holds
the lock on the server's folder is gone, killed or not, and then removes both. Where the
waiter was killed too, the next server to start does it.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

NAME = "zkcredit"
_PREFIX = "zkcredit-postgres-"
_OWNER = "owner"
_SETTINGS = (
    "listen_addresses=''",
    "max_connections=80",
    "shared_buffers=64MB",
    "log_min_messages=fatal",
)


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; None if there is no server here."""
    folders = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr/pgsql").glob("bin")]
    found = shutil.which("initdb")
    if found is not None:
        folders.append(Path(found).resolve().parent)
    whole = [folder for folder in folders if (folder / "initdb").exists()]
    return max(whole, key=lambda folder: folder.parent.name, default=None)


def why_not() -> str | None:
    """Why no server can be started here; None if one can."""
    if programs() is None:
        return "no PostgreSQL server: install the package postgresql (`.ci/run` does)"
    if os.geteuid() == 0 and _other_user() is None:
        return "PostgreSQL does not run as root, and there is no other user to run it"
    return None


def _other_user() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


@dataclass
class Server:
    """A running server over a Unix socket in ``folder``."""

    folder: Path
    bin: Path
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def data(self) -> Path:
        """The cluster."""
        return self.folder / "data"

    def url(self, *, schema: str | None = None, settings: str = "") -> str:
        """The address of the database, with a schema made for it and settings of sessions."""
        options = " ".join(filter(None, (schema and f"-csearch_path={schema}", settings)))
        query = f"?host={quote(str(self.folder), safe='')}"
        return f"postgresql://{NAME}@/{NAME}{query}" + (
            f"&options={quote(options, safe='')}" if options else ""
        )

    def place(self, settings: str = "") -> str:
        """The address of an empty place of its own for one ledger."""
        schema = f"s{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {schema}")
        return self.url(schema=schema, settings=settings)

    def execute(self, sql: str, url: str | None = None) -> list[tuple[object, ...]]:
        """Runs a statement in a session of its own."""
        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []

    def run(self, program: str, *arguments: str) -> None:
        """Runs one of the server's programs as the user who owns the cluster."""
        command: list[str] = [str(self.bin / program), *arguments]
        user = _other_user()
        if os.geteuid() == 0 and user is not None:
            ids = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
            command = ["setpriv", *ids, *command]
        done = subprocess.run(
            command, check=False, cwd=self.folder, capture_output=True, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode(errors='replace')}")

    def start(self, *settings: str) -> None:
        """Starts the server and waits until it answers."""
        options = " ".join(f"-c {setting}" for setting in (*_SETTINGS, *settings))
        options += f" -c unix_socket_directories={self.folder}"
        log = str(self.folder / "log")
        self.run("pg_ctl", "-D", str(self.data), "-l", log, "-o", options, "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stops the server; ``immediate`` is a crash."""
        self.run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "stop")


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A fresh server that is gone afterwards, with what it stored."""
    binaries = programs()
    assert binaries is not None
    remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    made = Server(folder, binaries)
    user = _other_user()
    if os.geteuid() == 0 and user is not None:
        os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o755)
    with _remover(folder):
        options = ("-U", NAME, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        made.run("initdb", "-D", str(made.data), *options)
        made.start()
        made.execute(f"CREATE DATABASE {NAME}", made.url().replace(f"/{NAME}?", "/postgres?"))
        yield made


@contextlib.contextmanager
def _remover(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; a process beside waits for its end, and removes the server."""
    owner = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT)
    fcntl.flock(owner, fcntl.LOCK_EX)
    command = [sys.executable, __file__, str(folder)]
    waiting = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        fcntl.flock(owner, fcntl.LOCK_UN)  # also where a child inherited it
        os.close(owner)
        waiting.wait(60)


def remove(folder: Path, *, wait: bool) -> None:
    """Stops the server in ``folder`` and removes it, once its owner is gone.

    Does nothing if it is there still and ``wait`` is not set.
    """
    with contextlib.suppress(FileNotFoundError, BlockingIOError):
        owner = os.open(folder / _OWNER, os.O_RDWR)
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            binaries = programs()
            assert binaries is not None
            with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
                Server(folder, binaries).stop("immediate")
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(owner)


def remove_abandoned() -> None:
    """Removes servers of runs that were killed together with their waiters."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(PermissionError):  # another user's
            remove(folder, wait=False)


if __name__ == "__main__":
    remove(Path(sys.argv[1]), wait=True)
