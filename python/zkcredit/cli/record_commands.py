"""``zkcredit record``: for those with whom records are shared."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import (
    naming,
    output_option,
    read_bytes,
    read_message,
    write_bytes,
    write_message,
)
from zkcredit.cli.output import utc
from zkcredit.cli.record_views import field_rows, verified_json
from zkcredit.cli.trust import finality_json, finality_of, tell
from zkcredit.cli.wallet_records import body_beside
from zkcredit.errors import CallerError, MalformedInput, StateConflict, StoreError

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.ledger.registry import Registry
    from zkcredit.lender import Lender
    from zkcredit.merchant import Merchant
    from zkcredit.records.bodies import BodyStore
    from zkcredit.records.disclosure import Verified
    from zkcredit.records.grants import Grant, Shared
    from zkcredit.records.recipients import Recipient, RecipientKey

_T = TypeVar("_T")
_ROLE = "recipient"
_VAULT_VERSION = 1


@click.group(cls=Group, name="record", example="$ zkcredit record verify shown.json")
def group() -> None:
    """Open and verify records that holders share with you.

    Lenders and merchants use the keys they have. Others, such as a landlord or an
    accountant, get a recipient.vault of their own with `record key`.
    """


# -- whose key -------------------------------------------------------------------------------


def _with_party(
    session: Session,
    lender: Callable[[Lender, AnyLedger], _T],
    merchant: Callable[[Merchant, AnyLedger], _T],
) -> _T | None:
    """What the registered party of this folder answers; None if there is none."""
    if session.vault_path("lender").exists():
        from zkcredit.cli.lender_desk import lender_on_ledger

        with lender_on_ledger(session) as (own_lender, ledger):
            return lender(own_lender, ledger)
    if session.vault_path("merchant").exists():
        from zkcredit.cli.merchant_commands import open_merchant

        with open_merchant(session, read_only=True) as (own_merchant, ledger, _):
            return merchant(own_merchant, ledger)
    return None


def _encode(name: str, secret: bytes) -> bytes:
    content = {"version": _VAULT_VERSION, "name": name, "secret": secret.hex()}
    return json.dumps(content).encode()


def _unregistered(session: Session) -> tuple[RecipientKey, str]:
    """Key and name of a recipient who is not on the ledger."""
    from zkcredit.records.recipients import RecipientKey

    if not session.vault_path(_ROLE).exists():
        raise StoreError(f"no recipient in {session.folder}: make one with `record key NAME`")
    with session.open_vault(_ROLE) as vault:
        try:
            found = json.loads(vault.data)
            if found["version"] != _VAULT_VERSION:
                raise MalformedInput(f"the vault has version {found['version']}")
            return RecipientKey(bytes.fromhex(found["secret"])), str(found["name"])
        except (ValueError, KeyError, TypeError):
            raise MalformedInput("the vault holds no recipient's key") from None


def _make(session: Session, name: str) -> None:
    from zkcredit.records.recipients import RecipientKey

    key, secret = RecipientKey.generate()
    key.unregistered(bytes(32), name)  # refuses a bad name before a file is made
    session.create_vault(_ROLE, _encode(name, secret)).close()


@group.add(
    "key",
    example='$ zkcredit --ledger ./ledger record key "Landlord Ltd" -o landlord.json',
)
@click.argument("name", required=False)
@output_option("Where your public key goes (- is standard output).")
@pass_session
def key(session: Session, name: str | None, target: str) -> None:
    """Write your public key, for which holders seal records.

    A lender's or merchant's is signed with its registered key; leave NAME out. Anybody
    else gives a NAME once, and lets the holder compare the fingerprint.
    """
    from zkcredit.records.recipients import fingerprint

    message = _with_party(
        session,
        lambda lender, ledger: lender.recipient(ledger),
        lambda merchant, ledger: merchant.recipient(ledger),
    )
    if message is None:
        message = _key_of_other(session, name)
    elif name not in (None, message.name):
        raise StateConflict(f"this folder belongs to {message.name!r}: leave NAME out")
    session.output.note(f"{message.name}, fingerprint {fingerprint(message.public_key).hex()}")
    write_message(session.output, target, message, "For holders: `wallet share … --with {file}`.")


def _key_of_other(session: Session, name: str | None) -> Recipient:
    with session.ledger(read_only=True) as ledger:
        if not session.vault_path(_ROLE).exists():
            if name is None:
                raise CallerError("give the NAME under which holders know you")
            _make(session, name)
        own, kept = _unregistered(session)
        if name not in (None, kept):
            raise StateConflict(f"this folder belongs to the recipient {kept!r}")
        return own.unregistered(ledger.ledger_id, kept)


# -- opening, verifying ----------------------------------------------------------------------


@group.add(
    "open",
    example='$ zkcredit record open grant.json --purpose "flat to let"\n'
    '$ zkcredit record open grant.json --body b.bin --purpose "flat to let" -o shown.json',
)
@click.argument("file", metavar="GRANT")
@click.option("--body", metavar="FILE", help="The encrypted body [beside it: grant.body].")
@click.option("--purpose", required=True, help="What you want it for, in the grant's words.")
@click.option("-o", "--output", "target", metavar="FILE", help="Keep what was opened here.")
@pass_session
def open_command(
    session: Session, *, file: str, body: str | None, purpose: str, target: str | None
) -> None:
    """Open what a holder shares with you by a GRANT, and check it against the ledger.

    It proves what its author has signed and when, not that whoever hands it over is the
    person it is about.
    """
    from zkcredit.messages import encode_message
    from zkcredit.records.bodies import BODY_MAX_BYTES, MemoryBodies
    from zkcredit.records.grants import Grant

    if body is None and file == "-":
        raise CallerError("give the --body of a grant from standard input")
    grant = read_message(file, Grant)
    bodies = MemoryBodies()
    bodies.put(read_bytes(body or body_beside(file), BODY_MAX_BYTES))
    shared, registry = _open(session, grant, bodies, purpose)
    if target is not None:
        write_bytes(target, encode_message(shared.content, indent=True))
    _print(session, shared.verified, registry)


def _open(
    session: Session, grant: Grant, bodies: BodyStore, purpose: str
) -> tuple[Shared, Registry]:
    from zkcredit.clock import system_clock
    from zkcredit.records.grants import open_grant

    def by_party(party: Lender | Merchant, ledger: AnyLedger) -> tuple[Shared, Registry]:
        return party.open_grant(ledger, grant, bodies, purpose=purpose), ledger.registry

    found = _with_party(session, by_party, by_party)
    if found is not None:
        return found
    with session.ledger(read_only=True) as ledger:
        own, _ = _unregistered(session)
        now_ms = system_clock()
        opened = open_grant(ledger, grant, own, bodies, purpose=purpose, now_ms=now_ms)
        return opened, ledger.registry


@group.add("verify", example="$ zkcredit record verify shown.json")
@click.argument("file")
@pass_session
def verify(session: Session, file: str) -> None:
    """Check a record, or single fields of one, against the ledger; no key is needed.

    For files from `wallet export record`, `lender record` and `record open -o`.
    """
    from zkcredit.messages import MAX_MESSAGE_BYTES, decode_message, message_type
    from zkcredit.records.disclosure import (
        Disclosure,
        Record,
        verify_disclosure,
        verify_record,
    )

    data = read_bytes(file, MAX_MESSAGE_BYTES)
    with session.ledger(read_only=True) as ledger, naming(file):
        if message_type(data) == Record.__struct_config__.tag:
            found = verify_record(ledger, decode_message(data, Record))
        else:
            found = verify_disclosure(ledger, decode_message(data, Disclosure))
        registry = ledger.registry
    _print(session, found, registry)


def _print(session: Session, found: Verified, registry: Registry) -> None:
    from zkcredit.records.documents import find_kind

    with session.ledger(read_only=True) as ledger:
        finality = finality_of(session, ledger)
        state = finality.state(found.entry_index)
    result = verified_json(found, find_kind(found.kind))
    result |= {"ledger_state": state, "finality": finality_json(finality)}
    if session.output.data(result):
        return
    place = f"entry {found.entry_index} ({state}), {utc(found.timestamp_ms)}"
    session.output.line(f"A {found.kind} of {found.author}, on the ledger at {place}.")
    session.output.table(("field", "value"), field_rows(found.fields, registry))
    if result["hidden"]:
        session.output.line(f"Not shown: {', '.join(result['hidden'])}.")
    tell(session, finality)
