"""Affine forms over a circuit's variables, and polynomials of degree two.

A :class:`Form` is ``Σ c·variable + Σ c·public + constant`` modulo r. Publics and
constant together are its *shown part*. A :class:`Polynomial` is a form plus
products of two forms; circuits are lists of polynomials that must be zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from zkcredit.errors import MalformedInput
from zkcredit.reference.g1 import R


def _merge(left: Mapping[int, int], right: Mapping[int, int], factor: int) -> dict[int, int]:
    result = dict(left)
    for key, value in right.items():
        result[key] = (result.get(key, 0) + factor * value) % R
    return {key: value for key, value in result.items() if value}


@dataclass(frozen=True, slots=True)
class Form:
    """Coefficients by number of the variable and of the public, and a constant."""

    variables: Mapping[int, int] = field(default_factory=dict)
    publics: Mapping[int, int] = field(default_factory=dict)
    constant: int = 0

    @property
    def is_constant(self) -> bool:
        """Whether neither a variable nor a public occurs."""
        return not self.variables and not self.publics

    def plus(self, other: Form, factor: int = 1) -> Form:
        """``self + factor·other``."""
        return Form(
            _merge(self.variables, other.variables, factor),
            _merge(self.publics, other.publics, factor),
            (self.constant + factor * other.constant) % R,
        )

    def times(self, factor: int) -> Form:
        """``factor·self``."""
        return Form().plus(self, factor)

    def replace(self, variable: int, by: Form) -> Form:
        """The form after ``variable`` was replaced by another form."""
        factor = self.variables.get(variable)
        if factor is None:
            return self
        rest = {key: value for key, value in self.variables.items() if key != variable}
        return Form(rest, self.publics, self.constant).plus(by, factor)

    def renumber(self, positions: Mapping[int, int]) -> Form:
        """The same form with variables called by their positions."""
        variables = {positions[key]: value for key, value in self.variables.items()}
        return Form(variables, self.publics, self.constant)

    def shown(self, publics: Sequence[int]) -> int:
        """Value of publics and constant."""
        return (sum(c * publics[i] for i, c in self.publics.items()) + self.constant) % R

    def at(self, responses: Sequence[int], publics: Sequence[int], challenge: int) -> int:
        """The form's value on the responses plus challenge times its shown part."""
        hidden = sum(c * responses[i] for i, c in self.variables.items())
        return (hidden + challenge * self.shown(publics)) % R

    def text(self) -> str:
        """Canonical text, as the circuit's digest covers it."""
        parts = [f"f{i}*{_hex(self.variables[i])}" for i in sorted(self.variables)]
        parts += [f"p{i}*{_hex(self.publics[i])}" for i in sorted(self.publics)]
        if self.constant or not parts:
            parts.append(_hex(self.constant))
        return " + ".join(parts)


def _hex(value: int) -> str:
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big").hex()


@dataclass(frozen=True, slots=True)
class Polynomial:
    """``linear + Σ left·right``."""

    linear: Form
    products: tuple[tuple[Form, Form], ...] = ()

    def plus(self, other: Polynomial) -> Polynomial:
        """The sum."""
        return Polynomial(self.linear.plus(other.linear), self.products + other.products)

    def times(self, factor: int) -> Polynomial:
        """A multiple; the factor goes into the left of each product."""
        products = tuple((left.times(factor), right) for left, right in self.products)
        return Polynomial(self.linear.times(factor), products)

    def multiply(self, other: Polynomial) -> Polynomial:
        """The product; MalformedInput if a factor is a product or only publics."""
        if self.products or other.products:
            raise MalformedInput("an expression has a degree above two")
        if other.linear.is_constant:
            return self.times(other.linear.constant)
        if self.linear.is_constant:
            return other.times(self.linear.constant)
        if not self.linear.variables or not other.linear.variables:
            raise MalformedInput("a public alone may not be a factor")
        return Polynomial(Form(), ((self.linear, other.linear),))

    def map(self, change: Callable[[Form], Form]) -> Polynomial:
        """The polynomial with every form changed."""
        products = tuple((change(left), change(right)) for left, right in self.products)
        return Polynomial(change(self.linear), products)
