"""``zkcredit ledger``: receipts, policies, and when an entry is final."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.context import Session, pass_session, uninterrupted
from zkcredit.cli.files import (
    output_option,
    read_genesis_file,
    read_parsed,
    read_text,
    write_bytes,
)
from zkcredit.cli.ledger_commands import group
from zkcredit.cli.output import counted, utc
from zkcredit.cli.params import COUNT, INDEX
from zkcredit.cli.trust import NOT_FINAL, finality_of, pinned_policy, voids_possible, warnings_of
from zkcredit.errors import CallerError
from zkcredit.ledger.finality import ACCEPTED, FINAL, finality_of_note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkcredit.ledger.genesis import Genesis
    from zkcredit.ledger.quorum import Policy, Verdict


@group.add("receipt", example="$ zkcredit ledger receipt 12 -o purchase.tlog-proof")
@click.argument("index", type=INDEX)
@click.option("--checkpoint", "note", metavar="FILE", help="A checkpoint with cosignatures to use.")
@output_option("Where the receipt goes (- is standard output).")
@pass_session
def receipt(session: Session, index: int, note: str | None, target: str) -> None:
    """Make an offline receipt of one entry (C2SP tlog-proof).

    Holder and merchant keep it: `ledger check-receipt` needs the file and the
    genesis, and no network. Without --checkpoint it is made of one that proves the entry
    final under the policy of `ledger trust`, if there is one, else of the log as it is now.
    """
    from zkcredit.ledger.tlogproof import TlogProof

    given = None if note is None else read_text(note)
    with session.ledger() as ledger:
        found = finality_of(session, ledger)
        if given is None and found.state(index) == FINAL:
            given = found.note
        proof = TlogProof.make(ledger, index, given)
        state = finality_of_note(found.policy, proof.note).state(index)
    text = proof.encode()
    shown = {"index": index, "ledger_state": state}
    if target == "-" and session.output.data({**shown, "receipt": text}):
        return
    write_bytes(target, text.encode())
    if target != "-" and not session.output.data({**shown, "file": target}):
        session.output.note(f"Written: {target}, which proves entry {index} {state}.")


@group.add(
    "check-receipt",
    example="$ zkcredit ledger check-receipt purchase.tlog-proof --policy bank.policy",
)
@click.argument("file")
@click.option("--genesis", metavar="FILE", help="Genesis file of the ledger, if it is not here.")
@click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    help="Say whether the entry is final under it [that of `ledger trust`, if there is one].",
)
@pass_session
def check_receipt(
    session: Session, file: str, genesis: str | None, policy_file: str | None
) -> None:
    """Check an offline receipt with public keys alone.

    The log's keys are those of the genesis file, or of the ledger (--ledger). With a
    policy, exit code 1 tells that the entry is accepted, but not final yet.
    """
    from zkcredit.ledger.tlogproof import TlogProof

    proof = read_parsed(file, TlogProof.decode)
    policy = _policy_for(session, policy_file, genesis)
    known = read_genesis_file(genesis) if genesis else session.genesis()
    entry, head = proof.verify(*known.log_keys)
    found = {
        "ok": True,
        "index": proof.index,
        "kind": entry.statement.KIND.name.lower(),
        "timestamp_ms": entry.timestamp_ms,
        "origin": head.origin,
        "size": head.size,
    }
    finality = finality_of_note(policy, proof.note)
    state = found["ledger_state"] = finality.state(proof.index)
    if policy is not None and finality.verdict is not None:
        found |= _verdict(policy, finality.verdict)
        session.exit_code = NOT_FINAL if state == ACCEPTED else 0
    if session.output.data(found):
        return
    text = f"Entry {proof.index} ({found['kind']}, {utc(entry.timestamp_ms)}) is on the log"
    session.output.line(f"{text} {head.origin}, signed at {counted(head.size, 'entry')}.")
    if policy is not None and finality.verdict is not None:
        _print_verdict(session, policy, finality.verdict)
    else:
        session.output.line("It is accepted. No cosigner policy, so nothing is final.")


def _policy_for(session: Session, policy_file: str | None, genesis: str | None) -> Policy | None:
    """The policy asked for, or the pinned one if the receipt is of the pinned ledger."""
    if policy_file is not None:
        return _read_policy(policy_file)
    return None if genesis else pinned_policy(session)


def _read_policy(name: str) -> Policy:
    from zkcredit.ledger.quorum import Policy

    return read_parsed(name, Policy.parse)


def _verdict(policy: Policy, verdict: Verdict) -> dict[str, Any]:
    return {
        "final": policy.makes_final(verdict),
        "cosigned_by": verdict.signed,
        "missing": verdict.missing,
        "voids_possible": voids_possible(policy, verdict),
        "warnings": warnings_of(policy),
    }


def _print_verdict(session: Session, policy: Policy, verdict: Verdict) -> None:
    out = session.output
    is_final = policy.makes_final(verdict)
    out.line("Final: the quorum has cosigned." if is_final else "Accepted, but not final.")
    out.line(f"Cosigned by: {', '.join(verdict.signed) or 'nobody'}.")
    if verdict.missing:
        out.line(f"Missing: {', '.join(verdict.missing)}.")
    if voids_possible(policy, verdict):
        out.line("Some entries of this log are void: ask a member whether this one is.")
    for warning in warnings_of(policy):
        out.note(f"Policy: {warning}.")


@group.add(
    "policy",
    example="$ zkcredit ledger policy a.example/rules-v1+…,https://a.example … -o bank.policy",
)
@click.argument("members", nargs=-1)
@click.option("--from-log", is_flag=True, help="The members and threshold that the log names.")
@click.option("--threshold", type=COUNT, help="Cosignatures needed [two thirds and one more].")
@click.option("--genesis", metavar="FILE", help="Genesis file of the ledger, if it is not here.")
@output_option("Where the policy goes (- is standard output).")
@pass_session
def policy_command(
    session: Session, /, members: tuple[str, ...], target: str, **options: Any
) -> None:
    """Write a policy (C2SP tlog-policy): whose cosignatures make an entry final.

    Each of MEMBERS is a verifier key, or one and the address of its cosigner behind a
    comma. By default ⌊2n/3⌋ + 1 of n must have signed.
    """
    threshold, genesis = options["threshold"], options["genesis"]
    if options["from_log"] == bool(members) or (options["from_log"] and (threshold or genesis)):
        raise CallerError("give either MEMBERS or --from-log")
    if options["from_log"]:
        policy = _policy_of_log(session)
    else:
        known = read_genesis_file(genesis) if genesis else session.genesis()
        policy = _policy_of(known, members, threshold)
    text = policy.encode()
    for warning in warnings_of(policy):
        session.output.note(f"Policy: {warning}.")
    if target == "-" and session.output.data({"policy": text, "warnings": warnings_of(policy)}):
        return
    write_bytes(target, text.encode())
    if target != "-":
        session.output.data({"file": target, "warnings": warnings_of(policy)})


def _policy_of(genesis: Genesis, members: Sequence[str], threshold: int | None) -> Policy:
    from zkcredit.ledger.note import VerifierKey
    from zkcredit.ledger.quorum import Party, Policy

    parties = []
    for member in members:
        text, comma, url = member.partition(",")
        key = VerifierKey.decode(text)
        parties.append(Party(key.name, key, url if comma else None))
    return Policy.of_members(genesis.log_keys, parties, threshold)


def _policy_of_log(session: Session) -> Policy:
    from zkcredit.cosigner.members import policy_of

    with session.ledger(read_only=True) as ledger:
        members = ledger.registry.members
        if members is None:
            raise CallerError("no members are named on the log: see `ledger members`")
        return policy_of(ledger.genesis, members)


@group.add("cosign", example="$ zkcredit ledger cosign /srv/www/ledger --policy bank.policy")
@click.argument("place")
@click.option("--policy", "policy_file", metavar="FILE", required=True, help="Whom to ask.")
@click.option(
    "--from", "files", metavar="FILE", multiple=True, help="A cosigned checkpoint; may be repeated."
)
@click.option("-o", "--output", "target", metavar="FILE", help="Also write the checkpoint here.")
@pass_session
def cosign(
    session: Session, place: str, policy_file: str, files: tuple[str, ...], target: str | None
) -> None:
    """Collect cosignatures of the checkpoint published in PLACE.

    Asks the members that have an address in the policy. Lines that verify go into the
    folder's `checkpoint`; what meets the policy also into `checkpoint.cosigned`, there and,
    if you are the operator, in the ledger's folder, for those who share that. If PLACE is
    an address, -o takes the result. Exit code 1 if the quorum is not met.
    """
    from zkcredit.cosigner.collect import collect, write
    from zkcredit.ledger.static import StaticSource

    remote = "://" in place
    if remote and target is None:
        raise CallerError("an address cannot be written to: give a file with -o")
    policy = _read_policy(policy_file)
    collected = collect(StaticSource(place), policy, [(name, read_text(name)) for name in files])
    with uninterrupted():
        if not remote:
            write(Path(place), collected, _operators_folder(session, place))
        if target is not None:
            write_bytes(target, collected.note.encode().encode())
    session.exit_code = 0 if policy.makes_final(collected.verdict) else NOT_FINAL
    found = {
        "size": collected.verdict.head.size,
        **_verdict(policy, collected.verdict),
        "failures": collected.failures,
    }
    if target == "-" or session.output.data(found):
        return
    session.output.line(f"Checkpoint of {counted(collected.verdict.head.size, 'entry')}.")
    _print_verdict(session, policy, collected.verdict)
    for name, reason in collected.failures.items():
        session.output.note(f"{name}: {reason}")


def _operators_folder(session: Session, place: str) -> Path | None:
    """The folder of the ledger that is published in ``place``, if the operator runs this."""
    from zkcredit.ledger import folder

    try:
        own = session.ledger_place()
    except CallerError:
        return None
    if not isinstance(own, Path) or not (own / folder.KEY).is_file():
        return None
    same = folder.read_genesis(own) == folder.read_genesis(Path(place))
    return own if same else None
