"""``zkcredit credential``: schemas, keys, issuing and revoking."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.credential_desk import (
    DATE,
    ISSUER,
    LENDERS_DATABASE,
    describe_field,
    find_schema,
    group,
    is_lender,
    issuer_on_ledger,
    read_values,
    schema_json,
)
from zkcredit.cli.files import naming, output_option, read_message, read_text, write_message
from zkcredit.cli.output import utc
from zkcredit.cli.params import COUNT
from zkcredit.cli.parties import Secrets, make_database, make_party
from zkcredit.errors import CallerError, MalformedInput, Refused, StateConflict

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.credentials.messages import CredentialReply
    from zkcredit.credentials.schema import Schema
    from zkcredit.credentials.store import Issued


@group.add("init", example='$ zkcredit --ledger ./ledger credential init "Registry Office"')
@click.argument("name", required=False)
@pass_session
def init(session: Session, name: str | None) -> None:
    """Become an issuer of credentials: make keys and database, register NAME.

    In a lender's folder leave NAME out: the lender issues under its own name. Run again
    after an interruption, it goes on where it stopped.
    """
    with session.ledger():
        if is_lender(session):
            _make_for_lender(session, name)
        else:
            _make_issuer(session, name)
    with issuer_on_ledger(session) as (issuer, ledger):
        index = issuer.register(ledger).index
        own_name, issuer_id = issuer.name, issuer.issuer_id
    folder = str(session.folder)
    found = {"name": own_name, "issuer_id": issuer_id, "index": index, "folder": folder}
    if not session.output.data(found):
        pairs = [("issuer", own_name), ("id", issuer_id.hex()), ("entry", index)]
        session.output.fields([*pairs, ("folder", folder)])
        session.output.note("Next: publish a schema with `credential schema publish identity`.")


def _make_issuer(session: Session, name: str | None) -> None:
    from zkcredit.credentials.issuer import CredentialIssuer

    if name is None and session.vault_path(ISSUER).exists():
        with session.open_vault(ISSUER) as vault:
            name = Secrets.decode(vault.data).name
    if name is None:
        raise CallerError("give the NAME under which you issue")
    make_party(session, ISSUER, name, CredentialIssuer.create)


def _make_for_lender(session: Session, name: str | None) -> None:
    from zkcredit.credentials.issuer import CredentialIssuer

    with session.open_vault("lender") as vault:
        kept = Secrets.decode(vault.data)
    if name not in (None, kept.name):
        raise StateConflict(f"this folder belongs to the lender {kept.name!r}: leave NAME out")
    place = session.folder / LENDERS_DATABASE
    make_database(place, kept.seed, kept.name, CredentialIssuer.create)


# -- schemas ---------------------------------------------------------------------------------


@group.add(
    "schema",
    example="$ zkcredit credential schema list\n"
    "$ zkcredit credential schema show identity\n"
    "$ zkcredit credential schema publish identity",
)
@click.argument("action", type=click.Choice(["list", "show", "publish"]))
@click.argument("which", metavar="[SCHEMA]", required=False)
@pass_session
def schema(session: Session, action: str, which: str | None) -> None:
    """List the ledger's schemas, show one, or publish one and open its first key.

    SCHEMA is a name or the start of a hash; to publish, the name of a ready-made one
    (identity, income, business, credit-history, or income:USD for another currency), or
    a TOML file. Publishing what is there already only opens the key.
    """
    if (which is None) != (action == "list"):
        raise CallerError("`list` takes no SCHEMA, `show` and `publish` take one")
    if action == "list":
        _list_schemas(session)
    elif action == "show":
        _show_schema(session, which or "")
    else:
        _publish_schema(session, which or "")


def _list_schemas(session: Session) -> None:
    with session.ledger(read_only=True) as ledger:
        registry = ledger.registry
        items = list(registry.schemas.values())
        names = {
            item.hash: ", ".join(
                party.name
                for party in registry.issuers.values()
                if registry.current_credential_key(party.id, item.hash)
            )
            for item in items
        }
    if session.output.data({"schemas": [schema_json(item) for item in items]}):
        return
    rows = [
        (item.schema.name, item.hash.hex()[:16], len(item.schema.fields), names[item.hash] or "-")
        for item in items
    ]
    session.output.table(("schema", "hash", "fields", "issued by"), rows, right=(2,))


def _show_schema(session: Session, which: str) -> None:
    with session.ledger(read_only=True) as ledger:
        item = find_schema(ledger.registry, which)
    if session.output.data(schema_json(item)):
        return
    found = item.schema
    revocable = "yes" if found.revocable else "no: credentials expire"
    if found.is_list:
        revocable = "no credentials: a signed list"
    session.output.fields(
        [("schema", found.name), ("hash", item.hash.hex()), ("revocable", revocable)]
    )
    rows = [(x.name, x.title, describe_field(x)) for x in found.fields]
    session.output.table(("field", "your …", "type"), rows)


def _publish_schema(session: Session, which: str) -> None:
    wanted = _schema_to_publish(which)
    with issuer_on_ledger(session) as (issuer, ledger):
        issuer.publish_schema(ledger, wanted)
        number = ledger.registry.current_credential_key(issuer.issuer_id, wanted.hash)
        if number == 0:
            number = issuer.open_key(ledger, wanted.hash)
        elif wanted.revocable and not wanted.is_list:
            issuer.publish_revocations(ledger, wanted.hash)
    found = {"name": wanted.name, "schema_hash": wanted.hash, "key_number": number}
    if not session.output.data(found):
        session.output.fields(
            [("schema", wanted.name), ("hash", wanted.hash.hex()), ("key", number)]
        )


def _schema_to_publish(which: str) -> Schema:
    from zkcredit.credentials.builtin import BUILTIN, income_schema
    from zkcredit.credentials.schema_text import TEXT_MAX_BYTES, parse_schema

    name, _, currency = which.partition(":")
    if name == "income" and currency:
        return income_schema(currency, 2)
    if which in BUILTIN:
        return BUILTIN[which]
    if which != "-" and not Path(which).expanduser().exists():
        raise CallerError(f"{which!r} is neither ready-made ({', '.join(BUILTIN)}) nor a file")
    text = read_text(which, TEXT_MAX_BYTES)
    with naming(which):
        return parse_schema(text)


@group.add(
    "key",
    example="$ zkcredit credential key open identity\n$ zkcredit credential key close identity 1",
)
@click.argument("action", type=click.Choice(["open", "close"]))
@click.argument("which", metavar="SCHEMA")
@click.argument("number", type=COUNT, required=False)
@pass_session
def key(session: Session, action: str, which: str, number: int | None) -> None:
    """Open the next key for credentials of SCHEMA, or close key NUMBER for good.

    New credentials are signed under the newest key. Closing a key ends every
    credential under it: for a key that was lost or stolen.
    """
    if (number is None) != (action == "open"):
        raise CallerError("`key open SCHEMA` takes no NUMBER, `key close SCHEMA NUMBER` takes one")
    with issuer_on_ledger(session) as (issuer, ledger):
        item = find_schema(ledger.registry, which)
        if action == "open":
            number = issuer.open_key(ledger, item.hash)
        else:
            assert number is not None
            issuer.close_key(ledger, item.hash, number)
    found = {"schema_hash": item.hash, "key_number": number, "closed": action == "close"}
    if not session.output.data(found):
        done = "closed" if action == "close" else "open"
        session.output.line(f"Key {number} for {item.schema.name} is {done}.")


# -- issuing ---------------------------------------------------------------------------------


@group.add(
    "issue",
    example="$ zkcredit credential issue ask.json --expires 2027-12-31 -o credential.json \\\n"
    "    --value birth_date=2001-05-31 --value country=AT …",
)
@click.argument("request")
@click.option("--value", "values", multiple=True, metavar="FIELD=VALUE", help="Repeat for all.")
@click.option("--expires", type=DATE, required=True, help="Last valid day, such as 2027-12-31.")
@click.option(
    "--history",
    type=COUNT,
    metavar="ACCOUNT",
    help="A lender's: take the values of a credit-history from this account.",
)
@output_option("Where the credential goes (- is standard output).")
@pass_session
def issue(
    session: Session,
    *,
    request: str,
    values: tuple[str, ...],
    expires: dt.date,
    history: int | None,
    target: str,
) -> None:
    """Answer the message REQUEST (from `wallet credential ask`) with a credential.

    Check first that every value is true of who asks. The same request and values give
    the same credential again.
    """
    from zkcredit.credentials.messages import CredentialRequest

    message = read_message(request, CredentialRequest)
    if (history is None) == (not values):
        raise CallerError("give the values with --value, or --history ACCOUNT")
    known = None if history is None else _history(session, message.schema_hash, history)
    with issuer_on_ledger(session) as (issuer, ledger):
        wanted = ledger.registry.schema(message.schema_hash).schema
        content = read_values(wanted, values) if known is None else known
        reply = issuer.issue(ledger, message, content, expires)
    session.output.note(f"Credential {reply.handle} ({wanted.title}), valid until {expires}.")
    write_message(session.output, target, reply, "For the holder: `wallet credential take {file}`.")


def _history(session: Session, schema_hash: bytes, account: int) -> dict[str, Any]:
    """What a lender knows of an account, while nobody else holds its vault."""
    from zkcredit.cli.lender_desk import open_lender
    from zkcredit.credentials.builtin import CREDIT_HISTORY

    if schema_hash != CREDIT_HISTORY.hash:
        raise CallerError(f"--history is for requests for a {CREDIT_HISTORY.name}")
    with open_lender(session) as lender:
        return dict(lender.credit_history(account))


@group.add("show", example="$ zkcredit credential show\n$ zkcredit credential show 1234567")
@click.argument("handle", type=COUNT, required=False)
@pass_session
def show(session: Session, handle: int | None) -> None:
    """Show what was issued: all of it, or one credential with its values."""
    with issuer_on_ledger(session) as (issuer, ledger):
        rows = [row for row in issuer.issued() if handle in (None, row.handle)]
        schemas = {row.schema_hash: ledger.registry.schema(row.schema_hash).schema for row in rows}
    if handle is not None and not rows:
        raise CallerError(f"no credential with the handle {handle} was issued here")
    found = [_issued_json(row, schemas[row.schema_hash]) for row in rows]
    if session.output.data({"issued": found}):
        return
    columns = ("handle", "schema", "key", "issued", "expires", "revoked")
    session.output.table(
        columns,
        [
            (
                row.handle,
                schemas[row.schema_hash].name,
                row.key_number,
                utc(row.issued_ms),
                row.expires,
                "-" if row.revoked_ms is None else f"{utc(row.revoked_ms)}: {row.reason}",
            )
            for row in rows
        ],
        right=(0, 2),
    )
    if handle is not None:
        session.output.table(("field", "value"), list(found[0]["values"].items()))


def _issued_json(row: Issued, schema: Schema) -> dict[str, Any]:
    names = [field.name for field in schema.fields]
    return {
        "handle": row.handle,
        "schema": schema.name,
        "schema_hash": row.schema_hash,
        "key_number": row.key_number,
        "issued_ms": row.issued_ms,
        "expires": row.expires.isoformat(),
        "values": dict(zip(names, row.texts, strict=True)),
        "revoked_ms": row.revoked_ms,
        "epoch": row.epoch,
        "reason": row.reason,
    }


@group.add("revoke", example='$ zkcredit credential revoke 1234567 --reason "document lost"')
@click.argument("handle", type=COUNT)
@click.option("--reason", required=True, help="Kept here, shown to nobody.")
@click.option("--later", is_flag=True, help="Do not publish a new list yet.")
@pass_session
def revoke(session: Session, handle: int, reason: str, later: bool) -> None:
    """Revoke the credential HANDLE and publish the next revocation list.

    From then on holders prove "not revoked" under the new list; this holder cannot. To
    revoke several at once, give --later to all but the last.
    """
    with issuer_on_ledger(session) as (issuer, ledger):
        row = next((x for x in issuer.issued() if x.handle == handle), None)
        if row is None:
            raise CallerError(f"no credential with the handle {handle} was issued here")
        if not ledger.registry.schema(row.schema_hash).schema.revocable:
            raise Refused("not-revocable", f"credential {handle} cannot be revoked, only expire")
        new = issuer.revoke(row.schema_hash, handle, reason)
        epochs = {} if later else issuer.publish_revocations(ledger, row.schema_hash)
    found = {"handle": handle, "revoked": new, "epochs": {str(k): v for k, v in epochs.items()}}
    if not session.output.data(found):
        session.output.line(f"Credential {handle} {'is' if new else 'was'} revoked.")
        for number, epoch in epochs.items():
            session.output.line(f"Key {number} is at list {epoch}.")


@group.add("verify", example="$ zkcredit credential verify credential.json")
@click.argument("file")
@pass_session
def verify(session: Session, file: str) -> None:
    """Check a credential that was issued (a reply file) against the ledger.

    Its key must be on the ledger and open, its values must fit the schema, and it must
    not have expired. The signature also covers the holder's secrets, so only the
    holder's `wallet credential take` can check it.
    """
    from zkcredit.credentials.messages import CredentialReply

    reply = read_message(file, CredentialReply)
    with session.ledger(read_only=True) as ledger:
        found = _check_reply(ledger, reply)
    if not session.output.data(found):
        session.output.fields(list(found.items()))


def _check_reply(ledger: AnyLedger, reply: CredentialReply) -> dict[str, Any]:
    registry = ledger.registry
    if reply.ledger_id != ledger.ledger_id:
        raise Refused("wrong-ledger", "the credential is for another ledger")
    schema = registry.schema(reply.schema_hash).schema
    key = registry.credential_key(reply.issuer_id, reply.schema_hash, reply.key_number)
    if key.closed:
        raise Refused("key-closed", f"the issuer has closed key {key.number}")
    if len(reply.values) != len(schema.fields):
        raise MalformedInput(f"{schema.name} has {len(schema.fields)} fields")
    for field, text in zip(schema.fields, reply.values, strict=True):
        field.parse(text)
    if reply.expires < dt.datetime.now(dt.UTC).date():
        raise Refused("expired", f"the credential has expired on {reply.expires}")
    return {
        "schema": schema.name,
        "issuer": registry.issuer(reply.issuer_id).name,
        "key_number": reply.key_number,
        "handle": reply.handle,
        "expires": reply.expires.isoformat(),
    }
