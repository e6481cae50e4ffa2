"""The lender's side: terms, periods, lines, signatures, bills, payments and payouts."""

from __future__ import annotations

from zkcredit.lender.lender import Lender
from zkcredit.lender.signing import SignReport
from zkcredit.lender.store import Account

__all__ = ["Account", "Lender", "SignReport"]
