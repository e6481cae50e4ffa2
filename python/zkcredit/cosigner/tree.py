"""The published tree, compared with a checkpoint and with one's own tree before anything else.

A checkpoint vouches for a root; from the published tiles follow the roots of all bundles
of 256 entries below it. So every bundle is checked when it arrives, and what is not in
the signed tree never reaches the database.
"""

from __future__ import annotations

from collections.abc import Callable

from zkcredit.errors import CheckFailed
from zkcredit.ledger.log import EMPTY_ROOT, HASH_BYTES, TILE_WIDTH, Frontier, node_hash
from zkcredit.ledger.note import Checkpoint

TileReader = Callable[[int, int], bytes]
"""Hashes of the tile (level, number), 32 bytes each, as far as the tree reaches."""


class PublishedTree:
    """The tree of a checkpoint, as far as it goes beyond one's own ``frontier``.

    ``leaves`` are the leaf hashes (32 bytes each) of one's own last, unfinished tile. 32
    bytes are kept for each new bundle of 256 entries.

    Raises CheckFailed: ``fork`` if the signed tree does not continue one's own,
    ``damaged-tiles`` if the tiles are not those of the signed tree.
    """

    def __init__(
        self, tile: TileReader, head: Checkpoint, frontier: Frontier, leaves: bytes
    ) -> None:
        self._tile = tile
        self._head = head
        self._first = frontier.size // TILE_WIDTH
        self._whole = head.size // TILE_WIDTH
        done = frontier.hashes[: self._first.bit_count()]
        self._roots = self._tile_roots(self._first)
        if self._root(Frontier(self._first, done), self._roots) != head.root:
            raise self._contradiction(frontier.size)
        if leaves and not self._bundle_leaves(self._first).startswith(leaves):
            raise self._fork(frontier.size)

    def bundle_root(self, number: int) -> bytes:
        """Root of the full bundle ``number`` (from one's own first unfinished one on)."""
        return self._roots[number - self._first]

    def _tile_roots(self, first: int) -> list[bytes]:
        """Roots of the full leaf tiles from number ``first`` on."""
        roots: list[bytes] = []
        for tile in range(first // TILE_WIDTH, -(-self._whole // TILE_WIDTH)):
            hashes = _split(self._tile(1, tile))
            roots += hashes[max(first - tile * TILE_WIDTH, 0) :]
        return roots

    def _root(self, upper: Frontier, roots: list[bytes]) -> bytes:
        """Root of the whole tree: full leaf tiles, then the leaves of the last one."""
        for item in roots:
            upper.append(item)
        rest = Frontier()
        if self._head.size % TILE_WIDTH:
            for leaf in _split(self._tile(0, self._whole)):
                rest.append(leaf)
        size = upper.size * TILE_WIDTH + rest.size
        return Frontier(size, upper.hashes + rest.hashes).root() if size else EMPTY_ROOT

    def _bundle_leaves(self, number: int) -> bytes:
        leaves = self._tile(0, number)
        if number < self._whole and _perfect_root(leaves) != self.bundle_root(number):
            raise CheckFailed(f"tile {number} is not in the signed tree", check="damaged-tiles")
        return leaves

    def _contradiction(self, size: int) -> CheckFailed:
        """Whose fault it is: from their own tiles the signed root follows, or it does not."""
        if self._root(Frontier(), self._tile_roots(0)) == self._head.root:
            return self._fork(size)
        return CheckFailed(
            f"the published tiles are not those of the checkpoint at {self._head.size} entries",
            check="damaged-tiles",
        )

    def _fork(self, size: int) -> CheckFailed:
        return CheckFailed(
            f"the log signed at {self._head.size} entries does not continue the {size} entries "
            "that were verified before",
            check="fork",
        )


def _split(data: bytes) -> list[bytes]:
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def _perfect_root(leaves: bytes) -> bytes:
    hashes = _split(leaves)
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]
