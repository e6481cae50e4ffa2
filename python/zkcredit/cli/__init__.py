"""The command line: ``zkcredit``, one group of commands for each role.

Nothing heavy is imported before a command runs, so ``--version`` and every
``--help`` answer at once. :func:`main` is the only place where errors become text
and exit codes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from zkcredit import __version__
from zkcredit.cli.base import LazyGroup
from zkcredit.cli.context import Session
from zkcredit.cli.output import report_error
from zkcredit.errors import StoreError

INTERRUPTED = 130
BROKEN_PIPE = 141
"""Exit codes as a shell gives them for SIGINT and SIGPIPE."""

_COMMANDS = {
    "ledger": (
        "ledger_commands ledger_finality ledger_members ledger_trust",
        "group",
        "Make, read and check a ledger.",
    ),
    "serve": ("serve_commands", "serve_command", "Serve a ledger over HTTP."),
    "lender": (
        "lender_desk lender_commands lender_billing lender_serve lender_records lender_policies",
        "group",
        "Grant lines, sign purchases, bill, pay merchants.",
    ),
    "wallet": (
        (
            "wallet_desk wallet_commands wallet_paying wallet_credentials wallet_records "
            "wallet_files wallet_purchases"
        ),
        "group",
        "Hold credit lines and pay with them.",
    ),
    "merchant": (
        "merchant_commands merchant_policies",
        "group",
        "Write invoices, see them paid, settle.",
    ),
    "credential": (
        "credential_desk credential_commands list_commands",
        "group",
        "Issue credentials: schemas, requests, revocation.",
    ),
    "record": ("record_commands", "group", "Open and verify records that holders share."),
    "purchases": ("purchase_commands", "group", "Ask holders to prove purchases, verify them."),
    "cosigner": ("cosigner_commands", "group", "Follow a log, verify it, vouch for it."),
    "audit": ("audit_commands", "audit_command", "Verify a whole ledger from its bytes."),
    "doctor": ("doctor", "doctor_command", "Look for what is wrong on this machine."),
    "demo": ("demo_command", "demo_command", "Play months of real cardholders' lives."),
}


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    example="$ zkcredit demo --customers 20",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="zkcredit %(version)s")
def cli() -> None:
    """A ledger for consumer credit that everybody can check and nobody can read.

    Each person works in a folder of their own (--home), and all use one ledger
    (--ledger). Amounts are written as 12.50 TWD. Exit codes: 0 ok, 1 a check failed,
    2 usage, 3 refused by a rule, 4 malformed input, 5 conflict with stored state,
    6 store or disk, 130 interrupted.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code and never raises."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments and "demo" not in arguments
    try:
        return _run(arguments)
    except BrokenPipeError:
        _abandon_stdout()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        click.echo("zkcredit: interrupted; the same command may be run again", err=True)
        return INTERRUPTED
    except Exception as error:  # nobody is to see a traceback
        if os.environ.get("ZKCREDIT_DEBUG"):
            raise
        return _report(error, as_json)


def _run(arguments: list[str]) -> int:
    if "_ZKCREDIT_COMPLETE" in os.environ:
        from click.shell_completion import shell_complete

        wanted = os.environ["_ZKCREDIT_COMPLETE"]
        return shell_complete(cli, {}, "zkcredit", "_ZKCREDIT_COMPLETE", wanted)
    if sys.stdout is None:
        raise StoreError("standard output is closed: results have nowhere to go")
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115  (for as long as the process lasts)
    session = Session()
    try:
        with cli.make_context("zkcredit", arguments, obj=session) as context:
            cli.invoke(context)
    except click.exceptions.Exit as done:
        session.exit_code = done.exit_code
    except click.Abort as abort:
        if isinstance(abort.__context__, EOFError):
            raise click.UsageError("an answer is needed, but standard input has ended") from None
        raise KeyboardInterrupt from None
    sys.stdout.flush()
    return session.exit_code


def _report(error: Exception, as_json: bool) -> int:
    """Prints the error; what goes wrong while printing it is not reported again."""
    try:
        return report_error(error, as_json)
    except OSError:
        _abandon_stdout()
        return 6


def _abandon_stdout() -> None:
    """Nobody reads any more: what is still buffered must not raise at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        sys.stdout = None
