"""What a verifier asks for: a policy at one moment, with a nonce, signed.

Texts of requests and presentations never become part of the ledger.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from zkcredit.errors import CallerError, MalformedInput, Refused
from zkcredit.messages import (
    Counter,
    Hex32,
    Hex96,
    HexBytes,
    Signed,
    check_signature,
    prepare_types,
    signed,
    signing_digest,
    unsigned,
)
from zkcredit.policies.policy import Policy
from zkcredit.policies.resolve import Requirements, resolve

if TYPE_CHECKING:
    from zkcredit._native import BlsKey
    from zkcredit.ledger.registry import Party, Registry

BoundTo = Literal["none", "purchase", "open", "credential"]
"""What a presentation shares its owner with: a purchase's next token, a line, a credential."""

CLOCK_SKEW = dt.timedelta(days=1)
"""How far the date of a request may be from the holder's own date."""

_DAY_MS = 86_400_000
VALID_MAX_MS = _DAY_MS
"""How long a request holds at most: whoever asks for a day's answer asks again the next day."""
_CLOCKS_MS = 600_000
"""How far the clocks of verifier and holder may be apart for that."""
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()


class PresentationRequest(Signed, frozen=True, kw_only=True, tag="zkcredit/presentation-request/1"):
    """Verifier → holder: show and prove what ``policy`` says.

    ``policy`` is the policy's text in UTF-8, ``variables`` are ``name=value`` in the order
    of their names, ``today`` is the date (UTC) that the clauses mean. ``invoice_hash`` is zero
    unless the presentation is to be bound to a purchase. ``verifier_id`` is a merchant or issuer.
    """

    ledger_id: Hex32
    verifier_id: Hex32
    policy: HexBytes
    variables: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=160)]], msgspec.Meta(max_length=32)
    ]
    today: Annotated[str, msgspec.Meta(min_length=10, max_length=10)]
    nonce: Hex32
    valid_until_ms: Counter
    bound_to: BoundTo
    invoice_hash: Hex32
    signature: Hex96


prepare_types(PresentationRequest)
_ABOUT_INVOICE = "a request has an invoice's hash if and only if it is bound to a purchase"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has been read: who asks, by a name that no other party has, for what."""

    request: PresentationRequest
    hash: bytes
    verifier: Party
    verifier_name: str
    requirements: Requirements


def date_of(now_ms: int) -> dt.date:
    """The day (UTC) of a Unix time in milliseconds; MalformedInput after the year 9999."""
    try:
        return dt.date.fromordinal(_EPOCH_DAY + now_ms // _DAY_MS)
    except (ValueError, OverflowError):
        raise MalformedInput(f"{now_ms} ms is no time before the year 10000") from None


def make_request(
    registry: Registry,
    key: BlsKey,
    verifier_id: bytes,
    policy: Policy,
    *,
    now_ms: int,
    variables: Mapping[str, str] | None = None,
    bound_to: BoundTo = "none",
    invoice_hash: bytes = bytes(32),
    least_until_ms: int = 0,
) -> PresentationRequest:
    """A signed request with a fresh nonce; Refused if the policy makes no sense on the ledger.

    It can be answered for as long as the policy says, and at least until ``least_until_ms``,
    but never for more than a day (CallerError): no wallet would answer.

    ``key`` is the BLS key with which the verifier (merchant or issuer) is registered.
    """
    from zkcredit.policies.circuit import check_size

    if not _names_invoice(bound_to, invoice_hash):
        raise CallerError(_ABOUT_INVOICE)
    if least_until_ms > now_ms + VALID_MAX_MS:
        raise CallerError("a request can be answered for a day at most")
    chosen = dict(variables or {})
    today = date_of(now_ms)
    check_size(resolve(policy, registry, today, chosen))
    draft = unsigned(
        PresentationRequest,
        ledger_id=registry.ledger_id,
        verifier_id=verifier_id,
        policy=policy.encoded,
        variables=[f"{name}={chosen[name]}" for name in sorted(chosen)],
        today=today.isoformat(),
        nonce=secrets.token_bytes(32),
        valid_until_ms=max(now_ms + policy.valid_ms, least_until_ms),
        bound_to=bound_to,
        invoice_hash=invoice_hash,
    )
    return signed(draft, key.sign(signing_digest(draft)))


def read_request(registry: Registry, request: PresentationRequest, now_ms: int) -> Asked:
    """Checks ledger, signature and time, and resolves the policy.

    Refused: ``wrong-ledger``, ``unknown-verifier``, ``bad-signature``, ``expired``, or what
    :func:`~zkcredit.policies.resolve.resolve` refuses; MalformedInput, also for a request
    with an invoice's hash that is not about a purchase: such a one a merchant derives for
    its own invoices, and answers nobody (:mod:`zkcredit.policies.business`).
    """
    if request.ledger_id != registry.ledger_id:
        raise Refused("wrong-ledger", "the request is for another ledger")
    verifier = find_verifier(registry, request.verifier_id)
    check_signature(request, verifier.bls_key, verifier.name)
    if not _names_invoice(request.bound_to, request.invoice_hash):
        raise MalformedInput(_ABOUT_INVOICE)
    _check_time(request, now_ms)
    return _asked(registry, request, verifier)


def own_request(registry: Registry, request: PresentationRequest, now_ms: int) -> Asked:
    """A request that the caller has made itself and kept: its signature is not looked at.

    Refused ``expired``, or what :func:`~zkcredit.policies.resolve.resolve` refuses.
    """
    _check_time(request, now_ms)
    return _asked(registry, request, find_verifier(registry, request.verifier_id))


def _asked(registry: Registry, request: PresentationRequest, verifier: Party) -> Asked:
    name, requirements = registry.shown_name(verifier), _requirements(registry, request)
    return Asked(request, signing_digest(request), verifier, name, requirements)


def _names_invoice(bound_to: BoundTo, invoice_hash: bytes) -> bool:
    """Whether a request has an invoice's hash if and only if it is about a purchase."""
    return (bound_to == "purchase") == (invoice_hash != bytes(32))


def _check_time(request: PresentationRequest, now_ms: int) -> None:
    if now_ms > request.valid_until_ms:
        raise Refused("expired", "the request has expired: ask for a new one")


def examine_request(registry: Registry, request: PresentationRequest, now_ms: int) -> Asked:
    """The request as its holder takes it: read, and neither of another day nor long-lived.

    Refused as in :func:`read_request`, and ``valid-too-long`` or ``wrong-date``: a verifier that
    chose the date could find out a birth date by asking again and again.
    """
    asked = read_request(registry, request, now_ms)
    if request.valid_until_ms > now_ms + VALID_MAX_MS + _CLOCKS_MS:
        raise Refused(
            "valid-too-long",
            "the request could be answered for more than 24 hours: ask for a new one that holds "
            "for a day at most",
        )
    if abs(date_of(now_ms) - asked.requirements.today) > CLOCK_SKEW:
        raise Refused("wrong-date", f"the request means the day {asked.requirements.today}")
    return asked


def find_verifier(registry: Registry, verifier_id: bytes) -> Party:
    """The merchant or issuer of this identifier; Refused ``unknown-verifier``."""
    found = registry.merchants.get(verifier_id) or registry.issuers.get(verifier_id)
    if found is None:
        raise Refused("unknown-verifier", "no merchant or issuer of this ledger asks for this")
    return found


def _requirements(registry: Registry, request: PresentationRequest) -> Requirements:
    try:
        today = dt.date.fromisoformat(request.today)
    except ValueError:
        raise MalformedInput(f"the request's date {request.today!r} is none") from None
    if today.isoformat() != request.today:
        raise MalformedInput("the request's date is not written like 2001-05-31")
    pairs = [item.partition("=") for item in request.variables]
    names = [name for name, _, _ in pairs]
    if names != sorted(set(names)):
        raise MalformedInput("the variables of a request stand in the order of their names")
    variables = {name: value for name, _, value in pairs}
    return resolve(Policy.parse(request.policy), registry, today, variables)
