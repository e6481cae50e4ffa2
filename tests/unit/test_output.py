"""Tables: whatever the width of the terminal, nothing of them is lost."""

from __future__ import annotations

import csv
import io
import os
import re

import pytest

from zkcredit.cli.output import Output, counted

COLUMNS = ("entry", "amount", "label", "")
ROWS = [(17, "123456.78 TWD", "coffee beans, whole and roasted", "new"), (2, "0.50 TWD", "茶", "")]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, width: int) -> str:
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    Output(as_json=False).table(COLUMNS, ROWS, right=(0, 1))
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())


@pytest.mark.parametrize("width", [1, 10, 20, 30, 40, 50, 60, 80, 200])
def test_every_word_is_whole(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    text = shown(monkeypatch, width)
    assert "…" not in text
    words = " ".join([*COLUMNS, *(str(cell) for row in ROWS for cell in row)]).split()
    assert set(words) <= set(text.split())


def test_a_wide_terminal_has_one_line_for_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(shown(monkeypatch, 200).splitlines()) == 2 + len(ROWS)


def test_a_narrow_terminal_has_one_line_for_a_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, 20).splitlines()
    assert lines[:3] == ["entry   17", "amount  123456.78 TWD", f"label   {ROWS[0][2]}"]


def test_a_row_that_nobody_reads_is_a_broken_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the end of the process, as the library for tables would have it."""
    reader, writer = os.pipe()
    os.close(reader)
    closed = open(writer, "w", buffering=1, encoding="utf-8")  # noqa: SIM115, PTH123
    monkeypatch.setattr("sys.stdout", closed)
    with pytest.raises(BrokenPipeError):
        Output(as_json=False).table(COLUMNS, ROWS)
    with pytest.raises(BrokenPipeError):
        closed.close()


def test_counted() -> None:
    assert counted(1, "entry") == "1 entry"
    assert counted(0, "entry") == "0 entries"
    assert counted(2, "claim") == "2 claims"


@pytest.mark.parametrize("text", ["=1+1", "+1", "@x", "-1+1", "-cmd|' /C calc'!A1", "\t=1"])
def test_formulas_are_defused(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Output(as_json=False).csv(("label",), [(text,)])
    [[_], [cell]] = csv.reader(io.StringIO(capsys.readouterr().out))
    assert cell == "'" + text


@pytest.mark.parametrize("text", ["-12.50", "-3.00 TWD", "-3", "12.50", "-", "coffee", ""])
def test_other_cells_stay_as_they_are(capsys: pytest.CaptureFixture[str], text: str) -> None:
    Output(as_json=False).csv(("label", "number"), [(text, -5)])
    assert capsys.readouterr().out == f"label,number\r\n{text},-5\r\n"
