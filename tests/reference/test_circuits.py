"""Both compilers make the same circuit of the same text, or both refuse it."""

from __future__ import annotations

import itertools
import random

import pytest

from zkcredit import _native
from zkcredit.errors import CallerError, MalformedInput
from zkcredit.reference.circuit import NAMES, compile_circuit, load

SIZES = [
    {"K": K, "M": M, "bits": bits}
    for K, M, bits in [
        (0, 0, 32), (1, 0, 32), (1, 0, 64), (1, 3, 32), (2, 0, 32), (3, 2, 32),
        (6, 1, 64), (12, 1, 32), (36, 16, 32), (36, 16, 64),
    ]
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_digests_of_the_relations(name: str) -> None:
    for sizes in SIZES if name not in ("settle", "request") else [{}]:
        if name == "statement" and sizes["K"] == 0:
            continue
        own, other = load(name, sizes), _native.builtin_circuit(name, sizes)
        assert own.text() == other.describe()
        assert own.digest == other.digest
        assert own.proof_length == other.proof_length


def test_no_bill_without_buckets() -> None:
    with pytest.raises(MalformedInput):
        load("statement", SIZES[0])
    with pytest.raises(CallerError):
        _native.builtin_circuit("statement", SIZES[0])


HEAD = """
name = "toy"
version = 1
parameters = ["K"]

[[public]]
name = "pub"
meaning = "shown"

[[secret]]
name = "a"
meaning = "in the vector"
committed = true

[[secret]]
name = "b"
meaning = "in the vector"
committed = true

[[secret]]
name = "c"
meaning = "free"

[[secret]]
name = "arr"
size = "K"
meaning = "in the vector"
committed = true

[[secret]]
name = "d"
meaning = "free"

[[commitment]]
id = "toy.all"
point = "pt"
terms = { owner = "a", account = "b", due = "c", payee = "sum(arr)", blinding = "d" }
subgroup = true
reason = "uses everything"
"""


def text(*constraints: str) -> str:
    """The toy relation with constraints such as ``a == b`` or ``a in 8``."""
    blocks = []
    for number, constraint in enumerate(constraints):
        body, _, loop = constraint.partition(" for ")
        value, _, bits = body.partition(" in ")
        block = f'[[constraint]]\nid = "toy.{number}"\nreason = "test"\n'
        block += f'range = "{value}"\nbits = "{bits}"\n' if bits else f'assert = "{body}"\n'
        for key, part in zip(("for", "when"), loop.split(" when "), strict=False):
            block += f'{key} = "{part}"\n' if part else ""
        blocks.append(block)
    return "\n".join([HEAD, *blocks])


ACCEPTED = [
    ["a * b == c"], ["0 == c - a * b"], ["2 * a * b == c"], ["a * 2 * b == c"], ["-(a * b) == c"],
    ["-a * b == c"], ["a * -b == c"], ["sum(arr) == c"], ["sum(arr) * a == b"], ["c == 5"],
    ["(a + b) * (a - b) == c"], ["c == d", "d == a + 1"], ["c == d + a", "d == c + c"],
    ["a in 8"], ["c in 8"], ["d in 8", "d == c"], ["c in 8", "c - 3 in K + 5"], ["pub in 4"],
    ["sum(arr) - d in 3"], ["c + pub - 1 in 3"], ["d == c", "d - c + a in 5"], ["5 in 4"],
    ["arr[j] * arr[j] == arr[j] for j in K"], ["arr[j] == c + j for j in K - 1"],
    ["arr[0] - (a - b) * (a + 1) == 0"], ["arr[0] == (a - b) * a"], ["K * a * b == arr[0]"],
    ["arr[0] == a - (b - (a * b))"], ["a * b + b * b - a * a == 3"], ["(pub + a) * b == arr[1]"],
    ["c == a + b", "c * a == b"], ["c == 5", "c * a == b"], ["c * d == a"], ["c == pub"],
    ["c == K * K - 1"], ["(a - a + 2) * b == c"], ["c == a for j in 1 when K > 1"],
    ["a == b for j in 1 when K == 1"], ["c == a for j in 1 when K - 1 < 2"], ["c == j for j in 0"],
    ["c == 9223372036854775807"], ["1 in 128"],
]  # fmt: skip
REFUSED = [
    ["a * b * a == c"], ["(a * b) * 3 == c"], ["1 * (a * b) == c"], ["pub * a == c"],
    ["pub * pub == c"], ["a == 5"], ["0 == 0"], ["1 == 0"], ["a == a"], ["c == d", "d == c"],
    ["a * b in 4"], ["a in 0"], ["a in 129"], ["arr[0 - 1] == c"], ["arr[K] == c"], ["arr == c"],
    ["a ** 2 == c"], ["a / 2 == c"], ["min(arr) == c"], ["zz == c"], ["a != c"], ["a == b == c"],
    ["a - c"], ["c == 0x10"], ["c == 1_000"], ["c == 9223372036854775808"], ["c == 1.5"],
    ["+a == c"], ["sum(arr[0]) == c"], ["pub[0] == c"], ["c == a for a in K"],
    ["c == j for j in K - 5"], ["c == a for j in 1 when K >= 1"], ["c == a for j in 1 when K != 1"],
    ["pub == 5"], ["c == True"], ["c == a if K else b"], ["c =="], ["c == [a]"], ["(c) = a"],
]  # fmt: skip


@pytest.mark.parametrize("constraints", ACCEPTED, ids=" and ".join)
def test_one_text_one_circuit(constraints: list[str]) -> None:
    own = compile_circuit(text(*constraints), {"K": 2})
    assert own.text() == _native.Circuit.compile(text(*constraints), {"K": 2}).describe()


@pytest.mark.parametrize("constraints", REFUSED, ids=" and ".join)
def test_refused_by_both(constraints: list[str]) -> None:
    with pytest.raises(MalformedInput):
        compile_circuit(text(*constraints), {"K": 2})
    with pytest.raises(CallerError):
        _native.Circuit.compile(text(*constraints), {"K": 2})


def test_an_unbound_secret_is_refused_by_both() -> None:
    unbound = HEAD.replace('due = "c"', 'due = "c + d"').replace(', blinding = "d"', "")
    made = unbound + '[[constraint]]\nid = "x"\nassert = "c * a == b"\nreason = "test"\n'
    with pytest.raises(MalformedInput, match="binds"):
        compile_circuit(made, {"K": 2})
    with pytest.raises(CallerError, match="binds"):
        _native.Circuit.compile(made, {"K": 2})


def expression(rng: random.Random, depth: int) -> str:
    """A random expression over the toy relation."""
    if depth == 0:
        return rng.choice(["a", "b", "c", "d", "pub", "K", "2", "7", "arr[0]", "arr[K - 1]"])
    parts = [expression(rng, rng.randrange(depth)) for _ in range(2)]
    shape = rng.choice(["{} + {}", "{} - {}", "({}) * {}", "{} * ({})", "-({})", "sum(arr) - {}"])
    return shape.format(*parts)


def test_random_texts() -> None:
    rng, accepted = random.Random(7), 0
    for _ in range(400):
        kinds = [rng.choice(["{} == {}", "{} in 3"]) for _ in range(rng.choice((1, 1, 2, 3)))]
        terms = [[expression(rng, rng.randrange(4)) for _ in range(2)] for _ in kinds]
        made = text(*(kind.format(*pair) for kind, pair in zip(kinds, terms, strict=True)))
        try:
            own = compile_circuit(made, {"K": 2}).text()
        except MalformedInput:
            own = None
        try:
            other = _native.Circuit.compile(made, {"K": 2}).describe()
        except CallerError:
            other = None
        assert own == other, made
        accepted += own is not None
    assert accepted > 60


def test_every_relation_needs_its_parameters() -> None:
    for name, sizes in itertools.product(
        ("spend", "open"), ({}, {"K": 1}, {"K": 1, "M": 0, "x": 2})
    ):
        with pytest.raises(MalformedInput):
            load(name, sizes)
