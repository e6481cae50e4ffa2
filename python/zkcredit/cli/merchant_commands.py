"""``zkcredit merchant``: invoices, sales, settlements, payouts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_message, write_message, write_messages
from zkcredit.cli.output import counted, progress, utc
from zkcredit.cli.params import COUNT, DURATION, HEX, MONEY, find_terms
from zkcredit.cli.policy_files import VARIABLE, read_policy, read_variables
from zkcredit.cli.trust import (
    finality_json,
    finality_of,
    needed_policy,
    state_cell,
    tell,
    wait_for,
)
from zkcredit.cli.watch import watched
from zkcredit.errors import CallerError, MalformedInput, Refused, StateConflict, ZkCreditError
from zkcredit.ledger.finality import ACCEPTED, FINAL

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.ledger.finality import Finality
    from zkcredit.ledger.registry import Registry
    from zkcredit.merchant import Merchant, Sale

_POLL_S = 0.5


@click.group(cls=Group, name="merchant", example="$ zkcredit merchant show")
def group() -> None:
    """Write invoices, see them paid on the ledger, settle with lenders.

    A merchant's folder holds merchant.vault. Back it up: it has the secrets of every
    invoice, and the ledger alone does not bring them back.
    """


@contextlib.contextmanager
def open_merchant(
    session: Session, *, read_only: bool = False
) -> Iterator[tuple[Merchant, AnyLedger, Callable[[], None]]]:
    """The merchant of this profile, its ledger, and ``save``."""
    from zkcredit.merchant import Merchant

    with session.ledger(read_only=read_only) as ledger:
        vault = session.open_vault("merchant")
        try:
            merchant = Merchant.load(vault.data)
        except ZkCreditError:
            vault.close()
            raise
        with session.keep(vault, merchant.dump) as save:
            yield merchant, ledger, save


def currency_format(registry: Registry) -> Callable[[int, str], str]:
    """Formats amounts by the digits that the ledger's terms give a currency."""
    from zkcredit.money import format_money

    digits = {item.terms.currency: item.terms.minor_digits for item in registry.terms.values()}
    return lambda minor, currency: format_money(minor, currency, digits.get(currency, 0))


@group.add("new", example='$ zkcredit --ledger ./ledger merchant new "Corner Shop"')
@click.argument("name")
@pass_session
def new(session: Session, name: str) -> None:
    """Become a merchant: make keys and register NAME on the ledger.

    Run again after an interruption, it goes on where it stopped.
    """
    from zkcredit.merchant import Merchant

    with session.ledger(read_only=True):
        pass  # a ledger that cannot be read is noticed before a file is made
    if not session.vault_path("merchant").exists():
        session.create_vault("merchant", Merchant.create(name).dump()).close()
    with open_merchant(session) as (merchant, ledger, save):
        if merchant.name != name:
            raise StateConflict(f"this folder belongs to the merchant {merchant.name!r}")
        index = merchant.register(ledger).index
        save()
        merchant_id = merchant.merchant_id
    folder = str(session.folder)
    found = {"name": name, "merchant_id": merchant_id, "index": index, "folder": folder}
    if not session.output.data(found):
        session.output.fields(
            [("merchant", name), ("id", merchant_id.hex()), ("entry", index), ("folder", folder)]
        )
        session.output.note("Next: `merchant invoice AMOUNT --label …`.")


@group.add(
    "invoice", example='$ zkcredit merchant invoice "12.50 TWD" --label coffee -o invoice.json'
)
@click.argument("amount", type=MONEY, required=False)
@click.option("--label", help="What is bought; the holder sees it.")
@click.option("--valid", type=DURATION, default="1h", show_default=True, help="How long to pay.")
@click.option(
    "--terms",
    "prefixes",
    type=HEX,
    multiple=True,
    help="Accept only these terms; repeat for more [all in the currency].",
)
@click.option("--policy", metavar="FILE", help="What the buyer has to show and prove.")
@VARIABLE
@click.option("--verified", is_flag=True, help="Show your business credential on the invoice.")
@click.option("--again", type=COUNT, metavar="NUMBER", help="Write invoice NUMBER again.")
@output_option("Where the invoice goes (- is standard output).")
@pass_session
def invoice(
    session: Session,
    *,
    amount: str | None,
    label: str | None,
    valid: int,
    prefixes: tuple[str, ...],
    policy: str | None,
    variables: tuple[str, ...],
    verified: bool,
    again: int | None,
    target: str,
) -> None:
    """Write a signed invoice over AMOUNT, such as "12.50 TWD".

    Give it to the holder alone: it holds the secret of the claim's commitment. With
    --policy hand over `policy request --sale NUMBER` too; the sale is paid once both
    the claim and the answer are there.
    """
    if (again is None) == (amount is None) or (again is None and not label):
        raise CallerError("give AMOUNT and --label, or --again NUMBER")
    with open_merchant(session) as (merchant, ledger, save):
        if again is not None:
            message = merchant.invoice_of(again)
            number = again
        else:
            assert amount is not None
            assert label is not None
            minor, currency = _amount(ledger.registry, amount)
            accepted = [find_terms(ledger.registry, prefix).hash for prefix in prefixes] or None
            message = merchant.invoice(
                ledger,
                minor,
                currency,
                label,
                accepted=accepted,
                valid_ms=valid,
                policy=None if policy is None else read_policy(policy),
                variables=read_variables(variables),
                verified=verified,
            )
            save()
            number = merchant.sales[-1].number
        shown = currency_format(ledger.registry)(message.amount_minor, message.currency)
    session.output.note(
        f"Invoice {number} over {shown} ({message.label}), valid until {utc(message.not_after_ms)}."
    )
    write_message(session.output, target, message, "For the holder: `wallet pay {file}`.")


def _amount(registry: Registry, text: str) -> tuple[int, str]:
    """Minor units and currency; the digits are those of the terms in that currency."""
    from zkcredit.money import parse_money, split_money

    _, currency = split_money(text)
    digits = {
        item.terms.minor_digits
        for item in registry.terms.values()
        if item.terms.currency == currency
    }
    if not digits:
        raise Refused("no-terms", f"no lender on this ledger has terms in {currency}")
    if len(digits) > 1:
        raise Refused("no-terms", f"the terms in {currency} disagree about its digits")
    try:
        return parse_money(text, currency, digits.pop()), currency
    except MalformedInput as error:
        raise CallerError(str(error)) from None


@group.add(
    "check",
    example="$ zkcredit merchant check\n$ zkcredit merchant check invoice.json --wait 60s\n"
    "$ zkcredit merchant check invoice.json --final --wait 10m",
)
@click.argument("file", metavar="[INVOICE]", required=False)
@click.option("--wait", "wait_ms", type=DURATION, help="Wait so long for the INVOICE to be paid.")
@click.option("--final", "until_final", is_flag=True, help="Paid means: also final.")
@pass_session
def check(session: Session, file: str | None, wait_ms: int | None, *, until_final: bool) -> None:
    """See on the ledger what was paid since the last check.

    With an INVOICE the exit code is 0 if that one is paid and 1 if not. Paid means:
    the claim is on the ledger, with the right amount, under terms you accept. Before goods
    of value leave, ask with --final: then it also has to be final under the policy of
    `ledger trust`.
    """
    from zkcredit.messages import Invoice, signing_digest

    wanted = None if file is None else signing_digest(read_message(file, Invoice))
    if wait_ms is not None and wanted is None:
        raise CallerError("--wait needs the INVOICE to wait for")
    if until_final:
        if wanted is None:
            raise CallerError("--final needs the INVOICE that is to be final")
        needed_policy(session)
    deadline = time.monotonic() + (wait_ms or 0) / 1000
    seen = _look(session, wanted, deadline)
    finality, found = _judge(session, seen, deadline, until_final=until_final)
    if seen.sale is not None:
        state = found["invoice"]["claim_ledger_state"]
        good = (FINAL,) if until_final else (ACCEPTED, FINAL)
        session.exit_code = 0 if _is_paid(seen.sale) and state in good else 1
    if session.output.data({**found, "finality": finality_json(finality)}):
        return
    named = found["paid"] if seen.sale is None else [found["invoice"]]
    for row in named:
        place = "" if row["claim_index"] is None else f" at entry {row['claim_index']}"
        state = "" if row["claim_index"] is None else f", {row['claim_ledger_state']}"
        amount = seen.show_money(row["amount_minor"], row["currency"])
        session.output.line(
            f"Invoice {row['number']}, {amount} ({row['label']}): {row['state']}{place}{state}."
        )
    for row in found["wrong"]:
        session.output.note(
            f"Invoice {row['number']}: entry {row['claim_index']} is no valid claim."
        )
    if not named:
        session.output.line("Nothing new.")
    tell(session, finality)


@dataclass(frozen=True)
class _Seen:
    """What a look at the ledger has brought; ``sale`` is the one asked about."""

    sale: Sale | None
    paid: list[Sale]
    wrong: list[Sale]
    show_money: Callable[[int, str], str]


def _look(session: Session, wanted: bytes | None, deadline: float) -> _Seen:
    """Reads what is new until the sale wanted is decided, or the time is over."""
    with open_merchant(session) as (merchant, ledger, save), progress("reading") as update:
        sale = _sale(merchant, wanted)
        while True:
            paid = merchant.check(watched(ledger, update))
            save()
            if sale is None or sale.state in _DECIDED or time.monotonic() >= deadline:
                break
            time.sleep(_POLL_S)
        wrong = [s for s in merchant.sales if s.state == "wrong-claim"]
        return _Seen(sale, paid, wrong, currency_format(ledger.registry))


def _judge(
    session: Session, seen: _Seen, deadline: float, *, until_final: bool
) -> tuple[Finality, dict[str, Any]]:
    """The sales with what they stand on; while one waits for that, the vault is free."""
    with session.ledger(read_only=True) as ledger:
        if until_final and seen.sale is not None and _is_paid(seen.sale):
            assert seen.sale.claim_index is not None
            left_ms = round(1000 * max(deadline - time.monotonic(), 0))
            finality = wait_for(session, ledger, seen.sale.claim_index, left_ms)
        else:
            finality = finality_of(session, ledger)
        found: dict[str, Any] = {
            "paid": [sale_json(s, finality) for s in seen.paid],
            "wrong": [sale_json(s, finality) for s in seen.wrong],
        }
        if seen.sale is not None:
            found["invoice"] = sale_json(seen.sale, finality)
    return finality, found


_DECIDED = ("paid", "settled", "wrong-claim", "undisclosed")


def _is_paid(sale: Sale) -> bool:
    return sale.state in ("paid", "settled")


def _sale(merchant: Merchant, digest: bytes | None) -> Sale | None:
    if digest is None:
        return None
    for sale in merchant.sales:
        if sale.invoice_hash == digest:
            return sale
    raise Refused("unknown-invoice", "this invoice was not written by this merchant")


def sale_json(sale: Sale, finality: Finality) -> dict[str, Any]:
    """A sale as JSON; its secrets stay out."""
    return {
        "number": sale.number,
        "state": sale.state,
        "amount_minor": sale.amount_minor,
        "currency": sale.currency,
        "label": sale.label,
        "invoice_hash": sale.invoice_hash,
        "not_after_ms": sale.not_after_ms,
        "claim_index": sale.claim_index,
        "settle_index": sale.settle_index,
        "claim_ledger_state": finality.state(sale.claim_index),
        "settle_ledger_state": finality.state(sale.settle_index),
    }


@group.add(
    "settle", example='$ zkcredit merchant settle --reference "account 12-345" -o settlement.json'
)
@click.option("--reference", required=True, help="Where to pay; the lender sees it.")
@click.option("--force", is_flag=True, help="Settle fewer than 5 claims, which stand out.")
@output_option("Where the openings go; several become a.json, a-2.json …")
@pass_session
def settle(session: Session, reference: str, force: bool, target: str) -> None:
    """Settle all paid claims: one settlement for each lender and currency.

    The openings go to their lenders alone. Until a lender's payout order is stored
    with `merchant payout`, the same command writes its opening again.
    """
    with open_merchant(session) as (merchant, ledger, save):
        try:
            made = merchant.settle(ledger, reference, force=force, save=save)
        except Refused:
            if not merchant.settlement_openings():
                raise
            made = []
        save()
        openings = merchant.settlement_openings()
        show_money = currency_format(ledger.registry)
        registry = ledger.registry
        lines = []
        for opening in openings:
            entry: Any = ledger.entry(opening.entry_index).statement
            lender = registry.issuer(entry.issuer_id).name
            amount = show_money(opening.sum_minor, entry.asset)
            lines.append(f"{counted(len(entry.claims), 'claim')}, {amount}, at {lender}")
    if not openings:
        if not session.output.data({"files": [], "messages": []}):
            session.output.note("There is nothing to settle.")
        return
    again = "" if made else " (settled before)"
    for line in lines:
        session.output.note(f"Settlement{again}: {line}.")
    write_messages(session.output, target, openings, "For the lender only: `lender payout {file}`.")


@group.add("payout", example="$ zkcredit merchant payout order.json")
@click.argument("file", metavar="ORDER")
@pass_session
def payout(session: Session, file: str) -> None:
    """Check and keep a lender's signed payout ORDER (from `lender payout`)."""
    from zkcredit.cli.files import builtins
    from zkcredit.messages import PayoutOrder

    order = read_message(file, PayoutOrder)
    with open_merchant(session) as (merchant, ledger, _):
        kept = merchant.accept_payout(ledger, order)
        lender = ledger.registry.issuer(kept.issuer_id).name
        shown = currency_format(ledger.registry)(kept.net_minor, kept.currency)
    if not session.output.data(builtins(kept)):
        session.output.line(f"{lender} pays {shown}, reference {kept.reference!r}.")


@group.add("show", example="$ zkcredit merchant show\n$ zkcredit merchant show --csv > sales.csv")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values.")
@pass_session
def show(session: Session, as_csv: bool) -> None:
    """Show all invoices with their state, and payouts."""
    with open_merchant(session, read_only=True) as (merchant, ledger, _):
        sales, payouts, name = merchant.sales, merchant.payouts(), merchant.name
        merchant_id = merchant.merchant_id
        show_money = currency_format(ledger.registry)
        finality = finality_of(session, ledger)
        states = {
            index: finality.state(index)
            for sale in sales
            for index in (sale.claim_index, sale.settle_index)
        } | {p.entry_index: finality.state(p.entry_index) for p in payouts}
        found = {
            "name": name,
            "merchant_id": merchant_id,
            "sales": [sale_json(sale, finality) for sale in sales],
            "payouts": [
                {
                    "index": p.entry_index,
                    "net_minor": p.net_minor,
                    "currency": p.currency,
                    "ledger_state": states[p.entry_index],
                }
                for p in payouts
            ],
            "finality": finality_json(finality),
        }
    columns = (
        *("invoice", "state", "amount", "label", "valid until", "paid at", "settled at"),
        *("payment", "settlement"),
    )
    rows = [
        (
            s.number,
            s.state,
            show_money(s.amount_minor, s.currency),
            s.label,
            utc(s.not_after_ms),
            "-" if s.claim_index is None else s.claim_index,
            "-" if s.settle_index is None else s.settle_index,
            state_cell(states[s.claim_index]),
            state_cell(states[s.settle_index]),
        )
        for s in sales
    ]
    if session.output.data(found):
        return
    if as_csv:
        session.output.csv(columns, rows)
        return
    session.output.line(f"{name}  {merchant_id.hex()}")
    session.output.table(columns, rows, right=(0, 2, 5, 6))
    for p in payouts:
        amount = show_money(p.net_minor, p.currency)
        state = states[p.entry_index]
        session.output.line(f"Payout of settlement {p.entry_index} ({state}): {amount}.")
    tell(session, finality)


@group.add("totals", example="$ zkcredit merchant totals -o shop-totals.json")
@output_option()
@pass_session
def totals(session: Session, target: str) -> None:
    """Write the sums of all claims, for `audit --totals`.

    They open the sum of your claims and no single one.
    """
    with open_merchant(session, read_only=True) as (merchant, _, _save):
        message = merchant.totals()
    write_message(session.output, target, message, "For the auditor: `audit --totals {file}`.")
