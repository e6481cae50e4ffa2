"""The demonstration's rules: known totals, cases worked by hand, two writings of the same rules."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from zkcredit.demo import plan, recompute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SAMPLE = plan.PACKAGED_DATA
MONTHS = ("2005-04", "2005-05", "2005-06", "2005-07", "2005-08", "2005-09")

# Golden values: they change only if the rules or the packaged data do.
LOWEST_SIXTY = recompute.Totals(
    customers=60,
    purchases_accepted=624,
    purchases_over_limit=11,
    over_limit_minor=12_384_568,
    cancelled_minor=4_823_500,
    credited_minor=0,
    charged_minor=428_931_132,
    paid_minor=143_432_200,
    outstanding_minor=285_498_932,
    customers_never_refused=51,
    statements=360,
    statements_equal_to_data=329,
    merchant_totals_minor=(87_265_488, 89_616_735, 72_759_254, 89_956_362, 89_333_293),
    clients_sha256="a7bc590758e7dbf0121d8d7ae7f503b7672920e5e2cf6b9c47d4f56ff8639f45",
)
SAMPLE_TOTALS = recompute.Totals(
    customers=200,
    purchases_accepted=2_100,
    purchases_over_limit=37,
    over_limit_minor=88_448_972,
    cancelled_minor=19_057_000,
    credited_minor=1_676_100,
    charged_minor=1_477_149_628,
    paid_minor=535_040_700,
    outstanding_minor=940_432_828,
    customers_never_refused=175,
    statements=1_200,
    statements_equal_to_data=1_115,
    merchant_totals_minor=(312_522_230, 292_462_243, 229_075_715, 305_155_900, 337_933_540),
    clients_sha256="4f78ae07e26b0684021d80a6e9727dbf9a2167955d379aaeb5e5d96d3d7b3e67",
)

Client = tuple[int, int, tuple[int, ...], tuple[int, ...]]
"""Number, limit, six bills and six payments."""


def write_files(folder: Path, client_rows: Sequence[str], month_rows: Sequence[str]) -> Path:
    for name, rows in (
        ("clients", ["client_id,credit_limit_minor", *client_rows, ""]),
        ("months", ["client_id,month,bill_minor,paid_minor", *month_rows, ""]),
    ):
        (folder / f"{name}.csv.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    return folder


def write_clients(folder: Path, clients: Sequence[Client]) -> Path:
    return write_files(
        folder,
        [f"{number},{limit}" for number, limit, _, _ in clients],
        [
            f"{number},{MONTHS[i]},{bills[i]},{paid[i]}"
            for number, _, bills, paid in clients
            for i in range(6)
        ],
    )


def client_line(folder: Path, client: Client) -> tuple[recompute.Totals, str]:
    """Totals of one client alone, and its line, checked against the digest."""
    totals = recompute.recompute(write_clients(folder, [client]))
    balance = totals.outstanding_minor
    line = (
        f"{client[0]},{totals.purchases_accepted},{totals.purchases_over_limit},"
        f"{totals.charged_minor},{totals.paid_minor},{totals.credited_minor},{balance}\n"
    )
    assert totals.clients_sha256 == hashlib.sha256(line.encode()).hexdigest()
    return totals, line


# Known totals


def test_real_clients_give_their_known_totals() -> None:
    assert recompute.recompute(SAMPLE) == SAMPLE_TOTALS
    assert recompute.recompute(SAMPLE, 60) == LOWEST_SIXTY


def test_attribution_names_licence_source_and_the_very_files() -> None:
    text = (SAMPLE / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "CC BY 4.0" in text
    assert "10.24432/C55S3H" in text
    for name in ("clients.csv.gz", "months.csv.gz"):
        content = (SAMPLE / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() in text
        assert content[4:8] == bytes(4), "the time of compression must not be in the file"


# The rules, worked by hand


def test_first_bill_counts_whole_and_first_payment_not_at_all(tmp_path: Path) -> None:
    # Client 1, t=1: k = 1 + 2 % 3 = 3 purchases of 33, 33, 34 at merchants 2, 3, 4.
    totals, line = client_line(tmp_path, (1, 1000, (100,) * 6, (77, 0, 0, 0, 0, 0)))
    assert line == "1,3,0,100,0,0,100\n"
    assert totals.merchant_totals_minor == (0, 0, 33, 33, 34)
    assert (totals.paid_minor, totals.statements_equal_to_data) == (0, 6)


def test_payment_frees_credit_after_the_statement_before(tmp_path: Path) -> None:
    # Client 2, limit 100. t=1: k=1, 100 spent. p_2 = 60 is booked; t=2: wanted 60 in two.
    totals, line = client_line(tmp_path, (2, 100, (100,) * 6, (0, 60, 0, 0, 0, 0)))
    assert line == "2,3,0,160,60,0,100\n"
    assert totals.merchant_totals_minor == (30, 0, 0, 100, 30)
    assert totals.statements_equal_to_data == 6


def test_zero_parts_are_skipped_and_keep_their_merchant(tmp_path: Path) -> None:
    # Client 1, t=1: one cent in three parts 0, 0, 1: only the last, at merchant 4.
    totals, line = client_line(tmp_path, (1, 10, (1,) * 6, (0,) * 6))
    assert line == "1,1,0,1,0,0,1\n"
    assert totals.merchant_totals_minor == (0, 0, 0, 0, 1)


def test_purchase_over_the_limit_is_refused_whole(tmp_path: Path) -> None:
    # Client 3, limit 50. t=1: k=2, parts 50 and 51; nothing is left for the second.
    totals, line = client_line(tmp_path, (3, 50, (101,) * 6, (0,) * 6))
    assert line == "3,1,1,50,0,0,50\n"
    assert totals.over_limit_minor == 51
    assert totals.customers_never_refused == 0
    assert totals.statements_equal_to_data == 0


def test_purchases_after_a_refused_one_are_still_tried(tmp_path: Path) -> None:
    # Client 3, limit 100. t=1: k=2, 40 and 40. t=2: k=3, 21 three times; none fits the 20 left,
    # and each counts as refused.
    totals, line = client_line(tmp_path, (3, 100, (80, 143, 143, 143, 143, 143), (0,) * 6))
    assert line == "3,2,3,80,0,0,80\n"
    assert totals.over_limit_minor == 63
    assert totals.statements_equal_to_data == 1


def test_months_after_a_refusal_go_on_buying(tmp_path: Path) -> None:
    # Client 2, limit 12. t=1: k=1, 10. t=2: k=2, parts 2 and 3: 2 fits, 3 does not.
    # t=3: k=3, parts 0, 0, 1: 1 does not fit. p_4 = 1 frees 1; t=4: k=1, wanted 1 fits.
    totals, line = client_line(tmp_path, (2, 12, (10, 15, 16, 16, 16, 16), (0, 0, 0, 1, 0, 0)))
    assert line == "2,3,2,13,1,0,12\n"
    assert totals.over_limit_minor == 4
    assert totals.statements_equal_to_data == 1


def test_money_given_back_cancels_the_refused_pool_before_it_is_a_credit(tmp_path: Path) -> None:
    # Client 2, limit 50. t=1: 100 refused. t=2: 30 back, all cancelled. t=3: 90 back, of which 70
    # cancel the rest of the pool and 20 are credited: the line is 20 above its limit.
    # t=4 (k=1): wanted 70 is all there is.
    totals, line = client_line(tmp_path, (2, 50, (100, 70, -20, 50, 50, 50), (0,) * 6))
    assert line == "2,1,1,70,0,20,50\n"
    assert (totals.over_limit_minor, totals.cancelled_minor) == (100, 100)
    # Bills 3 to 6 are met: once everything refused was cancelled, line and data agree again.
    assert totals.statements_equal_to_data == 4


def test_credit_without_a_pool_goes_above_the_limit(tmp_path: Path) -> None:
    totals, line = client_line(tmp_path, (1, 10, (-5,) * 6, (0,) * 6))
    assert line == "1,0,0,0,0,5,-5\n"
    assert (totals.customers_never_refused, totals.statements_equal_to_data) == (1, 6)


def test_overpayment_goes_above_the_limit(tmp_path: Path) -> None:
    # p_2 = 50 with nothing owed and no purchase in t=2: wanted = -50 - 0 + 50 = 0.
    totals, line = client_line(tmp_path, (1, 10, (0, -50, -50, -50, -50, -50), (0, 50, 0, 0, 0, 0)))
    assert line == "1,0,0,0,50,0,-50\n"
    assert totals.statements_equal_to_data == 6


def test_month_with_nothing_wanted_still_makes_its_statement(tmp_path: Path) -> None:
    totals, line = client_line(tmp_path, (1, 0, (0,) * 6, (0,) * 6))
    assert line == "1,0,0,0,0,0,0\n"
    assert (totals.statements, totals.statements_equal_to_data) == (6, 6)
    assert totals.merchant_totals_minor == (0, 0, 0, 0, 0)


def test_lowest_clients_are_chosen_whatever_the_order_of_the_file(tmp_path: Path) -> None:
    low: Client = (9, 500, (100,) * 6, (0,) * 6)
    high: Client = (10, 500, (200,) * 6, (0,) * 6)
    both = recompute.recompute(write_clients(tmp_path, [high, low]))
    assert both == recompute.recompute(write_clients(tmp_path, [low, high]))
    assert (both.customers, both.charged_minor) == (2, 300)
    one = recompute.recompute(write_clients(tmp_path, [high, low]), 1)
    assert one == client_line(tmp_path, low)[0]


# The plan


def test_plan_of_a_month() -> None:
    client = plan.ClientRecord(1, 10, (10, 40, 30, 30, 30, 30), (9, 5, 7, 0, 0, 8))
    assert plan.month_plan(client, 1) == plan.MonthPlan(
        t=1,
        wanted_minor=10,
        purchases=(plan.Purchase(3, 2), plan.Purchase(3, 3), plan.Purchase(4, 4)),
        returned_minor=0,
        bill_minor=10,
        payment_minor=5,
    )
    assert plan.month_plan(client, 2).purchases == (plan.Purchase(35, 3),)
    assert plan.month_plan(client, 3) == plan.MonthPlan(3, -3, (), 3, 30, 0)
    assert plan.month_plan(client, 6).payment_minor == 0


def test_plan_splits_what_is_given_back() -> None:
    assert plan.split_give_back(30, 100) == plan.GiveBack(30, 0)
    assert plan.split_give_back(30, 10) == plan.GiveBack(10, 20)
    assert plan.split_give_back(0, 10) == plan.GiveBack(0, 0)
    with pytest.raises(ValueError, match="negative"):
        plan.split_give_back(-1, 0)
    with pytest.raises(ValueError, match="negative"):
        plan.split_give_back(0, -1)


@pytest.mark.parametrize("t", [0, 7, -1])
def test_plan_knows_six_months(t: int) -> None:
    client = plan.ClientRecord(1, 10, (0,) * 6, (0,) * 6)
    for step in (plan.wanted_minor, plan.payment_minor, plan.month_plan):
        with pytest.raises(ValueError, match="counted 1 to 6"):
            step(client, t)
    with pytest.raises(ValueError, match="counted 1 to 6"):
        plan.plan_purchases(1, t, 1)


def replay_plan(folder: Path, customers: int | None = None) -> recompute.Totals:
    """Play the plan against plain lines, as the demonstration plays it against proofs."""
    total: Counter[str] = Counter()
    sold = [0] * plan.MERCHANT_COUNT
    lines = ""
    clients = plan.read_portfolio(folder, customers).clients
    for client in clients:
        available, pool = client.limit_minor, 0
        mine = dict.fromkeys(("accepted", "refused", "charged", "paid", "credited"), 0)
        for t in range(1, plan.MONTH_COUNT + 1):
            step = plan.month_plan(client, t)
            for purchase in step.purchases:
                if purchase.amount_minor > available:
                    pool += purchase.amount_minor
                    total["over"] += purchase.amount_minor
                    mine["refused"] += 1
                    continue
                available -= purchase.amount_minor
                sold[purchase.merchant] += purchase.amount_minor
                mine["accepted"] += 1
                mine["charged"] += purchase.amount_minor
            back = plan.split_give_back(step.returned_minor, pool)
            pool -= back.cancelled_minor
            available += back.credited_minor
            total["cancelled"] += back.cancelled_minor
            mine["credited"] += back.credited_minor
            total["equal"] += client.limit_minor - available == step.bill_minor
            available += step.payment_minor
            mine["paid"] += step.payment_minor
        numbers = ",".join(str(value) for value in mine.values())
        lines += f"{client.client_id},{numbers},{client.limit_minor - available}\n"
        total["never"] += not mine["refused"]
        total.update(mine)
    return recompute.Totals(
        customers=len(clients),
        purchases_accepted=total["accepted"],
        purchases_over_limit=total["refused"],
        over_limit_minor=total["over"],
        cancelled_minor=total["cancelled"],
        credited_minor=total["credited"],
        charged_minor=total["charged"],
        paid_minor=total["paid"],
        outstanding_minor=total["charged"] - total["paid"] - total["credited"],
        customers_never_refused=total["never"],
        statements=len(clients) * plan.MONTH_COUNT,
        statements_equal_to_data=total["equal"],
        merchant_totals_minor=(sold[0], sold[1], sold[2], sold[3], sold[4]),
        clients_sha256=hashlib.sha256(lines.encode()).hexdigest(),
    )


def test_plan_and_recomputation_agree_on_real_clients() -> None:
    assert replay_plan(SAMPLE) == SAMPLE_TOTALS


@pytest.mark.parametrize("seed", range(20))
def test_plan_and_recomputation_agree_on_wild_clients(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    clients: list[Client] = [
        (
            number,
            chance.choice((0, 1, 50, 1000)),
            tuple(chance.randint(-300, 1500) for _ in range(6)),
            tuple(chance.choice((0, 0, 1, chance.randint(0, 900))) for _ in range(6)),
        )
        for number in chance.sample(range(1, 100), 12)
    ]
    write_clients(tmp_path, clients)
    totals = recompute.recompute(tmp_path, 10)
    assert totals == replay_plan(tmp_path, 10)
    assert sum(totals.merchant_totals_minor) == totals.charged_minor
    # Whatever was wanted went somewhere: the last bill without the payments, pool and line apart.
    chosen = sorted(clients)[:10]
    pool_minor = totals.over_limit_minor - totals.cancelled_minor
    assert totals.outstanding_minor + pool_minor == sum(bills[-1] for _, _, bills, _ in chosen)


# Independence


@pytest.mark.parametrize("module", [recompute, plan])
def test_module_imports_the_standard_library_only(module: object) -> None:
    tree = ast.parse(Path(str(getattr(module, "__file__", ""))).read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add(str(node.module))
    assert names
    assert {name.partition(".")[0] for name in names} <= set(sys.stdlib_module_names)


def run_alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(recompute.__file__), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_recomputation_runs_as_a_file_on_its_own() -> None:
    done = run_alone(str(SAMPLE), "60")
    assert done.returncode == 0
    assert json.loads(done.stdout) == json.loads(json.dumps(asdict(LOWEST_SIXTY)))


def test_recomputation_on_its_own_reports_faults(tmp_path: Path) -> None:
    assert run_alone().returncode == 2
    assert run_alone(str(SAMPLE), "many").returncode == 2
    assert run_alone(str(tmp_path)).returncode == 6
    malformed = run_alone(str(write_files(tmp_path, ["1,x"], [])))
    assert malformed.returncode == 4
    assert "line 2" in malformed.stderr
    assert "Traceback" not in malformed.stderr


# Malformed files

GOOD_CLIENTS = ["1,100", "2,100"]
GOOD_MONTHS = [f"{number},{month},0,0" for number in (1, 2) for month in MONTHS]

READERS: list[tuple[Callable[[Path], object], type[ValueError]]] = [
    (recompute.recompute, recompute.RecomputeError),
    (plan.read_portfolio, plan.CardDataError),
]


def with_month(index: int, row: str) -> list[str]:
    return [*GOOD_MONTHS[:index], row, *GOOD_MONTHS[index + 1 :]]


MALFORMED: dict[str, tuple[list[str], list[str]]] = {
    "limit is not a number": (["1,abc", "2,100"], GOOD_MONTHS),
    "limit is empty": (["1,", "2,100"], GOOD_MONTHS),
    "limit is negative": (["1,-1", "2,100"], GOOD_MONTHS),
    "limit has a fraction": (["1,1.5", "2,100"], GOOD_MONTHS),
    "limit has an underscore": (["1,1_0", "2,100"], GOOD_MONTHS),
    "limit has a space": (["1, 10", "2,100"], GOOD_MONTHS),
    "limit has a plus sign": (["1,+10", "2,100"], GOOD_MONTHS),
    "limit has a leading zero": (["1,010", "2,100"], GOOD_MONTHS),
    "limit in other digits": (["1,\u0661\u0660", "2,100"], GOOD_MONTHS),
    "limit beyond 18 digits": (["1," + "9" * 19, "2,100"], GOOD_MONTHS),
    "client number zero": (["0,100", *GOOD_CLIENTS], GOOD_MONTHS),
    "client twice": ([*GOOD_CLIENTS, "1,100"], GOOD_MONTHS),
    "no clients": ([], []),
    "client without months": ([*GOOD_CLIENTS, "3,100"], GOOD_MONTHS),
    "months of an unknown client": (GOOD_CLIENTS, [*GOOD_MONTHS, "3,2005-04,0,0"]),
    "five months": (GOOD_CLIENTS, GOOD_MONTHS[:-1]),
    "seven months": (GOOD_CLIENTS, [*GOOD_MONTHS, "2,2005-10,0,0"]),
    "month twice": (GOOD_CLIENTS, with_month(1, "1,2005-04,0,0")),
    "month left out": (GOOD_CLIENTS, with_month(5, "1,2005-10,0,0")),
    "newest month first": (GOOD_CLIENTS, GOOD_MONTHS[::-1]),
    "other months than the first client": (
        GOOD_CLIENTS,
        [*GOOD_MONTHS[:6], *(f"2,{month},0,0" for month in (*MONTHS[1:], "2005-10"))],
    ),
    "month thirteen": (GOOD_CLIENTS, with_month(0, "1,2005-13,0,0")),
    "month in another form": (GOOD_CLIENTS, with_month(0, "1,04/2005,0,0")),
    "bill is not a number": (GOOD_CLIENTS, with_month(3, "1,2005-07,12x,0")),
    "bill is minus zero": (GOOD_CLIENTS, with_month(3, "1,2005-07,-0,0")),
    "bill beyond 18 digits": (GOOD_CLIENTS, with_month(3, "1,2005-07,-" + "9" * 19 + ",0")),
    "payment is negative": (GOOD_CLIENTS, with_month(3, "1,2005-07,0,-1")),
    "payment is empty": (GOOD_CLIENTS, with_month(3, "1,2005-07,0,")),
    "row too short": (GOOD_CLIENTS, with_month(3, "1,2005-07,0")),
    "row too long": (GOOD_CLIENTS, with_month(3, "1,2005-07,0,0,0")),
    "empty row": (GOOD_CLIENTS, with_month(3, "")),
    "open quote": (GOOD_CLIENTS, [*GOOD_MONTHS[:-1], '2,2005-09,0,"0']),
}


@pytest.mark.parametrize(("read", "error"), READERS)
def test_baseline_of_the_malformed_files_is_accepted(
    read: Callable[[Path], object], error: type[ValueError], tmp_path: Path
) -> None:
    assert issubclass(error, ValueError)
    assert read(write_files(tmp_path, GOOD_CLIENTS, GOOD_MONTHS)) is not None
    # The largest amounts allowed; months of two clients mixed, over a new year.
    nines = "9" * 18
    months = ("2005-09", "2005-10", "2005-11", "2005-12", "2006-01", "2006-02")
    mixed = [f"{number},{month},-{nines},{nines}" for month in months for number in (2, 1)]
    assert read(write_files(tmp_path, [f"1,{nines}", "2,0"], mixed)) is not None


@pytest.mark.parametrize(("read", "error"), READERS)
@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_rows_are_refused(
    case: str, read: Callable[[Path], object], error: type[ValueError], tmp_path: Path
) -> None:
    write_files(tmp_path, *MALFORMED[case])
    with pytest.raises(error) as caught:
        read(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(("read", "error"), READERS)
@pytest.mark.parametrize("name", ["clients.csv.gz", "months.csv.gz"])
def test_damaged_files_are_refused(
    name: str, read: Callable[[Path], object], error: type[ValueError], tmp_path: Path
) -> None:
    write_files(tmp_path, GOOD_CLIENTS, GOOD_MONTHS)
    path = tmp_path / name
    good = path.read_bytes()
    text = gzip.decompress(good)
    header, _, rows = text.partition(b"\n")
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    for damaged in (
        b"",
        text,
        good[:-9],
        bytes(flipped),
        gzip.compress(b""),
        gzip.compress(rows),
        gzip.compress(header.replace(b"client_id", b"client") + b"\n" + rows),
        gzip.compress(header + b",client_id\n" + rows.replace(b"\n", b",1\n")),
        gzip.compress(text + b"\xff\xfe"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(error):
            read(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read(tmp_path)


@pytest.mark.parametrize("customers", [0, -1, 3])
def test_number_of_clients_must_be_there(customers: int, tmp_path: Path) -> None:
    write_files(tmp_path, GOOD_CLIENTS, GOOD_MONTHS)
    with pytest.raises(recompute.RecomputeError):
        recompute.recompute(tmp_path, customers)
    with pytest.raises(ValueError, match="between 1 and 2"):
        plan.read_portfolio(tmp_path, customers)


def test_card_data_error_names_file_line_and_reason(tmp_path: Path) -> None:
    write_files(tmp_path, ["1,100", "2,x"], GOOD_MONTHS)
    with pytest.raises(plan.CardDataError) as caught:
        plan.read_portfolio(tmp_path)
    error = caught.value
    assert (error.path, error.line) == (tmp_path / "clients.csv.gz", 3)
    assert "credit_limit_minor is 'x'" in error.reason
    assert str(error) == f"{error.path}, line 3: {error.reason}"
