"""Answers of a wallet to verifiers' requests, from its credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zkcredit.errors import CallerError, Refused
from zkcredit.policies.binding import Bound, bind_request
from zkcredit.policies.memory import Memory
from zkcredit.policies.present import Consent, plan, present
from zkcredit.wallet.binding import bind_open, bind_purchase

if TYPE_CHECKING:
    from zkcredit.credentials.held import Slot
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger import LedgerView
    from zkcredit.policies.presentation import Presentation
    from zkcredit.policies.request import PresentationRequest
    from zkcredit.wallet.state import Line, WalletState


class Presenter:
    """Plans and proves presentations; nothing is proved unasked.

    What verifiers were told is remembered in the state: keep it before the answer leaves.
    """

    def __init__(self, state: WalletState, keys: WalletKeys, clock: Callable[[], int]) -> None:
        self._state = state
        self._keys = keys
        self._clock = clock
        self._memory = Memory(state.told)

    def plan(self, ledger: LedgerView, request: PresentationRequest) -> Consent:
        """What answering would show, in words: see :func:`zkcredit.policies.present.plan`."""
        return plan(ledger, request, self._state.credentials, self._clock(), self._memory)

    def present(
        self,
        ledger: LedgerView,
        consent: Consent,
        *,
        line: int | None = None,
        slot: Slot | None = None,
    ) -> Presentation:
        """The presentation, once ``consent.given`` is set.

        A request about a purchase wants it prepared before (``Wallet.prepare_payment``); one
        about the opening of a line wants ``line``, one about a credential request its ``slot``.
        """
        bound = self._bound(ledger, consent, line, slot)
        shown = present(ledger.registry, consent, self._keys, bound)
        self._memory.answered(consent.asked)
        return shown

    def _bound(
        self, ledger: LedgerView, consent: Consent, line: int | None, slot: Slot | None
    ) -> Bound | None:
        request = consent.asked.request
        match request.bound_to:
            case "purchase":
                payer = self._payer(request.invoice_hash)
                return bind_purchase(
                    ledger, self._keys, payer, self._state.history, request.invoice_hash
                )
            case "open":
                return bind_open(ledger, self._keys, self._line(line))
            case "credential":
                if slot is None:
                    raise CallerError("say which credential request the presentation is for")
                return bind_request(self._keys, slot)
            case "none":
                return None

    def _line(self, number: int | None) -> Line:
        for line in self._state.lines:
            if line.number == number:
                return line
        raise CallerError("say which line the presentation is for")

    def _payer(self, invoice_hash: bytes) -> Line:
        """The line that pays, or has just paid, the invoice."""
        for line in self._state.lines:
            if line.pending is not None and line.pending.invoice_hash == invoice_hash:
                return line
        numbers = [row.line for row in self._state.history if row.invoice_hash == invoice_hash]
        if not numbers:
            raise Refused("no-purchase", "prepare the payment of this invoice first")
        return self._line(numbers[-1])
