"""Billing statements and updates: the two steps in which a line shows its account.

The opening names account and bill; the entry's tag S, compared with the owner tag
Y of the line's opening, shows that the holder's own token says so. The lender
answers a statement with a signed document and an adjusted token.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from zkcredit import digests
from zkcredit.entries import BillingStatement, Kind, UpdateStatement
from zkcredit.errors import MalformedInput, Refused, StateConflict, ZkCreditError
from zkcredit.ledger.replies import split_sealed
from zkcredit.lender.desk import Desk, Job, check_entries, line_statement, origin_of, seal
from zkcredit.lender.store import (
    ACTIVE,
    ARREARS,
    CREDIT,
    DISPUTED,
    LIMIT,
    PAYMENT,
    Account,
    Movement,
)
from zkcredit.messages import (
    BillingDocument,
    StatementOpening,
    StatementReply,
    UpdateOpening,
    UpdateReply,
    decode_message,
    encode_message,
    signed,
    signing_digest,
    unsigned,
)
from zkcredit.records.documents import BILL
from zkcredit.sealing import open_reply
from zkcredit.tokens import AVAILABLE, Product, claim_commitment

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import Registry

_Opening = TypeVar("_Opening", StatementOpening, UpdateOpening)
_Reply = TypeVar("_Reply", StatementReply, UpdateReply)


@dataclass(slots=True)
class _Case:
    """One opening with everything that is known of it."""

    position: int
    opening: StatementOpening | UpdateOpening
    statement: BillingStatement | UpdateStatement
    product: Product
    account: Account
    movements: list[Movement]

    @property
    def index(self) -> int:
        return self.opening.entry_index

    def sum_minor(self, *kinds: str, on_line: bool | None = None) -> int:
        """Sum of movements of some kinds; ``on_line``: only those (not) on the token yet."""
        return sum(
            movement.amount_minor
            for movement in self.movements
            if movement.kind in kinds
            and (on_line is None or on_line == (movement.token_entry is not None))
        )

    def fresh(self) -> list[tuple[int, int]]:
        """(entry, id) of movements that this reply puts on the line."""
        return [(self.index, m.id) for m in self.movements if m.token_entry is None]


def statements(
    desk: Desk, ledger: LedgerView, openings: Sequence[StatementOpening]
) -> list[BillingDocument | ZkCreditError]:
    """Answers billing statements; each opening gets its document or its own error."""
    results: dict[int, BillingDocument | ZkCreditError] = {}
    desk.on(ledger)
    registry = ledger.registry
    with desk.store.write():
        fresh: list[tuple[int, StatementOpening]] = []
        for position, opening in enumerate(openings):
            known = desk.store.document_at(opening.entry_index)
            if known is None:
                fresh.append((position, opening))
            else:
                results[position] = _again(desk, ledger, opening)
        cases = _cases(desk, ledger, registry, fresh, kind=Kind.STATEMENT, results=results)
        documents = {case.position: _bill(desk, case) for case in cases}
        jobs = [_statement_job(case, documents[case.position]) for case in cases]
        _freeze(desk, registry, jobs, cases, documents)
        results.update(documents)
    desk.post(ledger)
    return [results[position] for position in range(len(openings))]


def updates(
    desk: Desk, ledger: LedgerView, openings: Sequence[UpdateOpening]
) -> list[UpdateReply | ZkCreditError]:
    """Puts payments, credits and limit changes on lines between billing statements."""
    results: dict[int, UpdateReply | ZkCreditError] = {}
    desk.on(ledger)
    registry = ledger.registry
    with desk.store.write():
        fresh: list[tuple[int, UpdateOpening]] = []
        for position, opening in enumerate(openings):
            known = _answered(desk, ledger, opening, Kind.UPDATE, UpdateReply)
            if known is None:
                fresh.append((position, opening))
            else:
                results[position] = known
        cases = _cases(desk, ledger, registry, fresh, kind=Kind.UPDATE, results=results)
        jobs, replies = [], []
        for case in cases:
            job, reply = _update_job(case)
            jobs.append(job)
            replies.append(reply)
        _freeze(desk, registry, jobs, cases, {})
        for case, reply in zip(cases, replies, strict=True):
            results[case.position] = reply[-1]
    desk.post(ledger)
    return [results[position] for position in range(len(openings))]


def _again(
    desk: Desk, ledger: LedgerView, opening: StatementOpening
) -> BillingDocument | ZkCreditError:
    """The document given before, to nobody but the holder: only it knows the reply's key."""
    reply = _answered(desk, ledger, opening, Kind.STATEMENT, StatementReply)
    if isinstance(reply, StatementReply):
        return reply.document
    return reply or Refused("bad-opening", "another entry stood here when it was answered")


def _answered(
    desk: Desk,
    ledger: LedgerView,
    opening: StatementOpening | UpdateOpening,
    kind: Kind,
    message: type[_Reply],
) -> _Reply | ZkCreditError | None:
    """The reply given to this entry before, read with the opening's own key."""
    try:
        statement = line_statement(ledger, opening.entry_index, kind)
    except ZkCreditError as error:
        return error
    origin = origin_of(statement)
    row = desk.store.signatures([origin]).get(origin)
    if row is None or row.commitment != statement.commitment:
        return None
    digest = digests.statement_hash(statement.encode())
    try:
        plain = open_reply(opening.reply_key, ledger.ledger_id, digest, split_sealed(row.reply)[0])
        return decode_message(plain, message)
    except ZkCreditError:
        return Refused("bad-opening", "this entry was answered under another key")


def _cases(
    desk: Desk,
    ledger: LedgerView,
    registry: Registry,
    openings: Sequence[tuple[int, _Opening]],
    *,
    kind: Kind,
    results: dict[int, BillingDocument | ZkCreditError] | dict[int, UpdateReply | ZkCreditError],
) -> list[_Case]:
    """Openings that hold, with their accounts; the others' errors go to ``results``."""
    errors: dict[int, ZkCreditError] = {}
    numbers = [opening.account for _, opening in openings]
    accounts = {a.number: a for a in desk.store.accounts_by("number", numbers)}
    movements = desk.store.undocumented(numbers)
    cases: list[_Case] = []
    busy: set[int] = set()
    for position, opening in openings:
        try:
            account = accounts.get(opening.account)
            if account is None:
                raise Refused("unknown-account", f"there is no account {opening.account}")
            if account.number in busy:
                raise StateConflict(f"account {account.number} appears twice in this batch")
            listed = movements.get(account.number, [])
            case = _case(
                desk,
                ledger,
                registry,
                position=position,
                opening=opening,
                kind=kind,
                account=account,
                movements=listed,
            )
        except ZkCreditError as error:
            errors[position] = error
        else:
            busy.add(account.number)
            cases.append(case)
    cases = _unsigned_and_proved(desk, ledger, registry, cases, errors)
    results.update(errors)
    return cases


def _unsigned_and_proved(
    desk: Desk,
    ledger: LedgerView,
    registry: Registry,
    cases: list[_Case],
    errors: dict[int, ZkCreditError],
) -> list[_Case]:
    signed_before = desk.store.signatures(case.statement.nullifier for case in cases)
    for case in cases:
        if case.statement.nullifier in signed_before:
            errors[case.position] = Refused("already-signed", f"entry {case.index} is answered")
    left = [case for case in cases if case.position not in errors]
    bad = check_entries(ledger, registry, [(case.index, case.statement) for case in left])
    for case in left:
        if case.index in bad:
            errors[case.position] = bad[case.index]
    return [case for case in left if case.position not in errors]


def _case(
    desk: Desk,
    ledger: LedgerView,
    registry: Registry,
    *,
    position: int,
    opening: StatementOpening | UpdateOpening,
    kind: Kind,
    account: Account,
    movements: list[Movement],
) -> _Case:
    """Checks an opening against its entry: S − Y, D, product, period."""
    if opening.ledger_id != ledger.ledger_id:
        raise Refused("wrong-ledger", "the opening is for another ledger")
    statement = line_statement(ledger, opening.entry_index, kind)
    assert isinstance(statement, BillingStatement | UpdateStatement)
    product = desk.product(registry, statement.terms_hash)
    if account.terms_hash != statement.terms_hash:
        raise Refused("bad-opening", f"account {account.number} has other terms")
    _check_tag(opening, statement, account)
    if _has_ended(registry, statement):
        raise Refused(
            "period-closed",
            f"period {statement.period} was closed before account {account.number} showed its bill",
        )
    if account.open_index is None or account.period != statement.period:
        raise Refused(
            "wrong-period",
            f"account {account.number} is in period {account.period}, "
            f"the entry is of period {statement.period}",
        )
    if isinstance(opening, StatementOpening):
        assert isinstance(statement, BillingStatement)
        due = claim_commitment(product.value_label, opening.due_minor, opening.rho_due)
        if due != statement.due_commitment:
            raise Refused("bad-opening", "the bill does not open the entry's commitment")
    return _Case(position, opening, statement, product, account, movements)


def _has_ended(registry: Registry, statement: BillingStatement | UpdateStatement) -> bool:
    """Whether the entry's period or a later one is closed: then lines still in it have ended."""
    current = registry.current_period(statement.terms_hash)
    later = range(statement.period, current)
    return any(registry.period(statement.terms_hash, number).closed for number in later)


def _check_tag(
    opening: StatementOpening | UpdateOpening,
    statement: BillingStatement | UpdateStatement,
    account: Account,
) -> None:
    """S − Y = account·G_acc (+ due·G_due) + δ·H_blind, or Refused ``bad-opening``."""
    from zkcredit._native import commit, subtract_points

    terms: list[tuple[str, int | bytes]] = [("account", opening.account)]
    if isinstance(opening, StatementOpening):
        terms.append(("due", opening.due_minor))
    expected = commit([*terms, ("blinding", opening.delta)])
    try:
        found = subtract_points(statement.bill_tag, account.owner_tag)
    except MalformedInput:
        found = b""
    if found != expected:
        raise Refused("bad-opening", "account and bill do not open the entry's tag")


def _bill(desk: Desk, case: _Case) -> BillingDocument:
    """Computes and signs the document; moves the account into the next period."""
    account, product = case.account, case.product
    opening, period = case.opening, case.statement.period
    assert isinstance(opening, StatementOpening)
    figures = product.terms.billing(
        period,
        bill_minor=opening.due_minor,
        previous_balance_minor=account.balance_minor,
        previous_minimum_minor=account.minimum_minor,
        payments_minor=case.sum_minor(PAYMENT),
        credits_minor=case.sum_minor(CREDIT),
        waive=account.state == DISPUTED,
    )
    draft = unsigned(
        BillingDocument,
        ledger_id=product.ledger_id,
        issuer_id=product.issuer_id,
        terms_hash=product.terms_hash,
        account=account.number,
        period=period,
        next_period=period + 1,
        entry_index=case.index,
        bill_minor=figures.bill_minor,
        previous_balance_minor=figures.previous_balance_minor,
        payments_minor=figures.payments_minor,
        credits_minor=figures.credits_minor,
        added_before_minor=case.sum_minor(PAYMENT, CREDIT, on_line=True),
        interest_minor=figures.interest_minor,
        late_fee_minor=figures.late_fee_minor,
        waived_minor=figures.waived_minor,
        limit_change_minor=case.sum_minor(LIMIT, on_line=False),
        limit_minor=account.limit_minor,
        balance_minor=figures.balance_minor,
        minimum_minor=figures.minimum_minor,
        arrears_minor=figures.arrears_minor,
        issued_ms=desk.clock(),
        nonce=secrets.token_bytes(32),
    )
    account.balance_minor = figures.balance_minor
    account.minimum_minor = figures.minimum_minor
    account.arrears_minor = figures.arrears_minor
    account.period = period + 1
    if account.state in (ACTIVE, ARREARS):
        account.state = ARREARS if figures.arrears_minor else ACTIVE
    return signed(draft, desk.keys.bls.sign(signing_digest(draft)))


def _statement_job(case: _Case, document: BillingDocument) -> Job:
    opening, statement, product = case.opening, case.statement, case.product

    def reply(signature: bytes) -> bytes:
        message = StatementReply(signature=signature, document=document)
        return seal(opening.reply_key, product.ledger_id, statement, message)

    return Job(case.index, statement, product, _available(document.adjustment_minor), reply)


def _update_job(case: _Case) -> tuple[Job, list[UpdateReply]]:
    """The job, and a list that holds the reply once it is signed."""
    opening, statement, product = case.opening, case.statement, case.product
    payments_minor = case.sum_minor(PAYMENT, on_line=False)
    credits_minor = case.sum_minor(CREDIT, on_line=False)
    change_minor = case.sum_minor(LIMIT, on_line=False)
    made: list[UpdateReply] = []

    def reply(signature: bytes) -> bytes:
        message = UpdateReply(
            signature=signature,
            payments_minor=payments_minor,
            credits_minor=credits_minor,
            limit_change_minor=change_minor,
            limit_minor=case.account.limit_minor,
        )
        made.append(message)
        return seal(opening.reply_key, product.ledger_id, statement, message)

    adjustments = _available(payments_minor + credits_minor + change_minor)
    return Job(case.index, statement, product, adjustments, reply), made


def _available(change_minor: int) -> list[tuple[int, int]]:
    return [(AVAILABLE, change_minor)] if change_minor else []


def _freeze(
    desk: Desk,
    registry: Registry,
    jobs: Sequence[Job],
    cases: Sequence[_Case],
    documents: dict[int, BillingDocument],
) -> None:
    """Signs and stores signatures, documents, accounts and movements in one transaction."""
    store = desk.store
    if not jobs:
        return
    store.add_signatures(desk.sign(registry, jobs))
    for case in cases:
        store.mark_movements("token_entry", case.fresh())
        if isinstance(case.opening, StatementOpening):
            listed = [(case.index, m.id) for m in case.movements]
            store.mark_movements("document_entry", listed)
            document = documents[case.position]
            store.add_document(
                case.account.number,
                document.period,
                case.index,
                encode_message(document),
                bytes(case.opening.rho_due),
            )
            store.add_record(
                signing_digest(document),
                case.account.number,
                BILL.name,
                document_entry=case.index,
            )
    store.put_accounts(case.account for case in cases)
