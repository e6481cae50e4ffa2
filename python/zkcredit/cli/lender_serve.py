"""``zkcredit lender serve``: signing in a process of its own."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.lender_desk import group, lender_on_ledger
from zkcredit.cli.params import INTERVAL_S
from zkcredit.errors import ZkCreditError

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.lender import Lender

_PAUSE_MAX_S = 60.0


@group.add("serve", example="$ zkcredit --ledger https://ledger.example lender serve")
@click.option(
    "--interval",
    "interval_s",
    type=INTERVAL_S,
    metavar="SECONDS",
    default=1.0,
    show_default=True,
    help="Time between looks at the ledger.",
)
@pass_session
def serve(session: Session, interval_s: float) -> None:
    """Sign what appears on the ledger until Ctrl-C or SIGTERM.

    The keys stay in this lender's folder, away from the operator: run it on a machine of
    the lender's own. Every proof is verified before it is signed. What cannot be reached is
    tried again. One JSON line for each round that did something goes to standard error.
    """
    with _stopping() as stop, lender_on_ledger(session) as (lender, ledger):
        found = {"name": lender.name, "issuer_id": lender.issuer_id}
        if not session.output.data(found):
            session.output.line(f"Signing for {lender.name}. Ctrl-C ends it.")
        sys.stdout.flush()
        signed = _rounds(lender, ledger, interval_s, stop)
    session.output.note(f"{signed} signed.")


def _rounds(lender: Lender, ledger: AnyLedger, interval_s: float, stop: threading.Event) -> int:
    """Signs round after round; what may pass is tried again after a longer pause.

    A database of one's own that takes no more writes does not pass: that error is raised.
    """
    from zkcredit.service.problems import may_pass

    signed, pause_s = 0, interval_s
    while not stop.is_set():
        try:
            report = lender.sign_pending(ledger)
        except ZkCreditError as error:
            if lender.failed or ledger.failed or not may_pass(error):
                raise
            _log("unreachable", code=error.code)
            pause_s = min(_PAUSE_MAX_S, pause_s * 2)
        else:
            pause_s = interval_s
            signed += report.signed
            if report.signed or report.posted or report.refused:
                _log(
                    "signed",
                    signed=report.signed,
                    posted=report.posted,
                    refused=len(report.refused),
                )
        stop.wait(pause_s)
    return signed


def _log(event: str, **fields: Any) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    click.echo(json.dumps({"time": stamp, "event": event, **fields}), err=True)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a round in progress is finished first."""
    stop = threading.Event()
    kinds = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    old = {number: signal.signal(number, lambda *_: stop.set()) for number in kinds}
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
