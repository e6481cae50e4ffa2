"""Verified merchants: an invoice with a presentation of the merchant's business credential.

There is no request, since the holder cannot ask before it has the invoice. Both sides
derive it: the policy reveals category and country, nonce and invoice hash are the
invoice's digest, which covers payee and amount, and the date is the invoice's last day.
Bound to no purchase and yet with an invoice's hash, it is a request that no wallet
answers to anybody who asks (:func:`~zkcredit.policies.request.read_request`): else a shop
could put the answer of another business to its question into its own invoice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from zkcredit.credentials.builtin import BUSINESS
from zkcredit.errors import Refused, ZkCreditError
from zkcredit.messages import Invoice, decode_message, encode_message, signing_digest
from zkcredit.policies.policy import Policy
from zkcredit.policies.present import plan_answer, present
from zkcredit.policies.presentation import Presentation
from zkcredit.policies.request import Asked, PresentationRequest, date_of, own_request
from zkcredit.policies.verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zkcredit.credentials.held import HeldCredential
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger.registry import Registry

_POLICY = """\
title = "Verified merchant"
reveal = ["category", "country"]
[credentials.business]
schema = "{schema}"
issuers = ["{issuer}"]
"""


@dataclass(frozen=True, slots=True)
class Business:
    """What a registrar has verified of a merchant: its category and country."""

    registrar: str
    category: str
    country: str


def with_business(
    registry: Registry,
    invoice: Invoice,
    credentials: Sequence[HeldCredential],
    keys: WalletKeys,
    now_ms: int,
) -> Invoice:
    """The signed invoice with a presentation of the first business credential that fits.

    Refused ``no-credential`` if there is none that is valid until the invoice expires.
    """
    held = [item for item in credentials if item.schema_hash == BUSINESS.hash]
    if not held:
        raise Refused("no-credential", "there is no business credential: ask a registrar for one")
    problem: Refused | None = None
    for item in held:
        try:
            consent = plan_answer(registry, _asked(registry, invoice, item.issuer_id, now_ms), held)
        except Refused as error:
            problem = problem or error
            continue
        consent.given = True
        shown = encode_message(present(registry, consent, keys))
        return msgspec.structs.replace(invoice, presentation=shown)
    assert problem is not None
    raise problem


def read_business(registry: Registry, invoice: Invoice, now_ms: int) -> Business | None:
    """What the invoice's presentation says of its merchant, None without one.

    Refused ``presentation`` if it does not hold: treat the merchant as not verified.
    """
    if not invoice.presentation:
        return None
    try:
        shown = decode_message(invoice.presentation, Presentation)
        issuer_id = shown.credentials[0].issuer_id if shown.credentials else bytes(32)
        found = verify(registry, _asked(registry, invoice, issuer_id, now_ms), shown)
    except ZkCreditError:
        raise Refused("presentation", "the invoice's presentation is refused") from None
    return Business(
        registrar=registry.shown_name(registry.issuer(issuer_id)),
        category=found.values["business.category"],
        country=found.values["business.country"],
    )


def _asked(registry: Registry, invoice: Invoice, issuer_id: bytes, now_ms: int) -> Asked:
    policy = Policy.parse(_POLICY.format(schema=BUSINESS.hash.hex(), issuer=issuer_id.hex()))
    digest = signing_digest(invoice)
    request = PresentationRequest(
        ledger_id=registry.ledger_id,
        verifier_id=invoice.merchant_id,
        policy=policy.encoded,
        variables=[],
        today=date_of(invoice.not_after_ms).isoformat(),
        nonce=digest,
        valid_until_ms=invoice.not_after_ms,
        bound_to="none",
        invoice_hash=digest,
        signature=bytes(96),
    )
    return own_request(registry, request, now_ms)
