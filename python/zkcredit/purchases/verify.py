"""The verifier's side: from a proof to what it says about purchases on the ledger."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from zkcredit.entries import BillingStatement, SpendStatement
from zkcredit.errors import Refused, ZkCreditError
from zkcredit.purchases.messages import (
    ENTRIES_MAX,
    PurchasesProof,
    PurchasesRequest,
    Question,
    proof_context,
    read_request,
)
from zkcredit.purchases.relation import Commitments, circuit, labels

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView

_POINT = 48
_S = TypeVar("_S", SpendStatement, BillingStatement)


@dataclass(frozen=True, slots=True)
class Finding:
    """What was proved: these entries are purchases of one holder on one line.

    ``amounts_minor`` are their amounts if they were shown, ``total_minor`` their sum if that
    or the amounts were shown, both in minor units of ``currency``; ``below_minor`` is the
    bound that their mean keeps below, 0 if none was asked for. ``complete``: no other
    purchase was made on this line in the periods. ``pseudonym`` (48 bytes) is empty if
    none was asked for. ``request_hash`` names the question.
    """

    request_hash: bytes
    entries: tuple[int, ...]
    currency: str
    amounts_minor: tuple[int, ...] | None
    total_minor: int | None
    below_minor: int
    complete: bool
    pseudonym: bytes


def verify(
    ledger: LedgerView, request: PurchasesRequest, proof: PurchasesProof, now_ms: int
) -> Finding:
    """What ``proof`` says, if it answers ``request`` on this ledger at ``now_ms``.

    Faults of the request raise as in :func:`read_request`. Everything else is Refused
    ``purchases``. That the entries were accepted rightly is for the ledger's audit.
    """
    question = read_request(ledger.registry, request, now_ms)
    try:
        return _verify(ledger, question, proof)
    except ZkCreditError as error:
        raise Refused("purchases", f"the proof of purchases is refused: {error}") from error


def _verify(ledger: LedgerView, question: Question, proof: PurchasesProof) -> Finding:
    from zkcredit import _native

    request = question.request
    _check_shape(question, proof)
    commitments = _commitments(ledger, question, proof)
    context = proof_context(proof)
    points = commitments.points(question, commitments.rests(proof.holder), context)
    points["holder"] = proof.holder
    if proof.pseudonym:
        points["pseudonym"] = proof.pseudonym
    statement = _native.Statement(
        circuit(question, len(proof.entries)),
        ledger_id=request.ledger_id,
        context=context,
        labels=labels(question),
        publics=commitments.publics(question, proof.amounts_minor, context),
        points=points,
    )
    _native.verify(statement, proof.proof)
    shown = request.show != "average"
    return Finding(
        request_hash=question.hash,
        entries=tuple(proof.entries),
        currency=question.product.terms.currency,
        amounts_minor=tuple(proof.amounts_minor) if request.show == "amounts" else None,
        total_minor=sum(proof.amounts_minor) if shown else None,
        below_minor=request.below_minor,
        complete=request.coverage == "all",
        pseudonym=bytes(proof.pseudonym),
    )


def _check_shape(question: Question, proof: PurchasesProof) -> None:
    """It answers this request and has as many of everything as that asks for."""
    request, purchases = question.request, len(proof.entries)
    if proof.ledger_id != request.ledger_id or proof.request != question.hash:
        raise Refused("other-request", "the proof answers another request")
    bills = len(question.periods) if request.coverage == "all" else 0
    amounts = {"amounts": purchases, "sum": 1, "average": 0}
    fits = (
        len(proof.bills) == bills
        and len(proof.amounts_minor) == amounts[request.show]
        and 0 < purchases + bills <= ENTRIES_MAX
        and (purchases > 0 or request.show != "average")
        and len(proof.holder) == _POINT
        and len(proof.pseudonym) == (_POINT if request.pseudonym else 0)
    )
    if not fits:
        raise Refused("other-request", "the proof does not have the parts that were asked for")
    if any(left >= right for left, right in itertools.pairwise(proof.entries)):
        raise Refused("counted-twice", "the purchases are not in increasing order")


def _commitments(ledger: LedgerView, question: Question, proof: PurchasesProof) -> Commitments:
    spends = _statements(ledger, proof.entries, SpendStatement)
    bills = _statements(ledger, proof.bills, BillingStatement)
    terms_hash = question.product.terms_hash
    found: list[SpendStatement | BillingStatement] = [*spends, *bills]
    if any(statement.terms_hash != terms_hash for statement in found):
        raise Refused("other-terms", "an entry is under other terms")
    if any(statement.period not in question.periods for statement in spends):
        raise Refused("other-period", "a purchase is of another period")
    if proof.bills and [statement.period for statement in bills] != list(question.periods):
        raise Refused("other-period", "there must be one bill for each period, in order")
    return Commitments(
        nexts=[statement.commitment for statement in found],
        claims=[statement.claim for statement in spends],
        dues=[statement.due_commitment for statement in bills],
    )


def _statements(ledger: LedgerView, indexes: Sequence[int], kind: type[_S]) -> list[_S]:
    found: list[_S] = []
    for index in indexes:
        statement = ledger.entry(index).statement
        if not isinstance(statement, kind):
            raise Refused("wrong-entry", f"entry {index} is no {kind.KIND.name.lower()}")
        found.append(statement)
    return found
