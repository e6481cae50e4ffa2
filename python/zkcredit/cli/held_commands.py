"""``credential`` inside ``wallet`` and ``merchant``: the credentials that a party holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.credential_desk import find_issuer, find_schema
from zkcredit.cli.files import output_option, read_message, write_message
from zkcredit.cli.output import counted
from zkcredit.cli.params import COUNT, Whole
from zkcredit.errors import ProofRefused, Refused

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.credentials.held import HeldCredential
    from zkcredit.credentials.holder import CredentialBook
    from zkcredit.ledger.registry import Registry

ORDINAL = Whole(0, 255)


@dataclass
class Holding:
    """A party's credentials with its ledger; ``save`` stores the vault."""

    book: CredentialBook
    ledger: AnyLedger
    save: Callable[[], None]


def held_json(credential: HeldCredential, registry: Registry) -> dict[str, Any]:
    """A credential as JSON, values included; secrets stay out."""
    names = [field.name for field in credential.schema.fields]
    return {
        "credential": credential.number,
        "schema": credential.schema.name,
        "schema_hash": credential.schema_hash,
        "issuer_id": credential.issuer_id,
        "issuer": registry.issuer(credential.issuer_id).name,
        "key_number": credential.key_number,
        "expires": credential.expires.isoformat(),
        "values": dict(zip(names, credential.texts, strict=True)),
        "epoch": None if credential.gap is None else credential.gap.epoch,
        "revoked": credential.revoked,
    }


def _state(credential: HeldCredential, registry: Registry) -> str:
    """What stands in the way of showing a credential."""
    place = (credential.issuer_id, credential.schema_hash, credential.key_number)
    key = registry.credential_key(*place)
    if credential.revoked:
        return "revoked"
    if key.closed:
        return "void: its key was closed"
    if credential.schema.revocable and (
        credential.gap is None or credential.gap.epoch != key.epoch
    ):
        return "`credential refresh` before use"
    return "ready"


@click.group(
    "credential",
    cls=Group,
    example='$ {command} ask "Registry Office" identity -o ask.json',
)
def credentials() -> None:
    """Ask for credentials, keep them, show what they say.

    A credential is what an issuer has signed about you. You never hand it over: from
    it you prove to others what they ask, as far as you agree.
    """


@contextmanager
def _opened(session: Session) -> Iterator[Holding]:
    """Credentials of the role under whose commands this group was called."""
    context = click.get_current_context().find_root()
    if context.invoked_subcommand == "merchant":
        from zkcredit.cli.merchant_commands import open_merchant

        with open_merchant(session, read_only=True) as (merchant, ledger, save):
            yield Holding(merchant.credentials, ledger, save)
        return
    from zkcredit.cli.wallet_desk import open_wallet

    with open_wallet(session, read_only=True) as desk:
        yield Holding(desk.wallet.credentials, desk.ledger, desk.save)


@contextmanager
def own_signature() -> Iterator[None]:
    """Says what it means that a credential's signature does not fit this holder."""
    try:
        yield
    except ProofRefused:
        raise Refused(
            "bad-signature",
            "the signature does not hold here: the credential was issued to somebody else, "
            "or it was changed",
        ) from None


@credentials.add("ask", example='$ {command} "Registry Office" identity -o ask.json')
@click.argument("issuer")
@click.argument("schema")
@click.option("--ordinal", type=ORDINAL, help="Which one, if you want several alike [next].")
@output_option("Where the request goes (- is standard output).")
@pass_session
def ask(session: Session, *, issuer: str, schema: str, ordinal: int | None, target: str) -> None:
    """Ask ISSUER for a credential of SCHEMA (names, or starts of identifiers).

    The same request may be made again. It shows the issuer nothing of your secret.
    """
    with _opened(session) as own:
        registry = own.ledger.registry
        issuer_id, item = find_issuer(registry, issuer), find_schema(registry, schema)
        message = own.book.request(own.ledger, issuer_id, item.hash, ordinal)
    note = "For the issuer: `credential issue {file}`."
    write_message(session.output, target, message, note)


@credentials.add("take", example="$ {command} credential.json")
@click.argument("file")
@pass_session
def take(session: Session, file: str) -> None:
    """Take a credential in (from `credential issue`), after checking its signature."""
    from zkcredit.credentials.messages import CredentialReply

    reply = read_message(file, CredentialReply)
    with _opened(session) as own:
        with own_signature():
            taken = own.book.receive(own.ledger, reply)
        own.book.refresh_gaps(own.ledger)
        own.save()
        found = held_json(own.book.get(taken.number), own.ledger.registry)
    if not session.output.data(found):
        line = f"Credential {taken.number}: {taken.schema.title} of {found['issuer']}"
        session.output.line(f"{line}, valid until {taken.expires}.")


@credentials.add("show", example="$ {command}\n$ {command} 1")
@click.argument("number", type=COUNT, required=False)
@pass_session
def show(session: Session, number: int | None) -> None:
    """Show all credentials, or one with its values."""
    with _opened(session) as own:
        registry = own.ledger.registry
        mine = [x for x in own.book.list() if x.ledger_id == own.ledger.ledger_id]
        items = mine if number is None else [own.book.get(number)]
        found = [held_json(item, registry) for item in items]
        states = [_state(item, registry) for item in items]
    if session.output.data({"credentials": found}):
        return
    rows = [
        (item.number, item.schema.name, data["issuer"], item.expires, state)
        for item, data, state in zip(items, found, states, strict=True)
    ]
    columns = ("credential", "schema", "issuer", "expires", "state")
    session.output.table(columns, rows, right=(0,))
    if number is not None:
        session.output.table(("field", "value"), list(found[0]["values"].items()))


@credentials.add("refresh", example="$ {command}")
@pass_session
def refresh(session: Session) -> None:
    """Fetch the current revocation lists, so that "not revoked" can be proved.

    Whole lists are read: nobody learns which credential is yours.
    """
    with _opened(session) as own:
        report = own.book.refresh_gaps(own.ledger)
        own.save()
    found: dict[str, Any] = {
        "current": report.current,
        "revoked": report.revoked,
        "missing": report.missing,
        "faulty": {str(number): why for number, why in report.faulty.items()},
    }
    if session.output.data(found):
        return
    session.output.line(f"{counted(len(report.current), 'credential')} can be shown.")
    for number in report.revoked:
        session.output.line(f"Credential {number} was revoked by its issuer.")
    for number in report.missing:
        session.output.line(f"Credential {number}: the ledger lacks the current list.")
    for number, why in report.faulty.items():
        session.output.line(f"Credential {number}: {why}.")


@credentials.add("drop", example="$ {command} 2")
@click.argument("number", type=COUNT)
@pass_session
def drop(session: Session, number: int) -> None:
    """Forget a credential; asking again (with its ordinal) brings it back."""
    with _opened(session) as own:
        ordinal = own.book.get(number).ordinal
        own.book.remove(number)
        own.save()
    if not session.output.data({"credential": number, "ordinal": ordinal}):
        session.output.line(f"Credential {number} is gone (its ordinal was {ordinal}).")
