"""Revocation lists: signed gaps between the revoked handles of one credential key.

With the revoked handles ``h_1 < … < h_R`` and ``h_0 = 0``, ``h_{R+1} = 2^32`` the issuer
signs every pair ``(h_i, h_{i+1})``. Whoever holds a credential with a handle in between
proves possession of that signature and says no more. The list is a file beside the log,
named by its BLAKE3 hash in a revocation entry; holders fetch it whole, because asking for
one gap would show the handle. See docs/adr/0007-revocation-by-signed-gaps.md.

Layout, big-endian::

    version 1 | ledger id 32 | issuer id 32 | schema hash 32 | key number u32 | epoch u32 |
    R u32 | R handles u32, ascending | R + 1 signatures of 80 bytes

Gaps that overlap or leave handles out cannot be written in this form.
"""

from __future__ import annotations

import bisect
import struct
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.codec import Reader, Writer
from zkcredit.credentials.held import HANDLE_MAX, Gap
from zkcredit.errors import CallerError, MalformedInput

if TYPE_CHECKING:
    from zkcredit._native import IssuerKey

HANDLE_END = HANDLE_MAX + 1
"""Upper end of the last gap."""
SIGNATURE_BYTES = 80

_VERSION = 1


@dataclass(frozen=True, slots=True)
class RevocationList:
    """All gaps of one epoch; ``signatures`` are those of the gaps in order, joined."""

    ledger_id: bytes
    issuer_id: bytes
    schema_hash: bytes
    key_number: int
    epoch: int
    revoked: tuple[int, ...]
    signatures: bytes

    @staticmethod
    def sign(
        key: IssuerKey,
        place: tuple[bytes, bytes, bytes, int],
        epoch: int,
        revoked: Collection[int],
    ) -> RevocationList:
        """Signs the gaps around ``revoked`` with a credential key; the same bytes every time.

        ``place`` is ledger id, issuer id, schema hash and key number.
        """
        handles = tuple(sorted(set(revoked)))
        if handles and not 1 <= handles[0] <= handles[-1] <= HANDLE_MAX:
            raise CallerError(f"handles are in 1..{HANDLE_MAX}")
        header = digests.gap_header(*place, epoch)
        gaps = list(zip((0, *handles), (*handles, HANDLE_END), strict=True))
        return RevocationList(*place, epoch, handles, b"".join(key.sign_messages(header, gaps)))

    @property
    def header(self) -> bytes:
        """Header under which the gaps are signed (105 bytes)."""
        return digests.gap_header(
            self.ledger_id, self.issuer_id, self.schema_hash, self.key_number, self.epoch
        )

    def encode(self) -> bytes:
        """Canonical bytes: 109 + 84 for each revoked handle + 80."""
        writer = Writer().u8(_VERSION).fixed(self.ledger_id, 32).fixed(self.issuer_id, 32)
        writer.fixed(self.schema_hash, 32).u32(self.key_number).u32(self.epoch)
        count = len(self.revoked)
        writer.u32(count).fixed(struct.pack(f">{count}I", *self.revoked), 4 * count)
        return writer.fixed(self.signatures, SIGNATURE_BYTES * (count + 1)).finish()

    @staticmethod
    def decode(data: bytes) -> RevocationList:
        """The list of canonical bytes; MalformedInput for every other byte string."""
        reader = Reader(data)
        reader.version(_VERSION, "revocation list")
        place = reader.fixed(32), reader.fixed(32), reader.fixed(32), reader.u32()
        epoch, count = reader.u32(), reader.u32()
        handles = struct.unpack(f">{count}I", reader.fixed(4 * count))
        signatures = reader.fixed(SIGNATURE_BYTES * (count + 1))
        reader.finish()
        bounds = (0, *handles)
        if any(low >= high for low, high in zip(bounds, handles, strict=False)):
            raise MalformedInput("revoked handles must ascend from 1")
        return RevocationList(*place, epoch, handles, signatures)

    def gap(self, handle: int) -> Gap | None:
        """The gap around ``handle`` (1..2^32-1), None if it is revoked. Not verified."""
        if not 1 <= handle <= HANDLE_MAX:
            raise CallerError(f"handles are in 1..{HANDLE_MAX}")
        place = bisect.bisect_left(self.revoked, handle)
        if place < len(self.revoked) and self.revoked[place] == handle:
            return None
        bounds = self.revoked[max(place - 1, 0) : place + 1]
        lo = bounds[0] if place else 0
        hi = bounds[-1] if place < len(self.revoked) else HANDLE_END
        start = SIGNATURE_BYTES * place
        signature = self.signatures[start : start + SIGNATURE_BYTES]
        return Gap(epoch=self.epoch, lo=lo, hi=hi, signature=signature)
