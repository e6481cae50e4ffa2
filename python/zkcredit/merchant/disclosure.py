"""What a merchant asks its customers to show, and what they have shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from zkcredit.errors import CallerError, Refused, StateConflict
from zkcredit.merchant.state import PAID, SETTLED, UNDISCLOSED, Inquiry, MerchantState, Sale
from zkcredit.messages import decode_message, encode_message, signing_digest

if TYPE_CHECKING:
    from zkcredit.keys import MerchantKeys
    from zkcredit.ledger.registry import Registry
    from zkcredit.policies.disclosure import Disclosure
    from zkcredit.policies.policy import Policy
    from zkcredit.policies.presentation import Presentation
    from zkcredit.policies.request import Asked, PresentationRequest


class Inquiries:
    """The presentation requests of one merchant; they live in its state.

    A request is answered once: the nonce of an answered request is used up. The request of
    a sale may be answered anew until the sale is paid, for a purchase that was prepared twice.
    """

    def __init__(self, state: MerchantState, keys: MerchantKeys, clock: Callable[[], int]) -> None:
        self._state = state
        self._keys = keys
        self._clock = clock

    def ask(
        self,
        registry: Registry,
        policy: Policy,
        variables: Mapping[str, str] | None,
        sale: Sale | None = None,
    ) -> PresentationRequest:
        """A request for a fresh presentation, bound to the purchase of ``sale`` if there is one."""
        from zkcredit.policies.request import make_request

        self._forget()
        request = make_request(
            registry,
            self._keys.bls,
            self._state.merchant_id,
            policy,
            now_ms=self._clock(),
            variables=variables,
            bound_to="purchase" if sale else "none",
            invoice_hash=sale.invoice_hash if sale else bytes(32),
            least_until_ms=sale.not_after_ms if sale else 0,
        )
        inquiry = Inquiry(
            request=encode_message(request),
            hash=signing_digest(request),
            valid_until_ms=request.valid_until_ms,
        )
        self._state.inquiries.append(inquiry)
        if sale is not None:
            sale.request = inquiry.hash
        return request

    def request_of(self, sale: Sale) -> PresentationRequest:
        """The request that belongs to a sale; CallerError if it has none."""
        from zkcredit.policies.request import PresentationRequest

        if not sale.request:
            raise CallerError(f"sale {sale.number} asks for no presentation")
        return decode_message(self._find(sale.request).request, PresentationRequest)

    def read(self, registry: Registry, data: bytes) -> Presentation:
        """The answer in a file (:mod:`zkcredit.credentials.exchange`), not verified.

        MalformedInput, Refused ``presentation`` if no request of this merchant asks for it.
        """
        from zkcredit.credentials.exchange import read_presentation

        return read_presentation(
            data, lambda wanted: self._asked(registry, self._find(wanted)).requirements
        )

    def accept(self, registry: Registry, presentation: Presentation) -> Disclosure:
        """Verifies an answer and keeps what it discloses; the same bytes again change nothing.

        Refused ``presentation`` for every answer that does not hold, ``expired`` if it comes
        too late; StateConflict if the request was answered before.
        """
        from zkcredit._native import blake3_hash
        from zkcredit.policies.verify import verify

        inquiry = self._find(presentation.request)
        answer = blake3_hash(encode_message(presentation))
        known = inquiry.disclosed
        if known is not None and inquiry.answer == answer:
            return known
        sale = self._sale(inquiry)
        if known is not None and (sale is None or sale.state in (PAID, SETTLED)):
            raise StateConflict("this request was answered before: make a new one")
        found = verify(registry, self._asked(registry, inquiry), presentation)
        inquiry.answer, inquiry.disclosed = answer, found
        if sale is not None and sale.state == UNDISCLOSED:
            sale.state = self.paid_state(sale)
        return found

    def paid_state(self, sale: Sale) -> str:
        """State of a sale whose claim is good: what was asked for belongs to this purchase."""
        if not sale.request:
            return PAID
        disclosed = self._find(sale.request).disclosed
        purchase = (sale.commitment, sale.terms_hash)
        if disclosed is None or (disclosed.commitment, disclosed.terms_hash) != purchase:
            return UNDISCLOSED
        return PAID

    def disclosed(self, sale: Sale) -> Disclosure | None:
        """What was disclosed for a sale; None before, and if nothing was asked for."""
        return self._find(sale.request).disclosed if sale.request else None

    def _asked(self, registry: Registry, inquiry: Inquiry) -> Asked:
        from zkcredit.policies.request import PresentationRequest, own_request

        request = decode_message(inquiry.request, PresentationRequest)
        return own_request(registry, request, self._clock())

    def _find(self, request_hash: bytes) -> Inquiry:
        for inquiry in self._state.inquiries:
            if inquiry.hash == request_hash:
                return inquiry
        raise Refused("presentation", "the presentation is refused")

    def _sale(self, inquiry: Inquiry) -> Sale | None:
        return next((sale for sale in self._state.sales if sale.request == inquiry.hash), None)

    def _forget(self) -> None:
        """Drops requests that nobody has answered in time; those of sales stay."""
        now_ms, sold = self._clock(), {sale.request for sale in self._state.sales}
        self._state.inquiries = [
            inquiry
            for inquiry in self._state.inquiries
            if inquiry.disclosed or inquiry.valid_until_ms >= now_ms or inquiry.hash in sold
        ]
