"""What a presentation can share its owner with: a commitment on the ledger.

The holder opens the commitment C′ of a purchase, of a line's opening or of a
credential request inside the presentation's proof. The owner in it is the owner of
the credentials, and no serial is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkcredit._native import Scalar
    from zkcredit.credentials.held import Slot
    from zkcredit.keys import WalletKeys
    from zkcredit.policies.request import BoundTo


@dataclass(frozen=True, slots=True)
class Bound:
    """A commitment (48 bytes) and how it opens; nothing of the opening is printed.

    ``blind`` is message 0, message 1 is the owner, ``rest`` are the messages from 2 on.
    ``terms_hash`` is that of the token, empty for a credential request or an opening.
    ``invoice_hash`` is that of the purchase, else empty. ``party_id`` (32 bytes) is whom the
    commitment was made for: the merchant of the invoice, the lender, the issuer; empty if a
    restored wallet does not know.
    """

    kind: BoundTo
    party_id: bytes
    commitment: bytes
    blind: Scalar = field(repr=False)
    rest: tuple[Scalar, ...] = field(default=(), repr=False)
    terms_hash: bytes = b""
    invoice_hash: bytes = b""


def bind_request(keys: WalletKeys, slot: Slot) -> Bound:
    """The request for another credential: what :func:`prove_request` commits to."""
    from zkcredit.credentials.requests import request_commitment

    commitment = request_commitment(keys, slot)
    return Bound("credential", slot.issuer_id, commitment, keys.credential_blind(*slot))
