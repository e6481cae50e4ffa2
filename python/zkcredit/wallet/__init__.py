"""The holder's side: requests lines, pays invoices, bills itself, restores from a phrase."""

from __future__ import annotations

from zkcredit.wallet.preview import CROWD_WARNING, Preview
from zkcredit.wallet.restore import RestoreReport
from zkcredit.wallet.state import Event, HistoryRow, Line, Pending, Token
from zkcredit.wallet.wallet import Wallet

__all__ = [
    "CROWD_WARNING",
    "Event",
    "HistoryRow",
    "Line",
    "Pending",
    "Preview",
    "RestoreReport",
    "Token",
    "Wallet",
]
