"""``zkcredit audit``: verify a whole ledger from its bytes, without any secret."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zkcredit.cli.base import Command
from zkcredit.cli.context import Session, pass_session
from zkcredit.cli.files import read_genesis_file, read_message, read_text
from zkcredit.cli.output import counted, progress
from zkcredit.cli.params import INDEX
from zkcredit.errors import CallerError, CheckFailed, StateConflict

if TYPE_CHECKING:
    from zkcredit.auditor import AuditReport, Source
    from zkcredit.ledger.operator import Operator
    from zkcredit.reference import Folder, Published
    from zkcredit.reference.source import Row


@click.command(
    "audit",
    cls=Command,
    example="$ zkcredit --ledger ./ledger audit --checkpoint monday.checkpoint\n"
    "$ zkcredit audit --totals bank-totals.json --totals shop-totals.json\n"
    "$ zkcredit audit --reference --sample 20 --published /srv/www/ledger",
)
@click.option("--checkpoint", metavar="FILE", help="A signed checkpoint kept from an earlier day.")
@click.option(
    "--totals",
    metavar="FILE",
    multiple=True,
    help="Sums opened by a lender or merchant; repeat for all of them.",
)
@click.option("--genesis", metavar="FILE", help="The genesis file that the ledger must have.")
@click.option(
    "--published",
    metavar="PLACE",
    help="Audit the static files of `ledger publish` in a folder or behind a URL.",
)
@click.option(
    "--reference",
    is_flag=True,
    help="Verify with the second, independent verifier: seconds for each entry.",
)
@click.option(
    "--sample",
    type=INDEX,
    metavar="N",
    help="With --reference: proofs and signatures of N random entries only.",
)
@pass_session
def audit_command(
    session: Session,
    *,
    checkpoint: str | None,
    totals: tuple[str, ...],
    genesis: str | None,
    published: str | None,
    reference: bool,
    sample: int | None,
) -> None:
    """Verify everything on a ledger: every entry, proof, signature and rule.

    Nothing secret is needed. With --checkpoint the log must continue what it was that
    day. With --totals the sums that lenders and merchants state must open the sums of
    the hidden amounts on the log, to the last minor unit. Anything that does not hold
    gives exit code 1.

    With --reference everything is verified by a program in pure Python that shares no
    code with the first. It reads no totals.
    """
    if reference:
        if totals:
            raise CallerError("--reference reads no totals: leave them out")
        _reference_audit(session, checkpoint, genesis, published, sample)
        return
    if sample is not None:
        raise CallerError("--sample goes with --reference: without it everything is verified")
    from zkcredit.auditor import audit
    from zkcredit.messages import Totals

    pinned = None if checkpoint is None else read_text(checkpoint)
    messages = [read_message(name, Totals) for name in totals]
    known = None if genesis is None else read_genesis_file(genesis)
    with _source(session, published) as ledger:
        for name, message in zip(totals, messages, strict=True):
            if message.ledger_id != ledger.genesis.ledger_id:
                raise CheckFailed(f"{name}: these totals are of another ledger")
        rows = [row for message in messages for row in message.rows]
        with progress("auditing") as update:
            report = audit(
                ledger,
                genesis=known,
                checkpoint=pinned,
                totals=rows if totals else None,
                progress=update,
            )
    if not session.output.data(_json(report)):
        _print(session, report)


@contextlib.contextmanager
def _source(session: Session, published: str | None) -> Iterator[Source]:
    """The ledger of the session, or the static files of one."""
    place = _published_place(session, published)
    if place is None:
        with session.ledger(read_only=True) as ledger:
            yield ledger
        return
    from zkcredit.ledger.static import StaticSource

    source = StaticSource(place)
    _check_known(session, source.ledger_id)
    yield source


def _published_place(session: Session, published: str | None) -> str | None:
    """Where static files are to be read: the option, or the ledger's own address."""
    if published is not None:
        return published
    place = session.ledger_place()
    return place if isinstance(place, str) else None


def _check_known(session: Session, ledger_id: bytes) -> None:
    if session.profile.ledger_id not in (None, ledger_id):
        raise StateConflict("this profile belongs to another ledger: use another --profile")


class _Rows:
    """Bytes of a ledger that the reference cannot open itself: one in PostgreSQL.

    Only the transport is shared; the bytes are decoded by the reference.
    """

    def __init__(self, ledger: Operator) -> None:
        self._ledger = ledger
        self.genesis = ledger.genesis.encode()
        self.ledger_id = ledger.ledger_id
        self.checkpoint = ledger.published_checkpoint  # before the size: the log only grows
        self.size = ledger.size
        self.root = ledger.root(self.size)

    def rows(self) -> Iterator[Row]:
        """Everything stored, in the order of entries."""
        for _, entry, evidence, memo, reply in self._ledger.records(0, self.size):
            yield entry, evidence, memo, reply

    def attachment(self, digest: bytes) -> bytes | None:
        """The file of this BLAKE3 hash beside the log, if it is there."""
        return self._ledger.attachment(digest)


@contextlib.contextmanager
def _reference_source(
    session: Session, published: str | None
) -> Iterator[Folder | Published | _Rows]:
    """The same places as :func:`_source`, as the reference reads them."""
    from zkcredit.reference import Folder, Published

    place = _published_place(session, published)
    if place is not None:
        from zkcredit.ledger.static import open_place

        yield Published(open_place(place))
        return
    from zkcredit.ledger import folder

    path = session.ledger_folder()
    if isinstance(folder.database(path), Path):
        yield Folder(path)
        return
    from zkcredit.ledger.operator import Operator

    with Operator.open(path, read_only=True) as ledger:
        yield _Rows(ledger)


def _reference_audit(
    session: Session,
    checkpoint: str | None,
    genesis: str | None,
    published: str | None,
    sample: int | None,
) -> None:
    from dataclasses import asdict

    from zkcredit.reference import audit

    profile, out = session.profile, session.output
    with _reference_source(session, published) as source:
        _check_known(session, source.ledger_id)
        # Files that --published names may lag behind what was seen of the ledger.
        seen = None if profile.ledger_id is None else (profile.size, profile.root)
        with progress("verifying") as update:
            report = audit(
                source,
                sample=sample,
                genesis=None if genesis is None else read_genesis_file(genesis).encode(),
                checkpoint=None if checkpoint is None else read_text(checkpoint),
                seen=seen if published is None else None,
                progress=update,
            )
    fields = asdict(report) | {"entries_verified": report.entries_verified}
    if out.data({"ok": True, **fields}):
        return
    out.line(f"All {report.size} entries hold. Root {report.root.hex()}.")
    rows = [(kind, n, report.verified.get(kind, 0)) for kind, n in report.kinds.items()]
    out.table(("kind", "entries", "proofs and signatures verified"), rows, right=(1, 2))
    if report.unanswered:
        out.line(f"Waiting for a lender: {counted(report.unanswered, 'entry')}.")
    _print_missing(session, report.attachments_missing)


def _json(report: AuditReport) -> dict[str, Any]:
    return {
        "ok": True,
        "ledger_id": report.ledger_id,
        "size": report.size,
        "root": report.root,
        "checkpoint_size": report.checkpoint_size,
        "pinned_size": report.pinned_size,
        "kinds": report.kinds,
        "entries_verified": report.entries_verified,
        "purchases": report.purchases,
        "claims_settled": report.claims_settled,
        "unanswered": report.unanswered,
        "faults": [
            {"index": f.index, "issuer_id": f.issuer_id, "due_ms": f.due_ms} for f in report.faults
        ],
        "faults_count": report.faults_count,
        "totals": [
            {
                "role": total.role,
                "issuer_id": total.issuer_id,
                "asset": total.asset,
                "sum_minor": total.sum_minor,
                "entries": total.entries,
            }
            for total in report.totals
        ],
        "uncovered_claims": report.uncovered_claims,
        "uncovered_bills": report.uncovered_bills,
        "attachments_missing": report.attachments_missing,
        "verify_us_per_purchase": report.verify_us_per_purchase,
        "wall_s": report.wall_s,
    }


def _print(session: Session, report: AuditReport) -> None:
    from zkcredit.money import format_money

    out = session.output
    out.line(f"All {report.entries_verified} entries hold. Root {report.root.hex()}.")
    pins = [("the published checkpoint", report.checkpoint_size)]
    pins.append(("the pinned checkpoint", report.pinned_size))
    for what, size in pins:
        if size is not None:
            out.line(f"The log continues {what} (signed at {counted(size, 'entry')}).")
    out.table(("kind", "entries"), list(report.kinds.items()), right=(1,))
    registry = report.registry
    digits = {item.terms.currency: item.terms.minor_digits for item in registry.terms.values()}
    names = {party.id: party.name for party in registry.issuers.values()}
    rows = [
        (
            total.role,
            names.get(total.issuer_id, total.issuer_id.hex()),
            format_money(total.sum_minor, total.asset, digits.get(total.asset, 0)),
            total.entries,
        )
        for total in report.totals
    ]
    if rows:
        out.table(("opened by", "lender", "sum", "entries covered"), rows, right=(2, 3))
        out.line(
            f"Not covered by any total: {counted(report.uncovered_claims, 'claim')}, "
            f"{counted(report.uncovered_bills, 'bill')}."
        )
    if report.unanswered:
        out.line(
            f"Waiting for a lender: {counted(report.unanswered, 'entry')}; "
            f"overdue: {report.faults_count}."
        )
    _print_missing(session, report.attachments_missing)


def _print_missing(session: Session, attachments: int) -> None:
    if attachments:
        session.output.line(f"{attachments} files that entries name are missing beside the log.")
