"""``zkcredit wallet``: making and restoring a wallet, its lines and history."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from zkcredit.cli.consent import (
    YES,
    agree_to_show,
    check_answerable,
    plan_answer,
)
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import output_option, read_message, read_text, write_message
from zkcredit.cli.output import counted, progress, utc
from zkcredit.cli.params import COUNT, HEX, find_terms
from zkcredit.cli.trust import finality_json, tell
from zkcredit.cli.wallet_desk import (
    LINE,
    SETTLED_STATES,
    Desk,
    group,
    line_json,
    open_wallet,
    own_lines,
    print_lines,
)
from zkcredit.cli.watch import watched
from zkcredit.errors import CallerError, StateConflict, ZkCreditError

if TYPE_CHECKING:
    from zkcredit.messages import OpenRequest
    from zkcredit.policies.present import Consent
    from zkcredit.terms import Terms
    from zkcredit.wallet import Line
    from zkcredit.wallet.state import HistoryRow

# -- new, restore ----------------------------------------------------------------------------


def _phrase_lines(phrase: str) -> str:
    words = phrase.split()
    rows = (words[start : start + 6] for start in range(0, len(words), 6))
    return "\n".join("  " + " ".join(row) for row in rows)


@group.add("new", example="$ zkcredit --ledger ./ledger wallet new")
@pass_session
def new(session: Session) -> None:
    """Make a wallet and print its 24 words: write them down, show them to nobody.

    A wallet that exists is never replaced.
    """
    from zkcredit.wallet import Wallet

    if not session.vault_path("wallet").exists():
        _pin(session)  # a ledger that cannot be read is noticed before a file is made
    wallet = Wallet.create()
    session.create_vault("wallet", wallet.dump()).close()
    _pin(session)
    phrase = wallet.phrase or ""
    if not session.output.data({"wallet": str(session.vault_path("wallet")), "phrase": phrase}):
        session.output.line(_phrase_lines(phrase))
        session.output.note(
            "These words are the wallet: whoever has them can spend from it and read its "
            "history.\nWrite them down now. Next: ask for a line with `wallet open`."
        )


def _pin(session: Session) -> None:
    """Remembers the ledger if one is named."""
    with contextlib.suppress(CallerError), session.ledger(read_only=True):
        pass


@group.add("phrase", example="$ zkcredit wallet phrase")
@pass_session
def phrase_command(session: Session) -> None:
    """Print the wallet's 24 words again."""
    from zkcredit.wallet import Wallet

    with session.open_vault("wallet") as vault:
        phrase = Wallet.load(vault.data).phrase or ""
    if not session.output.data({"phrase": phrase}):
        session.output.line(_phrase_lines(phrase))


@group.add(
    "restore",
    example="$ zkcredit --home new-folder --ledger ./ledger wallet restore --phrase-file words.txt",
)
@click.option("--phrase-file", metavar="FILE", help="The 24 words (- is standard input) [asked].")
@pass_session
def restore(session: Session, phrase_file: str | None) -> None:
    """Bring a wallet back from its 24 words and the ledger.

    The ledger is read from start to end and searched on this machine. A wallet that is
    here already is rebuilt from the ledger, if it has the same words.
    """
    from zkcredit.wallet import Wallet

    words = _read_phrase(phrase_file) if _asks_words(session, phrase_file) else None
    wanted = None if words is None else Wallet.from_phrase(words)
    if wanted is not None and not session.vault_path("wallet").exists():
        with session.ledger(read_only=True):
            pass  # a ledger that cannot be read is noticed before a file is made
        session.create_vault("wallet", wanted.dump()).close()
    with open_wallet(session, read_only=True) as desk, progress("scanning") as update:
        if wanted is not None and desk.wallet.phrase != wanted.phrase:
            raise StateConflict("the wallet in this folder has other words: use another --home")
        report = desk.wallet.restore(watched(desk.ledger, update))
        desk.save()
        lines, finality = [(line, desk.terms(line)) for line in desk.wallet.lines], desk.finality()
        found = {
            "scanned": report.scanned,
            "restored": report.restored,
            "must_refresh": report.must_refresh,
            "lines": [line_json(line, terms, finality) for line, terms in lines],
        }
        if not session.output.data(found):
            entries, found_lines = counted(report.scanned, "entry"), len(report.lines)
            session.output.line(f"{entries} read, {counted(found_lines, 'line')} found.")
            print_lines(session, lines, finality)


def _asks_words(session: Session, phrase_file: str | None) -> bool:
    """A wallet that is here knows its words; others are compared if they are given."""
    session.ledger_place()  # which ledger must be clear before anybody types 24 words
    return phrase_file is not None or not session.vault_path("wallet").exists()


def _read_phrase(phrase_file: str | None) -> str:
    if phrase_file is not None:
        return read_text(phrase_file, 4096)
    import sys

    if not sys.stdin.isatty():
        raise CallerError("the 24 words are needed: --phrase-file FILE (- is standard input)")
    found: str = click.prompt("The 24 words", hide_input=True, err=True)
    return found


# -- lines -----------------------------------------------------------------------------------


@group.add(
    "open",
    example="$ zkcredit wallet open -o request.json\n"
    "$ zkcredit wallet open --present asked.json -o request.json",
)
@click.option("--terms", "prefix", type=HEX, help="Start of the terms' hash, if there are several.")
@click.option("--another", is_flag=True, help="One more line under terms you have a line of.")
@click.option("--present", "inquiry", metavar="FILE", help="What the lender asks of newcomers.")
@YES
@output_option("Where the request goes (- is standard output).")
@pass_session
def open_command(
    session: Session,
    *,
    prefix: str | None,
    another: bool,
    inquiry: str | None,
    yes: bool,
    target: str,
) -> None:
    """Ask for a credit line under published terms: writes a request for the lender.

    Until the line is open, the same command gives the same request again. A lender that
    wants newcomers to show or prove something hands out a file (from `lender policy
    request`): give it with --present, read what the lender will learn, and agree.
    """
    check_answerable(session.output, yes=yes or inquiry is None, piped=inquiry == "-")
    with open_wallet(session) as desk:
        consent = None if inquiry is None else _onboarding(desk, inquiry, yes=yes)
        published = find_terms(desk.ledger.registry, prefix)
        same = [line for line in desk.wallet.lines if line.terms_hash == published.hash]
        asked = [line for line in same if line.status == "requested"]
        if asked and not another:
            number = asked[0].number
            request = desk.wallet.open_request(desk.ledger, number)
        elif same and not another:
            raise StateConflict(
                f"line {same[0].number} has these terms already: --another asks for one more"
            )
        else:
            request = desk.wallet.request_line(desk.ledger, published.hash)
            number = desk.wallet.lines[-1].number
        desk.save()
        if consent is not None:
            request = _with_answer(desk, request, consent, number)
    session.output.note(f"Line {number} is asked for.")
    write_message(
        session.output, target, request, "For the lender: `lender grant {file} --limit …`."
    )


def _onboarding(desk: Desk, inquiry: str, *, yes: bool) -> Consent:
    """The holder's consent to what the lender asks of newcomers."""
    from zkcredit.policies.request import PresentationRequest

    message = read_message(inquiry, PresentationRequest)
    if message.bound_to != "open":
        raise CallerError("the request is not about opening a line: use `wallet present`")
    consent = plan_answer(desk, message)
    agree_to_show(desk.session.output, consent, yes=yes)
    return consent


def _with_answer(desk: Desk, request: OpenRequest, consent: Consent, line: int) -> OpenRequest:
    from msgspec.structs import replace

    from zkcredit.messages import encode_message

    made = desk.wallet.presenter.present(desk.ledger, consent, line=line)
    return replace(request, presentation=encode_message(made))


@group.add("show", example="$ zkcredit wallet show")
@pass_session
def show(session: Session) -> None:
    """Show all lines: credit left, what is not billed yet, balance, what comes next."""
    with open_wallet(session, read_only=True) as desk:
        lines, finality = [(line, desk.terms(line)) for line in own_lines(desk)], desk.finality()
        found = {
            "lines": [line_json(line, terms, finality) for line, terms in lines],
            "finality": finality_json(finality),
        }
        if session.output.data(found):
            return
        print_lines(session, lines, finality)
        for line, _ in lines:
            moment_ms = _moment(desk, line)
            if moment_ms is not None:
                session.output.line(
                    f"Line {line.number}: make the billing statement at {utc(moment_ms)} "
                    "(a random moment keeps it from being linked)."
                )


def _moment(desk: Desk, line: Line) -> int | None:
    """When to bill the line's period, None while that period is open or over."""
    token = line.token
    if token is None or line.status != "ready":
        return None
    if token.period >= desk.ledger.registry.current_period(line.terms_hash):
        return None
    return desk.wallet.statement_moment(desk.ledger, line.number)


@group.add("history", example="$ zkcredit wallet history --csv > history.csv")
@LINE
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated values.")
@pass_session
def history(session: Session, line: int | None, as_csv: bool) -> None:
    """Show finished steps: purchases, bills, payments put on the line."""
    with open_wallet(session, read_only=True) as desk:
        if line is not None:
            desk.wallet.line(line)
        terms = {x.number: desk.terms(x) for x in own_lines(desk)}
        rows = [row for row in desk.wallet.history(line) if row.line in terms]
        finality = desk.finality()
        states = {row.index: finality.state(row.index) for row in rows}
    found = {
        "history": [
            {
                "line": row.line,
                "index": row.index,
                "kind": row.kind,
                "timestamp_ms": row.timestamp_ms,
                "period": row.period,
                "amount_minor": row.amount_minor,
                "available_minor": row.available_minor,
                "currency": terms[row.line].currency,
                "label": row.label,
                "ledger_state": states[row.index],
            }
            for row in rows
        ],
        "finality": finality_json(finality),
    }
    if session.output.data(found):
        return
    if as_csv:
        _history_csv(session, [(row, terms[row.line], states[row.index]) for row in rows])
        return
    session.output.table(
        ("time", "line", "entry", "state", "step", "period", "amount", "credit left", "label"),
        [
            (
                utc(row.timestamp_ms),
                row.line,
                row.index,
                states[row.index],
                row.kind,
                row.period,
                terms[row.line].format(row.amount_minor),
                terms[row.line].format(row.available_minor),
                row.label,
            )
            for row in rows
        ],
        right=(1, 2, 5, 6, 7),
    )
    tell(session, finality)


def _history_csv(session: Session, rows: list[tuple[HistoryRow, Terms, str | None]]) -> None:
    from zkcredit.money import format_number

    columns = ("time", "line", "entry", "step", "period", "currency", "amount", "credit left")
    session.output.csv(
        (*columns, "label", "state"),
        [
            (
                utc(row.timestamp_ms),
                row.line,
                row.index,
                row.kind,
                row.period,
                terms.currency,
                format_number(row.amount_minor, terms.minor_digits),
                format_number(row.available_minor, terms.minor_digits),
                row.label,
                state,
            )
            for row, terms, state in rows
        ],
    )


@group.add("receive", example="$ zkcredit wallet receive")
@pass_session
def receive(session: Session) -> None:
    """Pick up the lender's signatures and bills from the ledger and check them.

    What does not follow from the terms is kept as evidence, the line stops, and the
    exit code is 1.
    """
    with open_wallet(session) as desk:
        events = desk.receive()
        waiting = [x.number for x in own_lines(desk) if x.status not in SETTLED_STATES]
    found = {
        "events": [
            {"line": e.line, "kind": e.kind, "status": e.status, "text": e.text} for e in events
        ],
        "waiting": waiting,
    }
    session.exit_code = 1 if any(e.status == "disputed" for e in events) else 0
    if session.output.data(found):
        return
    for event in events:
        session.output.line(f"Line {event.line}: {event.kind} {event.status}, {event.text}.")
    if not events:
        session.output.line("Nothing new.")
    if waiting:
        session.output.note(f"Still waiting for the lender: {_lines(waiting)}.")


def _lines(numbers: list[int]) -> str:
    return ("line " if len(numbers) == 1 else "lines ") + ", ".join(map(str, numbers))


@group.add("submit", example="$ zkcredit wallet submit")
@pass_session
def submit(session: Session) -> None:
    """Send stored steps to the ledger that it does not have yet.

    For use after an interruption between storing and sending.
    """
    with open_wallet(session) as desk:
        results = desk.wallet.submit_pending(desk.ledger)
    rows = []
    for number, result in results:
        if isinstance(result, ZkCreditError):
            session.exit_code = session.exit_code or result.exit_code
            rows.append({"line": number, "index": None, "error": str(result)})
            session.output.line(f"Line {number}: {result}")
        else:
            rows.append({"line": number, "index": result.index, "error": None})
            session.output.line(f"Line {number}: accepted as entry {result.index}.")
    if not session.output.data({"submitted": rows}) and not rows:
        session.output.line("Nothing to send.")


@group.add("refresh", example="$ zkcredit wallet refresh --line 1")
@LINE
@pass_session
def refresh(session: Session, line: int | None) -> None:
    """Replace a line's token by a fresh one: after a restore or an aborted purchase.

    A stored purchase that is not on the ledger can never land there afterwards.
    """
    with open_wallet(session) as desk:
        desk.receive()
        chosen = desk.choose(line, _may_refresh, "may be refreshed")
        receipt = desk.wallet.refresh(desk.ledger, chosen.number, desk.save)
        number = chosen.number
    if not session.output.data({"line": number, "index": receipt.index}):
        session.output.line(f"Line {number}: refresh accepted as entry {receipt.index}.")
        session.output.note("When the lender has signed: `wallet receive`.")


def _may_refresh(line: Line) -> bool:
    unlanded = line.pending is not None and line.pending.index is None
    return line.must_refresh or (line.status == "pending" and unlanded)


@group.add("accept", example="$ zkcredit wallet accept 1")
@click.argument("line", type=COUNT)
@pass_session
def accept(session: Session, line: int) -> None:
    """Go on with LINE under protest after a bill that does not follow from the terms.

    The evidence is kept. Only possible if the lender's signature is valid.
    """
    with open_wallet(session) as desk:
        desk.wallet.accept_disputed(line, desk.ledger)
        own = desk.wallet.line(line)
        found = line_json(own, desk.terms(own), desk.finality())
    if not session.output.data(found):
        session.output.line(f"Line {line} goes on.")
