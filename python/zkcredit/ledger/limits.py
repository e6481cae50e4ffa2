"""How many bytes are read of anything that somebody else hands out.

The formats say how long the files of a published log can be. Whoever reads one stops
there (CheckFailed ``too-large``), so an operator that serves files without an end costs its
readers a refusal, and not their memory. It withholds what it makes too long: whoever reads
says nothing about the entries behind it.
"""

from __future__ import annotations

from collections.abc import Iterable

from zkcredit.entries.entry import ENTRY_MAX_BYTES
from zkcredit.errors import CheckFailed
from zkcredit.ledger.attachments import ATTACHMENT_MAX_BYTES
from zkcredit.ledger.log import HASH_BYTES, TILE_WIDTH
from zkcredit.ledger.note import NOTE_MAX_BYTES
from zkcredit.ledger.replies import SEALED_BYTES

PART_BYTES = 1 << 16
"""How much is read at a time."""
GENESIS_MAX_BYTES = 4_096
"""A genesis has about 1,500 bytes."""
TILE_MAX_BYTES = TILE_WIDTH * HASH_BYTES
"""A tile of the tree: 256 hashes."""
ENTRY_BUNDLE_MAX_BYTES = TILE_WIDTH * (2 + ENTRY_MAX_BYTES)
"""256 entries, each after its length."""
EVIDENCE_BUNDLE_MAX_BYTES = 32 << 20
"""256 times the longest proof there is (a purchase with 36 due buckets, 16 attributes and
64-bit amounts: 80,640 bytes) and memo have 20.8 million bytes."""
REPLY_BUNDLE_MAX_BYTES = TILE_WIDTH * (4 + SEALED_BYTES.stop - 1)
"""256 replies, each after its length."""

_BY_FOLDER = (
    ("tile/entries/", ENTRY_BUNDLE_MAX_BYTES),
    ("tile/", TILE_MAX_BYTES),
    ("evidence/", EVIDENCE_BUNDLE_MAX_BYTES),
    ("reply/", REPLY_BUNDLE_MAX_BYTES),
    ("attachments/", ATTACHMENT_MAX_BYTES),
    ("genesis", GENESIS_MAX_BYTES),
)


def file_limit(name: str) -> int:
    """The most bytes that the file ``name`` of a published log can have."""
    for start, limit in _BY_FOLDER:
        if name.startswith(start):
            return limit
    return NOTE_MAX_BYTES


def check_size(name: str, size: int, limit: int) -> None:
    """CheckFailed ``too-large`` if ``size`` bytes of ``name`` are more than ``limit``."""
    if size > limit:
        raise CheckFailed(
            f"{name} is longer than it can be: more than {limit} bytes", check="too-large"
        )


def read_parts(
    name: str, parts: Iterable[bytes], limit: int, announced: str | None = None
) -> bytes:
    """The parts of an answer put together; CheckFailed ``too-large`` as soon as they exceed.

    ``announced`` is the length that the sender gives, if any: then nothing is read first.
    """
    if announced is not None and announced.isdecimal():
        check_size(name, int(announced), limit)
    found = bytearray()
    for part in parts:
        check_size(name, len(found) + len(part), limit)
        found += part
    return bytes(found)
