"""Results on standard output, remarks on standard error, errors as one clear line."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from zkcredit.errors import MalformedInput, StoreError, ZkCreditError

if TYPE_CHECKING:
    from collections.abc import Callable

Row = Sequence[object]
_FORMULA = re.compile(r"[=+@\t\r-]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?( [A-Z0-9]+)?|-")


def utc(timestamp_ms: int | None) -> str:
    """A Unix time in milliseconds as people read it, in UTC."""
    if timestamp_ms is None:
        return "-"
    try:
        moment = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{timestamp_ms} ms"
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def counted(number: int, noun: str) -> str:
    """``1 entry``, ``2 entries``; ``noun`` is the singular."""
    if number != 1:
        noun = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number} {noun}"


def plain(value: Any) -> Any:
    """Ready for JSON: bytes as hexadecimal, tuples as lists, dataclasses by their fields."""
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return value


def json_text(value: Any) -> str:
    """JSON in UTF-8, also of names of files that are not."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()


class Output:
    """Where a command's results go; ``as_json`` is the option ``--json``."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def data(self, value: Mapping[str, Any]) -> bool:
        """Prints ``value`` if JSON is wanted; tells whether it was."""
        if self.as_json:
            click.echo(json_text(value))
        return self.as_json

    def line(self, text: str = "") -> None:
        """A line of the result for people."""
        if not self.as_json:
            click.echo(text)

    def note(self, text: str) -> None:
        """A remark or next step, on standard error."""
        if not self.as_json:
            click.echo(text, err=True)

    def fields(self, pairs: Sequence[tuple[str, object]]) -> None:
        """Names and values below each other."""
        width = max((len(name) for name, _ in pairs), default=0)
        for name, value in pairs:
            self.line(f"{name:<{width}}  {value}")

    def table(self, columns: Sequence[str], rows: Sequence[Row], right: Sequence[int] = ()) -> None:
        """A table for people; ``right`` are the positions of columns with numbers.

        Nothing is cut off: on a terminal too narrow for a row, its cells stand below each other.
        """
        if self.as_json:
            return
        from rich.box import SIMPLE_HEAD
        from rich.cells import cell_len
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for position, column in enumerate(columns):
            words = " ".join([column, *(str(row[position]) for row in rows)]).split()
            table.add_column(
                column,
                justify="right" if position in right else "left",
                min_width=max(map(cell_len, words), default=1),
            )
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))
        width = None if sys.stdout.isatty() else 240
        console = Console(file=sys.stdout, highlight=False, markup=False, width=width)
        roomy = console.options.update_width(1 << 16)
        if console.measure(table, options=roomy).minimum > console.width:
            for row in rows:
                self.fields(list(zip(columns, row, strict=True)))
                self.line()
            return
        with console.capture() as text:  # rich would end the process if nobody reads
            console.print(table)
        click.echo(text.get(), nl=False)

    def csv(self, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Comma-separated values with a heading (RFC 4180)."""
        writer = csv.writer(sys.stdout, lineterminator="\r\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_cell(cell) for cell in row])


def _cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front.

    A negative amount is a number and stays one.
    """
    if isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value):
        return "'" + value
    return "" if value is None else value


@contextmanager
def progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error, if that is a terminal; yields ``update(done, total)``."""
    if not sys.stderr.isatty():
        yield lambda done, total: None  # noqa: ARG005
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (TextColumn(text), BarColumn(), MofNCompleteColumn(), Remaining())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def describe_error(error: Exception) -> tuple[int, dict[str, str]]:
    """Exit code and the fields ``code``, ``message``, and what names a rule or check."""
    if isinstance(error, ZkCreditError):
        fields = {"code": error.code, "message": str(error)}
        for name in ("rule", "check"):
            value = getattr(error, name, None)
            if value is not None:
                fields[name] = value
        return error.exit_code, fields
    if isinstance(error, click.FileError):
        return StoreError.exit_code, {"code": StoreError.code, "message": error.format_message()}
    if isinstance(error, click.ClickException):
        return 2, {"code": "usage", "message": error.format_message()}
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return StoreError.exit_code, {
            "code": StoreError.code,
            "message": f"{where}{error.strerror or error}",
        }
    if isinstance(error, UnicodeError):
        return MalformedInput.exit_code, {"code": MalformedInput.code, "message": str(error)}
    if isinstance(error, ImportError):
        return 1, {"code": "incomplete", "message": str(error)}
    kind = type(error).__name__
    message = f"internal error ({kind}: {error}); ZKCREDIT_DEBUG=1 shows where"
    return 1, {"code": "internal", "message": message}


def report_error(error: Exception, as_json: bool) -> int:
    """Prints an error (as JSON on standard output if wanted) and returns the exit code."""
    exit_code, fields = describe_error(error)
    fields["message"] = " ".join(fields["message"].split())
    if as_json and sys.stdout is not None:
        click.echo(json_text({"error": fields}))
        sys.stdout.flush()
        return exit_code
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return exit_code
    message = "".join(char if char.isprintable() else "�" for char in fields["message"])
    click.echo(f"zkcredit: {message}", err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"Try '{error.ctx.command_path} --help'.", err=True)
    return exit_code
