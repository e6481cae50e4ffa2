"""``zkcredit merchant``: own credentials, policies, and what buyers prove."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import naming, output_option, read_bytes, write_message
from zkcredit.cli.held_commands import credentials
from zkcredit.cli.merchant_commands import group, open_merchant
from zkcredit.cli.params import COUNT
from zkcredit.cli.policy_files import (
    VARIABLE,
    policy_words,
    print_policy,
    read_policy,
    read_variables,
)
from zkcredit.errors import CallerError

if TYPE_CHECKING:
    from zkcredit.policies.verify import Disclosure

group.add_command(credentials)


@click.group("policy", cls=Group, example="$ zkcredit merchant policy check wine.toml")
def policies() -> None:
    """Ask buyers to show and prove things, and check their answers.

    A policy is a text file that says what is to be shown ("country") and what is to be
    proved without being shown ("birth_date <= today - 18y").
    """


group.add_command(policies)


@policies.add("check", example="$ zkcredit merchant policy check wine.toml --set instalment=25.00")
@click.argument("file")
@VARIABLE
@pass_session
def check(session: Session, file: str, variables: tuple[str, ...]) -> None:
    """Read a policy against the ledger and say in plain words what it asks."""
    policy = read_policy(file)
    with session.ledger(read_only=True) as ledger:
        found = policy_words(policy, ledger.registry, read_variables(variables))
    if not session.output.data(found):
        print_policy(session.output, found)


@policies.add(
    "request",
    example="$ zkcredit merchant policy request wine.toml -o asked.json\n"
    "$ zkcredit merchant policy request --sale 3 -o asked.json",
)
@click.argument("file", metavar="[POLICY]", required=False)
@VARIABLE
@click.option("--sale", type=COUNT, help="The request of an invoice written with --policy.")
@output_option("Where the request goes (- is standard output).")
@pass_session
def request(
    session: Session, *, file: str | None, variables: tuple[str, ...], sale: int | None, target: str
) -> None:
    """Write a signed request to show and prove what POLICY says.

    Without a purchase, for a POLICY file; with --sale the one that belongs to an invoice,
    whose answer is bound to the purchase.
    """
    if (file is None) == (sale is None) or (sale is not None and variables):
        raise CallerError("give a POLICY, or --sale NUMBER")
    with open_merchant(session) as (merchant, ledger, save):
        if sale is not None:
            message = merchant.request_of(sale)
        else:
            policy, chosen = read_policy(file or ""), read_variables(variables)
            message = merchant.request(ledger, policy, chosen)
            save()
    write_message(session.output, target, message, "For the holder: `wallet present {file}`.")


@policies.add("verify", example="$ zkcredit merchant policy verify shown.json")
@click.argument("file", metavar="PRESENTATION")
@pass_session
def verify(session: Session, file: str) -> None:
    """Verify the answer to one of your requests, and keep what it discloses.

    PRESENTATION is a file of `wallet present`; whether JSON or CBOR, its content tells.
    Every answer that does not hold is refused in the same words: what failed would say
    something about the holder.
    """
    from zkcredit.credentials.exchange import MAX_BYTES

    data = read_bytes(file, MAX_BYTES)
    with open_merchant(session) as (merchant, ledger, save):
        with naming(file):
            shown = merchant.read_presentation(ledger, data)
        disclosure = merchant.verify_presentation(ledger, shown)
        save()
        names = ledger.registry.issuer_names(disclosure.issuers.values())
    if session.output.data(disclosure_json(disclosure)):
        return
    session.output.line("The presentation holds.")
    rows: list[tuple[str, object]] = list(disclosure.values.items())
    rows += [(f"{alias} by", names[issuer]) for alias, issuer in disclosure.issuers.items()]
    if disclosure.pseudonym:
        rows.append(("pseudonym", disclosure.pseudonym.hex()))
    if disclosure.commitment:
        rows.append(("purchase", disclosure.commitment.hex()))
    session.output.fields(rows)


def disclosure_json(disclosure: Disclosure) -> dict[str, Any]:
    """What was disclosed as JSON."""
    return {
        "request_hash": disclosure.request_hash,
        "values": disclosure.values,
        "issuers": disclosure.issuers,
        "pseudonym": disclosure.pseudonym,
        "commitment": disclosure.commitment,
    }
