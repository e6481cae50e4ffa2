"""What a merchant remembers, and its bytes inside the vault."""

from __future__ import annotations

import msgspec

from zkcredit.credentials.held import HeldCredential
from zkcredit.errors import MalformedInput
from zkcredit.messages import prepare_types
from zkcredit.policies.disclosure import Disclosure
from zkcredit.state import Secretive

VERSION = 1
SETTLE_MIN = 5
"""Fewer claims in one settlement are settled only by force: they stand out."""
VALID_MS = 3_600_000
"""How long an invoice can be paid by default (one hour)."""
ACCEPTED_MAX = 256

OPEN, PAID, SETTLED, EXPIRED, WRONG = "open", "paid", "settled", "expired", "wrong-claim"
UNDISCLOSED = "undisclosed"
"""States of a sale; an undisclosed one is paid, but the presentation that the merchant asked
for is missing or belongs to another purchase."""


class Sale(Secretive, kw_only=True):
    """One invoice and what became of it.

    ``claim_index`` is the spend entry that paid it, ``settle_index`` the settlement,
    ``issuer_id``, ``terms_hash`` and ``claim`` are known once it is paid. A ``wrong-claim``
    used the invoice's payee with another amount, lender or invoice: it is worth nothing.
    ``request`` is the hash of the presentation request that belongs to the sale, if any, and
    ``commitment`` the C′ of the entry that paid it.
    """

    number: int
    invoice: bytes
    invoice_hash: bytes
    nonce: bytes
    amount_minor: int
    currency: str
    label: str
    payee: bytes
    not_after_ms: int
    state: str = OPEN
    claim_index: int | None = None
    claim: bytes = b""
    issuer_id: bytes = b""
    terms_hash: bytes = b""
    settle_index: int | None = None
    request: bytes = b""
    commitment: bytes = b""


class Inquiry(Secretive, kw_only=True):
    """A presentation request (encoded, and its hash) and the answer that was accepted.

    ``answer`` is the hash of the presentation that has disclosed ``disclosed``.
    """

    request: bytes
    hash: bytes
    valid_until_ms: int
    answer: bytes = b""
    disclosed: Disclosure | None = None


class Settlement(Secretive, kw_only=True):
    """A settlement of this merchant; ``index`` is set once the ledger has it."""

    statement: bytes
    evidence: bytes
    opening: bytes
    claims: list[int]
    index: int | None = None
    payout: bytes = b""


class MerchantState(Secretive, kw_only=True):
    """Content of a merchant's vault."""

    version: int = VERSION
    role: str = "merchant"
    phrase: str | None = None
    root: bytes
    name: str
    ledger_id: bytes = b""
    merchant_id: bytes = b""
    cursor: int = 0
    sales: list[Sale] = msgspec.field(default_factory=list)
    settlements: list[Settlement] = msgspec.field(default_factory=list)
    inquiries: list[Inquiry] = msgspec.field(default_factory=list)
    credentials: list[HeldCredential] = msgspec.field(default_factory=list)


prepare_types(MerchantState)


def decode_state(data: bytes) -> MerchantState:
    """The state in a vault; MalformedInput if it is of another version or no merchant's."""
    try:
        state = msgspec.msgpack.decode(data, type=MerchantState)
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"not a merchant's state: {error}") from None
    if (state.version, state.role) != (VERSION, "merchant"):
        raise MalformedInput(f"merchant state has version {state.version}, not {VERSION}")
    return state
