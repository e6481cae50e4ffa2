"""``zkcredit wallet``: receipts, bills and other records, and whom they are shared with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.consent import agree, check_answerable
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import builtins, output_option, read_message, write_bytes
from zkcredit.cli.output import utc
from zkcredit.cli.params import COUNT, DURATION, HEX
from zkcredit.cli.record_views import field_rows
from zkcredit.cli.trust import finality_json, state_cell, tell
from zkcredit.cli.wallet_desk import Desk, group, open_wallet
from zkcredit.errors import CallerError

if TYPE_CHECKING:
    from zkcredit.records.book import GrantRow, RecordRow
    from zkcredit.records.grants import Grant
    from zkcredit.records.recipients import Recipient
    from zkcredit.wallet.records import WalletRecords

FOLDER = "records"
"""Where the encrypted bodies lie in the profile's folder."""
KIND = click.Choice(["receipt", "bill", "agreement", "report"])


@contextmanager
def open_records(session: Session) -> Iterator[tuple[Desk, WalletRecords]]:
    """The wallet with its records; every change is stored at once."""
    from zkcredit.records.bodies import FolderBodies

    with open_wallet(session, read_only=True) as desk:
        yield desk, desk.wallet.records(FolderBodies(session.folder / FOLDER), desk.save)


def row_json(row: RecordRow) -> dict[str, Any]:
    """One record in a list as JSON; ``index`` is the entry that vouches for it, if any."""
    return {
        "record": row.number,
        "kind": row.kind,
        "commitment": row.commitment,
        "added_ms": row.added_ms,
        "index": row.entry_index,
    }


def _own(desk: Desk, book: WalletRecords, kind: str | None = None) -> list[RecordRow]:
    return [row for row in book.records(kind) if row.ledger_id == desk.ledger.ledger_id]


# -- keeping ---------------------------------------------------------------------------------


@group.add("records", example="$ zkcredit wallet records\n$ zkcredit wallet records --kind receipt")
@click.option("--kind", type=KIND, help="Only these.")
@pass_session
def records(session: Session, kind: str | None) -> None:
    """List your records: receipts of what was paid, bills, agreements, credit reports.

    What was paid and billed since the last time is filed first. Each record is encrypted
    in the folder "records"; its key is in the wallet's vault. A record without an entry
    waits for its lender: take in what `lender record` writes with `wallet import`.
    """
    with open_records(session) as (desk, book):
        desk.receive()
        new = {row.number for row in book.file(desk.ledger)}
        rows, finality = _own(desk, book, kind), desk.finality()
        states = {row.number: finality.state(row.entry_index) for row in rows}
    found = {
        "records": [{**row_json(row), "ledger_state": states[row.number]} for row in rows],
        "new": sorted(new),
        "finality": finality_json(finality),
    }
    if session.output.data(found):
        return
    session.output.table(
        ("record", "kind", "kept since", "entry", "state", ""),
        [
            (
                row.number,
                row.kind,
                utc(row.added_ms),
                "-" if row.entry_index is None else row.entry_index,
                state_cell(states[row.number]),
                "new" if row.number in new else "",
            )
            for row in rows
        ],
        right=(0, 3),
    )
    tell(session, finality)


@group.add("record", example="$ zkcredit wallet record 1")
@click.argument("number", type=COUNT)
@pass_session
def record(session: Session, number: int) -> None:
    """Show all fields of record NUMBER."""
    from zkcredit.messages import committed_fields
    from zkcredit.records.documents import author_of, kind_of

    with open_records(session) as (desk, book):
        document = book.document(number)
        row = next(row for row in book.records() if row.number == number)
        fields, kind = dict(committed_fields(document)), kind_of(document)
        registry = desk.ledger.registry
        author = author_of(registry, kind, getattr(document, kind.author)).name
        shown = field_rows(fields, registry)
    if session.output.data({**row_json(row), "author": author, "fields": fields}):
        return
    entry = "none yet" if row.entry_index is None else row.entry_index
    session.output.line(f"Record {number}: {row.kind} of {author}, entry {entry}.")
    session.output.table(("field", "value"), shown)


@group.add("erase", example="$ zkcredit wallet erase 3")
@click.argument("number", type=COUNT)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def erase(session: Session, number: int, yes: bool) -> None:
    """Destroy record NUMBER: its key, its body and everything disclosed from it.

    The ledger stays as it is and says nothing about the record any more. What others
    have read, and copies you have made elsewhere, this does not reach.
    """
    check_answerable(session.output, yes=yes, piped=False)
    with open_records(session) as (_, book):
        row = next((row for row in book.records() if row.number == number), None)
        if row is None:
            raise CallerError(f"there is no record {number}")
        agree(f"Erase the {row.kind} {number} for good?", yes=yes, otherwise="nothing was erased")
        book.erase(number)
    if not session.output.data({"record": number, "kind": row.kind}):
        session.output.line(f"Record {number} ({row.kind}) is gone.")


# -- sharing ---------------------------------------------------------------------------------


@group.add(
    "share",
    example='$ zkcredit wallet share 2 --with landlord.json --purpose "flat to let" \\\n'
    "    --field balance_minor --field arrears_minor --for 30d -o grant.json\n"
    "$ zkcredit wallet share --again 8f3a21 -o grant.json",
)
@click.argument("number", type=COUNT, required=False)
@click.option("--with", "keyfile", metavar="KEY", help="The recipient's key, from `record key`.")
@click.option("--purpose", help="What for; the recipient has to say the same to open it.")
@click.option(
    "--for",
    "valid_ms",
    type=DURATION,
    default="30d",
    show_default=True,
    help="How long the recipient may read it.",
)
@click.option("--field", "fields", multiple=True, help="Only this field; repeat [whole record].")
@click.option("--again", type=HEX, metavar="GRANT", help="Write a grant anew, after a re-key.")
@output_option("Where the grant goes; the body goes beside it, as .body.")
@pass_session
def share(
    session: Session,
    *,
    number: int | None,
    keyfile: str | None,
    purpose: str | None,
    valid_ms: int,
    fields: tuple[str, ...],
    again: str | None,
    target: str,
) -> None:
    """Share record NUMBER, or single fields of it, with one recipient.

    Writes two files for the recipient: the grant (the key, sealed for the recipient
    alone) and beside it the encrypted body. What the recipient has opened it can keep:
    the end of a grant, and revoking it, are rules for honest software.
    """
    from zkcredit.clock import system_clock
    from zkcredit.records.recipients import Recipient

    asked = (number is not None, keyfile is not None, bool(purpose))
    if not all(asked) if again is None else any(asked):
        raise CallerError("give NUMBER, --with and --purpose; or --again GRANT alone")
    if target == "-":
        raise CallerError("give a file name with -o: the encrypted body goes beside it")
    beside = body_beside(target)
    recipient = None if keyfile is None else read_message(keyfile, Recipient)
    with open_records(session) as (desk, book):
        if again is not None:
            grant = book.grant(find_grant(book, again).grant_id)
        else:
            assert number is not None
            assert recipient is not None
            assert purpose
            grant = book.share(
                desk.ledger,
                number,
                recipient,
                purpose=purpose,
                expires_ms=system_clock() + valid_ms,
                fields=fields or None,
            )
            _say(session, recipient, grant, _readable(book, number, fields))
        body = book.body(grant.grant_id)
    write_bytes(beside, body)
    _write_grant(session, target, beside, grant)


def _readable(book: WalletRecords, number: int, fields: tuple[str, ...]) -> str:
    """What a recipient will read: the chosen fields and those that go with them."""
    from zkcredit.records.disclosure import field_names, shown_fields
    from zkcredit.records.documents import kind_of

    if not fields:
        return "the whole record"
    kind = kind_of(book.document(number))
    shown = shown_fields(kind, fields)
    return ", ".join(name for name in field_names(kind) if name in shown)


def _say(session: Session, recipient: Recipient, grant: Grant, what: str) -> None:
    out = session.output
    out.note(f"{recipient.name} can read until {utc(grant.expires_ms)}: {what}.")
    if recipient.role == "other":
        out.note(
            f"{recipient.name} is not on the ledger. Before you hand anything over, compare "
            f"the fingerprint of the key: {grant.recipient.hex()}"
        )


def _write_grant(session: Session, target: str, beside: str, grant: Grant) -> None:
    import shlex

    from zkcredit.messages import encode_message

    write_bytes(target, encode_message(grant, indent=True))
    session.output.note(
        f"Written: {target} and {beside}, both for the recipient: "
        f"`record open {target} --purpose {shlex.quote(grant.purpose)}`."
    )
    found = {"file": target, "body_file": beside, "message": builtins(grant)}
    if not session.output.data(found):
        session.output.line(f"Grant {grant.grant_id.hex()[:16]}")


def body_beside(grant: str) -> str:
    """Where the body of a grant's file lies: ``grant.json`` has ``grant.body``."""
    beside = str(Path(grant).with_suffix(".body"))
    if beside == grant:
        raise CallerError("a grant's file must not end in .body: that is its body's")
    return beside


def find_grant(book: WalletRecords, prefix: str) -> GrantRow:
    """The grant whose identifier starts like this; CallerError if it is not one."""
    found = [row for row in book.grants() if row.grant_id.hex().startswith(prefix)]
    if len(found) != 1:
        raise CallerError(f"{'several grants start' if found else 'no grant starts'} with {prefix}")
    return found[0]


@group.add("grants", example="$ zkcredit wallet grants\n$ zkcredit wallet grants 2")
@click.argument("number", type=COUNT, required=False)
@pass_session
def grants(session: Session, number: int | None) -> None:
    """List whom records (or record NUMBER) are shared with, for what, and until when."""
    with open_records(session) as (_, book):
        if number is not None and all(row.number != number for row in book.records()):
            raise CallerError(f"there is no record {number}")
        rows = book.grants(number)
    if session.output.data({"grants": [_grant_json(row) for row in rows]}):
        return
    session.output.table(
        ("grant", "record", "recipient", "what", "purpose", "until", "state"),
        [
            (
                row.grant_id.hex()[:16],
                row.record,
                row.recipient if row.registered else f"{row.recipient} (not on the ledger)",
                "all" if row.fields is None else ", ".join(row.fields),
                row.purpose,
                utc(row.expires_ms),
                row.state,
            )
            for row in rows
        ],
        right=(1,),
    )


def _grant_json(row: GrantRow) -> dict[str, Any]:
    return {
        "grant_id": row.grant_id,
        "record": row.record,
        "recipient": row.recipient,
        "fingerprint": row.fingerprint,
        "registered": row.registered,
        "fields": None if row.fields is None else list(row.fields),
        "purpose": row.purpose,
        "issued_ms": row.issued_ms,
        "expires_ms": row.expires_ms,
        "state": row.state,
    }


@group.add("revoke", example="$ zkcredit wallet revoke 8f3a21")
@click.argument("grant", type=HEX)
@pass_session
def revoke(session: Session, grant: str) -> None:
    """Take back the GRANT whose identifier starts like this.

    A record that was shared whole gets a new key and body; other grants of it change
    too and have to be handed over anew. What was read before stays read.
    """
    with open_records(session) as (_, book):
        row = find_grant(book, grant)
        changed = [moved.grant_id for moved in book.revoke(row.grant_id)]
    found = {"grant_id": row.grant_id, "revoked": row.state != "revoked", "changed": changed}
    if session.output.data(found):
        return
    done = "was revoked before" if row.state == "revoked" else "is revoked"
    session.output.line(f"The grant to {row.recipient} {done}.")
    for other in changed:
        session.output.line(
            f"Hand over anew: `wallet share --again {other.hex()[:16]} -o grant.json`."
        )
