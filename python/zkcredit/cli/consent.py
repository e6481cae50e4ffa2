"""Asking the holder before anything is shown or proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from zkcredit.errors import CallerError, Refused

if TYPE_CHECKING:
    from zkcredit.cli.output import Output


def check_answerable(output: Output, *, yes: bool, piped: bool) -> None:
    """CallerError if the question could not be answered: with ``--json``, or input in use."""
    if not yes and (piped or output.as_json):
        raise CallerError("nobody can be asked: add --yes")


def agree(question: str, *, yes: bool, otherwise: str) -> None:
    """Asks unless ``yes``; Refused ``no-consent`` for any answer but yes."""
    if not yes and not click.confirm(question, err=True):
        raise Refused("no-consent", otherwise)
