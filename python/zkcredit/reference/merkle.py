"""The log's tree: RFC 6962 with SHA-256."""

from __future__ import annotations

import hashlib


class Tree:
    """Roots of perfect subtrees of a growing log, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._perfect: list[bytes] = []

    def append(self, entry: bytes) -> None:
        """Takes in one more entry."""
        node, size = hashlib.sha256(b"\0" + entry).digest(), self.size
        while size & 1:
            node = _parent(self._perfect.pop(), node)
            size >>= 1
        self._perfect.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The tree hash of everything appended so far."""
        if not self._perfect:
            return hashlib.sha256().digest()
        node = self._perfect[-1]
        for left in reversed(self._perfect[:-1]):
            node = _parent(left, node)
        return node


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
