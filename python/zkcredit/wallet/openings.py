"""What the lender alone must see of a billing statement or an update."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from zkcredit.entries import Kind
from zkcredit.errors import StateConflict
from zkcredit.messages import StatementOpening, UpdateOpening

if TYPE_CHECKING:
    from zkcredit.keys import WalletKeys
    from zkcredit.ledger import LedgerView
    from zkcredit.wallet.state import Line

_DAY_MS = 86_400_000


def build_opening(keys: WalletKeys, line: Line) -> StatementOpening | UpdateOpening:
    """The opening of the line's pending step; StateConflict if it is not on the ledger yet.

    ``delta`` = rho_S − rho_Y lets the lender compare the entry's tag with the owner tag
    of the line's open entry; the reply key seals its answer.
    """
    pending, token = line.pending, line.token
    if pending is None or token is None or pending.index is None:
        raise StateConflict(f"line {line.number} has no accepted statement or update")
    kind = Kind(pending.kind)
    if kind not in (Kind.STATEMENT, Kind.UPDATE):
        raise StateConflict(f"line {line.number} has no pending statement or update")
    rho_owner = keys.owner_blinding(line.terms_hash, line.ordinal)
    delta = (keys.tag_blinding(kind, token.serial) - rho_owner).expose()
    reply_key = keys.reply_key(token.serial)
    if kind is Kind.UPDATE:
        return UpdateOpening(
            ledger_id=line.ledger_id,
            entry_index=pending.index,
            account=token.account,
            delta=delta,
            reply_key=reply_key,
        )
    return StatementOpening(
        ledger_id=line.ledger_id,
        entry_index=pending.index,
        account=token.account,
        due_minor=token.due_minor[0],
        delta=delta,
        rho_due=keys.due_blinding(kind, token.serial).expose(),
        reply_key=reply_key,
    )


def choose_moment(ledger: LedgerView, line: Line) -> int:
    """A random Unix time (ms) for the billing statement of the line's period.

    It lies in the first three quarters of the grace window that begins when the next
    period opens; a fixed delay would let entries of one wallet be recognised.
    """
    if line.token is None:
        raise line.not_ready()
    following = ledger.registry.period(line.terms_hash, line.token.period + 1)
    start_ms = ledger.entry(following.index).timestamp_ms
    grace_days = ledger.registry.published(line.terms_hash).terms.grace_days
    return start_ms + secrets.randbelow(grace_days * _DAY_MS * 3 // 4 + 1)
