"""Running the demonstration from data to exit code."""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zkcredit.demo import books, compare, plan, recompute, report, views
from zkcredit.demo.cast import Cast
from zkcredit.demo.play import Play, Story, Workers, core_count
from zkcredit.errors import CallerError, MalformedInput, StoreError

if TYPE_CHECKING:
    from rich.console import Console

    from zkcredit.demo import Progress
    from zkcredit.demo.books import Books, Tally


@dataclass(slots=True)
class Show:
    """One performance: the data in ``folder``, who tells it, who hears of its progress."""

    folder: Path
    portfolio: plan.Portfolio
    seed: int
    teller: report.Teller
    progress: Progress

    def run(self) -> tuple[dict[str, Any], bool]:
        """Plays; returns the JSON figures and whether everything holds."""
        self.teller.opening(self.portfolio, self.folder)
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="zkcredit-demo-") as place:
            cast = Cast(Path(place), self.portfolio)
            try:
                figures, holds = self._perform(cast)
            finally:
                cast.close()
        figures["wall_s"] = round(time.monotonic() - started, 3)
        return figures, holds

    def _perform(self, cast: Cast) -> tuple[dict[str, Any], bool]:
        """Plays the months, closes the books and compares."""
        teller, terms = self.teller, cast.terms
        story = self._play(cast)
        if story.example is not None:
            teller.views(views.three_views(cast, story.example), story.example, terms)
        rows = books.openings(cast)
        tally = books.tally(story, rows)
        _forget(story, cast)
        found = books.close(cast, story.checkpoint, rows, self.progress)
        teller.books(found, tally, terms)
        totals = _recomputed(self.folder, len(self.portfolio.clients))
        comparisons = compare.with_data(tally, totals)
        teller.totals(comparisons, terms)
        comparisons += compare.among_parties(tally, found, story.strays)
        teller.verdict(comparisons, found)
        holds = found.report is not None and all(item.holds for item in comparisons)
        return _figures(tally, found, story), holds

    def _play(self, cast: Cast) -> Story:
        order = list(self.portfolio.clients)
        random.Random(self.seed).shuffle(order)  # noqa: S311  (an order, not a secret)
        with Workers() as workers:
            play = Play(cast, order, workers, self.progress)
            play.open_lines()
            self.teller.opened(len(play.story.players), cast)
            for t in range(1, plan.MONTH_COUNT + 1):
                self.teller.month(play.month(t), cast.terms)
        return play.story


def run(
    data: Path | str | None,
    customers: int | None,
    seed: int,
    json_path: Path | str | None,
    *,
    progress: Progress | None,
    console: Console | None,
) -> int:
    """See :func:`zkcredit.demo.run`."""
    folder = plan.PACKAGED_DATA if data is None else Path(data)
    target = None if json_path is None else _writable(Path(json_path))
    portfolio = _read(folder, customers)
    teller = report.Teller(console)
    figures, holds = Show(folder, portfolio, seed, teller, progress or _silent).run()
    if target is not None:
        _write(target, figures)
    teller.ending(figures, holds, target)
    return 0 if holds else 1


def _forget(story: Story, cast: Cast) -> None:
    """Lets go of wallets and merchants before the audit, which needs memory of its own."""
    story.players.clear()
    story.example = None
    cast.merchants.clear()


def _figures(tally: Tally, found: Books, story: Story) -> dict[str, Any]:
    """The figures of the JSON report, all but the time."""
    audited = found.report
    return {
        "customers": tally.customers,
        "cores": core_count(),
        "opened": audited.kinds.get("open", 0) if audited else 0,
        "purchases_accepted": tally.purchases_accepted,
        "purchases_over_limit": tally.purchases_over_limit,
        "over_limit_minor": tally.over_limit_minor,
        "cancelled_minor": tally.cancelled_minor,
        "credited_minor": tally.credited_minor,
        "statements": tally.statements,
        "settlements": tally.settlements,
        "charged_minor": tally.charged_minor,
        "settled_minor": tally.settled_minor,
        "billed_minor": tally.billed_minor,
        "paid_minor": tally.paid_minor,
        "outstanding_minor": tally.outstanding_minor,
        "customers_never_refused": tally.customers_never_refused,
        "statements_equal_to_data": tally.statements_equal_to_data,
        "merchant_totals_minor": list(tally.merchant_totals_minor),
        "clients_sha256": tally.clients_sha256,
        "log_size": found.log_size,
        "log_root": found.log_root.hex(),
        "audit_ok": audited is not None,
        "entries_verified": audited.entries_verified if audited else 0,
        "prove_ms_median": round(statistics.median(story.prove_ms), 3) if story.prove_ms else 0.0,
        "verify_us_per_purchase": round(audited.verify_us_per_purchase, 1) if audited else 0.0,
    }


def _silent(what: str, done: int, total: int) -> None:
    del what, done, total


def _read(folder: Path, customers: int | None) -> plan.Portfolio:
    try:
        return plan.read_portfolio(folder, customers)
    except plan.CardDataError as error:
        raise MalformedInput(str(error)) from None
    except OSError as error:
        raise StoreError(f"cannot read the data: {error}") from None
    except ValueError as error:
        raise CallerError(str(error)) from None


def _recomputed(folder: Path, customers: int) -> recompute.Totals:
    try:
        return recompute.recompute(folder, customers)
    except recompute.RecomputeError as error:
        raise MalformedInput(str(error)) from None
    except OSError as error:
        raise StoreError(f"cannot read the data: {error}") from None


def _writable(path: Path) -> Path:
    """The path, if a file can be made there: better to know before the play than after."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise StoreError(f"cannot write {path}")
    return path


def _write(path: Path, figures: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from None
