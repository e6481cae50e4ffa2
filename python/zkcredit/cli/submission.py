"""The message file of a step that is proved but not on the ledger yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from zkcredit.errors import CallerError, MalformedInput, Refused
from zkcredit.messages import Hex32, HexBytes, Message

if TYPE_CHECKING:
    from zkcredit.entries import Submission


class SubmissionFile(Message, frozen=True, kw_only=True, tag="zkcredit/submission/1"):
    """Anybody → ledger: statement, evidence and memo; nothing in it is secret."""

    ledger_id: Hex32
    statement: HexBytes
    evidence: HexBytes
    memo: HexBytes

    @classmethod
    def of(cls, ledger_id: bytes, submission: Submission) -> Self:
        """The message of a submission."""
        return cls(
            ledger_id=ledger_id,
            statement=submission.statement.encode(),
            evidence=submission.evidence,
            memo=submission.memo,
        )

    def submission(self, ledger_id: bytes) -> Submission:
        """The submission; Refused ``wrong-ledger`` if it is for another ledger."""
        from zkcredit.entries import Statement, Submission

        if self.ledger_id != ledger_id:
            raise Refused("wrong-ledger", "the submission is for another ledger")
        try:
            return Submission(Statement.decode(self.statement), self.evidence, self.memo)
        except CallerError as error:
            raise MalformedInput(f"submission: {error}") from None
