"""Telling the demonstration to a person, in plain words and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from zkcredit.demo import plan
from zkcredit.demo.cast import MERCHANT_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from zkcredit.demo.books import Books, Tally
    from zkcredit.demo.cast import Cast
    from zkcredit.demo.compare import Comparison
    from zkcredit.demo.play import Example, Month
    from zkcredit.demo.views import View
    from zkcredit.terms import Terms

NEXT_COMMAND = "zkcredit ledger init --help"
"""Where to go on by hand: the first step of the tutorial."""

_WIDTH = 100
"""Paragraphs are not wider than this."""

_LABELS = {
    "customers": "clients",
    "purchases_accepted": "purchases accepted",
    "purchases_over_limit": "refused, over the limit",
    "over_limit_minor": "sum refused",
    "cancelled_minor": "of it given back later",
    "credited_minor": "credited",
    "charged_minor": "charged",
    "paid_minor": "paid",
    "outstanding_minor": "outstanding",
    "customers_never_refused": "clients never refused",
    "statements": "billing statements",
    "statements_equal_to_data": "equal to the published bill",
    "clients_sha256": "digest of all clients' lines",
}


class Teller:
    """Writes to ``console`` (default: standard output)."""

    def __init__(self, console: Console | None) -> None:
        self._console = console or Console()

    def _say(self, text: str) -> None:
        width = min(self._console.width, _WIDTH)
        self._console.print(text, highlight=False, width=width)

    def opening(self, portfolio: plan.Portfolio, folder: Path) -> None:
        """What is about to happen."""
        count, first, last = len(portfolio.clients), portfolio.months[0], portfolio.months[-1]
        source = "the packaged sample" if folder == plan.PACKAGED_DATA else escape(str(folder))
        self._say(
            f"[bold]{count} real cardholders, {first} to {last}[/bold] ({source})\n"
            "A bank published their limits, bills and payments, without names. Here each of them "
            "gets a wallet and a hidden credit line, and lives these months again: every purchase "
            "is proved to stay within the limit that the lender signed, and nobody sees whose it "
            f"is. The data does not say where they bought, so {plan.MERCHANT_COUNT} merchants are "
            "made up.\n"
        )

    def opened(self, count: int, cast: Cast) -> None:
        """The lines are open."""
        self._say(
            f"{cast.lender.name} opened {count} lines; "
            f"{len(cast.merchants)} merchants are registered.\n"
        )

    def month(self, month: Month, terms: Terms) -> None:
        """One month in two lines."""
        refused = f", {month.over_limit} refused" if month.over_limit else ""
        credited = (
            f", credited {terms.format(month.credited_minor)}" if month.credited_minor else ""
        )
        self._say(
            f"[bold]{month.name}[/bold]  {month.purchases} purchases{refused}: "
            f"{terms.format(month.charged_minor)}; settled {terms.format(month.settled_minor)}\n"
            f"         billed {terms.format(month.billed_minor)}{credited}, "
            f"then paid {terms.format(month.paid_minor)}"
        )

    def views(self, views: Sequence[View], example: Example, terms: Terms) -> None:
        """One purchase from three sides."""
        amount = terms.format(example.purchase.amount_minor)
        merchant = MERCHANT_NAMES[example.purchase.merchant]
        self._say(
            "\n[bold]One purchase, three views[/bold]\n"
            f"Only the wallet of client {example.player.client_id} knows the whole: "
            f"{amount} at the {merchant}. The others have:"
        )
        self._console.print(Columns([_panel(view) for view in views], padding=(0, 1)))

    def books(self, books: Books, tally: Tally, terms: Terms) -> None:
        """What the auditor found."""
        self._say("\n[bold]The books[/bold]")
        report = books.report
        if report is None:
            self._say(f"[bold red]The auditor refuses them:[/] {escape(books.failure)}")
            return
        proved = books.proved_minor
        self._say(
            f"The auditor verified all {report.entries_verified} entries from the log's bytes, "
            f"without any secret, {report.verify_us_per_purchase:.0f} µs for each purchase. "
            "Merchants and lender opened nothing but their sums, and the hidden amounts on the "
            "log add up to them:"
        )
        table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
        table.add_column()
        table.add_column(justify="right")
        table.add_row("charged (wallets)", terms.format(tally.charged_minor))
        table.add_row("claims of the merchants, proved", terms.format(proved["merchant"]))
        table.add_row("settled (payout orders)", terms.format(tally.settled_minor))
        table.add_row("bills of the lender, proved", terms.format(proved["lender"]))
        self._console.print(table)

    def totals(self, comparisons: Sequence[Comparison], terms: Terms) -> None:
        """The totals beside those recomputed from the data."""
        table = Table(title="Totals", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("", no_wrap=True)
        table.add_column("played", justify="right", no_wrap=True)
        table.add_column("from the data", justify="right", no_wrap=True)
        table.add_column("")
        for item in comparisons:
            for label, left, right in _rows(item, terms):
                table.add_row(label, left, right, _mark(left == right))
        self._console.print(table)

    def verdict(self, comparisons: Sequence[Comparison], books: Books) -> None:
        """How many comparisons hold, and those that do not."""
        failed = [item for item in comparisons if not item.holds]
        for item in failed:
            self._console.print(
                Text(
                    f"{item.name}: {item.played}, but {item.source} gives {item.expected}",
                    style="bold red",
                )
            )
        held = len(comparisons) - len(failed)
        style = "bold red" if failed or books.report is None else "bold green"
        self._say(f"[{style}]{held} of {len(comparisons)} comparisons hold.[/]")

    def ending(self, figures: dict[str, Any], holds: bool, target: Path | None) -> None:
        """What just happened, and what to do next."""
        if holds:
            self._say(
                f"\n[bold]What just happened[/bold] ({figures['wall_s']:.0f} s on "
                f"{figures['cores']} cores)\n"
                f"{figures['purchases_accepted']} purchases were proved "
                f"({figures['prove_ms_median']:.1f} ms each), accepted and signed; the lender "
                "billed every client without learning where anybody bought, the merchants were "
                "paid without learning who bought, and the books balance to the cent."
            )
        else:
            self._say("\n[bold red]Something does not hold: see above.[/]")
        if target is not None:
            self._say(f"All figures: {escape(str(target))}")
        self._say(f"\nNext, do it by hand, three people in three folders: [bold]{NEXT_COMMAND}[/]")


def _panel(view: View) -> Panel:
    grid = Table.grid(padding=(0, 1))
    for what, value in view.rows:
        grid.add_row(Text(what, style="dim"), Text(value))
    return Panel(grid, title=escape(view.title), width=46)


def _rows(item: Comparison, terms: Terms) -> list[tuple[str, str, str]]:
    """The comparison's rows: one, or one for each merchant."""
    if isinstance(item.played, tuple) and isinstance(item.expected, tuple):
        return [
            (f"  {name}", terms.format(left), terms.format(right))
            for name, left, right in zip(MERCHANT_NAMES, item.played, item.expected, strict=True)
        ]
    label = _LABELS.get(item.name, item.name)
    if item.name.endswith("_minor"):
        return [(label, _money(item.played, terms), _money(item.expected, terms))]
    if item.name == "clients_sha256":
        return [(label, f"{str(item.played)[:16]}…", f"{str(item.expected)[:16]}…")]
    return [(label, str(item.played), str(item.expected))]


def _money(value: object, terms: Terms) -> str:
    return terms.format(value) if isinstance(value, int) else str(value)


def _mark(holds: bool) -> Text:
    return Text("=", style="green") if holds else Text("≠", style="bold red")
