"""The language of a policy's clauses: from text to a small syntax tree.

=========  =====================================================================
clause     ``sum operator sum`` or ``name [not] in set``
operator   ``<=  >=  <  >  ==  !=``
sum        ``[-] term {(+ | -) term}``
term       ``[integer *] name`` or a literal
name       ``field``, ``alias.field``, a variable, or ``today``
literal    ``12``, ``12.50``, ``2001-05-31``, ``18y 6m 30d`` (one of them), ``'text'``
set        a name, or ``[literal, literal, …]``
=========  =====================================================================

What a name stands for and whether types agree is the business of
:mod:`zkcredit.policies.resolve`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import NoReturn

from zkcredit.errors import MalformedInput

CLAUSE_MAX_CHARS = 512
TERMS_MAX = 8
"""Most terms on one side of a clause."""
FACTOR_MAX = 10**9
"""Largest factor of a name."""
SET_MAX = 64
"""Most items of a set that is proved inside the circuit."""
COMPARISONS = ("<=", ">=", "==", "!=", "<", ">")

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}(?![0-9A-Za-z_-]))
  | (?P<duration>[0-9]{1,5}[ymd](?![0-9A-Za-z_.]))
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?![0-9A-Za-z_.]))
  | (?P<name>[A-Za-z_][0-9A-Za-z_]*(?:\.[A-Za-z_][0-9A-Za-z_]*)?)
  | (?P<text>'[^']*'|"[^"]*")
  | (?P<symbol><=|>=|==|!=|[<>+*,\[\]-])
    )""",
    re.VERBOSE,
)


class LiteralKind(enum.Enum):
    """What a literal looks like."""

    NUMBER = "number"
    DATE = "date"
    DURATION = "duration"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal as written (texts without their quotes)."""

    kind: LiteralKind
    text: str


@dataclass(frozen=True, slots=True)
class Name:
    """A name as written: ``field``, ``alias.field``, a variable or ``today``."""

    path: str


@dataclass(frozen=True, slots=True)
class Term:
    """``factor`` times a name or literal."""

    factor: int
    atom: Name | Literal


@dataclass(frozen=True, slots=True)
class Comparison:
    """``left operator right``; ``text`` is the clause as written."""

    text: str
    left: tuple[Term, ...]
    operator: str
    right: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Membership:
    """A name in, or not in, a named set or list or some literals."""

    text: str
    name: Name
    negated: bool
    members: str | tuple[Literal, ...]


Clause = Comparison | Membership


def parse_clause(text: str) -> Clause:
    """The clause written in ``text`` (at most 512 characters); MalformedInput otherwise."""
    if len(text) > CLAUSE_MAX_CHARS:
        raise MalformedInput(f"a clause has at most {CLAUSE_MAX_CHARS} characters")
    return _Parser(text).clause()


def parse_name(text: str) -> Name:
    """A single name; MalformedInput for anything else."""
    parser = _Parser(text)
    name = parser.name()
    parser.end()
    return name


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def clause(self) -> Clause:
        left = self._sum()
        if self._peek() in (("name", "in"), ("name", "not")):
            return self._membership(left)
        operator = self._take_symbol(*COMPARISONS)
        if operator is None:
            self._fail("a comparison or 'in' is missing")
        right = self._sum()
        self.end()
        return Comparison(self._text, left, operator, right)

    def name(self) -> Name:
        kind, text = self._peek()
        if kind != "name":
            self._fail("a name is missing")
        self._next += 1
        return Name(text)

    def end(self) -> None:
        if self._next < len(self._tokens):
            self._fail(f"unexpected {self._peek()[1]!r}")

    def _membership(self, left: tuple[Term, ...]) -> Membership:
        if len(left) != 1 or left[0].factor != 1 or not isinstance(left[0].atom, Name):
            self._fail("before 'in' stands a single name")
        negated = self.name().path == "not"
        if negated and self.name().path != "in":
            self._fail("'not' is followed by 'in'")
        members: str | tuple[Literal, ...]
        members = self._literals() if self._take_symbol("[") else self.name().path
        self.end()
        return Membership(self._text, left[0].atom, negated, members)

    def _literals(self) -> tuple[Literal, ...]:
        found: list[Literal] = []
        while not found or self._take_symbol(","):
            negative = self._take_symbol("-") is not None
            literal = self._literal()
            if literal is None or literal.kind is LiteralKind.DURATION:
                self._fail("a set holds numbers, dates and texts")
            if negative and literal.kind is not LiteralKind.NUMBER:
                self._fail("only a number may have a sign")
            found.append(Literal(literal.kind, "-" + literal.text) if negative else literal)
        if self._take_symbol("]") is None:
            self._fail("a set ends with ']'")
        return tuple(found)

    def _sum(self) -> tuple[Term, ...]:
        sign = -1 if self._take_symbol("-") else 1
        terms = [self._term(sign)]
        while (symbol := self._take_symbol("+", "-")) is not None:
            terms.append(self._term(1 if symbol == "+" else -1))
            if len(terms) > TERMS_MAX:
                self._fail(f"a side of a clause has at most {TERMS_MAX} terms")
        return tuple(terms)

    def _term(self, sign: int) -> Term:
        literal = self._literal()
        if literal is None:
            return Term(sign, self.name())
        if self._take_symbol("*") is None:
            return Term(sign, literal)
        if literal.kind is not LiteralKind.NUMBER or "." in literal.text:
            self._fail("a factor is an integer")
        factor = int(literal.text)
        if not 1 <= factor <= FACTOR_MAX:
            self._fail(f"a factor is 1..{FACTOR_MAX}")
        return Term(sign * factor, self.name())

    def _literal(self) -> Literal | None:
        kind, text = self._peek()
        if kind in ("", "name", "symbol"):
            return None
        self._next += 1
        return Literal(LiteralKind(kind), text[1:-1] if kind == "text" else text)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("", "")

    def _take_symbol(self, *symbols: str) -> str | None:
        kind, text = self._peek()
        if kind != "symbol" or text not in symbols:
            return None
        self._next += 1
        return text

    def _fail(self, why: str) -> NoReturn:
        raise MalformedInput(f"clause {self._text!r}: {why}")


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise MalformedInput(
                f"clause {text!r}: cannot be read from {text[position:][:20]!r} on"
            )
        found.append((str(match.lastgroup), match.group(str(match.lastgroup))))
        position = match.end()
    return found
