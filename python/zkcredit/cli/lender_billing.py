"""``zkcredit lender``: bills, payments, limits, disputes and payouts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.bills import COLUMNS, bill_json, bill_row, show_bills
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_message, write_message
from zkcredit.cli.lender_desk import account_json, group, lender_on_ledger
from zkcredit.cli.output import describe_error
from zkcredit.cli.params import COUNT, MONEY, amount_minor
from zkcredit.cli.trust import finality_of, tell
from zkcredit.errors import CallerError, ZkCreditError

if TYPE_CHECKING:
    from zkcredit.lender import Account, Lender
    from zkcredit.terms import Terms

_ALL = click.argument("files", nargs=-1, metavar="[OPENING]...")


@group.add("statement", example="$ zkcredit lender statement opening.json\n"
           "$ zkcredit lender statement --csv > bills.csv")  # fmt: skip
@_ALL
@click.option("--account", type=COUNT, help="Show only this account's bills.")
@click.option("--csv", "as_csv", is_flag=True, help="Show the bills as comma-separated values.")
@pass_session
def statement(session: Session, files: tuple[str, ...], account: int | None, as_csv: bool) -> None:
    """Answer billing statements, or without an OPENING show all bills.

    OPENING is a message from `wallet statement`. The bill is computed by the terms,
    signed, and sealed for the holder on the ledger; the same opening again gives the
    same bill. With several files each gets its own answer.
    """
    from zkcredit.messages import BillingDocument, StatementOpening

    openings = [read_message(name, StatementOpening) for name in files]
    with lender_on_ledger(session) as (lender, ledger):
        results: Sequence[BillingDocument | ZkCreditError]
        results = lender.statements(ledger, openings) if files else lender.documents(account)
        documents = [item for item in results if isinstance(item, BillingDocument)]
        registry = ledger.registry
        pairs = [(d, registry.published(d.terms_hash).terms) for d in documents]
        finality = finality_of(session, ledger)
        if not files:
            show_bills(session, pairs, finality, as_csv=as_csv)
            return
        rows = [bill_row(*pair, finality) for pair in pairs]
        found = {
            "bills": [bill_json(d, finality) for d in documents],
            "refused": _problems(session, files, results),
        }
    if not session.output.data(found):
        session.output.table(COLUMNS, rows, right=range(3, 11))
        tell(session, finality)
        session.output.note("The holder now runs `wallet receive`.")


def _problems(
    session: Session, files: Sequence[str], results: Sequence[object]
) -> list[dict[str, str]]:
    """Reports each file that was refused; the first one's exit code counts."""
    problems = []
    for name, result in zip(files, results, strict=True):
        if isinstance(result, ZkCreditError):
            code, fields = describe_error(result)
            session.exit_code = session.exit_code or code
            problems.append({"file": name, **fields})
            session.output.note(f"zkcredit: {name}: {fields['message']}")
    return problems


@group.add("update", example="$ zkcredit lender update opening.json")
@_ALL
@pass_session
def update(session: Session, files: tuple[str, ...]) -> None:
    """Put recorded payments, credits and limit changes on lines, between bills.

    OPENING is a message from `wallet update`.
    """
    from zkcredit.messages import UpdateOpening, UpdateReply

    if not files:
        raise CallerError("name at least one OPENING")
    openings = [read_message(name, UpdateOpening) for name in files]
    with lender_on_ledger(session) as (lender, ledger):
        results = lender.updates(ledger, openings)
        terms = _terms_of(lender, ledger, [opening.account for opening in openings], results)
    rows = [
        {
            "account": opening.account,
            "payments_minor": reply.payments_minor,
            "credits_minor": reply.credits_minor,
            "limit_change_minor": reply.limit_change_minor,
            "limit_minor": reply.limit_minor,
        }
        for opening, reply in zip(openings, results, strict=True)
        if isinstance(reply, UpdateReply)
    ]
    found = {"updates": rows, "refused": _problems(session, files, results)}
    if session.output.data(found):
        return
    for row in rows:
        own = terms[row["account"]]
        added = own.format(row["payments_minor"] + row["credits_minor"] + row["limit_change_minor"])
        session.output.line(
            f"Account {row['account']}: {added} added, limit {own.format(row['limit_minor'])}."
        )
    session.output.note("The holder now runs `wallet receive`.")


def _terms_of(
    lender: Lender, ledger: Any, numbers: Sequence[int], results: Sequence[object]
) -> dict[int, Terms]:
    good = [n for n, r in zip(numbers, results, strict=True) if not isinstance(r, ZkCreditError)]
    return {n: ledger.registry.published(lender.account(n).terms_hash).terms for n in good}


# -- money -----------------------------------------------------------------------------------


def _record(
    session: Session,
    number: int,
    amount: str,
    act: Callable[[Lender, int], bool],
    text: str,
) -> None:
    with lender_on_ledger(session) as (lender, ledger):
        account = lender.account(number)
        terms = ledger.registry.published(account.terms_hash).terms
        value_minor = amount_minor(amount, terms)
        new = act(lender, value_minor)
        owed_minor = lender.owed_minor(number)
        account = lender.account(number)
    found = {**account_json(account, terms), "owed_minor": owed_minor, "recorded": new}
    if session.output.data(found):
        return
    if not new:
        session.output.line("This reference was recorded before: nothing changed.")
        return
    session.output.line(text.format(amount=terms.format(value_minor), number=number))
    session.output.line(f"Owed now, of what was billed: {terms.format(owed_minor)}.")


_REFERENCE = click.option(
    "--reference", required=True, help="Names this booking; the same one is booked only once."
)


@group.add("payment", example='$ zkcredit lender payment 1 "20.00 TWD" --reference bank-4711')
@click.argument("account", type=COUNT)
@click.argument("amount", type=MONEY)
@_REFERENCE
@pass_session
def payment(session: Session, account: int, amount: str, reference: str) -> None:
    """Record AMOUNT received for ACCOUNT.

    It reaches the line with its next billing statement or update.
    """
    _record(
        session,
        account,
        amount,
        lambda lender, value: lender.record_payment(account, value, reference),
        "Payment of {amount} recorded for account {number}.",
    )


@group.add("credit", example='$ zkcredit lender credit 1 "5.00 TWD" --reference refund-9')
@click.argument("account", type=COUNT)
@click.argument("amount", type=MONEY)
@_REFERENCE
@pass_session
def credit(session: Session, account: int, amount: str, reference: str) -> None:
    """Record a refund or goodwill of AMOUNT for ACCOUNT."""
    _record(
        session,
        account,
        amount,
        lambda lender, value: lender.record_credit(account, value, reference),
        "Credit of {amount} recorded for account {number}.",
    )


@group.add("limit", example='$ zkcredit lender limit 1 "800.00 TWD" --reference review-2026')
@click.argument("account", type=COUNT)
@click.argument("amount", type=MONEY)
@_REFERENCE
@pass_session
def limit(session: Session, account: int, amount: str, reference: str) -> None:
    """Agree AMOUNT as the new limit of ACCOUNT."""
    _record(
        session,
        account,
        amount,
        lambda lender, value: lender.change_limit(account, value, reference),
        "The limit of account {number} is {amount} from its next statement or update.",
    )


# -- states ----------------------------------------------------------------------------------


def _state(session: Session, number: int, act: Callable[[Lender], Account]) -> None:
    with lender_on_ledger(session) as (lender, ledger):
        account = act(lender)
        terms = ledger.registry.published(account.terms_hash).terms
    if not session.output.data(account_json(account, terms)):
        session.output.line(f"Account {number} is {account.state}.")


@group.add("dispute", example='$ zkcredit lender dispute 1 --reason "goods never came"')
@click.argument("account", type=COUNT)
@click.option("--reason", required=True, help="What the customer says.")
@pass_session
def dispute(session: Session, account: int, reason: str) -> None:
    """Mark ACCOUNT as disputed: interest and late fees are waived meanwhile."""
    _state(session, account, lambda lender: lender.dispute(account, reason))


@group.add("resolve", example="$ zkcredit lender resolve 1")
@click.argument("account", type=COUNT)
@pass_session
def resolve(session: Session, account: int) -> None:
    """End the dispute of ACCOUNT."""
    _state(session, account, lambda lender: lender.resolve(account))


@group.add("close", example="$ zkcredit lender close 1")
@click.argument("account", type=COUNT)
@pass_session
def close(session: Session, account: int) -> None:
    """End ACCOUNT: its limit falls to 0 with its next statement or update."""
    _state(session, account, lambda lender: lender.close_account(account))


# -- merchants -------------------------------------------------------------------------------


@group.add("payout", example="$ zkcredit lender payout settlement.json -o order.json")
@click.argument("file", metavar="OPENING")
@output_option()
@pass_session
def payout(session: Session, file: str, target: str) -> None:
    """Check a merchant's settlement and sign the order to pay it.

    OPENING is a message from `merchant settle`. The same one again gives the same
    order: pay each order once.
    """
    from zkcredit.messages import SettlementOpening

    opening = read_message(file, SettlementOpening)
    with lender_on_ledger(session) as (lender, ledger):
        order = lender.settlement(ledger, opening)
        finality = finality_of(session, ledger)
        state = finality.state(opening.entry_index)
        merchant = ledger.registry.merchant(order.merchant_id).name
        terms = next(
            item.terms
            for item in ledger.registry.terms_of(order.issuer_id)
            if item.terms.currency == order.currency
        )
    session.output.note(
        f"Pay {terms.format(order.net_minor)} to {merchant}, reference {order.reference!r} "
        f"(sum {terms.format(order.sum_minor)}, fee {terms.format(order.fee_minor)})."
    )
    session.output.note(f"The settlement at entry {opening.entry_index} is {state}.")
    tell(session, finality)
    write_message(session.output, target, order, "For the merchant: `merchant payout {file}`.")
