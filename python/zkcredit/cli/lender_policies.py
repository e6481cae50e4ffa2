"""``zkcredit lender``: what newcomers have to show and prove: one person, one line."""

from __future__ import annotations

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, write_message
from zkcredit.cli.lender_desk import group, lender_on_ledger
from zkcredit.cli.policy_files import policy_words, print_policy, read_policy

OFF = "off"


@click.group("policy", cls=Group, example="$ zkcredit lender policy set onboarding.toml")
def policies() -> None:
    """Ask newcomers to show and prove things before a line is granted.

    The policy's pseudonym is made of a registrar's one-person tag: who has a line
    already comes back with the same pseudonym, and `lender grant` refuses. Other
    lenders see another one.
    """


group.add_command(policies)


@policies.add("set", example="$ zkcredit lender policy set onboarding.toml")
@click.argument("file", metavar="POLICY|off")
@pass_session
def set_command(session: Session, file: str) -> None:
    """Ask newcomers for what POLICY says from now on, or for nothing (off).

    It needs pseudonym = "onboarding" and pseudonym_from = "identity.person", or the
    one-person tag of whichever schema you trust. Requests made before lose their force.
    """
    policy = None if file == OFF else read_policy(file)
    with lender_on_ledger(session) as (lender, ledger):
        lender.set_onboarding(ledger, policy)
        found = None if policy is None else policy_words(policy, ledger.registry)
    if session.output.data({"policy": found}):
        return
    if found is None:
        session.output.line("Newcomers are asked for nothing.")
    else:
        print_policy(session.output, found)


@policies.add("request", example="$ zkcredit lender policy request -o asked.json")
@output_option("Where the request goes (- is standard output).")
@pass_session
def request(session: Session, target: str) -> None:
    """Write a signed request for one newcomer, to be answered with `wallet open --present`."""
    with lender_on_ledger(session) as (lender, ledger):
        message = lender.onboarding_request(ledger)
    write_message(
        session.output, target, message, "For the newcomer: `wallet open --present {file}`."
    )
