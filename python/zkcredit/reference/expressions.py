"""The small language of the relations: ``part[j] - part[j + 1]``, ``K > 1``, ``sum(due)``.

Python's own parser reads the text; everything but names, indexes, integers,
``+ - *``, comparisons and ``sum(…)`` is refused.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Mapping, Sequence

from zkcredit.errors import MalformedInput
from zkcredit.reference.forms import Form, Polynomial

Value = Polynomial | Sequence[Polynomial]
Scope = Mapping[str, Value]

_ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_COMPARE = {ast.Eq: operator.eq, ast.Lt: operator.lt, ast.Gt: operator.gt}
_NUMBER_LIMIT = 1 << 63
_ODD_NUMBER = re.compile(r"(?<![A-Za-z0-9_])[0-9]+[A-Za-z_.]")


def _parse(text: str) -> ast.expr:
    if _ODD_NUMBER.search(text):
        raise MalformedInput(f"{text!r} holds a number that is not plainly decimal")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        raise MalformedInput(f"{text!r} is no expression") from None


def integer(text: object, numbers: Mapping[str, int]) -> int:
    """The value of an expression over parameters and loop variables."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    return _integer(_parse(str(text)), numbers)


def _integer(node: ast.expr, numbers: Mapping[str, int]) -> int:
    match node:
        case ast.Constant(value=int(value)) if not isinstance(value, bool):
            if value >= _NUMBER_LIMIT:
                raise MalformedInput(f"{value} is too large")
            return value
        case ast.Name(id=name) if name in numbers:
            return numbers[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_integer(operand, numbers)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            value = _ARITHMETIC[type(op)](_integer(left, numbers), _integer(right, numbers))
            return int(value)
    raise MalformedInput(f"{ast.unparse(node)!r} is no number here")


def condition(text: str, numbers: Mapping[str, int]) -> bool:
    """The truth of one comparison of numbers, as in ``K > 1``."""
    match _parse(text):
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return bool(_COMPARE[type(op)](_integer(left, numbers), _integer(right, numbers)))
    raise MalformedInput(f"{text!r} is no condition")


def sides(text: str, scope: Scope, numbers: Mapping[str, int]) -> Polynomial:
    """Left minus right of ``left == right``."""
    match _parse(text):
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return _single(left, scope, numbers).plus(_single(right, scope, numbers).times(-1))
    raise MalformedInput(f"{text!r} is no equation")


def polynomial(text: str, scope: Scope, numbers: Mapping[str, int]) -> Polynomial:
    """The value of an expression over secrets and publics."""
    return _single(_parse(text), scope, numbers)


def elements(text: str, scope: Scope, numbers: Mapping[str, int]) -> list[Polynomial]:
    """One value, or all elements of an array that is named alone."""
    value = _value(_parse(text), scope, numbers)
    return [value] if isinstance(value, Polynomial) else list(value)


def _single(node: ast.expr, scope: Scope, numbers: Mapping[str, int]) -> Polynomial:
    value = _value(node, scope, numbers)
    if not isinstance(value, Polynomial):
        raise MalformedInput(f"{ast.unparse(node)!r} is an array")
    return value


def _value(node: ast.expr, scope: Scope, numbers: Mapping[str, int]) -> Value:
    match node:
        case ast.Constant() | ast.Name() if _is_number(node, numbers):
            return Polynomial(Form(constant=0).plus(Form(constant=1), _integer(node, numbers)))
        case ast.Name(id=name) if name in scope:
            return scope[name]
        case ast.Subscript(value=ast.Name(id=name), slice=place) if name in scope:
            return _element(name, scope[name], _integer(place, numbers))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _single(operand, scope, numbers).times(-1)
        case ast.BinOp(left=left, op=op, right=right):
            return _combine(op, _single(left, scope, numbers), _single(right, scope, numbers), node)
        case ast.Call(func=ast.Name(id="sum"), args=[ast.Name(id=name)], keywords=[]):
            total = Polynomial(Form())
            for item in elements(name, scope, numbers):
                total = total.plus(item)
            return total
    raise MalformedInput(f"{ast.unparse(node)!r} has no meaning here")


def _is_number(node: ast.expr, numbers: Mapping[str, int]) -> bool:
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id in numbers)


def _element(name: str, array: Value, position: int) -> Polynomial:
    if isinstance(array, Polynomial) or not 0 <= position < len(array):
        raise MalformedInput(f"{name} has no element {position}")
    return array[position]


def _combine(op: ast.operator, left: Polynomial, right: Polynomial, node: ast.expr) -> Polynomial:
    match op:
        case ast.Add():
            return left.plus(right)
        case ast.Sub():
            return left.plus(right.times(-1))
        case ast.Mult():
            return left.multiply(right)
    raise MalformedInput(f"{ast.unparse(node)!r} has no meaning here")
