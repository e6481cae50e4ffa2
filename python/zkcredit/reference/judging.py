"""The verdict on each entry: it stands, or it is void (``docs/cosigners.md``, "Void entries").

A void entry stays in the tree and changes nothing else. The verdict depends on the log's
bytes and on the evidence that entries name by hash, on no clock, reply or order of work.
"""

from __future__ import annotations

from dataclasses import dataclass

from zkcredit.errors import CheckFailed, MalformedInput, Refused
from zkcredit.reference.evidence import verify_evidence
from zkcredit.reference.records import MEMO_BYTES, Entry, Step, hashed
from zkcredit.reference.replay import Ledger

MALFORMED = "malformed"
"""The rule that bytes break which are no entry, or evidence that has no such form."""
_EVIDENCE_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class Void:
    """An entry that does not count; ``rule`` is the stable name of what it breaks."""

    index: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"entry {self.index}: {self.message}"


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges the entries of one log in order; ``ledger`` follows along.

    ``operator_key`` is the BLS key (48 bytes) that countersigns registrations.
    """

    ledger: Ledger
    operator_key: bytes

    def judge(
        self,
        index: int,
        data: bytes,
        evidence: bytes | None,
        memo: bytes | None,
        *,
        prove: bool = True,
    ) -> Entry | Void:
        """The next entry if it stands, else why it does not.

        Without ``prove`` its signatures and its proof are believed. CheckFailed
        ``withheld`` if the evidence is missing or has another hash: then there is no
        verdict, as the right evidence may prove the entry.
        """
        try:
            entry = Entry.decode(data)
        except MalformedInput as error:
            return Void(index, MALFORMED, str(error))
        if evidence is None or memo is None:
            raise CheckFailed(f"the evidence of entry {index} is missing", check="withheld")
        size = len(evidence).to_bytes(4, "big")
        if hashed("evidence", size, evidence, memo) != entry.evidence_hash:
            raise CheckFailed(
                f"the evidence of entry {index} is not what the entry names", check="withheld"
            )
        try:
            _check_lengths(entry, evidence, memo)
            self.ledger.check(entry)
            if prove:
                verify_evidence(self.ledger, self.operator_key, entry, evidence, memo)
        except Refused as error:
            return Void(index, error.rule, str(error))
        except MalformedInput as error:
            return Void(index, MALFORMED, str(error))
        self.ledger.apply(index, entry)
        return entry


def _check_lengths(entry: Entry, evidence: bytes, memo: bytes) -> None:
    if len(memo) != (MEMO_BYTES if isinstance(entry.content, Step) else 0):
        raise MalformedInput(f"the memo of a {entry.kind} has {len(memo)} bytes")
    if len(evidence) > _EVIDENCE_MAX:
        raise MalformedInput(f"evidence has {len(evidence)} bytes")
