"""``zkcredit merchant``: invoices, sales, settlements, payouts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_message, write_message, write_messages
from zkcredit.cli.output import progress, utc
from zkcredit.cli.params import COUNT, DURATION, HEX, MONEY, find_terms
from zkcredit.cli.policy_files import VARIABLE, read_policy, read_variables
from zkcredit.cli.watch import watched
from zkcredit.errors import CallerError, MalformedInput, Refused, StateConflict, ZkCreditError

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
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
    "check", example="$ zkcredit merchant check\n$ zkcredit merchant check invoice.json --wait 60s"
)
@click.argument("file", metavar="[INVOICE]", required=False)
@click.option("--wait", "wait_ms", type=DURATION, help="Wait so long for the INVOICE to be paid.")
@pass_session
def check(session: Session, file: str | None, wait_ms: int | None) -> None:
    """See on the ledger what was paid since the last check.

    With an INVOICE the exit code is 0 if that one is paid and 1 if not. Paid means:
    the claim is on the ledger, with the right amount, under terms you accept.
    """
    from zkcredit.messages import Invoice, signing_digest

    wanted = None if file is None else signing_digest(read_message(file, Invoice))
    if wait_ms is not None and wanted is None:
        raise CallerError("--wait needs the INVOICE to wait for")
    deadline = time.monotonic() + (wait_ms or 0) / 1000
    with open_merchant(session) as (merchant, ledger, save), progress("reading") as update:
        sale = _sale(merchant, wanted)
        while True:
            paid = merchant.check(watched(ledger, update))
            save()
            if sale is None or sale.state in _FINAL or time.monotonic() >= deadline:
                break
            time.sleep(_POLL_S)
        show_money = currency_format(ledger.registry)
        wrong = [s for s in merchant.sales if s.state == "wrong-claim"]
    found: dict[str, Any] = {"paid": [sale_json(s) for s in paid]}
    found["wrong"] = [sale_json(s) for s in wrong]
    if sale is not None:
        found["invoice"] = sale_json(sale)
        session.exit_code = 0 if sale.state in ("paid", "settled") else 1
    if session.output.data(found):
        return
    for item in paid if sale is None else [sale]:
        place = "" if item.claim_index is None else f" at entry {item.claim_index}"
        shown = show_money(item.amount_minor, item.currency)
        session.output.line(f"Invoice {item.number}, {shown} ({item.label}): {item.state}{place}.")
    for item in wrong:
        session.output.note(f"Invoice {item.number}: entry {item.claim_index} is no valid claim.")
    if sale is None and not paid:
        session.output.line("Nothing new.")


_FINAL = ("paid", "settled", "wrong-claim", "undisclosed")


def _sale(merchant: Merchant, digest: bytes | None) -> Sale | None:
    if digest is None:
        return None
    for sale in merchant.sales:
        if sale.invoice_hash == digest:
            return sale
    raise Refused("unknown-invoice", "this invoice was not written by this merchant")


def sale_json(sale: Sale) -> dict[str, Any]:
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
            lines.append(f"{len(entry.claims)} claims, {amount}, at {lender}")
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
    found = {
        "name": name,
        "merchant_id": merchant_id,
        "sales": [sale_json(sale) for sale in sales],
        "payouts": [
            {"index": p.entry_index, "net_minor": p.net_minor, "currency": p.currency}
            for p in payouts
        ],
    }
    columns = ("invoice", "state", "amount", "label", "valid until", "paid at", "settled at")
    rows = [
        (
            s.number,
            s.state,
            show_money(s.amount_minor, s.currency),
            s.label,
            utc(s.not_after_ms),
            "-" if s.claim_index is None else s.claim_index,
            "-" if s.settle_index is None else s.settle_index,
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
        shown = show_money(p.net_minor, p.currency)
        session.output.line(f"Payout of settlement {p.entry_index}: {shown}.")


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
