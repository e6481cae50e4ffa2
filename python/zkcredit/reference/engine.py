"""Verification of one proof, equation by equation (``docs/engine.md`` §3 to §5).

Nothing is batched and nothing is weighted: each equation is computed, multiplied
by h_eff and compared with the identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from zkcredit.errors import CallerError, MalformedInput, ProofRefused
from zkcredit.reference import bbs, g1, generators, hashing, pairing
from zkcredit.reference.circuit import Circuit, Commitment, Signature

_TAG = b"zkcredit-engine-v1-DSFS-with-Shake128_BLS12381"


@dataclass(frozen=True)
class Statement:
    """What a proof has to prove: a circuit and everything public.

    ``ledger_id`` and ``context`` have 32 bytes, ``keys`` are pairs of issuer key
    (96 bytes) and header, one per signature; publics have 32 bytes, points 48.
    """

    circuit: Circuit
    ledger_id: bytes
    context: bytes
    keys: Sequence[tuple[bytes, bytes]] = ()
    labels: Mapping[str, bytes] = field(default_factory=dict)
    publics: Mapping[str, bytes] = field(default_factory=dict)
    points: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        circuit = self.circuit
        if len(self.ledger_id) != 32 or len(self.context) != 32:
            raise CallerError("ledger id and context have 32 bytes")
        if (
            len(self.keys) != len(circuit.signatures)
            or set(self.labels) != set(circuit.labels)
            or set(self.publics) != set(circuit.publics)
            or set(self.points) != {item.point for item in circuit.commitments}
        ):
            raise CallerError(f"the statement lacks or exceeds what {circuit.name} has")
        if len(set(self.labels.values())) != len(self.labels):
            raise CallerError("two labels of a statement must differ")

    def check(self) -> None:
        """Raises MalformedInput unless publics and keys are scalars and points that can be."""
        self.public_values()
        for key, _ in self.keys:
            bbs.decode_key(key)

    def public_values(self) -> list[int]:
        """The publics as numbers, in the circuit's order; raises MalformedInput."""
        return [g1.decode_scalar(self.publics[name], name) for name in self.circuit.publics]

    def absorbed(self) -> Iterator[tuple[str, bytes]]:
        """Label and bytes of everything that precedes the prover's messages."""
        yield "circuit", self.circuit.digest
        yield "ledger", self.ledger_id
        yield "context", self.context
        for key, header in self.keys:
            yield "key", key
            yield "header", header
        for name in self.circuit.labels:
            yield "label", self.labels[name]
        for name in self.circuit.publics:
            yield "public", self.publics[name]
        for item in self.circuit.commitments:
            yield "point", self.points[item.point]


def challenge(items: Iterator[tuple[str, bytes]]) -> int:
    """The challenge after absorbing labelled byte strings."""
    sponge = hashlib.shake_128(hashing.session_id(_TAG).ljust(168, b"\0"))
    for label, data in items:
        sponge.update(len(label).to_bytes(2, "big") + label.encode())
        sponge.update(len(data).to_bytes(8, "big") + data)
    return int.from_bytes(sponge.digest(48), "little") % g1.R


@dataclass(frozen=True)
class Proof:
    """A decoded proof; ``messages`` are the bytes that the challenge covers."""

    statement_points: Mapping[str, g1.Point]
    signatures: Sequence[tuple[g1.Point, g1.Point, g1.Point]]
    commitments: Sequence[g1.Point]
    vector: tuple[g1.Point, g1.Point] | None
    responses: Sequence[int]
    z: int
    messages: bytes


def decode(circuit: Circuit, data: bytes) -> Proof:
    """The proof that these bytes are, strictly; raises MalformedInput."""
    if len(data) != circuit.proof_length:
        raise MalformedInput(f"proof has {len(data)} bytes, not {circuit.proof_length}")
    cut = 96 * circuit.point_count
    points = iter(
        [g1.decode_uncompressed(data[i : i + 96], f"point {i // 96}") for i in range(0, cut, 96)]
    )
    scalars = [g1.decode_scalar(data[i : i + 32], "response") for i in range(cut, len(data), 32)]
    shown = {item.point: next(points) for item in circuit.commitments}
    signatures = [(next(points), next(points), next(points)) for _ in circuit.signatures]
    return Proof(
        statement_points=shown,
        signatures=signatures,
        commitments=[next(points) for _ in circuit.commitments],
        vector=(next(points), next(points)) if circuit.quadratics else None,
        responses=scalars[: len(circuit.responses)],
        z=scalars[-1] if circuit.quadratics else 0,
        messages=data[96 * len(circuit.commitments) : cut],
    )


@dataclass(frozen=True)
class Check:
    """A statement and a proof on their way through the equations.

    :meth:`equations` and :meth:`pairings` give everything that must hold, by
    name. :func:`verify` is what to call.
    """

    statement: Statement
    proof: Proof
    publics: Sequence[int]
    challenge: int

    @classmethod
    def of(cls, statement: Statement, data: bytes) -> Check:
        """Decodes ``data``, compares the statement's points, derives the challenge.

        Raises MalformedInput.
        """
        publics = statement.public_values()
        proof = decode(statement.circuit, data)
        for item in statement.circuit.commitments:
            point = proof.statement_points[item.point]
            if g1.encode(point) != statement.points[item.point]:
                raise MalformedInput(f"point {item.point} is not the statement's")
            if item.subgroup and not g1.in_group(point):
                raise MalformedInput(f"point {item.point} is not in the group of prime order")

        def absorbed() -> Iterator[tuple[str, bytes]]:
            yield from statement.absorbed()
            yield "messages", proof.messages

        return cls(statement, proof, publics, challenge(absorbed()))

    def equations(self) -> Iterator[tuple[str, g1.Point, g1.Point]]:
        """Name of each equation, the prover's first message and the sum of all else.

        Both together must vanish but for torsion.
        """
        circuit = self.statement.circuit
        for place, signature in enumerate(circuit.signatures):
            yield f"signature {signature.name}", *self._signature(place, signature)
        for place, item in enumerate(circuit.commitments):
            yield f"commitment {item.point}", *self._commitment(place, item)
        if circuit.quadratics:
            yield "vector", *self._vector()

    def pairings(self) -> Iterator[tuple[str, list[tuple[g1.Point, pairing.Point2]]]]:
        """Name and pairs of each product of pairings that must be one."""
        for place, signature in enumerate(self.statement.circuit.signatures):
            left, right, _ = self.proof.signatures[place]
            key = bbs.decode_key(self.statement.keys[place][0])
            pairs = [(left, key), (right, pairing.NEGATED_GENERATOR)]
            yield f"pairing {signature.name}", pairs

    def quadratics(self) -> list[int]:
        """The values q̂_k."""
        c, responses = self.challenge, self.proof.responses
        values = []
        for _, value in self.statement.circuit.quadratics:
            total = c * value.linear.at(responses, self.publics, c)
            for left, right in value.products:
                total += left.at(responses, self.publics, c) * right.at(responses, self.publics, c)
            values.append(total % g1.R)
        return values

    def _signature(self, place: int, item: Signature) -> tuple[g1.Point, g1.Point]:
        c, f = self.challenge, self.proof.responses
        key, header = self.statement.keys[place]
        a_bar, b_bar, t_point = self.proof.signatures[place]
        count = len(item.messages)
        points = [bbs.base(key, header, count), b_bar, a_bar, *generators.bbs_messages(count)]
        factors = [c, -f[item.u], -f[item.t]]
        factors += [form.at(f, self.publics, c) for form in item.messages]
        return t_point, _sum(points, factors)

    def _commitment(self, place: int, item: Commitment) -> tuple[g1.Point, g1.Point]:
        c, f = self.challenge, self.proof.responses
        points = [self.proof.statement_points[item.point]]
        factors = [c]
        for base, form in item.terms:
            points.append(self._base(base))
            factors.append(-form.at(f, self.publics, c))
        return self.proof.commitments[place], _sum(points, factors)

    def _base(self, base: str) -> g1.Point:
        kind, _, name = base.partition("/")
        if kind == "H":
            return generators.bbs_messages(int(name) + 1)[-1]
        if kind == "label":
            return generators.labelled(
                self.statement.labels[self.statement.circuit.labels[int(name)]]
            )
        return generators.named(name)

    def _vector(self) -> tuple[g1.Point, g1.Point]:
        assert self.proof.vector is not None
        a_point, b_point = self.proof.vector
        circuit, f = self.statement.circuit, self.proof.responses
        points = [b_point, generators.vector_blinding()]
        factors = [self.challenge, -self.proof.z]
        for place, position in enumerate(circuit.vector):
            points.append(generators.named(f"G/{place}"))
            factors.append(-f[position])
        for place, value in enumerate(self.quadratics()):
            points.append(generators.named(f"K/{place}"))
            factors.append(-value)
        return a_point, _sum(points, factors)


def _sum(points: Sequence[g1.Point], factors: Sequence[int]) -> g1.Point:
    return g1.sum_of_multiples(points, [factor % g1.R for factor in factors])


def verify(statement: Statement, data: bytes) -> None:
    """Raises ProofRefused (with the name of the check) unless the proof holds.

    MalformedInput for a statement whose publics or keys are none.
    """
    statement.check()
    try:
        check = Check.of(statement, data)
    except MalformedInput as error:
        raise ProofRefused(f"malformed proof: {error}") from error
    for name, first, others in check.equations():
        if not g1.is_identity(g1.clear_cofactor(g1.add(first, others))):
            raise ProofRefused(f"the equation of {name} does not hold")
    for name, pairs in check.pairings():
        if not pairing.product_is_one(pairs):
            raise ProofRefused(f"the {name} does not hold")
