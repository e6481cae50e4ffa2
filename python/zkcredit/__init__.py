"""A ledger for consumer credit that everybody can check and nobody can read.

The names below are loaded when they are first used, so importing the package is
cheap. Everything that computes needs the compiled extension ``zkcredit._native``;
where it has not been built, importing raises :class:`ImportError` and says what to do.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkcredit.auditor import AuditReport, audit
    from zkcredit.errors import (
        CallerError,
        CheckFailed,
        MalformedInput,
        ProofRefused,
        Refused,
        StateConflict,
        StoreError,
        ZkCreditError,
    )
    from zkcredit.ledger.finality import finality, wait_until_final
    from zkcredit.ledger.operator import Operator
    from zkcredit.ledger.quorum import Policy
    from zkcredit.lender import Lender
    from zkcredit.merchant import Merchant
    from zkcredit.terms import Terms
    from zkcredit.wallet import Wallet

__version__ = "0.1.0"

__all__ = [
    "AuditReport",
    "CallerError",
    "CheckFailed",
    "Lender",
    "MalformedInput",
    "Merchant",
    "Operator",
    "Policy",
    "ProofRefused",
    "Refused",
    "StateConflict",
    "StoreError",
    "Terms",
    "Wallet",
    "ZkCreditError",
    "__version__",
    "audit",
    "finality",
    "wait_until_final",
]

_HOMES = {
    "AuditReport": "zkcredit.auditor",
    "Lender": "zkcredit.lender",
    "Merchant": "zkcredit.merchant",
    "Operator": "zkcredit.ledger.operator",
    "Policy": "zkcredit.ledger.quorum",
    "Terms": "zkcredit.terms",
    "Wallet": "zkcredit.wallet",
    "audit": "zkcredit.auditor",
    "finality": "zkcredit.ledger.finality",
    "wait_until_final": "zkcredit.ledger.finality",
}

# Found, not loaded: without the extension its stand-in `_native.py` is what is found.
_extension = find_spec("zkcredit._native")
if _extension is None or str(_extension.origin).endswith(".py"):
    importlib.import_module("zkcredit._native")  # raises, and says how to build it
del _extension, find_spec


def __getattr__(name: str) -> object:
    """Load a public name on first use; AttributeError when there is no such name."""
    if name not in __all__:
        raise AttributeError(f"module 'zkcredit' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES.get(name, "zkcredit.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
