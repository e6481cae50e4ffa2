"""A prover written from the documents: what the extension would never make.

Honest by default. Its caller chooses the secrets, true or not, and may add
torsion to any message before the challenge is derived.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from zkcredit.reference import bbs, engine, g1, generators
from zkcredit.reference.forms import Form

Change = Callable[[str, g1.Point], g1.Point]


def torsion(order: int = 3) -> g1.Point:
    """A point of the curve of order 3, 11 or 10177, which divide h_eff."""
    rng = random.Random(order)
    while True:
        x = rng.randrange(g1.P)
        square = (x**3 + 4) % g1.P
        y = pow(square, (g1.P + 1) // 4, g1.P)
        point = g1.multiply((x, y, 1), g1.R * (g1.H_EFF // order))
        if y * y % g1.P == square and not g1.is_identity(point):
            return point


def bits(name: str, value: int, width: int, turn: int = 0) -> dict[str, int]:
    """The bits of a range's value by the names that a circuit gives them."""
    return {f"{name}[{turn}].{i}": value >> i & 1 for i in range(width)}


@dataclass
class Prover:
    """Proves ``statement`` (whose points are replaced) with secrets by response name.

    ``tokens`` are pairs of signature (80 bytes) and all messages, one per
    signature of the circuit; ``change`` gets name and value of each point.
    """

    statement: engine.Statement
    secrets: Mapping[str, int]
    tokens: Sequence[tuple[bytes, Sequence[int]]] = ()
    change: Change = lambda _, point: point
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.circuit = self.statement.circuit
        self.publics = self.statement.public_values()
        inverses = [self.rng.randrange(1, g1.R) for _ in self.circuit.signatures]
        values = dict(self.secrets)
        for item, r, (signature, _) in zip(
            self.circuit.signatures, inverses, self.tokens, strict=True
        ):
            u, e = pow(r, -1, g1.R), int.from_bytes(signature[48:], "big")
            values |= {f"{item.name}.u": u, f"{item.name}.t": u * e % g1.R, f"{item.name}.r": r}
        self.factors = inverses
        self.x = [values[name] % g1.R for name in self.circuit.responses]
        self.a = [self.rng.randrange(g1.R) for _ in self.x]

    def prove(self) -> tuple[engine.Statement, bytes]:
        """The statement with its points, and the proof."""
        shown = {
            item.point: self.change(item.point, self._commit(item.terms, self.x, shown=1))
            for item in self.circuit.commitments
        }
        points = {name: g1.encode(point) for name, point in shown.items()}
        statement = engine.Statement(
            self.circuit,
            self.statement.ledger_id,
            self.statement.context,
            self.statement.keys,
            self.statement.labels,
            self.statement.publics,
            points,
        )
        messages = b"".join(g1.encode_uncompressed(point) for point in self._messages())

        def absorbed() -> Iterator[tuple[str, bytes]]:
            yield from statement.absorbed()
            yield "messages", messages

        c = engine.challenge(absorbed())
        scalars = [(c * x + a) % g1.R for x, a in zip(self.x, self.a, strict=True)]
        if self.circuit.quadratics:
            scalars.append((c * self.r_b + self.r_a) % g1.R)
        head = b"".join(g1.encode_uncompressed(point) for point in shown.values())
        return statement, head + messages + b"".join(f.to_bytes(32, "big") for f in scalars)

    def _messages(self) -> Iterator[g1.Point]:
        for place in range(len(self.circuit.signatures)):
            yield from self._signature(place)
        for item in self.circuit.commitments:
            yield self.change(f"T {item.point}", self._commit(item.terms, self.a, shown=0))
        if self.circuit.quadratics:
            yield from self._vector()

    def _at(self, form: Form, values: Sequence[int], shown: int) -> int:
        return form.at(values, self.publics, shown)

    def _commit(
        self, terms: Sequence[tuple[str, Form]], values: Sequence[int], *, shown: int
    ) -> g1.Point:
        bases = [self.base(base) for base, _ in terms]
        return g1.sum_of_multiples(bases, [self._at(form, values, shown) for _, form in terms])

    def base(self, base: str) -> g1.Point:
        """The generator that the canonical text names."""
        kind, _, name = base.partition("/")
        if kind == "H":
            return generators.bbs_messages(int(name) + 1)[-1]
        if kind == "label":
            return generators.labelled(self.statement.labels[self.circuit.labels[int(name)]])
        return generators.named(name)

    def _signature(self, place: int) -> Iterator[g1.Point]:
        item, r = self.circuit.signatures[place], self.factors[place]
        signature, messages = self.tokens[place]
        key, header = self.statement.keys[place]
        point, e = g1.decode(signature[:48], "A"), int.from_bytes(signature[48:], "big")
        bases = generators.bbs_messages(len(messages))
        signed = g1.add(
            bbs.base(key, header, len(messages)),
            g1.sum_of_multiples(bases, [m % g1.R for m in messages]),
        )
        a_bar = self.change("A bar", g1.multiply(point, r))
        b_bar = g1.add(g1.multiply(signed, r), g1.negate(g1.multiply(a_bar, e)))
        b_bar = self.change("B bar", b_bar)
        factors = [self.a[item.u], self.a[item.t]]
        factors += [-self._at(form, self.a, 0) % g1.R for form in item.messages]
        t_point = g1.sum_of_multiples([b_bar, a_bar, *bases], factors)
        yield from (a_bar, b_bar, self.change("T old", t_point))

    def _vector(self) -> Iterator[g1.Point]:
        linear, constant = [], []
        for _, value in self.circuit.quadratics:
            m, n = self._at(value.linear, self.a, 0), 0
            for left, right in value.products:
                left_a, right_a = self._at(left, self.a, 0), self._at(right, self.a, 0)
                m += self._at(left, self.x, 1) * right_a + left_a * self._at(right, self.x, 1)
                n += left_a * right_a
            linear.append(m % g1.R)
            constant.append(n % g1.R)
        self.r_a, self.r_b = self.rng.randrange(g1.R), self.rng.randrange(g1.R)
        bases = [generators.named(f"G/{i}") for i in range(len(self.circuit.vector))]
        bases += [generators.named(f"K/{k}") for k in range(len(linear))]
        bases.append(generators.vector_blinding())
        for name, values, rest, blinding in (
            ("A", self.a, constant, self.r_a),
            ("B", self.x, linear, self.r_b),
        ):
            factors = [values[i] for i in self.circuit.vector] + rest + [blinding]
            yield self.change(name, g1.sum_of_multiples(bases, factors))
