"""Errors as problem details (RFC 9457): a closed set of types with a fixed status each.

``type`` is ``urn:zkcredit:problem:<name>``; programs decide by it, and by ``rule`` where a
rule of the protocol refused. The server makes problems of errors with :func:`problem_of`,
the client errors of problems with :func:`error_of`.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from zkcredit.errors import (
    CallerError,
    CheckFailed,
    MalformedInput,
    ProofRefused,
    Refused,
    StateConflict,
    StoreError,
    ZkCreditError,
)

CONTENT_TYPE = "application/problem+json"
_PREFIX = "urn:zkcredit:problem:"


@dataclass(frozen=True, slots=True)
class Kind:
    """Status and title of a type; ``retry_after_s`` if the same request may succeed later."""

    status: int
    title: str
    retry_after_s: int | None = None


KINDS = {
    # the errors of the package
    "usage": Kind(400, "The request asks for something that cannot be"),
    "malformed": Kind(400, "The content is not the canonical form of what was expected"),
    "refused": Kind(422, "A rule of the protocol refuses the request"),
    "bad-proof": Kind(422, "A proof or signature does not verify"),
    "conflict": Kind(409, "The request contradicts what the ledger holds"),
    "check-failed": Kind(500, "The ledger's own data does not hold together"),
    "store": Kind(503, "The ledger cannot read or write at the moment", 5),
    # refusals that belong to the transport
    "idempotency-key-missing": Kind(400, "The request needs an Idempotency-Key"),
    "idempotency-key-in-use": Kind(409, "A request with this Idempotency-Key is running", 1),
    "idempotency-key-reused": Kind(422, "This Idempotency-Key belongs to another request"),
    "signature-missing": Kind(401, "The request must be signed"),
    "signature-refused": Kind(401, "The signature of the request does not verify"),
    "signature-replayed": Kind(401, "This signature was used before"),
    "not-yours": Kind(403, "The signer may not do this"),
    "registration-closed": Kind(403, "The operator registers parties itself"),
    "bucket-too-small": Kind(403, "So long a prefix would tell what is asked for"),
    "not-found": Kind(404, "There is no such resource"),
    "method-not-allowed": Kind(405, "The resource does not have this method"),
    "too-slow": Kind(408, "The content did not arrive in time"),
    "too-large": Kind(413, "The content is too large"),
    "media-type": Kind(415, "The resource takes content of another type"),
    "rate-limited": Kind(429, "Too many requests from this address", 1),
    "overloaded": Kind(503, "Too many submissions wait already", 1),
    "internal": Kind(500, "The service failed"),
}
"""Every type there is."""

_PLAIN: dict[str, type[ZkCreditError]] = {
    "usage": CallerError,
    "malformed": MalformedInput,
    "conflict": StateConflict,
    "check-failed": CheckFailed,
    "store": StoreError,
    "internal": StoreError,
}


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of an answer that is no success.

    ``instance`` is the request's id as a URN, ``rule`` the stable name of the rule that
    refused.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    instance: str = ""
    rule: str = ""

    @property
    def name(self) -> str:
        """The type without its prefix."""
        return self.type.removeprefix(_PREFIX)


def problem(name: str, detail: str, *, rule: str = "", request_id: str = "") -> Problem:
    """A problem of the kind ``name``."""
    kind = KINDS[name]
    return Problem(
        type=_PREFIX + name,
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=f"urn:zkcredit:request:{request_id}" if request_id else "",
        rule=rule,
    )


def problem_of(error: ZkCreditError, request_id: str = "") -> Problem:
    """The problem that tells a client of ``error``."""
    if not isinstance(error, Refused):
        name = error.code if error.code in KINDS else "internal"
        return problem(name, str(error), request_id=request_id)
    detail = str(error).removesuffix(f" [{error.rule}]")
    if error.rule in KINDS:
        return problem(error.rule, detail, rule=error.rule, request_id=request_id)
    return problem("refused", detail, rule=error.rule, request_id=request_id)


def may_pass(error: ZkCreditError) -> bool:
    """Whether the same request may succeed later, as it is."""
    kind = KINDS.get(error.rule if isinstance(error, Refused) else error.code)
    return kind is not None and kind.retry_after_s is not None


def error_of(found: Problem) -> ZkCreditError:
    """The error that ``found`` tells of; StoreError for types that this program does not know."""
    plain = _PLAIN.get(found.name)
    if plain is not None:
        return plain(found.detail)
    if not found.rule:
        return StoreError(f"the service answers: {found.title or found.status}: {found.detail}")
    if found.rule in ("bad-proof", "bad-signature"):
        return ProofRefused(found.detail, rule=found.rule)
    return Refused(found.rule, found.detail)
