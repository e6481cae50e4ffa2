"""Entries of the log, and what is submitted to become one."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zkcredit.codec import Reader, Writer
from zkcredit.entries.base import VERSION, Statement
from zkcredit.errors import CallerError, MalformedInput

ENTRY_MAX_BYTES = 65_535
"""Longest encoded entry; an entry bundle has a two-byte length before each."""
EVIDENCE_MAX_BYTES = 1 << 20
"""Longest evidence that is read at all."""
_HEAD = struct.Struct(">BQ32s")


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf of the log: operator's timestamp, hash of the evidence, statement."""

    timestamp_ms: int
    evidence_hash: bytes
    statement: Statement

    def encode(self) -> bytes:
        """Version, timestamp (8 bytes), evidence hash (32) and statement."""
        return self.encode_with(self.statement.encode())

    def encode_with(self, statement: bytes) -> bytes:
        """The same where the encoded statement is at hand already."""
        if len(self.evidence_hash) != 32 or not 0 <= self.timestamp_ms < 1 << 64:
            raise CallerError("entries have a time of 64 bits and an evidence hash of 32 bytes")
        data = _HEAD.pack(VERSION, self.timestamp_ms, self.evidence_hash) + statement
        if len(data) > ENTRY_MAX_BYTES:
            raise CallerError(f"entry is longer than {ENTRY_MAX_BYTES} bytes")
        return data

    @classmethod
    def decode(cls, data: bytes) -> Entry:
        """The entry that ``data`` encodes; raises MalformedInput."""
        if not 43 <= len(data) <= ENTRY_MAX_BYTES:
            raise MalformedInput(f"entry has {len(data)} bytes")
        if data[0] != VERSION:
            raise MalformedInput(f"entry has version {data[0]}; this program reads {VERSION}")
        timestamp_ms = int.from_bytes(data[1:9], "big")
        return cls(timestamp_ms, bytes(data[9:41]), Statement.decode(data[41:]))


@dataclass(frozen=True, slots=True)
class Submission:
    """What a participant hands to the operator: statement, evidence and memo."""

    statement: Statement
    evidence: bytes
    memo: bytes = b""

    def __post_init__(self) -> None:
        expected = self.statement.KIND.memo_bytes
        if len(self.memo) != expected:
            kind = self.statement.KIND.name.lower()
            raise CallerError(f"the memo of a {kind} has {expected} bytes, not {len(self.memo)}")
        if len(self.evidence) > EVIDENCE_MAX_BYTES:
            raise CallerError(f"evidence is longer than {EVIDENCE_MAX_BYTES} bytes")

    def encode(self) -> bytes:
        """Version, then statement and evidence (4-byte lengths) and memo (1-byte length)."""
        writer = Writer().u8(VERSION).var32(self.statement.encode())
        return writer.var32(self.evidence).var8(self.memo).finish()

    @classmethod
    def decode(cls, data: bytes) -> Submission:
        """The submission that ``data`` encodes; raises MalformedInput."""
        reader = Reader(data)
        reader.version(VERSION, "submission")
        statement = Statement.decode(reader.var32())
        evidence, memo = reader.var32(), reader.var8()
        reader.finish()
        try:
            return cls(statement, evidence, memo)
        except CallerError as error:
            raise MalformedInput(str(error)) from None
