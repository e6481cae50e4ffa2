"""The verifier's side: from a presentation to what it discloses, or to "refused"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zkcredit.errors import Refused, ZkCreditError
from zkcredit.policies import presentation as shown
from zkcredit.policies.disclosure import Disclosure
from zkcredit.policies.presentation import Presentation

if TYPE_CHECKING:
    from zkcredit.ledger.registry import Registry
    from zkcredit.policies.request import Asked

__all__ = ["REFUSED", "Disclosure", "verify"]

REFUSED = "presentation"
"""The one rule under which presentations are refused, whatever is wrong with them."""


def verify(registry: Registry, asked: Asked, presentation: Presentation) -> Disclosure:
    """What ``presentation`` discloses, if it answers the request ``asked`` on this ledger now.

    ``asked`` comes from :func:`~zkcredit.policies.request.own_request` or
    :func:`~zkcredit.policies.request.read_request`, which also check its time. Whatever is
    wrong with the presentation, it is Refused ``presentation`` with one message: what failed
    would say something about the holder.
    """
    try:
        return _verify(registry, asked, presentation)
    except ZkCreditError:
        raise Refused(REFUSED, "the presentation is refused") from None


def _verify(registry: Registry, asked: Asked, presentation: Presentation) -> Disclosure:
    from zkcredit import _native
    from zkcredit.policies.circuit import build

    _check_fits(asked, presentation)
    requirements = asked.requirements
    revealed = shown.revealed_values(requirements, presentation.revealed)
    messages = shown.bound_messages(registry, asked, presentation.bound_terms)
    relations = build(requirements, revealed, messages)
    for clause in relations.outside:
        if not clause.holds(revealed):
            raise Refused("clause", f"clause {clause.number} does not hold")
    statement = shown.statement(registry, asked, relations, presentation)
    _native.verify(statement, presentation.proof)
    return Disclosure(
        request_hash=asked.hash,
        values=dict(zip(map(str, requirements.reveal), presentation.revealed, strict=True)),
        issuers={
            slot.alias: bytes(use.issuer_id)
            for slot, use in zip(requirements.slots, presentation.credentials, strict=True)
        },
        pseudonym=bytes(presentation.pseudonym),
        commitment=bytes(presentation.bound),
        terms_hash=bytes(presentation.bound_terms),
    )


def _check_fits(asked: Asked, presentation: Presentation) -> None:
    """It answers this request, and names terms if it is about a purchase.

    That the points are there which were asked for, and no others, the circuit says.
    """
    request = asked.request
    fits = (
        presentation.ledger_id == request.ledger_id
        and presentation.request == asked.hash
        and bool(presentation.bound_terms) == (request.bound_to == "purchase")
    )
    if not fits:
        raise Refused("other-request", "the presentation answers another request")
