"""What is asked about purchases, and the answer."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypedDict

import msgspec

from zkcredit import digests
from zkcredit.codec import Writer, text_problem
from zkcredit.errors import CallerError, MalformedInput, Refused
from zkcredit.messages import (
    Counter,
    Hex32,
    Hex96,
    HexBytes,
    Label,
    Message,
    Minor,
    Period,
    Signed,
    check_signature,
    prepare_types,
    signed,
    signing_digest,
    unsigned,
)
from zkcredit.policies.request import find_verifier
from zkcredit.tokens import Product

if TYPE_CHECKING:
    from zkcredit._native import BlsKey
    from zkcredit.ledger.registry import Party, Registry

ENTRIES_MAX = 1_024
"""Most entries, purchases and bills together, that one proof speaks about."""
Show = Literal["amounts", "sum", "average"]
"""What the verifier learns of the amounts: each, their sum, or that their mean is below a bound."""
Coverage = Literal["chosen", "all"]
"""Whether the holder chooses the purchases, or must show all of one line in the periods."""


class Wish(TypedDict, total=False):
    """What :func:`make_request` asks for besides terms and periods."""

    show: Show
    below_minor: int
    coverage: Coverage
    pseudonym: str | None


class PurchasesRequest(Signed, frozen=True, kw_only=True, tag="zkcredit/purchases-request/1"):
    """Verifier → holder: prove purchases of one line under these terms in these periods.

    ``below_minor`` is the bound of an average and 0 otherwise; ``pseudonym`` holds the
    context of the pseudonym to show, if any. ``verifier_id`` is a merchant or issuer.
    """

    ledger_id: Hex32
    verifier_id: Hex32
    terms_hash: Hex32
    first_period: Period
    last_period: Period
    show: Show
    below_minor: Minor
    coverage: Coverage
    pseudonym: Annotated[list[Label], msgspec.Meta(max_length=1)]
    nonce: Hex32
    valid_until_ms: Counter
    signature: Hex96


class PurchasesProof(Message, frozen=True, kw_only=True, tag="zkcredit/purchases-proof/1"):
    """Holder → verifier: the answer to the request of hash ``request``.

    ``entries`` are the indexes of the purchases, ``bills`` those of one billing statement
    for each period (coverage "all"), both increasing. ``amounts_minor`` are the amounts of
    the purchases, or their sum alone, or nothing. ``holder`` and ``pseudonym`` are points
    (48 bytes), the latter empty if none was asked for.
    """

    ledger_id: Hex32
    request: Hex32
    entries: Annotated[list[Counter], msgspec.Meta(max_length=ENTRIES_MAX)]
    bills: Annotated[list[Counter], msgspec.Meta(max_length=ENTRIES_MAX)]
    amounts_minor: Annotated[list[Minor], msgspec.Meta(max_length=ENTRIES_MAX)]
    holder: HexBytes
    pseudonym: HexBytes
    proof: HexBytes


prepare_types(PurchasesRequest, PurchasesProof)


@dataclass(frozen=True, slots=True)
class Question:
    """A request that has been read: who asks, about which product."""

    request: PurchasesRequest
    hash: bytes
    verifier: Party
    product: Product

    @property
    def periods(self) -> range:
        """The periods in question."""
        return range(self.request.first_period, self.request.last_period + 1)

    @property
    def pseudonym_label(self) -> bytes | None:
        """Label of the generator of the pseudonym, None if none is asked for."""
        request = self.request
        if not request.pseudonym:
            return None
        return digests.pseudonym_label(
            request.ledger_id, request.verifier_id, request.pseudonym[0], of_owner=True
        )


def make_request(
    registry: Registry,
    key: BlsKey,
    verifier_id: bytes,
    terms_hash: bytes,
    periods: tuple[int, int],
    *,
    valid_until_ms: int,
    show: Show = "sum",
    below_minor: int = 0,
    coverage: Coverage = "chosen",
    pseudonym: str | None = None,
) -> PurchasesRequest:
    """A signed request with a fresh nonce; CallerError or Refused if it makes no sense.

    ``key`` is the BLS key with which the verifier is registered, ``periods`` are the first
    and the last one, ``below_minor`` is the bound of an average in minor units.
    """
    draft = unsigned(
        PurchasesRequest,
        ledger_id=registry.ledger_id,
        verifier_id=verifier_id,
        terms_hash=terms_hash,
        first_period=periods[0],
        last_period=periods[1],
        show=show,
        below_minor=below_minor,
        coverage=coverage,
        pseudonym=[] if pseudonym is None else [pseudonym],
        nonce=secrets.token_bytes(32),
        valid_until_ms=valid_until_ms,
    )
    try:
        _check_sense(registry, draft)
    except MalformedInput as error:
        raise CallerError(str(error)) from None
    return signed(draft, key.sign(signing_digest(draft)))


def read_request(registry: Registry, request: PurchasesRequest, now_ms: int) -> Question:
    """Checks ledger, signature, time and sense of a request.

    Refused: ``wrong-ledger``, ``unknown-verifier``, ``unknown-terms``, ``unknown-period``,
    ``bad-signature``, ``expired``, ``not-billed-whole``; MalformedInput.
    """
    if request.ledger_id != registry.ledger_id:
        raise Refused("wrong-ledger", "the request is for another ledger")
    verifier = find_verifier(registry, request.verifier_id)
    check_signature(request, verifier.bls_key, verifier.name)
    if now_ms > request.valid_until_ms:
        raise Refused("expired", "the request has expired: ask for a new one")
    product = _check_sense(registry, request)
    return Question(request, signing_digest(request), verifier, product)


def _check_sense(registry: Registry, request: PurchasesRequest) -> Product:
    product = Product.find(registry, request.terms_hash)
    for period in (request.first_period, request.last_period):
        registry.period(request.terms_hash, period)
    if not request.first_period <= request.last_period < request.first_period + ENTRIES_MAX:
        raise MalformedInput(f"a request is about 1..{ENTRIES_MAX} periods in order")
    if (request.show == "average") != (request.below_minor > 0):
        raise MalformedInput("a request has a bound if and only if it asks for an average")
    for context in request.pseudonym:
        if (problem := text_problem(context)) is not None:
            raise MalformedInput(f"pseudonym: {problem}")
    if request.coverage == "all" and product.terms.due_buckets != 1:
        raise Refused(
            "not-billed-whole", "only where each bill holds a whole period can all be shown"
        )
    return product


def proof_context(proof: PurchasesProof) -> bytes:
    """What the proof and its weights are bound to (32 bytes): all its fields but the proof."""
    writer = Writer().fixed(proof.request, 32)
    for numbers in (proof.entries, proof.bills, proof.amounts_minor):
        writer.u16(len(numbers))
        for number in numbers:
            writer.u64(number)
    return digests.purchases_context(writer.fixed(proof.holder, 48).var8(proof.pseudonym).finish())
