"""The merchant's side: invoices, claims, settlements."""

from __future__ import annotations

from zkcredit.merchant.merchant import Merchant
from zkcredit.merchant.state import SETTLE_MIN, Sale

__all__ = ["SETTLE_MIN", "Merchant", "Sale"]
