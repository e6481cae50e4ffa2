"""The demonstration: known totals, every figure twice, failures and interruptions."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from zkcredit import demo
from zkcredit.demo import books, cast, plan, play, recompute, show, views
from zkcredit.errors import CallerError, MalformedInput, StoreError

KEYS = [
    "customers",
    "cores",
    "opened",
    "purchases_accepted",
    "purchases_over_limit",
    "over_limit_minor",
    "cancelled_minor",
    "credited_minor",
    "statements",
    "settlements",
    "charged_minor",
    "settled_minor",
    "billed_minor",
    "paid_minor",
    "outstanding_minor",
    "customers_never_refused",
    "statements_equal_to_data",
    "merchant_totals_minor",
    "clients_sha256",
    "log_size",
    "log_root",
    "audit_ok",
    "entries_verified",
    "prove_ms_median",
    "verify_us_per_purchase",
    "wall_s",
]
VARYING = {"log_root", "prove_ms_median", "verify_us_per_purchase", "wall_s"}
MONTHS = ("2005-04", "2005-05", "2005-06", "2005-07", "2005-08", "2005-09")

Client = tuple[int, int, tuple[int, ...], tuple[int, ...]]
"""Number, limit, six bills and six payments."""


class Played:
    """One run: exit code, JSON figures and the text."""

    def __init__(self, folder: Path, **arguments: Any) -> None:
        text, target = io.StringIO(), folder / "figures.json"
        console = Console(file=text, width=120)
        self.code = demo.run(json_path=target, console=console, **arguments)
        self.figures: dict[str, Any] = json.loads(target.read_text())
        self.text = text.getvalue()


def write_clients(folder: Path, clients: list[Client]) -> Path:
    folder.mkdir(exist_ok=True)
    limits = [f"{number},{limit}" for number, limit, _, _ in clients]
    months = [
        f"{number},{MONTHS[i]},{bills[i]},{paid[i]}"
        for number, _, bills, paid in clients
        for i in range(6)
    ]
    for name, rows in (
        ("clients", ["client_id,credit_limit_minor", *limits, ""]),
        ("months", ["client_id,month,bill_minor,paid_minor", *months, ""]),
    ):
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    return folder


TINY: list[Client] = [(2, 100, (30,) * 6, (0,) * 6)]

# Refusals, a give-back that cancels them, one that goes beyond, an overpayment above the
# limit, a first bill in the client's favour, a limit of zero, nothing at all.
WILD: list[Client] = [
    (3, 100, (80, 143, 60, 10, -40, 90), (0,) * 6),
    (4, 50, (40, 0, 200, 200, 0, 0), (5, 90, 0, 0, 0, 0)),
    (7, 10**9, (-5, 7, 7, 7, 7, 7), (0,) * 6),
    (9, 0, (10, 0, 0, 0, 0, 0), (0,) * 6),
    (11, 5, (0,) * 6, (0,) * 6),
]


def check_figures(figures: dict[str, Any], totals: recompute.Totals) -> None:
    assert list(figures) == KEYS
    for name, value in dataclasses.asdict(totals).items():
        expected = list(value) if isinstance(value, tuple) else value
        assert figures[name] == expected, name
    assert figures["audit_ok"] is True
    assert figures["opened"] == figures["customers"]
    assert figures["charged_minor"] == figures["settled_minor"] == figures["billed_minor"]
    assert figures["log_size"] == figures["entries_verified"]
    # Issuer, terms, 5 merchants, 7 periods; then what the clients and merchants did.
    assert figures["log_size"] == 14 + sum(
        figures[name] for name in ("opened", "purchases_accepted", "statements", "settlements")
    )
    assert len(bytes.fromhex(figures["log_root"])) == 32


# Known totals


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("three"), customers=3)


def test_every_figure_is_the_recomputed_one(three: Played) -> None:
    assert three.code == 0
    check_figures(three.figures, recompute.recompute(plan.PACKAGED_DATA, 3))
    assert three.figures["prove_ms_median"] > 0
    assert three.figures["verify_us_per_purchase"] > 0


def test_no_total_depends_on_the_seed(three: Played, tmp_path: Path) -> None:
    other = Played(tmp_path, customers=3, seed=7)
    assert other.code == 0
    for name in set(KEYS) - VARYING:
        assert other.figures[name] == three.figures[name], name
    assert other.figures["log_root"] != three.figures["log_root"]


def test_story_names_months_views_and_the_next_command(three: Played) -> None:
    for words in (*MONTHS, "three views", "The log (entry", "(lender)", "(merchant)", "zkcredit "):
        assert words in three.text
    assert "What just happened" in three.text
    assert "comparisons hold" in three.text


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_packaged_sample_gives_its_known_totals(tmp_path: Path) -> None:
    played = Played(tmp_path)
    figures = played.figures
    assert played.code == 0
    check_figures(figures, recompute.recompute(plan.PACKAGED_DATA))
    assert figures["customers"] == 200
    assert (figures["purchases_accepted"], figures["purchases_over_limit"]) == (2_100, 37)
    assert figures["charged_minor"] == 1_477_149_628
    assert (figures["paid_minor"], figures["credited_minor"]) == (535_040_700, 1_676_100)
    assert figures["outstanding_minor"] == 940_432_828
    assert figures["customers_never_refused"] == 175
    assert (figures["statements_equal_to_data"], figures["statements"]) == (1_115, 1_200)
    assert figures["clients_sha256"] == (
        "4f78ae07e26b0684021d80a6e9727dbf9a2167955d379aaeb5e5d96d3d7b3e67"
    )


def test_refusals_credits_and_overpayments(tmp_path: Path) -> None:
    folder = write_clients(tmp_path / "data", WILD)
    played = Played(tmp_path, data=folder)
    totals = recompute.recompute(folder)
    assert totals.purchases_over_limit
    assert totals.cancelled_minor
    assert totals.credited_minor
    assert played.code == 0
    check_figures(played.figures, totals)


def test_amounts_beyond_32_bits(tmp_path: Path) -> None:
    clients = [(1, 10**13, (6 * 10**12, 5 * 10**12, 0, 0, 0, 0), (0, 10**12, 0, 0, 0, 0))]
    folder = write_clients(tmp_path / "data", clients)
    played = Played(tmp_path, data=folder)
    assert played.code == 0
    check_figures(played.figures, recompute.recompute(folder))


def test_a_client_that_never_buys_needs_no_example(tmp_path: Path) -> None:
    folder = write_clients(tmp_path / "data", [(5, 100, (0,) * 6, (0,) * 6)])
    played = Played(tmp_path, data=folder)
    assert played.code == 0
    assert played.figures["purchases_accepted"] == 0
    assert "three views" not in played.text


# What each party sees


def test_views_keep_amount_and_customer_where_they_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[views.View] = []
    real = views.three_views

    def spy(*arguments: Any) -> list[views.View]:
        seen.extend(real(*arguments))
        return seen

    monkeypatch.setattr(views, "three_views", spy)
    folder = write_clients(tmp_path / "data", TINY)
    assert Played(tmp_path, data=folder).code == 0
    log, lender, merchant = (dict(view.rows) for view in seen)
    assert "0.30" not in repr(log)
    assert lender["customer"].startswith(views.UNKNOWN)
    assert lender["amount"].startswith(views.UNKNOWN)
    assert merchant["customer"] == merchant["credit left"] == views.UNKNOWN
    assert merchant["amount"] == "0.30 TWD"
    assert merchant["claim V"] == log["claim V"]


# Failed comparisons


def test_another_total_than_the_data_gives_ends_with_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = recompute.recompute

    def wrong(*arguments: Any) -> recompute.Totals:
        totals = real(*arguments)
        return dataclasses.replace(totals, charged_minor=totals.charged_minor + 1)

    monkeypatch.setattr(show.recompute, "recompute", wrong)
    played = Played(tmp_path, data=write_clients(tmp_path / "data", TINY))
    assert played.code == 1
    assert "charged_minor: 30, but recomputed from the data gives 31" in played.text
    assert "What just happened" not in played.text


@pytest.mark.parametrize("role", range(6))
def test_a_wrong_sum_of_anybody_is_found_by_the_auditor(
    role: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = books.openings

    def wrong(party: cast.Cast) -> Any:
        rows = real(party)
        row = rows[role][0]
        rows[role][0] = type(row)(
            role=row.role,
            issuer_id=row.issuer_id,
            asset=row.asset,
            sum_minor=row.sum_minor - 1,
            sum_rho=row.sum_rho,
            indexes=row.indexes,
        )
        return rows

    monkeypatch.setattr(books, "openings", wrong)
    # Client 5 buys one thing of 10 at each merchant: (5 + t) mod 3 + 1 parts from (5 + t) mod 5.
    bills = (10, 30, 60, 60, 60, 60)
    played = Played(tmp_path, data=write_clients(tmp_path / "data", [(5, 99, bills, (0,) * 6)]))
    assert played.code == 1
    assert played.figures["audit_ok"] is False
    assert played.figures["entries_verified"] == 0
    assert "does not open" in played.text


def test_a_claim_that_nobody_sums_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = books.openings
    monkeypatch.setattr(books, "openings", lambda party: [[], [], [], [], [], real(party)[5]])
    played = Played(tmp_path, data=write_clients(tmp_path / "data", TINY))
    assert played.code == 1
    assert "claims or bills not covered: 1" in played.text


# What goes wrong before and during the play


def test_bad_arguments_and_data(tmp_path: Path) -> None:
    folder = write_clients(tmp_path / "data", TINY)
    for customers in (0, -1, 2):
        with pytest.raises(CallerError):
            demo.run(folder, customers=customers)
    with pytest.raises(StoreError):
        demo.run(tmp_path / "missing")
    with pytest.raises(StoreError):
        demo.run(folder, json_path=tmp_path / "missing" / "figures.json")
    with pytest.raises(StoreError):
        demo.run(folder, json_path=tmp_path)
    (folder / "months.csv.gz").write_bytes(gzip.compress(b"client_id,month\n1,2\n"))
    with pytest.raises(MalformedInput):
        demo.run(folder)
    huge = write_clients(tmp_path / "huge", [(1, 10**18 - 1, (0,) * 6, (10**18 - 1,) * 6)])
    assert MalformedInput.exit_code == 4
    assert demo.run(huge, console=Console(file=io.StringIO())) == 0


def test_interrupted_play_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    target = tmp_path / "figures.json"

    def interrupt(what: str, done: int, total: int) -> None:
        if "purchases" in what and done:
            assert total
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo.run(customers=3, json_path=target, progress=interrupt, console=Console(quiet=True))
    assert list(tmp_path.iterdir()) == []
    assert not [t for t in threading.enumerate() if t.name.startswith("zkcredit-demo")]


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    heard: dict[str, tuple[int, int]] = {}

    def progress(what: str, done: int, total: int) -> None:
        assert 0 <= done <= total
        assert done >= heard.get(what, (0, 0))[0]
        heard[what] = done, total

    folder = write_clients(tmp_path / "data", TINY)
    assert demo.run(folder, progress=progress, console=Console(quiet=True)) == 0
    assert heard["audit"][0] == heard["audit"][1] > 0
    assert heard["granting lines"] == (1, 1)


def test_clock_turns_with_the_months() -> None:
    clock = cast.MonthClock("2005-11")
    assert 1_130_803_200_000 <= clock() < 1_130_803_260_000  # 2005-11-01
    clock.turn_to(3)
    assert 1_136_073_600_000 <= clock() < 1_136_073_660_000  # 2006-01-01


def test_workers_raise_the_first_error() -> None:
    def fail(item: int) -> int:
        if item == 2:
            raise CallerError("two")
        return item

    with play.Workers() as workers:
        assert workers.map(fail, [0, 1]) == [0, 1]
        with pytest.raises(CallerError, match="two"):
            workers.map(fail, range(5))
