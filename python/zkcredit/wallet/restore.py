"""Rebuilding all lines of a phrase from a ledger: nothing else is needed.

The ledger is read once from start to end and searched locally. For every
published terms the lines 0, 1, … are tried until three in a row were never opened.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zkcredit.errors import CheckFailed
from zkcredit.wallet.follow import Scan, follow, follow_open
from zkcredit.wallet.replies import REPLY_ERRORS, apply_outcome, mark_disputed, read_reply
from zkcredit.wallet.state import PENDING, HistoryRow, Line, Pending

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView
    from zkcredit.wallet.steps import Steps

UNUSED_LINES = 3
"""After so many line numbers without an open entry the search stops."""


@dataclass(slots=True)
class RestoreReport:
    """What a restore found; ``must_refresh`` lines need a refresh or statement before use."""

    scanned: int = 0
    lines: list[int] = field(default_factory=list)
    restored: int = 0
    must_refresh: list[int] = field(default_factory=list)


def find_lines(steps: Steps, scan: Scan) -> dict[int, int]:
    """Ordinals of this wallet's lines under these terms, with their open entries."""
    found: dict[int, int] = {}
    ordinal = unused = 0
    while unused < UNUSED_LINES:
        index = scan.opens.get(steps.open_commitment(ordinal))
        if index is None:
            unused += 1
        else:
            found[ordinal], unused = index, 0
        ordinal += 1
    return found


def rebuild(
    steps: Steps, ledger: LedgerView, scan: Scan, line: Line, open_index: int
) -> list[HistoryRow]:
    """Replays the line from its open entry to its last step; returns its history."""
    rows: list[HistoryRow] = []
    pending: Pending | None = follow_open(steps, ledger, line.ordinal, open_index)
    while pending is not None:
        line.pending, line.status = pending, PENDING
        assert pending.index is not None
        reply = ledger.reply(pending.index)
        if reply is None:
            return rows
        row = advance(steps, ledger, line, reply, scan)
        if row is None:
            return rows
        rows.append(row)
        assert line.token is not None
        index = scan.nullifiers.get(line.token.serial)
        pending = None if index is None else follow(steps, ledger, line.token, index)
    line.must_refresh = True
    return rows


def advance(
    steps: Steps, ledger: LedgerView, line: Line, reply: bytes, scan: Scan | None = None
) -> HistoryRow | None:
    """Applies the reply to the pending step; None when the line stops in dispute.

    ``scan`` shows whether a disputed bill was accepted under protest: then the ledger
    holds a later step of the same line.
    """
    pending = line.pending
    assert pending is not None
    assert pending.index is not None
    try:
        outcome = read_reply(steps, line, pending, reply)
    except REPLY_ERRORS as error:
        mark_disputed(line, reply, str(error))
        return None
    went_on = scan is not None and outcome.token.serial in scan.nullifiers
    if outcome.problem is not None and not went_on:
        mark_disputed(line, reply, outcome.problem)
        return None
    return apply_outcome(line, pending, outcome, ledger.entry(pending.index).timestamp_ms)


def require_same(line: Line, ledger: LedgerView) -> None:
    """CheckFailed if ``line`` belongs to another ledger."""
    if line.ledger_id != ledger.ledger_id:
        raise CheckFailed(f"line {line.number} belongs to another ledger")
