"""What commands about credentials share: finding schemas and issuers, the open issuer."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session
from zkcredit.cli.params import PREFIX_MIN
from zkcredit.cli.parties import Secrets
from zkcredit.errors import CallerError, MalformedInput, Refused, StoreError

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.credentials.issuer import CredentialIssuer
    from zkcredit.credentials.schema import Field, Schema, Value
    from zkcredit.ledger.registry import PublishedSchema, Registry

ISSUER, LENDER = "issuer", "lender"
LENDERS_DATABASE = "credentials.db"
"""Where a lender keeps what it has issued, beside its accounts."""


@click.group(cls=Group, name="credential", example="$ zkcredit credential schema list")
def group() -> None:
    """Issue credentials: publish schemas, answer requests, revoke.

    A registrar, an employer or a lender signs what it knows of a holder; the holder
    proves from it what it chooses. An issuer's folder holds issuer.vault and issuer.db;
    back up both. A lender issues with its own keys.
    """


def is_lender(session: Session) -> bool:
    """Whether this folder is a lender's, which then issues under its own name."""
    return session.vault_path(LENDER).exists() and not session.vault_path(ISSUER).exists()


@contextlib.contextmanager
def issuer_on_ledger(session: Session) -> Iterator[tuple[CredentialIssuer, AnyLedger]]:
    """The issuer of this profile together with its ledger."""
    from zkcredit.credentials.issuer import CredentialIssuer

    role = LENDER if is_lender(session) else ISSUER
    database = session.folder / (LENDERS_DATABASE if role == LENDER else f"{ISSUER}.db")
    with session.ledger() as ledger, session.open_vault(role) as vault:
        if role == LENDER and not database.exists():
            raise StoreError("this lender issues no credentials yet: run `credential init`")
        issuer = CredentialIssuer.open(database, Secrets.decode(vault.data).seed)
        session.sign_in(ledger, issuer.request_signer)
        try:
            yield issuer, ledger
        finally:
            issuer.close()


def _starts(identifier: bytes, wanted: str) -> bool:
    return len(wanted) >= PREFIX_MIN and identifier.hex().startswith(wanted.lower())


def find_schema(registry: Registry, wanted: str) -> PublishedSchema:
    """The published schema of this name, or whose hash starts like this.

    Refused ``unknown-schema`` if there is none, CallerError if several fit.
    """
    found = registry.find_schema(wanted)
    if not found:
        found = [item for item in registry.schemas.values() if _starts(item.hash, wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refused("unknown-schema", f"no schema {wanted!r} on this ledger")
    names = ", ".join(item.hash.hex()[:12] for item in found[:4])
    raise CallerError(f"several schemas fit: choose one of {names}…")


def find_issuer(registry: Registry, wanted: str) -> bytes:
    """Identifier of the issuer of this name, or whose identifier starts like this."""
    found = [item.id for item in registry.issuers.values() if item.name == wanted]
    if not found:
        found = [key for key in registry.issuers if _starts(key, wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Refused("unknown-issuer", f"no issuer {wanted!r} on this ledger")
    names = ", ".join(item.hex()[:12] for item in found[:4])
    raise CallerError(f"several issuers are called {wanted!r}: choose one of {names}…")


def read_values(schema: Schema, given: Iterable[str]) -> dict[str, Value]:
    """Values given as ``field=text``, each once and all of them."""
    values: dict[str, Value] = {}
    for item in given:
        name, separator, text = item.partition("=")
        if not separator:
            raise CallerError(f"{item!r}: write field=value")
        if name in values:
            raise CallerError(f"{name} is given twice")
        field = schema.field(name)
        try:
            values[name] = field.parse(text)
        except MalformedInput as error:
            raise CallerError(str(error)) from None
    missing = [field.name for field in schema.fields if field.name not in values]
    if missing:
        raise CallerError(f"give a value to {', '.join(missing)}")
    return values


def describe_field(field: Field) -> str:
    """Type and range of a field in words."""
    text = field.type.name.lower()
    if field.values:
        more = f" … {len(field.values)} values" if len(field.values) > 5 else ""
        return f"{text}: {', '.join(field.values[:5])}{more}"
    if field.currency:
        return f"{text} in {field.currency}, at most {field.format(field.maximum)}"
    if field.maximum or field.minimum:
        return f"{text} {field.minimum}..{field.maximum}"
    return text


def schema_json(item: PublishedSchema) -> dict[str, Any]:
    """A schema as JSON."""
    schema = item.schema
    return {
        "name": schema.name,
        "title": schema.title,
        "schema_hash": item.hash,
        "publisher_id": item.issuer_id,
        "index": item.index,
        "revocable": schema.revocable,
        "fields": [
            {
                "name": field.name,
                "title": field.title,
                "type": field.type.name.lower(),
                "minimum": field.minimum,
                "maximum": field.maximum,
                "currency": field.currency,
                "minor_digits": field.minor_digits,
                "values": list(field.values),
            }
            for field in schema.fields
        ],
    }


class Date(click.ParamType[dt.date]):
    """``2027-12-31``."""

    name = "date"

    def convert(self, value: Any, param: Any, ctx: Any) -> dt.date:
        """The date; only this one form."""
        if isinstance(value, dt.date):
            return value
        try:
            found = dt.date.fromisoformat(str(value))
        except ValueError:
            found = None
        if found is None or found.isoformat() != value:
            self.fail(f"not a date: {value!r} (write it like 2027-12-31)", param, ctx)
        return found


DATE = Date()
