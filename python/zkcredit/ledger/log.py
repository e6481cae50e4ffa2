"""The Merkle tree of the log (RFC 6962, SHA-256): tiles, roots and proofs.

Pure functions over hashes. A *node* ``(level, number)`` is the root of the
perfect subtree over leaves ``number·2^level`` to ``(number+1)·2^level − 1``. A
*tile* ``(tile level, number)`` holds up to 256 consecutive nodes of level
8·tile level, as C2SP tlog-tiles serves them. All hashes have 32 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from zkcredit.errors import CallerError, CheckFailed, MalformedInput

HASH_BYTES = 32
TILE_WIDTH = 256
TILE_HEIGHT = 8
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""

NodeReader = Callable[[int, int], bytes]
"""Gives the hash of the node (level, number)."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash of an encoded entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree: enough to append leaves and to compute the root.

    ``hashes`` are the roots of the perfect subtrees of ``size`` leaves, largest
    first, one for every one-bit of ``size``.
    """

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or size.bit_count() != len(hashes):
            raise CallerError(f"a tree of {size} leaves does not have {len(hashes)} subtrees")
        if any(len(item) != HASH_BYTES for item in hashes):
            raise CallerError("hashes must have 32 bytes")
        self.size = size
        self.hashes = list(hashes)

    @classmethod
    def decode(cls, size: int, data: bytes) -> Frontier:
        """The frontier of ``size`` leaves from its concatenated hashes."""
        if len(data) != HASH_BYTES * size.bit_count():
            raise MalformedInput("stored frontier does not have the length that its size says")
        return cls(size, [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)])

    def encode(self) -> bytes:
        """The concatenated hashes."""
        return b"".join(self.hashes)

    def append(self, leaf: bytes) -> list[tuple[int, bytes]]:
        """Adds a leaf hash; returns the completed nodes that tiles hold.

        They are (tile level, hash), the leaf itself as tile level 0 first.
        """
        stored = [(0, leaf)]
        size, level, node = self.size, 0, leaf
        while size & 1:
            node = node_hash(self.hashes.pop(), node)
            size >>= 1
            level += 1
            if level % TILE_HEIGHT == 0:
                stored.append((level // TILE_HEIGHT, node))
        self.hashes.append(node)
        self.size += 1
        return stored

    def root(self) -> bytes:
        """Root of the tree."""
        if not self.hashes:
            return EMPTY_ROOT
        node = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            node = node_hash(left, node)
        return node

    def copy(self) -> Frontier:
        """An independent frontier of the same tree."""
        return Frontier(self.size, self.hashes)


def tile_path(tile_level: int | str, number: int, width: int = TILE_WIDTH) -> str:
    """Path of a tile as tlog-tiles writes it: ``tile/0/x001/234.p/5``.

    The level of entry bundles is ``"entries"``.
    """
    groups = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03d}")
    suffix = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{tile_level}/{'/'.join(groups)}{suffix}"


def node_from_tiles(tile: Callable[[int, int], bytes], level: int, number: int) -> bytes:
    """The node (level, number), computed from the tile that holds what is below it."""
    tile_level, height = divmod(level, TILE_HEIGHT)
    start = number << height
    data = tile(tile_level, start // TILE_WIDTH)
    offset = start % TILE_WIDTH * HASH_BYTES
    end = offset + (HASH_BYTES << height)
    if end > len(data):
        raise CallerError(f"node {number} of level {level} is beyond the end of the tree")
    hashes = [data[i : i + HASH_BYTES] for i in range(offset, end, HASH_BYTES)]
    while len(hashes) > 1:
        hashes = [
            node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)
        ]  # fmt: skip
    return hashes[0]


def _split(size: int) -> int:
    """The largest power of two below ``size`` (RFC 6962's k)."""
    return 1 << (size - 1).bit_length() - 1


def subtree_root(node: NodeReader, start: int, end: int) -> bytes:
    """Root over the leaves ``start`` to ``end`` − 1, where ``start`` is aligned as in the tree."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(size)
    return node_hash(subtree_root(node, start, middle), subtree_root(node, middle, end))


def inclusion_proof(node: NodeReader, index: int, size: int) -> list[bytes]:
    """Audit path of leaf ``index`` in the tree of ``size`` leaves, from the leaf upward."""
    if not 0 <= index < size:
        raise CallerError(f"entry {index} is not in a tree of {size} entries")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(subtree_root(node, middle, end))
            end = middle
        else:
            path.append(subtree_root(node, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(node: NodeReader, old_size: int, new_size: int) -> list[bytes]:
    """Proof that the tree of ``old_size`` leaves is a prefix; empty if equal or from nothing."""
    if not 0 <= old_size <= new_size:
        raise CallerError(f"no consistency from {old_size} to {new_size} entries")
    if old_size in (0, new_size):
        return []
    path: list[bytes] = []
    start, end, whole = 0, new_size, True
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(subtree_root(node, middle, end))
            end = middle
        else:
            path.append(subtree_root(node, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(subtree_root(node, start, end))
    return path[::-1]


def _check_hashes(*hashes: bytes) -> None:
    if any(len(item) != HASH_BYTES for item in hashes):
        raise CheckFailed("a hash of the proof does not have 32 bytes")


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Raises CheckFailed unless ``leaf`` (its hash) is at ``index`` of the tree with ``root``."""
    if inclusion_root(leaf, index, size, proof) != root:
        raise CheckFailed("inclusion proof does not lead to the root")


def inclusion_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Root of the tree of ``size`` leaves in which ``proof`` puts ``leaf`` at ``index``.

    CheckFailed if the proof does not have the length that index and size say.
    """
    _check_hashes(leaf, *proof)
    if not 0 <= index < size:
        raise CheckFailed(f"entry {index} is not in a tree of {size} entries")
    node, position, last = leaf, index, size - 1
    for sibling in proof:
        if last == 0:
            raise CheckFailed("inclusion proof is too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last:
        raise CheckFailed("inclusion proof is too short")
    return node


def verify_consistency(
    old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """Raises CheckFailed unless the older tree is a prefix of the newer.

    The empty tree is a prefix of every tree; its root must be that of no leaves.
    """
    _check_hashes(old_root, new_root, *proof)
    if not 0 <= old_size <= new_size:
        raise CheckFailed(f"the tree has shrunk from {old_size} to {new_size} entries")
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise CheckFailed("the root of an empty tree is wrong")
    if old_size in (0, new_size):
        if proof or (old_size == new_size and old_root != new_root):
            raise CheckFailed("equal or empty trees need equal roots and no proof")
        return
    _follow_consistency(old_size, new_size, list(proof), old_root, new_root)


def _follow_consistency(
    old_size: int, new_size: int, path: list[bytes], old_root: bytes, new_root: bytes
) -> None:
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise CheckFailed("consistency proof is empty")
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise CheckFailed("consistency proof is too long")
        if position & 1 or position == last:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_node = node_hash(new_node, sibling)
        position, last = position >> 1, last >> 1
    if last or old_node != old_root or new_node != new_root:
        raise CheckFailed("the older tree is not a prefix of the newer one")
