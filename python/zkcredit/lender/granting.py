"""Granting lines: from a holder's request to an approved open entry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.codec import text_problem
from zkcredit.entries import OpenStatement, Statement, Submission
from zkcredit.errors import CallerError, MalformedInput, Refused, StateConflict, ZkCreditError
from zkcredit.lender.desk import Desk, cap_minor
from zkcredit.lender.onboarding import Gate, Person
from zkcredit.lender.store import APPROVED, Account

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import Registry
    from zkcredit.messages import OpenRequest

_ATTRIBUTE_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Offer:
    """A request with what the lender decided: limit, customer, attributes."""

    request: OpenRequest
    limit_minor: int
    customer: str
    attributes: tuple[int, ...] = ()


def grant_many(
    desk: Desk, ledger: LedgerView, offers: Sequence[Offer]
) -> list[Account | ZkCreditError]:
    """Approves and submits opens in one batch; each offer has its account or its error."""
    desk.on(ledger)
    registry = ledger.registry
    results: dict[int, Account | ZkCreditError] = {}
    ready: dict[int, tuple[Submission, Account]] = {}
    people: dict[int, Person] = {}
    gate = Gate(desk, registry)
    with desk.store.write():
        number = desk.store.next_account()
        seen: set[bytes] = set()
        for position, offer in enumerate(offers):
            try:
                statement = _statement(desk, ledger, registry, offer)
                if statement.commitment in seen:
                    raise StateConflict("this request appears twice in this batch")
                seen.add(statement.commitment)
                known = _known(desk, statement, offer)
                if known is not None and known.open_index is not None:
                    results[position] = known
                    continue
                person = gate.admit(statement, offer.request) if known is None else None
                account = _account(known.number if known else number, statement, offer)
                number += known is None
            except ZkCreditError as error:
                results[position] = error
                continue
            ready[position] = (_approved(desk, ledger, statement, offer), account)
            if person is not None:
                people[position] = person
        errors = _prove(registry, {p: submission for p, (submission, _) in ready.items()})
        results.update(errors)
        ready = {p: item for p, item in ready.items() if p not in errors}
        desk.store.put_accounts(account for _, account in ready.values())
        for position, (_, account) in ready.items():
            if (newcomer := people.get(position)) is not None:
                known_as = json.dumps(newcomer.disclosed)
                desk.store.add_person(account.number, newcomer.pseudonym, known_as)
    _submit(ledger, ready, results)
    return [results[position] for position in range(len(offers))]


def _statement(desk: Desk, ledger: LedgerView, registry: Registry, offer: Offer) -> OpenStatement:
    """The request's statement if it is an open of ours that fits the terms."""
    request = offer.request
    if request.ledger_id != ledger.ledger_id:
        raise Refused("wrong-ledger", "the request is for another ledger")
    statement = Statement.decode(request.statement)
    if not isinstance(statement, OpenStatement):
        raise MalformedInput("the request does not open a line")
    product = desk.product(registry, statement.terms_hash)
    if not 0 <= offer.limit_minor <= cap_minor(product.terms):
        raise CallerError(f"the limit must be 0..{product.terms.format(cap_minor(product.terms))}")
    if len(offer.attributes) != product.terms.attributes:
        raise CallerError(f"these terms have {product.terms.attributes} attributes")
    if any(not 0 <= value <= _ATTRIBUTE_MAX for value in offer.attributes):
        raise CallerError("an attribute is out of range")
    problem = text_problem(offer.customer)
    if problem is not None:
        raise CallerError(f"customer: {problem}")
    desk.keep_terms(product)
    current = registry.current_period(statement.terms_hash)
    if statement.period != current and ledger.find_open(statement.commitment) is None:
        raise Refused(
            "period-not-current",
            f"the request is for period {statement.period}, period {current} is open: ask again",
        )
    return statement


def _known(desk: Desk, statement: OpenStatement, offer: Offer) -> Account | None:
    """The account made for this request before."""
    for account in desk.store.accounts_by("commitment", [statement.commitment]):
        if account.terms_hash == statement.terms_hash:
            agreed = (account.limit_minor, account.customer)
            if account.open_index is not None and agreed != (offer.limit_minor, offer.customer):
                raise StateConflict(
                    f"this request was granted to account {account.number} on other conditions"
                )
            return account
    return None


def _account(number: int, statement: OpenStatement, offer: Offer) -> Account:
    return Account(
        number=number,
        customer=offer.customer,
        terms_hash=statement.terms_hash,
        state=APPROVED,
        limit_minor=offer.limit_minor,
        balance_minor=0,
        minimum_minor=0,
        arrears_minor=0,
        period=0,
        open_index=None,
        commitment=statement.commitment,
        owner_tag=statement.owner_tag,
        reply_key=bytes(offer.request.reply_key),
        attributes=list(offer.attributes),
        note="",
    )


def _approved(desk: Desk, ledger: LedgerView, statement: OpenStatement, offer: Offer) -> Submission:
    memo = bytes(offer.request.memo)
    digest = digests.approval_digest(ledger.ledger_id, statement.encode(), memo)
    return Submission(statement, desk.keys.bls.sign(digest) + offer.request.proof, memo)


def _prove(registry: Registry, submissions: dict[int, Submission]) -> dict[int, ZkCreditError]:
    """Verifies the requests' proofs; the errors by position."""
    from zkcredit.ledger.verify import Batch

    batch = Batch(registry)
    for position, submission in submissions.items():
        batch.add(position, submission)
    return batch.run()


def _submit(
    ledger: LedgerView,
    ready: dict[int, tuple[Submission, Account]],
    results: dict[int, Account | ZkCreditError],
) -> None:
    receipts = ledger.submit_many([submission for submission, _ in ready.values()])
    for (position, (_, account)), receipt in zip(ready.items(), receipts, strict=True):
        results[position] = receipt if isinstance(receipt, ZkCreditError) else account
