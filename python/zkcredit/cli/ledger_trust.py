"""``zkcredit ledger trust`` and ``final``: whose cosignatures this profile waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.context import Session, pass_session, uninterrupted
from zkcredit.cli.files import read_parsed, read_text
from zkcredit.cli.ledger_commands import group
from zkcredit.cli.params import DURATION, INDEX
from zkcredit.cli.trust import (
    NOT_FINAL,
    POLICY,
    finality_json,
    finality_of,
    needed_policy,
    pinned_policy,
    policy_hash,
    tell,
    wait_for,
    warnings_of,
)
from zkcredit.errors import CallerError, CheckFailed
from zkcredit.ledger.finality import ACCEPTED, FINAL

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.ledger.genesis import Genesis
    from zkcredit.ledger.quorum import Policy


@group.add(
    "trust",
    example="$ zkcredit ledger trust bank.policy\n$ zkcredit ledger trust --from-log",
)
@click.argument("file", metavar="[POLICY]", required=False)
@click.option("--from-log", is_flag=True, help="The members that the log names: see below.")
@click.option("--off", is_flag=True, help="Forget the policy: nothing is final any more.")
@pass_session
def trust(session: Session, file: str | None, *, from_log: bool, off: bool) -> None:
    """Pin the cosigner policy of this profile, or show it.

    From then on wallet, merchant and lender show what is final under it. Take POLICY
    from somebody you trust, not from the operator whom it is to watch. --from-log trusts
    the log on first use: the operator named the first members, so compare the hash with
    theirs. Later the same option follows the log only as far as a quorum of the members
    that you pinned has agreed to its successors.
    """
    if (file is not None) + from_log + off > 1:
        raise CallerError("give one of POLICY, --from-log and --off")
    if off:
        with uninterrupted():
            (session.folder / POLICY).unlink(missing_ok=True)
        _show(session, None)
        return
    if file is None and not from_log:
        _show(session, pinned_policy(session))
        return
    with session.ledger(read_only=True) as ledger:
        policy = _from_log(session, ledger) if file is None else _from_file(file, ledger.genesis)
        _pin(session, policy)
    _show(session, policy)


def _from_file(name: str, genesis: Genesis) -> Policy:
    from zkcredit.ledger.quorum import NONE, Policy

    policy = read_parsed(name, Policy.parse)
    if policy.quorum == NONE:
        raise CallerError("this policy asks for nobody's cosignature: nothing would be final")
    if policy.logs and not {party.key for party in policy.logs} & set(genesis.log_keys):
        raise CheckFailed("this policy is of another log", check="other-ledger")
    return policy


def _from_log(session: Session, ledger: AnyLedger) -> Policy:
    from zkcredit.cosigner.members import policy_of, successors

    known = pinned_policy(session)
    if known is not None:
        return successors(ledger, known)
    members = ledger.registry.members
    if members is None:
        raise CallerError("no members are named on the log: see `ledger members`")
    session.output.note(
        "Taken from the log on first use: the operator named the first members. Compare the "
        "hash with what a member says."
    )
    return policy_of(ledger.genesis, members)


def _pin(session: Session, policy: Policy) -> None:
    from zkcredit.vault import replace_file

    path = session.make_folder() / POLICY
    with uninterrupted():
        replace_file(path, policy.encode().encode())


def _show(session: Session, policy: Policy | None) -> None:
    found: dict[str, Any] = {
        "policy_hash": None if policy is None else policy_hash(policy),
        "policy": None if policy is None else policy.encode(),
        "warnings": [] if policy is None else warnings_of(policy),
    }
    if session.output.data(found):
        return
    if policy is None:
        session.output.line("No cosigner policy: entries are accepted, none is final.")
        return
    session.output.line(f"Policy {policy_hash(policy).hex()}")
    for party in policy.witnesses:
        session.output.line(f"  {party.name}  {party.key.encode()}")
    for warning in warnings_of(policy):
        session.output.note(f"Policy: {warning}.")


@group.add(
    "final",
    example="$ zkcredit ledger final\n$ zkcredit ledger final 12 --wait 10m",
)
@click.argument("index", type=INDEX, required=False)
@click.option("--wait", "wait_ms", type=DURATION, help="Wait so long for entry INDEX to be final.")
@click.option(
    "--from", "files", metavar="FILE", multiple=True, help="A cosigned checkpoint; may be repeated."
)
@pass_session
def final(session: Session, index: int | None, wait_ms: int | None, files: tuple[str, ...]) -> None:
    """Say up to where the ledger is final under the policy of `ledger trust`.

    With INDEX the exit code is 0 if that entry is final and 1 if not. Cosigned
    checkpoints come from the ledger; those that you got elsewhere are taken with --from,
    and remembered.
    """
    if wait_ms is not None and index is None:
        raise CallerError("--wait needs the INDEX to wait for")
    needed_policy(session)
    notes = [read_text(name) for name in files]
    with session.ledger(read_only=True) as ledger:
        found, size = finality_of(session, ledger, *notes), ledger.size
        if index is not None:
            if index >= size:
                raise CallerError(f"the ledger has no entry {index}")
            if wait_ms is not None and found.state(index) == ACCEPTED:
                found, size = wait_for(session, ledger, index, wait_ms), ledger.size
        state = found.state(index)
    session.exit_code = NOT_FINAL if index is not None and state != FINAL else 0
    shown = {"index": index, "ledger_state": state, "size": size, "finality": finality_json(found)}
    if session.output.data(shown):
        return
    if index is not None:
        session.output.line(f"Entry {index} is {state}.")
    session.output.line(f"{found.size} of {size} entries are final.")
    if found.verdict is not None:
        session.output.line(f"Cosigned by: {', '.join(found.verdict.signed) or 'nobody'}.")
    tell(session, found)
