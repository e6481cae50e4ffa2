"""What is done to workers: kills at any time, and faults in the N-th system call of a kind.

Faults are injected by strace into a running worker. Where the kernel or a container
forbids that, :func:`why_not` says so.
"""

from __future__ import annotations

import functools
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from worker import JOURNAL_BYTES

HERE = Path(__file__).parent
CALLS = (
    "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "rename", "unlink", "openat",
)  # fmt: skip
"""System calls by which the package writes."""
ACTIONS = ("error=EIO", "error=ENOSPC", "signal=KILL")
_INJECTED = re.compile(r"^\d+\s+(\w+)\((.*)\) = .*\(INJECTED\)", re.MULTILINE)
_PATIENCE_S = 60


@dataclass(frozen=True)
class Fault:
    """The ``number``-th call of a kind, or with ``lasting`` every one from there on."""

    call: str
    action: str
    number: int
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.call}:{self.action}:when={self.number}{'+' if self.lasting else ''}"


@functools.cache
def why_not() -> str | None:
    """Why no fault can be injected here; None if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed (apt-get install strace)"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"]) as process:
        try:
            Tracer(process.pid, Fault("fsync", "error=EIO", 1), Path(os.devnull)).stop()
        except PermissionError as error:
            return f"strace may not attach to a process here: {error}"
        finally:
            process.kill()
    return None


class Tracer:
    """strace on a running process; PermissionError if it cannot attach."""

    def __init__(self, pid: int, fault: Fault, log: Path) -> None:
        self._log = log
        command = ["strace", "-f", "-y", "-p", str(pid), "-o", str(log)]
        command += ["-e", f"trace={fault.call}", "-e", "signal=none", "-e", f"inject={fault}"]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        ready, _, _ = select.select([self._process.stderr], [], [], _PATIENCE_S)
        told = os.read(self._process.stderr.fileno(), 4096).decode() if ready else "no answer"
        if "attached" not in told:
            self.stop()
            raise PermissionError(told.strip())

    def stop(self) -> None:
        """Detaches, if the process has not ended."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(_PATIENCE_S)
        assert self._process.stderr is not None
        self._process.stderr.close()

    def injected(self) -> list[tuple[str, str]]:
        """(call, its arguments with the paths of files) of every injected fault."""
        return _INJECTED.findall(self._log.read_text(errors="replace"))


@dataclass
class Worker:
    """A running ``worker.py`` and its journal."""

    process: subprocess.Popen[bytes]
    journal: Path

    def lines(self) -> list[str]:
        """What was acknowledged or noted so far; whole lines only."""
        text = self.journal.read_bytes().rstrip(b"\0").decode()
        return text.split("\n")[:-1]

    def wait_ready(self) -> None:
        """Until the quiet turn is done."""
        deadline = time.monotonic() + _PATIENCE_S
        while "ready" not in self.lines():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the worker did not start: {self.lines()[-3:]}")
            time.sleep(0.02)

    def go(self) -> None:
        """Ends the quiet."""
        self.journal.with_suffix(".go").touch()

    def kill(self) -> bool:
        """SIGKILL; whether the worker was still alive."""
        alive = self.process.poll() is None
        self.process.kill()
        self.process.wait()
        return alive


@contextmanager
def worker(job: str, folder: Path, name: str) -> Iterator[Worker]:
    """A worker that is dead at the end."""
    journal = folder / f"{name}.journal"
    journal.write_bytes(bytes(JOURNAL_BYTES))
    path = os.pathsep.join(map(str, sys.path))
    command = [sys.executable, str(HERE / "worker.py"), job, str(folder), str(journal), name]
    with (folder / f"{name}.err").open("wb") as errors:
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=errors)
    found = Worker(process, journal)
    try:
        yield found
    finally:
        found.kill()


@dataclass
class Tally:
    """What was done and what came of it. ``losses`` must stay empty."""

    rounds: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    losses: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def report(self) -> str:
        """The tables that `make torture` prints."""
        parts = []
        for title, table in (
            ("rounds", self.rounds), ("faults", self.faults), ("acknowledged", self.checked),
        ):  # fmt: skip
            rows = [f"  {name:<40}{count:>9}" for name, count in sorted(table.items())]
            parts += [f"{title:<42}{table.total():>9}", *rows]
        parts += [f"skipped: {name}: {why}" for name, why in self.skipped.items()]
        parts += [f"{'losses':<42}{len(self.losses):>9}", *(f"  {x}" for x in self.losses)]
        return "\n".join(parts)
