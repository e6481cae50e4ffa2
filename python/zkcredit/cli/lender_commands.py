"""``zkcredit lender``: registration, terms, periods, lines, signatures, overview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_message, write_message
from zkcredit.cli.lender_desk import account_json, group, lender_on_ledger, open_lender
from zkcredit.cli.output import progress
from zkcredit.cli.params import (
    COUNT,
    DURATION,
    HEX,
    INDEX,
    MONEY,
    MONTH,
    PERCENT,
    Whole,
    amount_minor,
    find_terms,
)
from zkcredit.cli.parties import make_party
from zkcredit.cli.trust import finality_json, finality_of, state_cell, tell
from zkcredit.cli.watch import watched
from zkcredit.errors import MalformedInput, Refused, StateConflict

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.lender import Lender
    from zkcredit.terms import Terms

# -- registration ----------------------------------------------------------------------------


@group.add("init", example='$ zkcredit --ledger ./ledger lender init "Bank of Formosa"')
@click.argument("name")
@pass_session
def init(session: Session, name: str) -> None:
    """Become a lender: make keys and database and register NAME on the ledger.

    Run again after an interruption, it goes on where it stopped.
    """
    from zkcredit.lender import Lender

    with session.ledger() as ledger:
        make_party(session, "lender", name, Lender.create)
        with open_lender(session) as lender:
            if lender.name != name:
                raise StateConflict(f"this folder belongs to the lender {lender.name!r}")
            index = lender.register(ledger).index
            issuer_id = lender.issuer_id
    folder = str(session.folder)
    found = {"name": name, "issuer_id": issuer_id, "index": index, "folder": folder}
    if not session.output.data(found):
        session.output.fields(
            [
                ("lender", name),
                ("id", issuer_id.hex()),
                ("entry", index),
                ("folder", folder),
            ]
        )
        session.output.note("Next: publish terms with `lender terms --currency TWD`.")


# -- terms and periods -----------------------------------------------------------------------


@group.add(
    "terms",
    example="$ zkcredit lender terms --currency TWD --apr 15.00% --minimum-pct 10%",
)
@click.option("--currency", required=True, metavar="CODE", help="Such as TWD.")
@click.option(
    "--digits",
    type=Whole(0, 6),
    default=2,
    show_default=True,
    help="Digits after the point, 6 at most.",
)
@click.option("--apr", type=PERCENT, default="0", help="Interest for a year [0%].")
@click.option("--minimum-floor", type=MONEY, help="Smallest minimum payment [0].")
@click.option("--minimum-pct", type=PERCENT, default="0", help="Minimum payment of balance [0%].")
@click.option("--late-fee", type=MONEY, help="Fee when the minimum was not paid [0].")
@click.option("--merchant-fee", type=PERCENT, default="0", help="Kept of a settlement [0%].")
@click.option(
    "--start", type=MONTH, default="2026-01", show_default=True, help="Calendar month of period 1."
)
@click.option(
    "--grace-days",
    type=Whole(0, 366),
    default=20,
    show_default=True,
    help="Days for the billing statement.",
)
@click.option(
    "--sign-within",
    type=DURATION,
    default="24h",
    show_default=True,
    help="Time in which purchases are signed; after it new ones stop.",
)
@click.option(
    "--plans",
    type=Whole(1, 36),
    default=1,
    show_default=True,
    help="Up to so many monthly parts per purchase, 36 at most.",
)
@click.option(
    "--attributes",
    type=Whole(0, 16),
    default=0,
    show_default=True,
    help="Number of signed attributes, 16 at most.",
)
@click.option(
    "--bits",
    type=click.Choice(["32", "64"]),
    default="32",
    show_default=True,
    help="Size of amounts in minor units.",
)
@pass_session
def terms_command(session: Session, /, **options: Any) -> None:
    """Publish terms; prints their hash.

    Holders and merchants name terms by (the start of) that hash. The same terms
    again change nothing.
    """
    with lender_on_ledger(session) as (lender, ledger):
        terms = _terms(options)
        terms_hash = lender.publish_terms(ledger, terms)
    if not session.output.data({"terms_hash": terms_hash, "terms": terms_json(terms)}):
        session.output.line(terms_hash.hex())
        session.output.note("Next: open the first period with `lender period open 1`.")


def _terms(options: dict[str, Any]) -> Terms:
    from zkcredit.terms import Terms

    plain = Terms(currency=options["currency"], minor_digits=options["digits"])
    floor, fee = options["minimum_floor"], options["late_fee"]
    year, month = options["start"]
    return Terms(
        currency=options["currency"],
        minor_digits=options["digits"],
        due_buckets=options["plans"],
        attributes=options["attributes"],
        amount_bits=int(options["bits"]),
        apr_bps=options["apr"],
        minimum_floor_minor=0 if floor is None else amount_minor(floor, plain),
        minimum_pct_bps=options["minimum_pct"],
        late_fee_minor=0 if fee is None else amount_minor(fee, plain),
        merchant_fee_bps=options["merchant_fee"],
        calendar_start_year=year,
        calendar_start_month=month,
        grace_days=options["grace_days"],
        sign_within_ms=options["sign_within"],
    )


def terms_json(terms: Terms) -> dict[str, Any]:
    """All fields of terms."""
    from dataclasses import fields

    return {f.name: getattr(terms, f.name) for f in fields(terms) if not f.name.startswith("_")}


@group.add("period", example="$ zkcredit lender period open 1\n$ zkcredit lender period close 1")
@click.argument("action", type=click.Choice(["open", "close"]))
@click.argument("number", type=COUNT)
@click.option("--terms", "prefix", type=HEX, help="Which terms, if there are several.")
@pass_session
def period(session: Session, action: str, number: int, prefix: str | None) -> None:
    """Open period NUMBER (a calendar month), or close it for good.

    Purchases carry the open period. Once the next one is open, holders make their
    billing statements of the old one; closing it ends the lines that made none.
    A period that is open (or closed) already is left as it is.
    """
    with lender_on_ledger(session) as (lender, ledger):
        terms_hash = find_terms(ledger.registry, prefix, lender.issuer_id).hash
        if action == "open":
            found = _open_period(lender, ledger, terms_hash, number)
        else:
            absent = lender.close_period(ledger, terms_hash, number)
            found = {"closed": number, "no_shows": [account.number for account in absent]}
    if session.output.data({"terms_hash": terms_hash, **found}):
        return
    if action == "open":
        session.output.line(f"Period {number} {'is' if found['opened'] else 'was'} open.")
    else:
        names = ", ".join(map(str, found["no_shows"])) or "none"
        session.output.line(f"Period {number} is closed. Lines that ended: {names}.")


def _open_period(
    lender: Lender, ledger: AnyLedger, terms_hash: bytes, number: int
) -> dict[str, Any]:
    current = ledger.registry.current_period(terms_hash)
    if number > current + 1:
        raise Refused("period-order", f"the next period to open is {current + 1}")
    if number == current + 1:
        lender.open_period(ledger, terms_hash)
    return {"period": number, "opened": number == current + 1}


# -- lines -----------------------------------------------------------------------------------


@group.add(
    "grant",
    example='$ zkcredit lender grant request.json --limit "500.00 TWD" --customer "No 17"',
)
@click.argument("request")
@click.option("--limit", type=MONEY, required=True, help="The credit limit, such as 500.00 TWD.")
@click.option("--customer", required=True, help="Your own name or number for the customer.")
@click.option(
    "--attribute",
    "attributes",
    type=INDEX,
    multiple=True,
    help="A signed attribute; repeat in order.",
)
@pass_session
def grant(
    session: Session, request: str, limit: str, customer: str, attributes: tuple[int, ...]
) -> None:
    """Grant the line asked for in the message REQUEST (from `wallet open`).

    Check first that the customer really is who asks. The line is put on the ledger
    and signed at once; the same request again changes nothing. With an onboarding
    policy (`lender policy set`) the request must bring what newcomers have to prove.
    """
    from zkcredit.entries import OpenStatement, Statement
    from zkcredit.messages import OpenRequest

    message = read_message(request, OpenRequest)
    with lender_on_ledger(session) as (lender, ledger):
        statement = Statement.decode(message.statement)
        if not isinstance(statement, OpenStatement):
            raise MalformedInput("the request does not open a line")
        terms = ledger.registry.published(statement.terms_hash).terms
        limit_minor = amount_minor(limit, terms)
        account = lender.grant(ledger, message, limit_minor, customer, attributes)
        lender.sign_pending(ledger)
        account = lender.account(account.number)
        disclosed = lender.onboarded(account.number)
    if not session.output.data({**account_json(account, terms), "disclosed": disclosed}):
        text = terms.format(account.limit_minor)
        session.output.line(f"Account {account.number}: {customer}, limit {text}, {account.state}.")
        session.output.fields(list((disclosed or {}).items()))
        session.output.note("The holder now runs `wallet receive`.")


@group.add("sign", example="$ zkcredit lender sign")
@click.option("--rescan", is_flag=True, help="Read the ledger from its first entry again.")
@pass_session
def sign(session: Session, rescan: bool) -> None:
    """Sign everything new on the ledger: lines granted, purchases, refreshes.

    Every proof is verified again first. Entries that may not be signed are listed
    and give exit code 1; they are public faults of this lender.
    """
    with lender_on_ledger(session) as (lender, ledger), progress("signing") as update:
        report = lender.sign_pending(watched(ledger, update), rescan=rescan)
        faults = lender.faults()
    found = {
        "signed": report.signed,
        "posted": report.posted,
        "refused": report.refused,
        "waiting": report.waiting,
        "faults": [{"index": index, "reason": reason} for index, reason in faults],
    }
    session.exit_code = 1 if report.refused else 0
    if session.output.data(found):
        return
    session.output.line(f"{report.signed} signed, {report.posted} posted.")
    for index, reason in faults:
        session.output.line(f"Entry {index} is not signed: {reason}")
    if report.waiting:
        waiting = ", ".join(map(str, report.waiting[:20]))
        session.output.line(f"Waiting for the holders' openings: entries {waiting}.")


@group.add("show", example="$ zkcredit lender show\n$ zkcredit lender show --csv > accounts.csv")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values.")
@pass_session
def show(session: Session, as_csv: bool) -> None:
    """Show accounts, what waits for a signature, and payouts.

    Each with the state of its entry: accepted, or final under the policy of
    `ledger trust`.
    """
    with lender_on_ledger(session) as (lender, ledger):
        finality = finality_of(session, ledger)
        registry = ledger.registry
        accounts = [(a, registry.published(a.terms_hash).terms) for a in lender.accounts()]
        waiting = ledger.unanswered(lender.issuer_id)
        payouts = lender.payouts()
        owed = {a.number: lender.owed_minor(a.number) for a, _ in accounts}
        name, issuer_id = lender.name, lender.issuer_id
        digits = {t.currency: t.minor_digits for t in (x.terms for x in registry.terms.values())}
        indexes = [a.open_index for a, _ in accounts] + [p.entry_index for p in payouts]
        states = {index: finality.state(index) for index in indexes}
    found = {
        "name": name,
        "issuer_id": issuer_id,
        "accounts": [
            account_json(a, t)
            | {"owed_minor": owed[a.number], "ledger_state": states[a.open_index]}
            for a, t in accounts
        ],
        "unanswered": waiting,
        "payouts": [
            {"index": i, "net_minor": p.net_minor, "ledger_state": states[i]}
            for i, p in ((p.entry_index, p) for p in payouts)
        ],
        "finality": finality_json(finality),
    }
    if session.output.data(found):
        return
    columns = ("account", "customer", "state", "period", "limit", "balance", "owed now", "minimum")
    rows = [
        (a.number, a.customer, a.state, a.period, t.format(a.limit_minor),
         t.format(a.balance_minor), t.format(owed[a.number]), t.format(a.minimum_minor),
         state_cell(states[a.open_index]))
        for a, t in accounts
    ]  # fmt: skip
    if as_csv:
        session.output.csv((*columns, "opening"), rows)
        return
    session.output.line(f"{name}  {issuer_id.hex()}")
    session.output.table((*columns, "opening"), rows, right=(0, 3, 4, 5, 6, 7))
    if waiting:
        entries = ", ".join(map(str, waiting[:20]))
        session.output.line(f"Unanswered entries: {entries} (`lender sign`, `lender statement`).")
    if payouts:
        from zkcredit.money import format_money

        money = [format_money(p.net_minor, p.currency, digits[p.currency]) for p in payouts]
        session.output.table(
            ("settlement", "state", "merchant gets", "reference"),
            [
                (p.entry_index, states[p.entry_index], amount, p.reference)
                for p, amount in zip(payouts, money, strict=True)
            ],
            right=(0, 2),
        )
    tell(session, finality)


@group.add("totals", example="$ zkcredit lender totals -o bank-totals.json")
@output_option()
@pass_session
def totals(session: Session, target: str) -> None:
    """Write the sums of all bills, for `audit --totals`.

    They open the sum of the bills on the log and no single bill.
    """
    with lender_on_ledger(session) as (lender, ledger):
        message = lender.totals(ledger)
    write_message(session.output, target, message, "For the auditor: `audit --totals {file}`.")
