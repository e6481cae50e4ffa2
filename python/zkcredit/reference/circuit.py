"""Circuits: from the text of a relation and its sizes to equations and a digest.

``docs/engine.md`` §2 says how; this module follows it and nothing else.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zkcredit.errors import MalformedInput, StoreError
from zkcredit.reference import expressions, hashing
from zkcredit.reference.forms import Form, Polynomial
from zkcredit.reference.g1 import R

NAMES = ("open", "spend", "refresh", "update", "statement", "settle", "request")
"""The relations of the ledger."""
VARIABLES_MAX = 4096
RANGE_BITS_MAX = 128
_TEXTS = Path(__file__).parent / "circuits"


@dataclass(frozen=True, slots=True)
class Signature:
    """Possession of a BBS signature: positions of u, t, r and one form per message."""

    name: str
    u: int
    t: int
    r: int
    messages: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Commitment:
    """A point of the statement and what it commits to.

    A base is ``H/i``, ``named/name`` or ``label/i``.
    """

    point: str
    subgroup: bool
    terms: tuple[tuple[str, Form], ...]


@dataclass(frozen=True)
class Circuit:
    """An instantiated relation: forms are over the positions of responses.

    ``responses`` says of each what it is: a secret (``due[0]``), a bit of a range
    (``id[0].3``), or ``name.u``, ``name.t``, ``name.r`` of a signature.
    """

    name: str
    version: int
    parameters: Mapping[str, int]
    publics: tuple[str, ...]
    labels: tuple[str, ...]
    responses: tuple[str, ...]
    vector: tuple[int, ...]
    signatures: tuple[Signature, ...]
    commitments: tuple[Commitment, ...]
    quadratics: tuple[tuple[str, Polynomial], ...]

    def text(self) -> str:
        """The canonical text that the digest covers."""
        lines = [f"circuit {self.name} {self.version}"]
        lines += [f"parameter {name} {self.parameters[name]}" for name in sorted(self.parameters)]
        lines += [f"public {name}" for name in self.publics]
        lines += [f"label {name}" for name in self.labels]
        lines.append(f"responses {len(self.responses)}")
        lines.append("vector " + " ".join(map(str, self.vector)))
        for item in self.signatures:
            lines.append(f"signature {item.name} u={item.u} t={item.t} r={item.r}")
            lines += [f"  H/{i} {form.text()}" for i, form in enumerate(item.messages)]
        for one in self.commitments:
            lines.append(f"commitment {one.point} subgroup={'true' if one.subgroup else 'false'}")
            lines += [f"  {base} {form.text()}" for base, form in one.terms]
        for name, value in self.quadratics:
            lines.append(f"quadratic {name} {value.linear.text()}")
            lines += [f"  ({a.text()})*({b.text()})" for a, b in value.products]
        return "".join(line + "\n" for line in lines)

    @functools.cached_property
    def digest(self) -> bytes:
        """32 bytes that name the instantiated circuit."""
        return hashing.derive_key("zkcredit v1 circuit", self.text().encode())

    @property
    def point_count(self) -> int:
        """Number of points in a proof."""
        return 2 * len(self.commitments) + 3 * len(self.signatures) + (2 if self.quadratics else 0)

    @property
    def proof_length(self) -> int:
        """Number of bytes of a proof."""
        return 96 * self.point_count + 32 * (len(self.responses) + (1 if self.quadratics else 0))


def load(name: str, parameters: Mapping[str, int]) -> Circuit:
    """A relation of the ledger at these sizes; compiled once per process."""
    return _load(name, tuple(sorted(parameters.items())))


@functools.lru_cache(maxsize=64)
def _load(name: str, parameters: tuple[tuple[str, int], ...]) -> Circuit:
    if name not in NAMES:
        raise MalformedInput(f"there is no relation {name!r}")
    path = _TEXTS / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    return compile_circuit(text, dict(parameters))


def compile_circuit(text: str, parameters: Mapping[str, int]) -> Circuit:
    """The circuit of a relation's text; raises MalformedInput."""
    try:
        source = tomllib.loads(text)
        return _Compiler(source, parameters).run()
    except tomllib.TOMLDecodeError as error:
        raise MalformedInput(f"relation: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedInput(f"relation lacks or garbles {error}") from None


@dataclass(slots=True)
class _Compiler:
    source: Mapping[str, Any]
    numbers: Mapping[str, int]
    scope: dict[str, Any] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    secrets: list[int] = field(default_factory=list)
    committed: set[int] = field(default_factory=set)
    bits: list[int] = field(default_factory=list)
    linears: list[tuple[str, Form]] = field(default_factory=list)
    quadratics: list[tuple[str, Polynomial]] = field(default_factory=list)
    defined: dict[int, Form] = field(default_factory=dict)

    def run(self) -> Circuit:
        if set(self.source["parameters"]) != set(self.numbers):
            raise MalformedInput(f"the parameters are {self.source['parameters']}")
        self._check_ids()
        publics = self._publics()
        self._secrets()
        for block in self.source.get("constraint", []):
            self._constraint(block)
        signatures = [self._signature(block) for block in self.source.get("signature", [])]
        if len(self.names) > VARIABLES_MAX:
            raise MalformedInput(f"a circuit has at most {VARIABLES_MAX} variables")
        for name, equation in self.linears:
            self._eliminate(name, equation)
        return self._finish(publics, signatures)

    def _check_ids(self) -> None:
        kinds = ("signature", "commitment", "constraint")
        ids = [block["id"] for kind in kinds for block in self.source.get(kind, [])]
        if len(set(ids)) != len(ids):
            raise MalformedInput("an id is used twice")

    # --- declarations --------------------------------------------------------------

    def _publics(self) -> tuple[str, ...]:
        names = tuple(str(block["name"]) for block in self.source.get("public", []))
        for position, name in enumerate(names):
            self.scope[name] = Polynomial(Form(publics={position: 1}))
        return names

    def _variable(self, name: str) -> int:
        self.names.append(name)
        return len(self.names) - 1

    def _secrets(self) -> None:
        for block in self.source.get("secret", []):
            if not self._applies(block, self.numbers):
                continue
            names = [block["name"]]
            if "size" in block:
                size = expressions.integer(block["size"], self.numbers)
                names = [f"{block['name']}[{j}]" for j in range(size)]
            numbers = [self._variable(name) for name in names]
            self.secrets += numbers
            if block.get("committed", False):
                self.committed.update(numbers)
            values = [_variable_form(number) for number in numbers]
            self.scope[block["name"]] = values if "size" in block else values[0]

    @staticmethod
    def _applies(block: Mapping[str, Any], numbers: Mapping[str, int]) -> bool:
        return "when" not in block or expressions.condition(block["when"], numbers)

    # --- equations -----------------------------------------------------------------

    def _constraint(self, block: Mapping[str, Any]) -> None:
        if not self._applies(block, self.numbers):
            return
        loops: list[Mapping[str, int]] = [self.numbers]
        if "for" in block:
            name, _, text = str(block["for"]).partition(" in ")
            size = expressions.integer(text, self.numbers)
            if size < 0 or name.strip() in {*self.scope, *self.numbers}:
                raise MalformedInput(f"{block['for']!r} is no loop")
            loops = [{**self.numbers, name.strip(): j} for j in range(size)]
        for turn, numbers in enumerate(loops):
            if "range" in block:
                self._range(block, numbers, turn)
            else:
                self._zero(block["id"], expressions.sides(block["assert"], self.scope, numbers))

    def _zero(self, name: str, value: Polynomial) -> None:
        if value.products:
            self.quadratics.append((name, value))
        else:
            self.linears.append((name, value.linear))

    def _range(self, block: Mapping[str, Any], numbers: Mapping[str, int], turn: int) -> None:
        value = expressions.polynomial(block["range"], self.scope, numbers)
        width = expressions.integer(block["bits"], numbers)
        if value.products or not 1 <= width <= RANGE_BITS_MAX:
            raise MalformedInput(f"{block['id']} is no range of 1..{RANGE_BITS_MAX} bits")
        form = value.linear
        for place in range(width):
            number = self._variable(f"{block['id']}[{turn}].{place}")
            self.bits.append(number)
            bit = Form({number: 1})
            form = form.plus(bit, -(1 << place))
            self.quadratics.append(
                (block["id"], Polynomial(Form(), ((bit, bit.plus(Form(constant=R - 1))),)))
            )
        self.linears.append((block["id"], form))

    def _signature(self, block: Mapping[str, Any]) -> Signature:
        u, t, r = (self._variable(f"{block['name']}.{part}") for part in "utr")
        product = (Form({u: 1}), Form({r: 1}))
        self.quadratics.append((block["id"], Polynomial(Form(constant=R - 1), (product,))))
        return Signature(block["name"], u, t, r, self._messages(block["messages"]))

    def _messages(self, names: list[str]) -> tuple[Form, ...]:
        return tuple(
            _linear(value, name)
            for name in names
            for value in expressions.elements(name, self.scope, self.numbers)
        )

    # --- elimination ---------------------------------------------------------------

    def _eliminate(self, name: str, equation: Form) -> None:
        equation = self._reduce(equation)
        pivot = self._pivot(equation)
        if pivot is None:
            raise MalformedInput(f"{name} cannot be solved for a variable")
        factor = equation.variables[pivot]
        rest = equation.plus(Form({pivot: 1}), -factor)
        solution = rest.times(-pow(factor, -1, R))
        for number, form in self.defined.items():
            self.defined[number] = form.replace(pivot, solution)
        self.defined[pivot] = solution

    def _reduce(self, form: Form) -> Form:
        for number in [n for n in form.variables if n in self.defined]:
            form = form.replace(number, self.defined[number])
        return form

    def _pivot(self, equation: Form) -> int | None:
        free = [n for n in self.secrets if n in equation.variables and n not in self.committed]
        if free:
            return max(free)
        return min((n for n in self.bits if n in equation.variables), default=None)

    # --- result --------------------------------------------------------------------

    def _finish(self, publics: tuple[str, ...], signatures: list[Signature]) -> Circuit:
        kept = [number for number in range(len(self.names)) if number not in self.defined]
        positions = {number: position for position, number in enumerate(kept)}

        def final(form: Form) -> Form:
            return self._reduce(form).renumber(positions)

        in_vector = {*self.bits, *self.committed}
        in_vector.update(n for item in signatures for n in (item.u, item.r))
        circuit = Circuit(
            name=self.source["name"],
            version=self.source["version"],
            parameters=dict(self.numbers),
            publics=publics,
            labels=self._labels(),
            responses=tuple(self.names[number] for number in kept),
            vector=tuple(positions[n] for n in kept if n in in_vector),
            signatures=tuple(
                Signature(
                    name=item.name,
                    u=positions[item.u],
                    t=positions[item.t],
                    r=positions[item.r],
                    messages=tuple(map(final, item.messages)),
                )
                for item in signatures
            ),
            commitments=tuple(
                self._commitment(block, final) for block in self.source.get("commitment", [])
            ),
            quadratics=tuple((name, value.map(final)) for name, value in self.quadratics),
        )
        _check_use(circuit)
        _check_binding(circuit)
        return circuit

    def _labels(self) -> tuple[str, ...]:
        return tuple(str(block["name"]) for block in self.source.get("label", []))

    def _commitment(self, block: Mapping[str, Any], final: Any) -> Commitment:
        if "messages" in block:
            forms = self._messages(block["messages"])
            terms = [(f"H/{i}", final(form)) for i, form in enumerate(forms)]
        else:
            labels = self._labels()
            terms = []
            for name, text in sorted(block["terms"].items()):
                value = expressions.polynomial(text, self.scope, self.numbers)
                base = f"label/{labels.index(name)}" if name in labels else f"named/{name}"
                terms.append((base, final(_linear(value, text))))
        return Commitment(block["point"], bool(block["subgroup"]), tuple(terms))


def _variable_form(number: int) -> Polynomial:
    return Polynomial(Form({number: 1}))


def _linear(value: Polynomial, text: str) -> Form:
    if value.products:
        raise MalformedInput(f"{text!r} must be linear")
    return value.linear


def _forms(value: Polynomial) -> list[Form]:
    return [value.linear, *(form for pair in value.products for form in pair)]


def _check_use(circuit: Circuit) -> None:
    """Every response occurs somewhere."""
    forms = [form for item in circuit.signatures for form in item.messages]
    forms += [form for item in circuit.commitments for _, form in item.terms]
    forms += [form for _, value in circuit.quadratics for form in _forms(value)]
    used = {position for form in forms for position in form.variables}
    used.update(item.t for item in circuit.signatures)
    for position, name in enumerate(circuit.responses):
        if position not in used:
            raise MalformedInput(f"nothing uses {name}")


def _check_binding(circuit: Circuit) -> None:
    """Every response in a quadratic is fixed before the challenge.

    It is in the vector commitment, or stands alone before a generator of a
    commitment. Equations of signatures have bases of the prover's choice and
    bind nothing.
    """
    bound = set(circuit.vector)
    for commitment in circuit.commitments:
        for _, form in commitment.terms:
            if len(form.variables) == 1:
                bound.update(form.variables)
    for name, value in circuit.quadratics:
        if any(set(form.variables) - bound for form in _forms(value)):
            raise MalformedInput(f"{name} uses a variable that nothing binds")
