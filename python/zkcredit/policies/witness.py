"""The secret values of a policy's circuit, from credentials that satisfy it."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, TypeAlias

from zkcredit.codec import GROUP_ORDER
from zkcredit.credentials.lists import list_bounds
from zkcredit.errors import Refused
from zkcredit.policies.circuit import LIMB_BITS, limb_name
from zkcredit.policies.clauses import (
    FieldRef,
    GroundClause,
    ListClause,
    Relation,
    SetClause,
    SumClause,
    to_scalar,
)

if TYPE_CHECKING:
    from zkcredit._native import Scalar
    from zkcredit.credentials.held import HeldCredential
    from zkcredit.credentials.lists import SignedList
    from zkcredit.keys import WalletKeys
    from zkcredit.policies.resolve import Requirements

Witness: TypeAlias = "dict[str, Scalar | list[Scalar]]"


def scalars(held: HeldCredential) -> dict[str, int]:
    """The signed integers of a credential's fields in the schema's order."""
    values = held.values
    return {item.name: item.scalar(values[item.name]) for item in held.schema.fields}


def credential_witness(
    requirements: Requirements,
    chosen: Mapping[str, HeldCredential],
    revealed: Container[FieldRef],
    keys: WalletKeys,
) -> tuple[Witness, list[bytes]]:
    """Values of the credentials' secrets, and the signatures in the circuit's order."""
    witness: Witness = {}
    signatures = []
    for number, slot in enumerate(requirements.slots):
        prefix, held = f"c{number}", chosen[slot.alias]
        witness[f"{prefix}_blind"] = held.blind(keys)
        witness[f"{prefix}_handle"] = held.handle
        witness[f"{prefix}_expires"] = held.expires.toordinal()
        for name, value in scalars(held).items():
            if FieldRef(slot.alias, name) not in revealed:
                witness[f"{prefix}_f_{name}"] = to_scalar(value)
        signatures.append(held.signature)
        if slot.schema.revocable:
            assert held.gap is not None, "chosen with a gap of the current epoch"
            witness[f"{prefix}_lo"], witness[f"{prefix}_hi"] = held.gap.lo, held.gap.hi
            signatures.append(held.gap.signature)
    return witness, signatures


def clause_witness(
    clause: GroundClause, values: Mapping[FieldRef, int], lists: Mapping[int, SignedList]
) -> tuple[Witness, list[bytes]]:
    """Values of one clause's own secrets and its list's signature, if it has any.

    ``lists`` are the signed lists by the number of the clause.
    """
    prefix = f"k{clause.number}"
    match clause:
        case SumClause(relation=Relation.NOT_ZERO):
            return {f"{prefix}_inverse": _inverse(clause.given(values).constant)}, []
        case SumClause():
            return {}, []
        case SetClause():
            return _set_witness(clause, values[clause.field]), []
        case ListClause():
            return _list_witness(clause, values[clause.field], lists[clause.number])


def _set_witness(clause: SetClause, value: int) -> Witness:
    prefix = f"k{clause.number}"
    first, *rest = [value - item for item in clause.items]
    if not clause.negated and rest:
        rest.pop()
    products = []
    for factor in rest:
        first = first * factor % GROUP_ORDER
        products.append(to_scalar(first))
    witness: Witness = {f"{prefix}_product": list(products)} if products else {}
    if clause.negated:
        witness[f"{prefix}_inverse"] = _inverse(first)
    return witness


def _list_witness(
    clause: ListClause, value: int, signed: SignedList
) -> tuple[Witness, list[bytes]]:
    found = signed.messages_for(value)
    if found is None:
        raise Refused("clause-fails", f"clause {clause.number} does not hold: {clause.text}")
    messages, signature = found
    if not clause.negated:
        return {}, [signature]
    low, high = messages
    prefix, ident = f"k{clause.number}", f"clause.{clause.number}"
    witness: Witness = {f"{prefix}_lo": to_scalar(low), f"{prefix}_hi": to_scalar(high)}
    if list_bounds(clause.type).bits > 128:
        differences = {"low": value - low - 1, "high": high - value - 1}
        for side, difference in differences.items():
            witness[limb_name(f"{ident}.{side}")] = to_scalar(difference >> LIMB_BITS)
    return witness, [signature]


def _inverse(value: int) -> bytes:
    return to_scalar(pow(value, -1, GROUP_ORDER))
