"""BLAKE3: one-shot, in pieces, keyed, key derivation, any output length, many inputs.

Usable on its own, without the rest of the package. All functions take ``bytes`` and
give ``bytes``; long inputs are hashed without the interpreter lock.

>>> from zkcredit import hashing
>>> hashing.blake3(b"abc").hex()[:16]
'6437b3ac38465133'
>>> hashing.many([b"abc", b""]) == [hashing.blake3(b"abc"), hashing.blake3(b"")]
True
>>> hasher = hashing.Hasher()
>>> hasher.update(b"ab")
>>> hasher.update(b"c")
>>> hasher.digest() == hashing.blake3(b"abc")
True
>>> key = hashing.derive_key("example.org 2026 session key", b"material of high entropy")
>>> hashing.keyed(key, b"message", length=64)[:32] == hashing.keyed(key, b"message")
True

- ``blake3(data, length=32)``: the hash. A longer output begins with the shorter ones.
- ``keyed(key, data, length=32)``: the keyed hash, a pseudo-random function and MAC; the
  key has 32 bytes. Compare MACs with :func:`hmac.compare_digest`.
- ``derive_key(context, material, length=32)``: key derivation. The context is a fixed
  string that names application and purpose, never data.
- ``many(inputs, key=None)``: the hashes of many inputs, 32 bytes each, in one call and
  on all cores; with a key, the keyed hashes.
- ``many_packed(buffer, lengths, key=None)``: the same for consecutive parts of one
  buffer, as one joined string; the lengths must add up to the buffer's.
- ``Hasher(*, key=None, context=None)``: hashing in pieces with ``update(data)``,
  ``digest(length=32, *, seek=0)``, ``copy()`` and ``reset()``.

Wrong lengths raise :class:`~zkcredit.errors.CallerError`, a key of another length than
32 bytes raises :class:`~zkcredit.errors.MalformedInput`. An output is at most 16 MiB a
call; read longer ones with ``seek``.
"""

# The functions themselves, not wrappers: a call costs as much as the hash of 64 bytes.
from zkcredit._native import Blake3 as Hasher
from zkcredit._native import blake3_hash as blake3
from zkcredit._native import blake3_many as many
from zkcredit._native import blake3_packed as many_packed
from zkcredit._native import derive_key
from zkcredit._native import keyed_xof as keyed

__all__ = ["Hasher", "blake3", "derive_key", "keyed", "many", "many_packed"]
