"""``zkcredit ledger``: make, read and check a ledger folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Group
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import (
    output_option,
    read_message,
    read_text,
    write_bytes,
)
from zkcredit.cli.output import counted, progress, utc
from zkcredit.cli.params import INDEX
from zkcredit.cli.trust import finality_json, finality_of, tell
from zkcredit.clock import system_clock
from zkcredit.errors import CheckFailed, MalformedInput

if TYPE_CHECKING:
    from zkcredit.cli.context import AnyLedger


@click.group(cls=Group, name="ledger", example="$ zkcredit --ledger ./ledger ledger init")
def group() -> None:
    """Make, read and check a ledger.

    A ledger is a folder; everybody who may write to it (lender, holders, merchants)
    names it with --ledger. Everybody who can read it can check it.
    """


@group.add("init", example="$ zkcredit --ledger ./ledger ledger init --origin bank.example/credit")
@click.option(
    "--origin",
    default="zkcredit.example/ledger",
    show_default=True,
    help="Name of the log in its checkpoints: a domain and path of yours.",
)
@click.option(
    "--database",
    metavar="URL",
    help="Keep the entries in this empty PostgreSQL database, postgresql://user@host/name, "
    "not in a file. Passwords are better in PGPASSWORD or ~/.pgpass.",
)
@pass_session
def init(session: Session, origin: str, database: str | None) -> None:
    """Make a new, empty ledger in the folder --ledger.

    The folder gets the operator's keys: keep operator.key to yourself if others
    shall only read.
    """
    from zkcredit.ledger.operator import Operator

    place = session.ledger_folder(new=True)
    with Operator.create(place, origin=origin, database=database) as ledger:
        ledger.checkpoint()
        if session.profile.ledger is None:
            session.make_folder()
            session.profile.remember(place, ledger)
        identity = ledger.ledger_id
        keys = [key.encode() for key in ledger.verifier_keys]
    found = {
        "ledger": str(place),
        "ledger_id": identity,
        "origin": origin,
        "verifier_keys": keys,
    }
    if not session.output.data(found):
        session.output.fields(
            [("ledger", place), ("id", identity.hex()), ("checkpoint key", keys[0])]
        )


@group.add("submit", example="$ zkcredit ledger submit purchase.json")
@click.argument("file")
@pass_session
def submit(session: Session, file: str) -> None:
    """Submit a step that was stored with `wallet pay --offline`.

    FILE is a submission message (- is standard input). The same statement again
    gives the same answer.
    """
    from zkcredit.cli.submission import SubmissionFile

    message = read_message(file, SubmissionFile)
    with session.ledger() as ledger:
        receipt = ledger.submit(message.submission(ledger.ledger_id))
    found = {
        "index": receipt.index,
        "timestamp_ms": receipt.timestamp_ms,
        "duplicate": receipt.duplicate,
        "statement_hash": receipt.statement_hash,
    }
    if not session.output.data(found):
        again = " (it was there already)" if receipt.duplicate else ""
        session.output.line(f"Accepted as entry {receipt.index}{again}.")


@group.add("show", example="$ zkcredit ledger show\n$ zkcredit ledger show 12")
@click.argument("index", type=INDEX, required=False)
@pass_session
def show(session: Session, index: int | None) -> None:
    """Show the ledger's head, lenders, terms and merchants, or one entry.

    What is shown is public: no holder, shop or amount is in it. An entry is accepted once
    it is on the log, and final under the policy of `ledger trust`.
    """
    with session.ledger(read_only=True) as ledger:
        if index is not None:
            _show_entry(session, ledger, index)
        else:
            _show_head(session, ledger)


def _show_entry(session: Session, ledger: AnyLedger, index: int) -> None:
    from dataclasses import fields

    finality = finality_of(session, ledger)
    entry = ledger.entry(index)
    reply = ledger.reply(index)
    evidence, memo = ledger.evidence(index)
    what: Any = entry.statement  # one of the dataclasses of zkcredit.entries
    statement = {field.name: getattr(what, field.name) for field in fields(what)}
    found: dict[str, Any] = {
        "index": index,
        "kind": entry.statement.KIND.name.lower(),
        "timestamp_ms": entry.timestamp_ms,
        "statement": statement,
        "entry_bytes": len(entry.encode()),
        "evidence_bytes": len(evidence),
        "memo_bytes": len(memo),
        "answered": reply is not None,
        "ledger_state": finality.state(index),
        "finality": finality_json(finality),
    }
    if session.output.data(found):
        return
    pairs = [("entry", index), ("kind", found["kind"]), ("time", utc(entry.timestamp_ms))]
    for name, value in statement.items():
        if name == "claims":
            value = ", ".join(str(claim) for claim, _ in value)  # noqa: PLW2901
        if name == "members":
            value = ", ".join(member.name for member in value)  # noqa: PLW2901
        pairs.append((name, value.hex() if isinstance(value, bytes) else value))
    pairs.append(("on the log", f"{found['entry_bytes']} bytes"))
    pairs.append(("beside it", f"{len(evidence)} bytes of evidence, {len(memo)} of memo"))
    if entry.statement.KIND.has_reply:
        pairs.append(("answered", "yes" if reply is not None else "not yet"))
    pairs.append(("state", found["ledger_state"]))
    session.output.fields(pairs)
    tell(session, finality)


def _show_head(session: Session, ledger: AnyLedger) -> None:
    finality = finality_of(session, ledger)
    registry, size = ledger.registry, ledger.size
    last_ms = last_entry_ms(ledger)
    owed = ledger.owed(system_clock())
    terms: list[dict[str, Any]] = [
        {
            "terms_hash": item.hash,
            "issuer_id": item.issuer_id,
            "lender": registry.issuer(item.issuer_id).name,
            "currency": item.terms.currency,
            "period": registry.current_period(item.hash),
        }
        for item in registry.terms.values()
    ]
    parties = {
        name: [{"id": party.id, "name": party.name, "index": party.index} for party in table]
        for name, table in (
            ("issuers", registry.issuers.values()),
            ("merchants", registry.merchants.values()),
        )
    }
    found = {
        "ledger_id": ledger.ledger_id,
        "origin": ledger.genesis.origin,
        "size": size,
        "root": ledger.root(),
        "last_timestamp_ms": last_ms,
        "overdue_replies": len(owed),
        "terms": terms,
        **parties,
        "finality": finality_json(finality),
    }
    if session.output.data(found):
        return
    out = session.output
    out.fields(
        [
            ("ledger", ledger.ledger_id.hex()),
            ("origin", ledger.genesis.origin),
            ("entries", size),
            ("root", ledger.root().hex()),
            ("last entry", utc(last_ms)),
            ("overdue replies", len(owed)),
            (
                "final",
                "none"
                if finality.policy is None
                else f"the first {counted(finality.size, 'entry')}",
            ),
        ]
    )
    if terms:
        rows = [
            (t["terms_hash"].hex()[:16], t["lender"], t["currency"], t["period"]) for t in terms
        ]
        out.line()
        out.table(("terms", "lender", "currency", "open period"), rows, right=(3,))
    if registry.merchants:
        out.line()
        rows_m = [(p.id.hex()[:16], p.name, p.index) for p in registry.merchants.values()]
        out.table(("merchant", "name", "entry"), rows_m, right=(2,))
    tell(session, finality)


def last_entry_ms(ledger: AnyLedger) -> int | None:
    """Time of the last entry, None if there is none or it is void."""
    last = next(ledger.entries(max(ledger.size - 1, 0)), None)
    return None if last is None else last[1].timestamp_ms


@group.add("checkpoint", example="$ zkcredit ledger checkpoint -o monday.checkpoint")
@output_option("Where the signed checkpoint goes (- is standard output).")
@pass_session
def checkpoint(session: Session, target: str) -> None:
    """Sign the log as it is now (the operator), or fetch what a service has signed last.

    Keep the checkpoint: `audit --checkpoint` later shows whether the log still
    continues what it was.
    """
    with session.ledger() as ledger:
        note = ledger.checkpoint()
    if target == "-" and session.output.data({"checkpoint": note}):
        return
    write_bytes(target, note.encode())
    if target != "-" and not session.output.data({"file": target, "checkpoint": note}):
        session.output.note(f"Written: {target}. Pin it with `audit --checkpoint {target}`.")


@group.add("publish", example="$ zkcredit ledger publish /srv/www/ledger")
@click.argument("folder", type=click.Path(file_okay=False))
@click.option(
    "--retire",
    type=INDEX,
    metavar="INDEX",
    help="Also remove evidence bundles that end before this entry.",
)
@pass_session
def publish(session: Session, folder: str, retire: int | None) -> None:
    """Write the log as static files (C2SP tlog-tiles) for any web server.

    Signs the log (the operator only) and adds what is new. FOLDER then holds
    checkpoint, tiles and entries, and beside them evidence and replies:
    `zkcredit audit --published FOLDER` needs nothing else, and other people's
    log clients can read it.
    """
    from zkcredit.ledger.operator import Operator
    from zkcredit.ledger.static import StaticLog

    with Operator.open(session.ledger_folder()) as ledger:
        session.profile.check(ledger)
        log = StaticLog(ledger, folder)
        head = log.publish()
        retired = 0 if retire is None else log.retire_evidence(retire)
    found = {"folder": folder, "size": head.size, "root": head.root, "retired": retired}
    if not session.output.data(found):
        session.output.line(
            f"Published {counted(head.size, 'entry')} in {folder}. Root {head.root.hex()}."
        )
        if retired:
            session.output.line(f"{retired} bundles of evidence removed.")


@group.add("verify", example="$ zkcredit ledger verify --checkpoint monday.checkpoint")
@click.option("--checkpoint", "pinned", metavar="FILE", help="A signed checkpoint kept earlier.")
@pass_session
def verify(session: Session, pinned: str | None) -> None:
    """Check the log itself: every entry, its evidence's hash, the tree, the checkpoints.

    Quick, since no proof is verified: `zkcredit audit` does that too.
    """
    text = None if pinned is None else read_text(pinned)
    with session.ledger(read_only=True) as ledger, progress("verifying") as update:
        size, root, sizes = _verify(ledger, text, update)
    found = {"size": size, "root": root, "checkpoints": sizes, "ok": True}
    if not session.output.data(found):
        vouched = ", ".join(str(s) for s in sizes) or "none"
        session.output.line(
            f"The log of {counted(size, 'entry')} holds together. Root {root.hex()}."
        )
        session.output.line(f"Checkpoints at these sizes were met: {vouched}.")


def _verify(ledger: AnyLedger, pinned: str | None, update: Any) -> tuple[int, bytes, list[int]]:
    from zkcredit import digests
    from zkcredit.entries import Entry
    from zkcredit.ledger import log
    from zkcredit.ledger.note import Checkpoint

    expected: dict[int, bytes] = {}
    size = ledger.size
    for note in (pinned, ledger.published_checkpoint):
        if note is not None:
            head = Checkpoint.open(note, *ledger.verifier_keys)
            if head.size > size or expected.setdefault(head.size, head.root) != head.root:
                raise CheckFailed(f"the log does not continue the checkpoint at {head.size}")
    frontier, last_ms = log.Frontier(), 0
    for index, encoded, evidence, memo, _ in ledger.records(0, size):
        try:
            entry = Entry.decode(encoded)
        except MalformedInput as error:
            raise CheckFailed(f"entry {index} is malformed: {error}") from None
        if index != frontier.size or entry.timestamp_ms < last_ms:
            raise CheckFailed(f"entry {index} is out of order")
        if evidence is None or memo is None:
            raise CheckFailed(f"the evidence of entry {index} is missing")
        if entry.evidence_hash != digests.evidence_hash(evidence, memo):
            raise CheckFailed(f"the evidence of entry {index} is not what the log holds")
        last_ms = entry.timestamp_ms
        frontier.append(log.leaf_hash(encoded))
        head_root = expected.get(frontier.size)
        if head_root is not None and head_root != frontier.root():
            raise CheckFailed(f"the first {frontier.size} entries are not those signed before")
        if frontier.size % 1024 == 0:
            update(frontier.size, size)
    if frontier.size != size or frontier.root() != ledger.root(size):
        raise CheckFailed("the tree stored beside the log is not the tree of its entries")
    return size, frontier.root(), sorted(expected)


@group.add("fsck", example="$ zkcredit ledger fsck\n$ zkcredit ledger fsck ./ledger --json")
@click.argument("folder", type=click.Path(file_okay=False), required=False)
@pass_session
def fsck(session: Session, folder: str | None) -> None:
    """Derive everything in a ledger's folder anew from its entries, and compare.

    Entries, evidence, proofs, tree, tiles, every index, counts, what is owed, the signed
    head, the checkpoint and attachments: each difference is named, and the exit code is 1
    if there is any. Nothing is changed; the operator may go on working.
    """
    from zkcredit.ledger.fsck import fsck as check

    place = session.ledger_folder() if folder is None else folder
    with progress("deriving") as update:
        report = check(place, progress=update)
    found = {
        "ok": report.ok,
        "ledger_id": report.ledger_id,
        "size": report.size,
        "root": report.root,
        "counts": report.counts,
        "differences": [{"name": d.name, "message": d.message} for d in report.differences],
        "attachments_missing": report.attachments_missing,
    }
    if not session.output.data(found):
        for difference in report.differences:
            session.output.line(str(difference))
        verdict = "all as the entries say" if report.ok else _differences(report.counts)
        session.output.line(
            f"{counted(report.size, 'entry')}, root {report.root.hex()}: {verdict}."
        )
        if report.attachments_missing:
            session.output.note(f"{report.attachments_missing} attachments have not arrived yet.")
    if not report.ok:
        click.get_current_context().exit(CheckFailed.exit_code)


def _differences(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} in {name}" for name, count in counts.items())
