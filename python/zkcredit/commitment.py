"""A salted commitment to named fields, each of which can be shown alone.

Every field becomes a leaf under a salt of its own, and the commitment is the hash
of all leaves in order. The salts come from one random nonce, so who has the record
needs no more than its fields and the nonce. Showing a field means giving its salt
and its value; the other fields stay leaves. A salt says nothing about the nonce or
about another salt (BLAKE3 in derive-key mode as a pseudo-random function), so a
field with few possible values cannot be guessed from its leaf.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

from zkcredit.codec import Writer
from zkcredit.errors import CallerError

NONCE_BYTES = 32
LEAF_BYTES = 32
FIELDS_MAX = 64
"""Most fields of a record."""


def canonical_value(value: object) -> bytes:
    """The bytes of a field's value, with its kind and length in front.

    ``i`` 8-byte signed integer, ``b`` and ``s`` bytes and UTF-8 text after a 4-byte
    length, ``l`` list after a 4-byte count. CallerError for anything else.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return b"i" + value.to_bytes(8, "big", signed=True)
    if isinstance(value, bytes):
        return b"b" + len(value).to_bytes(4, "big") + value
    if isinstance(value, str):
        text = value.encode()
        return b"s" + len(text).to_bytes(4, "big") + text
    if isinstance(value, list):
        return b"l" + len(value).to_bytes(4, "big") + b"".join(map(canonical_value, value))
    raise CallerError(f"a field cannot hold {type(value).__name__}")


@functools.lru_cache(1_024)
def _text8(name: str) -> bytes:
    return Writer().text8(name).finish()


def field_salt(nonce: bytes, name: str) -> bytes:
    """The salt (32 bytes) of the field ``name`` in the record with this nonce."""
    from zkcredit._native import derive_key

    if len(nonce) != NONCE_BYTES:
        raise CallerError(f"a record's nonce has {NONCE_BYTES} bytes, not {len(nonce)}")
    return derive_key("zkcredit v1 record salt", nonce + _text8(name))


def field_leaf(salt: bytes, name: str, value: object) -> bytes:
    """The leaf (32 bytes) of one field; ``salt`` has 32 bytes."""
    from zkcredit._native import derive_key

    if len(salt) != LEAF_BYTES:
        raise CallerError(f"a field's salt has {LEAF_BYTES} bytes, not {len(salt)}")
    return derive_key("zkcredit v1 record field", salt + _text8(name) + canonical_value(value))


def record_commitment(kind: str, leaves: Sequence[bytes]) -> bytes:
    """The commitment (32 bytes) to a record of this kind from its leaves in order."""
    from zkcredit._native import derive_key

    if not 1 <= len(leaves) <= FIELDS_MAX:
        raise CallerError(f"a record has 1..{FIELDS_MAX} fields, not {len(leaves)}")
    if any(len(leaf) != LEAF_BYTES for leaf in leaves):
        raise CallerError(f"a leaf has {LEAF_BYTES} bytes")
    count = len(leaves).to_bytes(2, "big")
    return derive_key("zkcredit v1 record", b"".join([_text8(kind), count, *leaves]))


def commit_fields(kind: str, nonce: bytes, fields: Iterable[tuple[str, object]]) -> bytes:
    """The commitment to (name, value) pairs in their order, salted from ``nonce``."""
    leaves = [field_leaf(field_salt(nonce, name), name, value) for name, value in fields]
    return record_commitment(kind, leaves)
