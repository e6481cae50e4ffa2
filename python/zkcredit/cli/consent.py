"""Asking the holder before anything is shown, proved or destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkcredit.errors import CallerError, Refused

if TYPE_CHECKING:
    from zkcredit.cli.output import Output
    from zkcredit.cli.wallet_desk import Desk
    from zkcredit.policies.present import Consent
    from zkcredit.policies.request import PresentationRequest

YES = click.option("--yes", is_flag=True, help="Agree without being asked.")


def check_answerable(output: Output, *, yes: bool, piped: bool) -> None:
    """CallerError if the question could not be answered: with ``--json``, or input in use."""
    if not yes and (piped or output.as_json):
        raise CallerError("nobody can be asked: add --yes")


def agree(question: str, *, yes: bool, otherwise: str) -> None:
    """Asks unless ``yes``; Refused ``no-consent`` for any answer but yes."""
    if not yes and not click.confirm(question, err=True):
        raise Refused("no-consent", otherwise)


def plan_answer(desk: Desk, request: PresentationRequest) -> Consent:
    """What answering would show, under the current revocation lists."""
    desk.wallet.credentials.refresh_gaps(desk.ledger)
    desk.save()
    return desk.wallet.presenter.plan(desk.ledger, request)


def agree_to_show(output: Output, consent: Consent, *, yes: bool) -> None:
    """Shows what a verifier would learn, and asks."""
    output.note(consent.text)
    for name, value in consent.shown.items():
        output.note(f"Shown: {name} = {value}")
    agree("Show and prove this?", yes=yes, otherwise="nothing was shown")
    consent.given = True
