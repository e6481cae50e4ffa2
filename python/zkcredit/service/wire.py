"""The JSON bodies of the service, and the frames of its binary ones.

Byte strings are lower-case hexadecimal, as in message files. Submissions and replies
travel in the ledger's own binary encoding: nothing is gained by spelling proofs out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec

from zkcredit.codec import Reader, Writer
from zkcredit.entries import Submission
from zkcredit.errors import MalformedInput
from zkcredit.ledger import Receipt
from zkcredit.service.problems import Problem

BATCH_MAX = 1_024
"""Most submissions or replies of one request."""
REPLY_MAX_BYTES = 65_535
ANSWER_MAX_BYTES = 4 << 20
"""Longest JSON body that a client reads: results of 1,024 submissions, or 1,024 indexes."""
OVERDUE_MAX_BYTES = 64 << 20
"""The same for overdue replies: some 400,000 of them."""

SUBMISSION = "application/vnd.zkcredit.submission"
BATCH = "application/vnd.zkcredit.submissions"
REPLIES = "application/vnd.zkcredit.replies"
BINARY = "application/octet-stream"
JSON = "application/json"

Hex32 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Hex96 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{192}$")]
Index = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]

_T = TypeVar("_T")


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the JSON bodies."""


class Accepted(Body, frozen=True, kw_only=True):
    """Where an accepted statement is on the log."""

    index: Index
    timestamp_ms: Milliseconds
    statement_hash: Hex32
    duplicate: bool

    @classmethod
    def of(cls, receipt: Receipt) -> Accepted:
        """The body of a receipt."""
        return cls(
            index=receipt.index,
            timestamp_ms=receipt.timestamp_ms,
            statement_hash=receipt.statement_hash.hex(),
            duplicate=receipt.duplicate,
        )

    def receipt(self) -> Receipt:
        """The receipt in a body."""
        digest = bytes.fromhex(self.statement_hash)
        return Receipt(self.index, self.timestamp_ms, digest, self.duplicate)


class BatchResult(Body, frozen=True, kw_only=True):
    """What became of each submission of a batch, in order: ``accepted`` or ``problem``."""

    accepted: Accepted | None = None
    problem: Problem | None = None


class BatchResults(Body, frozen=True, kw_only=True):
    """The answer to a batch."""

    results: list[BatchResult]


class KeyBinding(Body, frozen=True, kw_only=True):
    """Party → service: this Ed25519 key signs my requests from now on.

    ``party`` is the issuer's or merchant's identifier, ``key`` the Ed25519 public key,
    ``issued_ms`` the Unix time of the statement (the latest counts), ``signature`` the
    party's BLS signature over all of it.
    """

    party: Hex32
    key: Hex32
    issued_ms: Milliseconds
    signature: Hex96


class Stored(Body, frozen=True, kw_only=True):
    """The answer to replies: how many are stored."""

    stored: Index


class Attached(Body, frozen=True, kw_only=True):
    """The answer to an attachment: its BLAKE3 hash."""

    digest: Hex32


class Unanswered(Body, frozen=True, kw_only=True):
    """Entries that wait for an issuer's reply, oldest first."""

    indexes: list[Index]


class Overdue(Body, frozen=True, kw_only=True):
    """One public fault: the issuer has not answered entry ``index`` by ``due_ms``."""

    index: Index
    issuer: Hex32
    kind: str
    due_ms: Milliseconds


class OverdueReplies(Body, frozen=True, kw_only=True):
    """All replies that are overdue."""

    overdue: list[Overdue]


class BucketRow(Body, frozen=True, kw_only=True):
    """A key of a bucket and its entry; ``settled_by`` is the settlement of a claim."""

    key: str
    index: Index
    settled_by: Index | None = None


class Bucket(Body, frozen=True, kw_only=True):
    """All keys that begin with ``prefix``; ``digits`` is the longest prefix that is answered."""

    prefix: str
    digits: Annotated[int, msgspec.Meta(ge=0, le=16)]
    rows: list[BucketRow]


class Health(Body, frozen=True, kw_only=True):
    """Whether the service lives, or can take submissions."""

    status: str


BODIES = (
    Accepted,
    BatchResults,
    KeyBinding,
    Stored,
    Attached,
    Unanswered,
    OverdueReplies,
    Bucket,
    Health,
)
"""Every JSON body."""
for _kind in BODIES:  # two threads that use a type for the first time crash the process
    msgspec.json.Decoder(_kind)


def answer_limit(kind: type[object]) -> int:
    """The most bytes that a client reads of a body of this kind."""
    return OVERDUE_MAX_BYTES if kind is OverdueReplies else ANSWER_MAX_BYTES


def decode(data: bytes, expected: type[_T]) -> _T:
    """The JSON body ``data``; MalformedInput."""
    try:
        return msgspec.json.decode(data, type=expected)
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"not the body that belongs here: {error}") from None


def encode_batch(submissions: Sequence[Submission]) -> bytes:
    """Submissions one after the other, each after its length in 4 bytes."""
    writer = Writer()
    for submission in submissions:
        writer.var32(submission.encode())
    return writer.finish()


def decode_batch(data: bytes) -> list[Submission]:
    """The 1..1,024 submissions of a batch; MalformedInput."""
    reader = Reader(data)
    found: list[Submission] = []
    while reader.remaining:
        if len(found) == BATCH_MAX:
            raise MalformedInput(f"a batch holds at most {BATCH_MAX} submissions")
        found.append(Submission.decode(reader.var32()))
    if not found:
        raise MalformedInput("the batch is empty")
    return found


def encode_replies(replies: Sequence[tuple[int, bytes]]) -> bytes:
    """(index in 8 bytes, reply after its length in 2 bytes), one after the other."""
    writer = Writer()
    for index, reply in replies:
        writer.u64(index).var16(reply)
    return writer.finish()


def decode_replies(data: bytes) -> list[tuple[int, bytes]]:
    """The 1..1,024 replies of a request; MalformedInput."""
    reader = Reader(data)
    found: list[tuple[int, bytes]] = []
    while reader.remaining:
        if len(found) == BATCH_MAX:
            raise MalformedInput(f"a request holds at most {BATCH_MAX} replies")
        found.append((reader.u64(), reader.var16()))
    if not found:
        raise MalformedInput("there are no replies")
    return found
