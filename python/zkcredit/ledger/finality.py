"""What is accepted and what is final: the one place that says so.

An entry is *accepted* when it is on the log, and *final* when a checkpoint that covers it
meets the quorum of the reader's own policy. Checkpoints with cosignatures come from
anywhere, also from the operator: they prove themselves, against the genesis that the
reader has pinned and the policy that the reader has chosen. Without a policy nothing is
final.

>>> finality(ledger, policy).state(receipt.index)  # doctest: +SKIP
'final'
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from zkcredit.errors import CheckFailed, MalformedInput, StoreError

if TYPE_CHECKING:
    from zkcredit.ledger.genesis import Genesis
    from zkcredit.ledger.note import Checkpoint
    from zkcredit.ledger.quorum import Policy, Verdict

ACCEPTED = "accepted"
"""On the log."""
FINAL = "final"
"""On the log, under a checkpoint that meets the policy's quorum."""
VOID = "void"
"""On the log, but it breaks a rule, as the reader itself has found: it counts for nothing."""
POLL_S = 1.0
"""How often :func:`wait_until_final` looks."""


class CosignedLog(Protocol):
    """What finality needs of a ledger; every :class:`~zkcredit.ledger.LedgerView` has it."""

    @property
    def genesis(self) -> Genesis:
        """Origin and public keys, pinned by the reader."""
        ...

    @property
    def size(self) -> int:
        """Number of entries."""
        ...

    def root(self, size: int | None = None) -> bytes:
        """Root of the log, or of its first ``size`` entries."""
        ...

    def is_void(self, index: int) -> bool:
        """Whether the reader has found the entry at ``index`` to be void."""
        ...

    def cosigned_checkpoints(self) -> list[str]:
        """Checkpoints that the ledger offers."""
        ...


@dataclass(frozen=True, slots=True)
class Finality:
    """Up to where a ledger is final under a policy; ask it while the ledger is open.

    Entries below ``size`` are final, by the checkpoint ``note`` ("" if there is none).
    ``verdict`` is what the policy says of that checkpoint, or else of the largest one that
    was offered, None without any. ``problems`` are reasons why a checkpoint was not
    believed.
    """

    policy: Policy | None = None
    size: int = 0
    note: str = ""
    verdict: Verdict | None = None
    problems: tuple[str, ...] = ()
    is_void: Callable[[int], bool] = field(default=lambda _: False, repr=False, compare=False)

    def state(self, index: int | None) -> str | None:
        """:data:`ACCEPTED`, :data:`FINAL` or :data:`VOID`; None for what is on no log."""
        if index is None:
            return None
        if self.is_void(index):
            return VOID
        return FINAL if index < self.size else ACCEPTED

    @property
    def warnings(self) -> list[str]:
        """What makes the policy weaker than it looks; empty without a policy."""
        return [] if self.policy is None else self.policy.warnings()


def finality(ledger: CosignedLog, policy: Policy | None, known: Iterable[str] = ()) -> Finality:
    """Up to where ``ledger`` is final under ``policy``, as far as anybody has shown yet.

    ``known`` are checkpoints that came by other ways, such as the one that made the ledger
    final before: what was final once stays so, whatever is offered now. CheckFailed
    ``fork`` or ``rolled-back`` if the log's keys have signed a checkpoint that the ledger
    does not continue. Checkpoints that are of another log, or whose signatures do not
    verify, count for nothing and are reported.
    """
    from zkcredit.ledger.note import Checkpoint, Note

    best = Finality(policy, is_void=ledger.is_void)
    if policy is None:
        return best
    problems: dict[str, None] = {}
    for text in dict.fromkeys((*known, *ledger.cosigned_checkpoints())):
        try:
            note = Note.decode(text)
            head = Checkpoint.open(text, *ledger.genesis.log_keys)
        except (CheckFailed, MalformedInput) as error:
            problems[str(error)] = None
            continue
        _check_continued(ledger, head)
        try:
            best = _better(best, text, policy.evaluate(note))
        except CheckFailed as error:
            problems[str(error)] = None
    return replace(best, problems=tuple(problems))


def finality_of_note(policy: Policy | None, text: str) -> Finality:
    """What one checkpoint proves by itself, as in an offline receipt.

    That it is signed by the log, and the entry on it, the caller has verified. CheckFailed
    if a signature of a key of the policy does not verify, MalformedInput.
    """
    from zkcredit.ledger.note import Note

    if policy is None:
        return Finality()
    return _better(Finality(policy), text, policy.evaluate(Note.decode(text)))


def wait_until_final(
    ledger: CosignedLog,
    policy: Policy | None,
    index: int,
    timeout_s: float,
    known: Iterable[str] = (),
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Finality:
    """Looks once a second until the entry at ``index`` is final, for at most ``timeout_s``.

    Returns what was found last, be it final or not: ask :meth:`Finality.state`. A void
    entry and a missing policy are not waited for. A ledger that cannot be read for a while
    is asked again (StoreError if that is so at the end).
    """
    deadline = clock() + timeout_s
    kept = tuple(known)
    while True:
        try:
            found = finality(ledger, policy, kept)
            if policy is None or found.state(index) != ACCEPTED or clock() >= deadline:
                return found
        except StoreError:
            if clock() >= deadline:
                raise
        sleep(min(POLL_S, max(deadline - clock(), 0)))


def _check_continued(ledger: CosignedLog, head: Checkpoint) -> None:
    if head.size > ledger.size:
        raise CheckFailed(
            f"a checkpoint of {head.size} entries was signed, and the ledger has {ledger.size}",
            check="rolled-back",
        )
    if ledger.root(head.size) != head.root:
        raise CheckFailed(
            f"a checkpoint of {head.size} entries was signed that is not of this ledger",
            check="fork",
        )


def _better(best: Finality, text: str, verdict: Verdict) -> Finality:
    """The larger one of two findings; what is final goes before what is not."""
    assert best.policy is not None
    size = verdict.head.size
    if best.policy.makes_final(verdict):
        if not best.note or size > best.size:
            return replace(best, size=size, note=text, verdict=verdict)
    elif not best.note and (best.verdict is None or size >= best.verdict.head.size):
        return replace(best, verdict=verdict)
    return best
