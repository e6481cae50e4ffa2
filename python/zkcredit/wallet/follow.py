"""Finding one's own steps on a ledger again, from the phrase alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkcredit.entries import (
    Kind,
    NullifyingStatement,
    OpenStatement,
    SpendStatement,
    Statement,
)
from zkcredit.errors import CheckFailed, MalformedInput, ZkCreditError
from zkcredit.sealing import Memo
from zkcredit.tokens import claim_commitment
from zkcredit.wallet.state import Pending, Token

if TYPE_CHECKING:
    from zkcredit._native import SecretScalar
    from zkcredit.ledger import LedgerView
    from zkcredit.wallet.steps import Steps

_FIND_BITS_MAX = 36


@dataclass(slots=True)
class Scan:
    """Index of a whole ledger, built locally so that no single entry is asked for."""

    size: int = 0
    opens: dict[bytes, int] = field(default_factory=dict)
    nullifiers: dict[bytes, int] = field(default_factory=dict)

    @staticmethod
    def run(ledger: LedgerView) -> Scan:
        """Reads every entry once."""
        scan = Scan(size=ledger.size)
        for index, entry in ledger.entries(0, scan.size):
            statement = entry.statement
            if isinstance(statement, OpenStatement):
                scan.opens[statement.commitment] = index
            elif isinstance(statement, NullifyingStatement):
                scan.nullifiers[statement.nullifier] = index
        return scan


def follow_open(steps: Steps, ledger: LedgerView, ordinal: int, index: int) -> Pending:
    """The pending step of the open entry at ``index``."""
    statement = ledger.entry(index).statement
    if not isinstance(statement, OpenStatement):
        raise CheckFailed(f"entry {index} does not open a line")
    after = steps.after_open(ordinal, statement.commitment, statement.period)
    pending = _pending(statement, _beside(ledger, index), after, index)
    pending.label = _read_memo(steps, pending).label
    return pending


def follow(steps: Steps, ledger: LedgerView, token: Token, index: int) -> Pending:
    """The step at entry ``index`` that used up ``token``, as this wallet has proved it.

    CheckFailed if the entry is not what this phrase would have made.
    """
    statement = ledger.entry(index).statement
    if not isinstance(statement, NullifyingStatement) or statement.nullifier != token.serial:
        raise CheckFailed(f"entry {index} does not use this token")
    pending = _pending(statement, _beside(ledger, index), token, index)
    if isinstance(statement, SpendStatement):
        memo = _read_memo(steps, pending)
        found = _match_spend(steps, token, statement, memo) or _search(steps, token, statement)
        if found is None:
            raise CheckFailed(f"entry {index} uses this token but was not made by this wallet")
        pending.next, pending.amount_minor, pending.plan = found
        pending.label, pending.invoice_hash = memo.label, statement.invoice_hash
        pending.rho = _claim_blinding(steps, statement, pending.amount_minor, memo)
        return pending
    kind = statement.KIND
    after = steps.after_step(kind, token, statement.commitment)
    pair = steps.keys.step_pair(kind, token.serial, token.period)
    if steps.commitment_of(after, pair) != statement.commitment:
        raise CheckFailed(f"entry {index} uses this token but was not made by this wallet")
    pending.next = after
    pending.amount_minor = token.due_minor[0] if kind is Kind.STATEMENT else 0
    return pending


def _claim_blinding(
    steps: Steps, statement: SpendStatement, amount_minor: int, memo: Memo
) -> bytes:
    """What blinds the claim, empty if the memo that held it is gone."""
    claim = claim_commitment(steps.product.value_label, amount_minor, memo.rho)
    return memo.rho if claim == statement.claim else b""


def _beside(ledger: LedgerView, index: int) -> tuple[bytes, bytes]:
    """Evidence and memo, empty where they are no longer kept."""
    try:
        return ledger.evidence(index)
    except ZkCreditError:
        return b"", b""


def _pending(
    statement: Statement, beside: tuple[bytes, bytes], after: Token, index: int
) -> Pending:
    return Pending(
        kind=int(statement.KIND),
        statement=statement.encode(),
        evidence=beside[0],
        memo=beside[1],
        next=after,
        index=index,
    )


def _read_memo(steps: Steps, pending: Pending) -> Memo:
    """The memo, or an empty one where it is missing or unreadable."""
    key = steps.keys.memo_key(pending.statement)
    try:
        return Memo.open(key, pending.statement, pending.memo)
    except (CheckFailed, MalformedInput):
        return Memo()


_Found = tuple[Token, int, int]


def _match_spend(
    steps: Steps, token: Token, statement: SpendStatement, memo: Memo
) -> _Found | None:
    """The next token if amount and plan of the memo explain the commitment."""
    terms = steps.terms
    if not 1 <= memo.plan <= max(1, terms.due_buckets):
        return None
    if not 1 <= memo.amount_minor <= terms.amount_max_minor:
        return None
    pair = steps.keys.spend_pair(token.serial, statement.payee, statement.claim, memo.plan)
    after = steps.after_spend(token, pair, statement.commitment, memo.amount_minor, memo.plan)
    if steps.commitment_of(after, pair) != statement.commitment:
        return None
    return after, memo.amount_minor, memo.plan


def _search(steps: Steps, token: Token, statement: SpendStatement) -> _Found | None:
    """Amount and plan by search (baby-step giant-step), where there is no memo."""
    for plan in range(1, max(1, steps.terms.due_buckets) + 1):
        pair = steps.keys.spend_pair(token.serial, statement.payee, statement.claim, plan)
        for amount_minor in _candidates(steps, token, statement.commitment, pair, plan):
            found = _match_spend(steps, token, statement, Memo(amount_minor, plan))
            if found is not None:
                return found
    return None


def _candidates(
    steps: Steps,
    token: Token,
    commitment: bytes,
    pair: tuple[SecretScalar, SecretScalar],
    plan: int,
) -> list[int]:
    """Amounts ``plan·q + rem`` that fit: C′ − C′(amount 0) = q·base + rem·step."""
    from zkcredit._native import commit, find_amount, subtract_points
    from zkcredit.tokens import AVAILABLE, DUE

    bits = min(_FIND_BITS_MAX, steps.terms.amount_bits)
    zero = steps.commitment_of(steps.after_spend(token, pair, commitment, 0, plan), pair)
    base = commit([(("H", AVAILABLE), -plan), *((("H", DUE + j), 1) for j in range(plan))])
    step = [(("H", AVAILABLE), -1), (("H", DUE), 1)]
    amounts = list(range(1, plan))  # q = 0
    for rest in range(plan):
        try:
            point = subtract_points(commitment, zero)
            if rest:
                point = subtract_points(point, commit([(g, s * rest) for g, s in step]))
            share = find_amount(point, base, bits)
        except ZkCreditError:  # a difference that is the identity: q = 0
            continue
        if share is not None:
            amounts.append(plan * share + rest)
    return amounts
