"""``zkcredit ledger members``: whose cosignatures count, as the log itself says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import naming, read_bytes, read_text, write_bytes
from zkcredit.cli.ledger_commands import group
from zkcredit.cli.params import COUNT
from zkcredit.errors import CallerError, MalformedInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkcredit.cli.context import AnyLedger
    from zkcredit.entries import MembersStatement
    from zkcredit.ledger import Receipt

_PROPOSAL_BYTES = 1 << 16


def read_proposal(name: str) -> MembersStatement:
    """The statement of members in a file."""
    from zkcredit.entries import MembersStatement, Statement

    data = read_bytes(name, _PROPOSAL_BYTES)
    with naming(name):
        statement = Statement.decode(data)
    if not isinstance(statement, MembersStatement):
        raise MalformedInput(f"{name} does not name members")
    return statement


def described(statement: MembersStatement) -> dict[str, Any]:
    """A statement of members for people and programs."""
    from zkcredit.cosigner.members import verifier_key

    return {
        "number": statement.number,
        "threshold": statement.threshold,
        "members": [verifier_key(item).encode() for item in statement.members],
    }


def print_members(session: Session, statement: MembersStatement) -> None:
    """Threshold and names."""
    names = ", ".join(item.name for item in statement.members)
    count = len(statement.members)
    session.output.line(f"Members {statement.number}: {statement.threshold} of {count} of {names}.")


@group.add(
    "members",
    example="$ zkcredit ledger members a.example/rules-v1+… b.example/rules-v1+… …\n"
    "$ zkcredit ledger members --submit change --approval a.approval --approval b.approval",
)
@click.argument("keys", nargs=-1)
@click.option("--threshold", type=COUNT, help="Cosignatures needed [two thirds and one more].")
@click.option("-o", "--output", "target", metavar="FILE", help="Where a proposal goes.")
@click.option("--submit", "proposal", metavar="FILE", help="Submit this proposal.")
@click.option(
    "--approval", "approvals", metavar="FILE", multiple=True, help="Of a member; repeated."
)
@pass_session
def members_command(session: Session, /, keys: tuple[str, ...], **options: Any) -> None:
    """Show, name or replace the members whose cosignatures make entries final.

    KEYS are the members' Ed25519 rules keys (`cosigner keys`). The operator names the first
    members. Later ones are proposed with -o, approved by a quorum of the present ones
    (`cosigner approve`), and submitted by anybody.
    """
    proposal, target = options["proposal"], options["target"]
    if proposal is not None and keys:
        raise CallerError("give either KEYS or --submit")
    receipt: Receipt | None = None
    with session.ledger() as ledger:
        if proposal is not None:
            statement = read_proposal(proposal)
            receipt = _submit(ledger, statement, options["approvals"])
        elif not keys:
            _show(session, ledger.registry.members)
            return
        else:
            statement = _propose(ledger, keys, options["threshold"])
            if target is None:
                receipt = _found(session, ledger, statement)
            else:
                write_bytes(target, statement.encode())
    found = {**described(statement), "index": None if receipt is None else receipt.index}
    if session.output.data(found):
        return
    print_members(session, statement)
    if receipt is not None:
        session.output.line(f"Accepted as entry {receipt.index}.")
    else:
        session.output.note(f"Written: {target}. Members agree by `cosigner approve {target}`.")


def _show(session: Session, statement: MembersStatement | None) -> None:
    found = {"members": []} if statement is None else described(statement)
    if session.output.data(found):
        return
    if statement is None:
        session.output.line("Nobody was named yet.")
        return
    print_members(session, statement)
    for key in found["members"]:
        session.output.line(key)


def _propose(ledger: AnyLedger, keys: Sequence[str], threshold: int | None) -> MembersStatement:
    from zkcredit.cosigner import members
    from zkcredit.ledger.note import VerifierKey

    named = [members.member(VerifierKey.decode(text)) for text in keys]
    return members.propose(ledger.registry.members, named, threshold)


def _found(session: Session, ledger: AnyLedger, statement: MembersStatement) -> Receipt:
    """The first members, in the operator's own name."""
    from zkcredit.cosigner.members import founding
    from zkcredit.ledger.folder import read_keys

    if ledger.registry.members is not None:
        raise CallerError("members are named already: write a proposal with -o")
    keys = read_keys(session.ledger_folder(), ledger.genesis)
    return ledger.submit(founding(keys.bls(), ledger.ledger_id, statement))


def _submit(ledger: AnyLedger, statement: MembersStatement, approvals: Sequence[str]) -> Receipt:
    from zkcredit.cosigner.members import succession
    from zkcredit.ledger.note import VerifierKey, b64decode

    current = ledger.registry.members
    if current is None:
        raise CallerError("the operator names the first members: give KEYS")
    found: dict[bytes, bytes] = {}
    for name in approvals:
        key, _, signature = read_text(name).strip().partition(" ")
        with naming(name):
            found[VerifierKey.decode(key).key] = b64decode(signature, "approval")
    return ledger.submit(succession(current, statement, found))
