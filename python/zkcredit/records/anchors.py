"""Where the ledger says that a record existed: its anchor.

A receipt's commitment stands in the entry of its purchase. A lender's documents are
anchored in groups: a records entry holds the root of a Merkle tree (RFC 6962, as the
log itself) over their commitments, hashed together with their number. An anchor says
nothing about a record to whoever has not seen the record itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec

from zkcredit.entries import RecordsStatement, SpendStatement
from zkcredit.errors import CallerError, CheckFailed, Refused
from zkcredit.ledger import log
from zkcredit.messages import Counter, Hex32

if TYPE_CHECKING:
    from zkcredit.ledger import LedgerView

GROUP_MAX = 1 << 16
"""Most records of one entry."""


class Anchor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A commitment's place: entry, position among the ``count`` of that entry, and path.

    A receipt is alone in its entry: position 0 of 1, no path.
    """

    entry_index: Counter
    position: Annotated[int, msgspec.Meta(ge=0, lt=GROUP_MAX)]
    count: Annotated[int, msgspec.Meta(ge=1, le=GROUP_MAX)]
    path: Annotated[list[Hex32], msgspec.Meta(max_length=16)]


class Group:
    """The tree over the commitments (32 bytes each) of one records entry, in order."""

    def __init__(self, commitments: Sequence[bytes]) -> None:
        if not 1 <= len(commitments) <= GROUP_MAX:
            raise CallerError(f"an entry anchors 1..{GROUP_MAX} records, not {len(commitments)}")
        levels = [[log.leaf_hash(commitment) for commitment in commitments]]
        while len(levels[-1]) > 1:
            below = levels[-1]
            pairs = range(0, len(below) - 1, 2)
            levels.append([log.node_hash(below[i], below[i + 1]) for i in pairs])
        self._levels = levels
        self._count = len(commitments)

    def _node(self, level: int, number: int) -> bytes:
        return self._levels[level][number]

    def root(self) -> bytes:
        """What the entry holds (32 bytes)."""
        return group_root(self._count, log.subtree_root(self._node, 0, self._count))

    def anchor(self, entry_index: int, position: int) -> Anchor:
        """The anchor of the commitment at ``position``."""
        path = log.inclusion_proof(self._node, position, self._count)
        return Anchor(entry_index=entry_index, position=position, count=self._count, path=path)


def group_root(count: int, tree_root: bytes) -> bytes:
    """Binds the tree's root to the number of its leaves, so that a path has one reading."""
    from zkcredit._native import derive_key

    return derive_key("zkcredit v1 records", count.to_bytes(4, "big") + tree_root)


def receipt_anchor(entry_index: int) -> Anchor:
    """The anchor of a receipt: the entry of its purchase."""
    return Anchor(entry_index=entry_index, position=0, count=1, path=[])


def check_purchase(ledger: LedgerView, anchor: Anchor, commitment: bytes) -> SpendStatement:
    """The purchase whose invoice hash is this commitment; Refused ``not-on-log``."""
    statement = _statement(ledger, anchor)
    alone = (anchor.position, anchor.count, anchor.path) == (0, 1, [])
    if not isinstance(statement, SpendStatement) or not alone:
        raise Refused("not-on-log", f"entry {anchor.entry_index} is not the purchase of a receipt")
    if statement.invoice_hash != commitment:
        raise Refused("not-on-log", f"entry {anchor.entry_index} is another purchase")
    return statement


def check_group(ledger: LedgerView, anchor: Anchor, commitment: bytes, issuer_id: bytes) -> None:
    """Refused ``not-on-log`` unless this issuer anchored the commitment there."""
    statement = _statement(ledger, anchor)
    if not isinstance(statement, RecordsStatement) or statement.issuer_id != issuer_id:
        raise Refused(
            "not-on-log", f"entry {anchor.entry_index} does not anchor records of this author"
        )
    try:
        tree_root = log.inclusion_root(
            log.leaf_hash(commitment), anchor.position, anchor.count, anchor.path
        )
    except CheckFailed:
        tree_root = b""
    if group_root(anchor.count, tree_root) != statement.root:
        raise Refused("not-on-log", f"entry {anchor.entry_index} anchors other records")


def _statement(ledger: LedgerView, anchor: Anchor) -> object:
    if anchor.entry_index >= ledger.size:
        raise Refused("not-on-log", f"the ledger has no entry {anchor.entry_index}")
    return ledger.entry(anchor.entry_index).statement
