"""With a person at a terminal: hidden passphrases, questions, progress, Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest
from clikit import PASSPHRASE, World, environment


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, world: World, who: str, *arguments: str) -> None:
        self.seen = ""
        self._read_to = 0
        self._master, slave = pty.openpty()
        env = environment(TERM="xterm", COLUMNS="160")
        del env["ZKCREDIT_PASSPHRASE"]
        command = [sys.executable, "-m", "zkcredit.cli", "--home", who, "--ledger", "ledger"]
        self._process = subprocess.Popen(
            [*command, *arguments],
            cwd=world.place,
            env=env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_own_terminal,  # noqa: PLW1509  (no threads here)
        )
        os.close(slave)

    def expect(self, text: str, timeout_s: float = 30.0) -> None:
        """Reads until ``text`` appears after what was expected before."""
        deadline = time.monotonic() + timeout_s
        while text not in self.seen[self._read_to :]:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                self._process.kill()
                self._process.wait()
                pytest.fail(f"{text!r} not in {self.seen!r}")
        self._read_to = self.seen.index(text, self._read_to) + len(text)

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._master], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # the other end is closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def type(self, text: str) -> None:
        """Types a line."""
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """Presses Ctrl-C, again while nothing happens.

        A signal between the interpreter's last look and its read is seen at the next
        key only; a person is never as fast, this test sometimes is.
        """
        for _ in range(10):
            self.type("\x03")
            deadline = time.monotonic() + 2
            while self._process.poll() is None and time.monotonic() < deadline:
                self._read(0.1)
            if self._process.poll() is not None:
                return
        self._process.kill()
        self._process.wait()
        pytest.fail(f"Ctrl-C does nothing after {self.seen!r}")

    def end(self) -> int:
        """Reads to the end; gives the exit code."""
        while self._read(30.0):
            if self._process.poll() is not None and not select.select([self._master], [], [], 0)[0]:
                break
        code = self._process.wait(30)
        os.close(self._master)
        return code


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_hidden_passphrase(opened: World) -> None:
    terminal = Terminal(opened, "ann", "wallet", "show")
    terminal.expect("Passphrase:")
    terminal.type(PASSPHRASE + "\n")
    terminal.expect("500.00 TWD")
    assert terminal.end() == 0
    assert PASSPHRASE not in terminal.seen


def test_a_new_passphrase_is_asked_twice(opened: World) -> None:
    terminal = Terminal(opened, "bob", "wallet", "new")
    terminal.expect("New passphrase:")
    terminal.type("one\n")
    terminal.expect("confirmation:")
    terminal.type("two\n")
    terminal.expect("do not match")
    terminal.expect("New passphrase:")
    terminal.type("one\n")
    terminal.expect("confirmation:")
    terminal.type("one\n")
    assert terminal.end() == 0
    assert opened.run("bob", "wallet", "show", ZKCREDIT_PASSPHRASE="one").code == 0


def test_paying_asks(opened: World) -> None:
    opened.invoice()
    terminal = Terminal(opened, "ann", "wallet", "pay", "invoice.json")
    terminal.expect("Passphrase:")
    terminal.type(PASSPHRASE + "\n")
    terminal.expect("Pay? [y/N]:")
    terminal.type("y\n")
    terminal.expect("Paid: entry")
    assert terminal.end() == 0


@pytest.mark.parametrize("prompt", ["Passphrase:", "Pay? [y/N]:"])
def test_ctrl_c_at_a_question(opened: World, prompt: str) -> None:
    opened.invoice()
    size = opened.size()
    terminal = Terminal(opened, "ann", "wallet", "pay", "invoice.json")
    terminal.expect("Passphrase:")
    if prompt != "Passphrase:":
        terminal.type(PASSPHRASE + "\n")
        terminal.expect(prompt)
    terminal.interrupt()
    assert terminal.end() == 130
    assert "Traceback" not in terminal.seen
    assert opened.size() == size
    opened.do("ann", "wallet", "pay", "invoice.json", "--yes")


def test_long_work_shows_progress(opened: World) -> None:
    terminal = Terminal(opened, "auditor", "audit")
    assert terminal.end() == 0
    assert "auditing" in terminal.seen
    assert "All 5 entries hold" in terminal.seen
