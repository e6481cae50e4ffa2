"""``zkcredit demo``: months of real cardholders' lives through hidden credit lines."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from zkcredit.cli.base import Command
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.params import INDEX, Whole

_MAX_CUSTOMERS = 10_000_000


@click.command(
    "demo",
    cls=Command,
    without=("json", "home", "profile", "ledger", "light", "passphrase_file"),
    example="$ zkcredit demo\n$ zkcredit demo --customers 20 --json figures.json",
)
@click.option("--data", metavar="FOLDER", help="With clients.csv.gz and months.csv.gz [packaged].")
@click.option(
    "--customers",
    type=Whole(1, _MAX_CUSTOMERS),
    metavar="N",
    help="How many cardholders, lowest numbers first [all].",
)
@click.option("--json", "target", metavar="FILE", help="Where the figures go (- is stdout).")
@click.option("--seed", type=INDEX, default=0, help="Order of the cardholders [0].")
@pass_session
def demo_command(
    session: Session, data: str | None, customers: int | None, target: str | None, seed: int
) -> None:
    """Play the story of a credit ledger on real data and prove that its books balance.

    A lender, merchants and holders live through months of real cardholders' bills;
    then an auditor checks everything. Nothing is kept but FILE. Exit code 1 if any
    comparison fails.
    """
    from zkcredit import demo

    with _bars() as update:
        if target != "-":
            session.exit_code = demo.run(data, customers, seed, target, progress=update)
            return
        from rich.console import Console

        with tempfile.TemporaryDirectory(prefix="zkcredit-figures-") as place:
            figures = Path(place) / "figures.json"
            session.exit_code = demo.run(
                data, customers, seed, figures, progress=update, console=Console(stderr=True)
            )
            click.echo(figures.read_text(encoding="utf-8"), nl=False)


@contextlib.contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar for each thing the demo does, on standard error if that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bars = Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else a redirected story would end up on stderr
    )
    with bars as bar:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for task in tasks.values():
                    bar.update(task, visible=False)
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total, visible=True)

        yield update
