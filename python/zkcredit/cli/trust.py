"""The cosigner policy that a profile has pinned, and what is final under it.

The profile's folder holds ``cosigners.policy``, the user's choice, which nothing on the
wire changes, and ``final.checkpoint``, the largest checkpoint that has met it: what was
final once stays final.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zkcredit.cli.context import Session, uninterrupted
from zkcredit.cli.files import read_text
from zkcredit.errors import CallerError
from zkcredit.ledger.finality import Finality, finality, wait_until_final

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger
    from zkcredit.ledger.quorum import Policy, Verdict

POLICY = "cosigners.policy"
FINAL_CHECKPOINT = "final.checkpoint"
NOT_FINAL = 1
"""Exit code where something is accepted, and was asked to be final."""


def pinned_policy(session: Session) -> Policy | None:
    """The policy in the profile's folder, None if the user has chosen none."""
    path = session.folder / POLICY
    if not path.is_file():
        return None
    from zkcredit.ledger.quorum import Policy

    return Policy.parse(read_text(str(path)))


def needed_policy(session: Session) -> Policy:
    """The same where nothing can be final without; CallerError if there is none."""
    policy = pinned_policy(session)
    if policy is None:
        raise CallerError("no cosigner policy, so nothing is final: pin one with `ledger trust`")
    return policy


def policy_hash(policy: Policy) -> bytes:
    """32 bytes by which people compare a policy: SHA-256 of its canonical text."""
    import hashlib

    return hashlib.sha256(policy.encode().encode()).digest()


def finality_of(session: Session, ledger: AnyLedger, *more: str) -> Finality:
    """Up to where the ledger is final under this profile's policy; remembers the proof of it.

    ``more`` are checkpoints that came by other ways.
    """
    found = finality(ledger, pinned_policy(session), (*_known(session), *more))
    _remember(session, found)
    return found


def wait_for(session: Session, ledger: AnyLedger, index: int, wait_ms: int) -> Finality:
    """The same, once entry ``index`` is final or after ``wait_ms``."""
    policy = needed_policy(session)
    found = wait_until_final(ledger, policy, index, wait_ms / 1000, _known(session))
    _remember(session, found)
    return found


def _known(session: Session) -> list[str]:
    path = session.folder / FINAL_CHECKPOINT
    return [read_text(str(path))] if path.is_file() else []


def _remember(session: Session, found: Finality) -> None:
    from zkcredit.vault import replace_file

    path: Path = session.folder / FINAL_CHECKPOINT
    if found.note and [found.note] != _known(session):
        with uninterrupted():
            replace_file(path, found.note.encode())


# -- showing it ------------------------------------------------------------------------------


def finality_json(found: Finality) -> dict[str, Any]:
    """What is final under which policy; all of it null or empty without one."""
    policy, verdict = found.policy, found.verdict
    return {
        "policy_hash": None if policy is None else policy_hash(policy),
        "final_size": None if policy is None else found.size,
        "cosigned_by": () if verdict is None else verdict.signed,
        "missing": () if verdict is None else verdict.missing,
        "voids_possible": policy is not None
        and verdict is not None
        and voids_possible(policy, verdict),
        "warnings": [] if policy is None else warnings_of(policy),
        "problems": found.problems,
    }


def voids_possible(policy: Policy, verdict: Verdict) -> bool:
    """Whether somebody signed with the key that says that some entries are void."""
    from zkcredit.cosigner.keys import Role, stated_by

    return any(stated_by(p.key) is Role.VOIDS for p in policy.witnesses if p.name in verdict.signed)


def warnings_of(policy: Policy) -> list[str]:
    """What makes a policy weaker than it looks: in its numbers, and in what its keys state."""
    from zkcredit.cosigner.keys import Role, stated_by

    found = policy.warnings()
    silent = [p.name for p in policy.witnesses if stated_by(p.key) is Role.WITNESS]
    if silent:
        names = ", ".join(silent)
        found.append(f"the keys of {names} say nothing about the rules, only that the log is one")
    return found


def tell(session: Session, found: Finality) -> None:
    """What the words accepted and final stand on, on standard error."""
    out = session.output
    if found.policy is None:
        out.note("No cosigner policy: entries are accepted, none is final (see `ledger trust`).")
        return
    out.note(f"Final under your policy: the first {found.size} entries.")
    if found.verdict is not None:
        if not found.note:
            out.note(f"Missing cosignatures: {', '.join(found.verdict.missing) or 'none'}.")
        if voids_possible(found.policy, found.verdict):
            out.note("Some entries of this log are void: ask a member which ones.")
    for problem in found.problems:
        out.note(f"A checkpoint is not believed: {problem}")
    for warning in warnings_of(found.policy):
        out.note(f"Policy: {warning}.")


def state_cell(state: str | None) -> str:
    """A state in a table."""
    return state or "-"
