"""Cosigners: members of a consortium that follow a log and vouch for it.

A cosigner mirrors the log in a database of its own, judges every entry as an auditor
does, and signs checkpoints with keys whose meaning is fixed (:mod:`zkcredit.cosigner.keys`).
It answers the C2SP witness protocol, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zkcredit.cosigner.cosigner import Cosigner as Cosigner

__all__ = ["Cosigner"]


def __getattr__(name: str) -> object:
    if name == "Cosigner":
        from zkcredit.cosigner.cosigner import Cosigner

        return Cosigner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
