"""``zkcredit wallet``: credentials and records as files, out and in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import FORMAT, naming, output_option, read_bytes, write_bytes
from zkcredit.cli.held_commands import held_json, own_signature
from zkcredit.cli.params import COUNT
from zkcredit.cli.wallet_desk import Desk, group
from zkcredit.cli.wallet_records import open_records, row_json
from zkcredit.errors import CallerError, MalformedInput

if TYPE_CHECKING:
    from zkcredit.wallet.records import WalletRecords


@group.add(
    "export",
    example="$ zkcredit wallet export credential 1 --format cbor -o identity.cbor\n"
    "$ zkcredit wallet export record 2 --field balance_minor -o shown.json",
)
@click.argument("what", type=click.Choice(["credential", "record"]))
@click.argument("number", type=COUNT)
@FORMAT
@click.option("--field", "fields", multiple=True, help="Only this field of a record; repeat.")
@output_option("Where the file goes (- is standard output).")
@pass_session
def export(
    session: Session, *, what: str, number: int, form: str, fields: tuple[str, ...], target: str
) -> None:
    """Write a credential or record in the clear: whoever has the file can read it.

    A credential opens in this wallet (or the same 24 words) and nowhere else. A record
    proves itself to whoever has the ledger: `record verify`.
    """
    from zkcredit.messages import encode_message

    if (form == "cbor" and what == "record") or (fields and what == "credential"):
        raise CallerError("CBOR is for credentials, --field for records")
    with open_records(session) as (desk, book):
        if what == "credential":
            data = _export_credential(desk, number, form)
        elif fields:
            data = encode_message(book.disclose(number, fields), indent=True)
        else:
            data = book.export(number)
    write_bytes(target, data)
    if target != "-" and not session.output.data({"file": target, "bytes": len(data)}):
        session.output.note(f"Written: {target}. It is not encrypted.")


def _export_credential(desk: Desk, number: int, form: str) -> bytes:
    from zkcredit.credentials.held import CREDENTIAL_CBOR, CREDENTIAL_JSON

    book = desk.wallet.credentials
    return book.export(number, CREDENTIAL_CBOR if form == "cbor" else CREDENTIAL_JSON)


@group.add("import", example="$ zkcredit wallet import record.json")
@click.argument("file")
@pass_session
def import_command(session: Session, file: str) -> None:
    """Take in a FILE: an exported credential, a record, or the invoice of a receipt.

    Lenders hand over records with `lender record`. Everything is checked against the
    ledger first; the same file again changes nothing.
    """
    from zkcredit.messages import MAX_MESSAGE_BYTES

    data = read_bytes(file, MAX_MESSAGE_BYTES)
    with open_records(session) as (desk, book), naming(file):
        found = _take(desk, book, data)
    if session.output.data(found):
        return
    if "record" in found:
        session.output.line(f"Record {found['record']}: {found['kind']}, entry {found['index']}.")
    else:
        session.output.line(f"Credential {found['credential']}: {found['schema']}.")


def _take(desk: Desk, book: WalletRecords, data: bytes) -> dict[str, Any]:
    from zkcredit.messages import Invoice, decode_message
    from zkcredit.records.disclosure import Record

    tag = _tag(data)
    if tag == Record.__struct_config__.tag:
        return row_json(book.add(desk.ledger, decode_message(data, Record)))
    if tag == Invoice.__struct_config__.tag:
        return row_json(book.add_receipt(desk.ledger, decode_message(data, Invoice)))
    if tag is not None:
        raise MalformedInput(f"a message of type {tag!r} is nothing to keep in a wallet")
    credentials = desk.wallet.credentials
    with own_signature():
        taken = credentials.import_file(desk.ledger, data)
    credentials.refresh_gaps(desk.ledger)
    return held_json(credentials.get(taken.number), desk.ledger.registry)


def _tag(data: bytes) -> str | None:
    """The type of a message; None for anything else, which may be a credential."""
    from zkcredit.messages import message_type

    try:
        return message_type(data)
    except MalformedInput:
        return None
