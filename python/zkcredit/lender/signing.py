"""Answering what waits on the ledger: opens, spends and refreshes.

Proofs are verified again, signatures are frozen in the signer's own table, and
only then do replies leave. One final commitment for each nullifier, ever, also
when the ledger was rolled back and offers another entry for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkcredit.entries import Entry, Kind, LineStatement, OpenStatement
from zkcredit.errors import StateConflict
from zkcredit.lender.desk import BATCH, Desk, Job, check_entries, origin_of, seal
from zkcredit.lender.store import ACTIVE, APPROVED, Account, Signature
from zkcredit.messages import OpenReply
from zkcredit.tokens import ACCOUNT, AVAILABLE, DUE, Product

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import Registry

_SIGNED_HERE = (Kind.OPEN, Kind.SPEND, Kind.REFRESH)


@dataclass(slots=True)
class SignReport:
    """What :func:`sign_pending` did.

    ``refused`` are entries that must not be signed (see the lender's faults),
    ``waiting`` entries whose holder has not sent the opening yet.
    """

    signed: int = 0
    posted: int = 0
    refused: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)


def sign_pending(desk: Desk, ledger: LedgerView, *, rescan: bool = False) -> SignReport:
    """Signs everything new on the ledger and posts replies; safe to repeat.

    ``rescan`` starts at the first entry again, which is what a lender does after the
    operator had to restore an older ledger: nothing is signed a second time differently.
    """
    issuer_id = desk.on(ledger)
    report = SignReport(posted=desk.post(ledger))
    cursor = 0 if rescan else _cursor(desk, ledger)
    while cursor < (size := ledger.size):
        stop = min(cursor + BATCH, size)
        rows = list(ledger.entries(cursor, stop))
        registry = ledger.registry
        own = [(index, s) for index, entry in rows if (s := _own(registry, entry, issuer_id))]
        if rows:  # all of them may be void
            last, entry = rows[-1]
            _sign_batch(desk, ledger, registry, own, report, cursor=(last + 1, entry))
            report.posted += desk.post(ledger)
        cursor = stop
    refused = {index for index, _ in desk.store.faults()}
    report.waiting = [i for i in ledger.unanswered(issuer_id) if i not in refused]
    return report


def _own(registry: Registry, entry: Entry, issuer_id: bytes) -> LineStatement | None:
    statement = entry.statement
    if not isinstance(statement, LineStatement):
        return None
    terms = registry.terms.get(statement.terms_hash)
    return statement if terms is not None and terms.issuer_id == issuer_id else None


def _entry_hash(entry: Entry) -> bytes:
    from zkcredit._native import blake3_hash

    return blake3_hash(entry.encode())


def _cursor(desk: Desk, ledger: LedgerView) -> int:
    """Where the last call stopped; StateConflict if the ledger was rolled back since."""
    stored = desk.store.meta("cursor")
    if stored is None:
        return 0
    cursor = int.from_bytes(stored[:8], "big")
    if cursor > ledger.size:
        raise StateConflict(
            f"the ledger has {ledger.size} entries, but {cursor} were read before: "
            "it was rolled back"
        )
    if cursor and _entry_hash(ledger.entry(cursor - 1)) != stored[8:]:
        raise StateConflict(f"entry {cursor - 1} is not the one read before: ledger was rewritten")
    return cursor


def _sign_batch(
    desk: Desk,
    ledger: LedgerView,
    registry: Registry,
    own: list[tuple[int, LineStatement]],
    report: SignReport,
    *,
    cursor: tuple[int, Entry],
) -> None:
    store = desk.store
    origins = [origin_of(statement) for _, statement in own]
    known = store.signatures(origins)
    fresh = [
        item
        for item, origin in zip(own, origins, strict=True)
        if origin not in known and item[1].KIND in _SIGNED_HERE
    ]
    errors: dict[int, str] = {
        index: str(error) for index, error in check_entries(ledger, registry, fresh).items()
    }
    commitments = [s.commitment for _, s in fresh if s.KIND is Kind.OPEN]
    granted = {
        (a.terms_hash, a.commitment): a for a in store.accounts_by("commitment", commitments)
    }
    jobs, opened = [], []
    taken: set[bytes] = set()
    products: dict[bytes, Product] = {}
    for index, statement in fresh:
        if index in errors:
            continue
        origin = origin_of(statement)
        if origin in taken:
            errors[index] = "this nullifier was signed before for another entry"
            continue
        taken.add(origin)
        product = products.get(statement.terms_hash)
        if product is None:
            product = products[statement.terms_hash] = Product.find(registry, statement.terms_hash)
        if not isinstance(statement, OpenStatement):
            jobs.append(Job(index, statement, product))
            continue
        account = granted.get((statement.terms_hash, statement.commitment))
        if account is None:
            errors[index] = "this line was approved, but the account is not in the database"
        else:
            opened.append(account)
            jobs.append(_open_job(index, statement, product, account))
    signatures = desk.sign(registry, jobs)
    with store.write():
        for (index, statement), origin in zip(own, origins, strict=True):
            if origin in known:
                _check_known(desk, ledger, index, statement, row=known[origin], errors=errors)
        for index, reason in errors.items():
            store.add_fault(index, reason)
        store.add_signatures(signatures)
        store.put_accounts(opened)
        store.set_meta("cursor", cursor[0].to_bytes(8, "big") + _entry_hash(cursor[1]))
    report.signed += len(signatures)
    report.refused += sorted(errors)


def _check_known(
    desk: Desk,
    ledger: LedgerView,
    index: int,
    statement: LineStatement,
    *,
    row: Signature,
    errors: dict[int, str],
) -> None:
    """An entry whose nullifier was signed before: the same reply again, or a fault."""
    if row.commitment != statement.commitment or row.kind != statement.KIND:
        errors[index] = "this nullifier was signed before for another commitment"
    elif row.entry_index != index or ledger.reply(index) is None:
        desk.store.move_signature(row.origin, index)


def _open_job(index: int, statement: OpenStatement, product: Product, account: Account) -> Job:
    """Adds account, limit and attributes; the account becomes active."""
    terms = product.terms
    first = DUE + terms.due_buckets
    adjustments = [(ACCOUNT, account.number), (AVAILABLE, account.limit_minor)]
    adjustments += [(first + j, value) for j, value in enumerate(account.attributes) if value]
    account.open_index, account.period = index, statement.period
    if account.state == APPROVED:
        account.state = ACTIVE

    def reply(signature: bytes) -> bytes:
        message = OpenReply(
            signature=signature,
            account=account.number,
            limit_minor=account.limit_minor,
            attributes=account.attributes,
        )
        return seal(account.reply_key, product.ledger_id, statement, message)

    nonzero = [(position, value) for position, value in adjustments if value]
    return Job(index, statement, product, nonzero, reply)
