"""The closed set of errors, by whose fault they are.

Every error has a stable ``code`` for programs, a message that says what to do,
and the ``exit_code`` with which the command line ends. The Rust extension
raises these same classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class ZkCreditError(Exception):
    """Root of every error that this package raises on purpose."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1


class CheckFailed(ZkCreditError):
    """Something that was presented as true does not hold (exit code 1).

    ``check`` is the stable name of the check, such as ``fork``, where it has one.
    """

    code = "check-failed"
    exit_code = 1

    def __init__(self, message: str = "", check: str | None = None) -> None:
        super().__init__(message if check is None else f"{message} [{check}]")
        self.check = check


class CallerError(ZkCreditError, ValueError):
    """The caller broke a documented precondition (exit code 2)."""

    code = "usage"
    exit_code = 2


class Refused(ZkCreditError):
    """A rule of the protocol refuses the request (exit code 3).

    ``rule`` is the rule's stable name, such as ``already-spent``.
    """

    code = "refused"
    exit_code = 3

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(f"{message} [{rule}]")
        self.rule = rule


class ProofRefused(Refused):
    """A well-formed proof or signature does not verify.

    ``indexes`` are the positions of the culprits in the batch (``[0]`` for one).
    """

    def __init__(
        self, message: str, indexes: Sequence[int] = (0,), rule: str = "bad-proof"
    ) -> None:
        super().__init__(rule, message)
        self.indexes = tuple(indexes)


class Unsatisfied(Refused):
    """A witness breaks a constraint of its circuit; ``rule`` is the constraint's id."""


class MalformedInput(ZkCreditError):
    """Bytes or text that are not the canonical form of what was expected (exit code 4)."""

    code = "malformed"
    exit_code = 4


class StateConflict(ZkCreditError):
    """The request contradicts stored state, or somebody else holds the store (exit code 5)."""

    code = "conflict"
    exit_code = 5


class StoreError(ZkCreditError):
    """A file or database could not be read or written (exit code 6)."""

    code = "store"
    exit_code = 6
