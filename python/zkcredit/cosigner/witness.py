"""The C2SP witness protocol (tlog-witness): ``add-checkpoint`` as bytes in, status and bytes out.

The log, or anybody, sends a checkpoint with a proof that it continues the one this witness
signed last. What is checked and what is remembered happen in one transaction, and it is on
disk before a signature is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from zkcredit.clock import system_clock
from zkcredit.cosigner.store import CosignerStore
from zkcredit.errors import CheckFailed, MalformedInput, StateConflict
from zkcredit.ledger import log
from zkcredit.ledger.note import Checkpoint, Note, Signer, VerifierKey, b64decode, b64encode

REQUEST_MAX_BYTES = 1 << 20
"""Longest request body that is read."""
TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"
_PROOF_MAX = 63
_SIZE_LIMIT = 1 << 63

Prepare: TypeAlias = Callable[[Note, Checkpoint], Sequence[Signer]]
"""Notes what it must before a checked checkpoint is signed, and says which keys sign.

Runs inside the transaction, which CheckFailed and StateConflict roll back.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and content type of a response."""

    status: int
    body: bytes
    content_type: str = TEXT

    @classmethod
    def refusal(cls, status: HTTPStatus, reason: str) -> Answer:
        """An error with one line of explanation."""
        return cls(status, f"{reason}\n".encode())


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed ``add-checkpoint`` body; the proof's hashes have 32 bytes each."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    head: Checkpoint

    @classmethod
    def decode(cls, data: bytes) -> Request:
        """The request that ``data`` encodes; MalformedInput, CheckFailed for its signatures."""
        if len(data) > REQUEST_MAX_BYTES:
            raise MalformedInput("request is too long")
        try:
            head, separator, rest = data.decode().partition("\n\n")
        except UnicodeDecodeError:
            raise MalformedInput("request is not text") from None
        first, *lines = head.split("\n")
        old = re.fullmatch("old (0|[1-9][0-9]{0,18})", first)
        if not separator or old is None or len(lines) > _PROOF_MAX:
            raise MalformedInput("a request has an old size, up to 63 hashes and a checkpoint")
        proof = tuple(b64decode(line, "proof") for line in lines)
        if any(len(item) != log.HASH_BYTES for item in proof):
            raise MalformedInput("a hash of the proof does not have 32 bytes")
        note = _decode_note(rest)
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.size >= _SIZE_LIMIT:
            raise MalformedInput("checkpoint size is out of range")
        return cls(int(old[1]), proof, note, checkpoint)

    def encode(self) -> bytes:
        """The body of the request."""
        lines = [f"old {self.old_size}", *map(b64encode, self.proof), "", self.note.encode()]
        return "\n".join(lines).encode()


def _decode_note(text: str) -> Note:
    """A checkpoint whose signature lines cannot be read has none that verifies."""
    try:
        return Note.decode(text)
    except MalformedInput as error:
        Checkpoint.parse(text.rpartition("\n\n")[0] + "\n")
        raise CheckFailed(str(error)) from None


def judge(request: Request, keys: Sequence[VerifierKey] | None, known: Checkpoint) -> Answer | None:
    """The refusal that the protocol asks for, or None if the checkpoint is to be signed.

    ``keys`` are the log's, all of which must have signed (None: the log is unknown);
    ``known`` is the head that was signed last.
    """
    head = request.head
    if keys is None:
        return Answer.refusal(HTTPStatus.NOT_FOUND, f"unknown log {head.origin}")
    try:
        for key in keys:
            request.note.verify(key)
    except CheckFailed as error:
        return Answer.refusal(HTTPStatus.FORBIDDEN, str(error))
    if request.old_size > head.size:
        return Answer.refusal(HTTPStatus.BAD_REQUEST, "the old size is larger than the new one")
    if request.old_size != known.size:
        return Answer(HTTPStatus.CONFLICT, f"{known.size}\n".encode(), SIZE)
    try:
        log.verify_consistency(request.old_size, head.size, request.proof, known.root, head.root)
    except CheckFailed as error:
        return Answer.refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
    return None


class Witness:
    """Answers for ``logs`` (keys by origin); the heads that were signed are in ``store``.

    ``purpose`` names the witness's keys among the heads, ``clock`` gives Unix time in ms.
    """

    def __init__(
        self,
        store: CosignerStore,
        purpose: str,
        logs: Mapping[str, Sequence[VerifierKey]],
        prepare: Prepare,
        clock: Callable[[], int] = system_clock,
    ) -> None:
        self._store = store
        self._purpose = purpose
        self._logs = logs
        self._prepare = prepare
        self._clock = clock

    def add_checkpoint(self, data: bytes) -> Answer:
        """The answer to the body of an ``add-checkpoint`` request; StoreError."""
        try:
            request = Request.decode(data)
        except MalformedInput as error:
            return Answer.refusal(HTTPStatus.BAD_REQUEST, str(error))
        except CheckFailed as error:
            return Answer.refusal(HTTPStatus.FORBIDDEN, str(error))
        note, head = request.note, request.head
        try:
            with self._store.write():
                known = self._store.head(self._purpose, head.origin)
                refusal = judge(request, self._logs.get(head.origin), known)
                if refusal is not None:
                    return refusal
                self._store.advance_head(self._purpose, head)
                signers = self._prepare(note, head)
        except (CheckFailed, StateConflict) as error:
            return Answer.refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        time_s = self._clock() // 1000
        lines = [signer.sign(note.text, time_s).encode() for signer in signers]
        return Answer(HTTPStatus.OK, "".join(lines).encode())
