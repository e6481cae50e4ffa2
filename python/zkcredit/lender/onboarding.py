"""One person, one line: what a newcomer has to present before a line is granted.

A lender with an onboarding policy asks each newcomer for a presentation bound to the
opening of the line. Its pseudonym is made of a registrar's one-person tag for this
lender alone: the same person comes back with the same pseudonym, in whatever wallet,
and other lenders see another one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.errors import CallerError, Refused
from zkcredit.lender.history import owed_minor
from zkcredit.lender.store import CLOSED
from zkcredit.messages import decode_message, encode_message, signing_digest
from zkcredit.policies.circuit import check_policy
from zkcredit.policies.policy import Policy
from zkcredit.policies.presentation import Presentation
from zkcredit.policies.request import PresentationRequest, make_request, own_request
from zkcredit.policies.verify import verify

if TYPE_CHECKING:
    from zkcredit.entries import OpenStatement
    from zkcredit.ledger import LedgerView
    from zkcredit.ledger.registry import Registry
    from zkcredit.lender.desk import Desk
    from zkcredit.messages import OpenRequest

CONTEXT = "onboarding"
"""Context of the pseudonym in every onboarding policy: with another one a person is new."""
_POLICY = "onboarding policy"


@dataclass(frozen=True, slots=True)
class Person:
    """A newcomer: pseudonym (48 bytes) and revealed values as text by ``alias.field``."""

    pseudonym: bytes
    disclosed: dict[str, str]


def set_policy(desk: Desk, ledger: LedgerView, policy: Policy | None) -> None:
    """Asks newcomers for what ``policy`` says from now on; None asks for nothing.

    CallerError unless its pseudonym is made of the one-person tag of exactly one issuer
    (two registrars give one person two tags) in the context ``onboarding``. Refused if
    the policy makes no sense on the ledger.
    """
    desk.on(ledger)
    if policy is not None:
        found = check_policy(policy, ledger.registry)
        tag = found.pseudonym_field
        if policy.pseudonym != CONTEXT or tag is None:
            raise CallerError(
                f'an onboarding policy needs pseudonym = "{CONTEXT}" and the field of a '
                "one-person tag as pseudonym_from"
            )
        slot = next(slot for slot in found.slots if slot.alias == tag.alias)
        if len(slot.issuers) != 1:
            raise CallerError(f"{tag.alias} must trust exactly one issuer of one-person tags")
    with desk.store.write():
        desk.store.set_meta(_POLICY, policy.encoded if policy else b"")


def ask(desk: Desk, ledger: LedgerView) -> PresentationRequest:
    """A request for the presentation of one newcomer; CallerError without a policy."""
    issuer_id, encoded = desk.on(ledger), desk.store.meta(_POLICY)
    if not encoded:
        raise CallerError("this lender asks newcomers for nothing: set an onboarding policy")
    now_ms = desk.clock()
    request = make_request(
        ledger.registry,
        desk.keys.bls,
        issuer_id,
        Policy.parse(encoded),
        now_ms=now_ms,
        bound_to="open",
    )
    with desk.store.write():
        desk.store.forget_inquiries(now_ms)
        desk.store.add_inquiry(
            signing_digest(request), encode_message(request), request.valid_until_ms
        )
    return request


class Gate:
    """Checks the newcomers of one batch of grants."""

    def __init__(self, desk: Desk, registry: Registry) -> None:
        self._desk = desk
        self._registry = registry
        self._policy = desk.store.meta(_POLICY)
        self._seen: set[bytes] = set()

    def admit(self, statement: OpenStatement, request: OpenRequest) -> Person | None:
        """The person behind a request, None if this lender asks for no presentation.

        Refused ``presentation-missing``; ``presentation`` if it does not hold, answers no
        current request of this lender or is bound to another opening;
        ``person-has-line`` if the person has a line here, or one that was closed with a
        debt.
        """
        if not self._policy:
            return None
        if not request.presentation:
            raise Refused(
                "presentation-missing", "this lender asks for a presentation with the request"
            )
        person = self._verified(statement, request.presentation)
        if person.pseudonym in self._seen or self._has_line(person.pseudonym):
            raise Refused("person-has-line", "this person has a line of this lender")
        self._seen.add(person.pseudonym)
        return person

    def _verified(self, statement: OpenStatement, data: bytes) -> Person:
        presentation = decode_message(data, Presentation)
        stored = self._desk.store.inquiry(presentation.request)
        if stored is None:
            raise Refused("presentation", "the presentation answers no request of this lender")
        asked_for = decode_message(stored, PresentationRequest)
        if asked_for.policy != self._policy:
            raise Refused("presentation", "the policy has changed: ask for a new request")
        asked = own_request(self._registry, asked_for, self._desk.clock())
        found = verify(self._registry, asked, presentation)
        if found.commitment != statement.commitment:
            raise Refused("presentation", "the presentation belongs to another line's opening")
        return Person(found.pseudonym, found.values)

    def _has_line(self, pseudonym: bytes) -> bool:
        store = self._desk.store
        accounts = store.accounts_by("number", store.lines_of(pseudonym))
        return any(
            account.state != CLOSED or owed_minor(self._desk, account) > 0 for account in accounts
        )


def disclosed(desk: Desk, number: int) -> dict[str, str] | None:
    """What the holder of an account has revealed at onboarding; None if nothing was asked."""
    desk.store.account(number)
    found = desk.store.disclosed(number)
    values: dict[str, str] | None = None if found is None else json.loads(found)
    return values
