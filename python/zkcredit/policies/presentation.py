"""A presentation: what is revealed, and one proof of all the rest.

Everything but the proof is hashed into the proof's context, so none of it can be
changed, left out or shown again under another request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec

from zkcredit import digests
from zkcredit.codec import Writer
from zkcredit.errors import MalformedInput, Refused
from zkcredit.messages import Hex32, HexBytes, Message, Period, prepare_types
from zkcredit.policies.clauses import FieldRef, ListClause
from zkcredit.policies.lists import list_key, list_place
from zkcredit.policies.resolve import Requirements

if TYPE_CHECKING:
    from zkcredit._native import Statement
    from zkcredit.ledger.registry import Registry
    from zkcredit.policies.circuit import Relations
    from zkcredit.policies.request import Asked

MAX_REVEALED_BYTES = 255
Epoch = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]


class CredentialUse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which issuer's key signed one credential, and under which revocation list it is proved.

    ``epoch`` is 0 if the schema knows no revocation.
    """

    issuer_id: Hex32
    schema_hash: Hex32
    key_number: Period
    epoch: Epoch


class Presentation(Message, frozen=True, kw_only=True, tag="zkcredit/presentation/1"):
    """Holder → verifier: the answer to the request of hash ``request``.

    ``credentials`` and ``revealed`` are in the order of the policy. ``pseudonym`` and ``bound``
    are points (48 bytes) or empty; ``bound_terms`` is the terms hash of the token behind
    ``bound``, or empty.
    """

    ledger_id: Hex32
    request: Hex32
    credentials: list[CredentialUse]
    revealed: list[Annotated[str, msgspec.Meta(max_length=MAX_REVEALED_BYTES)]]
    pseudonym: HexBytes
    bound: HexBytes
    bound_terms: HexBytes
    proof: HexBytes


prepare_types(CredentialUse, Presentation)


def presentation_context(presentation: Presentation) -> bytes:
    """What the proof is bound to (32 bytes): all fields of the presentation but the proof."""
    writer = Writer().fixed(presentation.request, 32).u8(len(presentation.credentials))
    for use in presentation.credentials:
        writer.fixed(use.issuer_id, 32).fixed(use.schema_hash, 32)
        writer.u32(use.key_number).u32(use.epoch)
    writer.u8(len(presentation.revealed))
    for text in presentation.revealed:
        writer.var16(text.encode())
    for data in (presentation.pseudonym, presentation.bound, presentation.bound_terms):
        writer.var8(data)
    return digests.presentation_context(writer.finish())


def revealed_values(requirements: Requirements, texts: Sequence[str]) -> dict[FieldRef, int]:
    """The integers of revealed texts; MalformedInput for a text that no wallet writes."""
    if len(texts) != len(requirements.reveal):
        raise MalformedInput("other fields were revealed than asked for")
    values = {}
    for ref, text in zip(requirements.reveal, texts, strict=True):
        field = requirements.fields[ref]
        value = field.parse(text)
        if field.format(value) != text:
            raise MalformedInput(f"{ref} is not in its canonical form")
        values[ref] = field.scalar(value)
    return values


def bound_messages(registry: Registry, asked: Asked, terms_hash: bytes) -> int:
    """Number of messages of the commitment that the request wants, 0 for none."""
    match asked.request.bound_to:
        case "purchase":
            return registry.published(terms_hash).terms.message_count
        case "open":
            return 3
        case "credential":
            return 2
        case "none":
            return 0


def statement(
    registry: Registry, asked: Asked, relations: Relations, presentation: Presentation
) -> Statement:
    """What the proof of a presentation has to prove, from public data alone."""
    from zkcredit._native import Statement

    points = {"pseudonym": presentation.pseudonym, "bound": presentation.bound}
    return Statement(
        relations.circuit,
        ledger_id=registry.ledger_id,
        context=presentation_context(presentation),
        keys=signing_keys(registry, asked, relations, presentation),
        labels=labels(asked),
        publics=relations.publics,
        points={name: point for name, point in points.items() if point},
    )


def labels(asked: Asked) -> Mapping[str, bytes]:
    """The label from which the pseudonym's generator is derived, if there is a pseudonym."""
    requirements = asked.requirements
    if not requirements.policy.pseudonym:
        return {}
    label = digests.pseudonym_label(
        asked.request.ledger_id,
        asked.request.verifier_id,
        requirements.policy.pseudonym,
        of_owner=requirements.pseudonym_field is None,
    )
    return {"context": label}


def signing_keys(
    registry: Registry, asked: Asked, relations: Relations, presentation: Presentation
) -> list[tuple[bytes, bytes]]:
    """(key, header) of each signature of the circuit in order; of lists those that stand now.

    Refused unless each credential's issuer is trusted, its schema the policy's, its key open
    and its epoch the newest.
    """
    requirements = asked.requirements
    if len(presentation.credentials) != len(requirements.slots):
        raise MalformedInput("other credentials are used than asked for")
    keys = []
    for slot, use in zip(requirements.slots, presentation.credentials, strict=True):
        if use.issuer_id not in slot.issuers or use.schema_hash != slot.schema.hash:
            raise Refused("not-trusted", f"{slot.alias} is of another issuer or schema")
        key = registry.credential_key(use.issuer_id, use.schema_hash, use.key_number)
        if key.closed:
            raise Refused("key-closed", f"the key of {slot.alias} was closed by its issuer")
        place = (registry.ledger_id, use.issuer_id, use.schema_hash, use.key_number)
        keys.append((key.bbs_key, digests.credential_header(*place)))
        if slot.schema.revocable:
            if use.epoch != key.epoch or key.epoch == 0:
                raise Refused("old-epoch", f"{slot.alias} is proved under an old revocation list")
            keys.append((key.bbs_key, digests.gap_header(*place, use.epoch)))
        elif use.epoch:
            raise MalformedInput(f"{slot.alias} cannot be revoked and has no epoch")
    return keys + _list_keys(registry, relations)


def _list_keys(registry: Registry, relations: Relations) -> list[tuple[bytes, bytes]]:
    return [
        (
            list_key(registry, clause).bbs_key,
            digests.list_header(*list_place(registry, clause), gaps=clause.negated),
        )
        for clause in relations.inside
        if isinstance(clause, ListClause)
    ]
