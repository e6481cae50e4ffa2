"""Changes of MessagePack and JSON that leave them MessagePack and JSON.

What decodes states and messages is compiled code, in which a fuzzer sees no coverage:
bytes changed at random would nearly always fail in its first lines.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

CODECS: dict[str, Any] = {
    "wallet": msgspec.msgpack,
    "merchant": msgspec.msgpack,
    "message": msgspec.json,
}
"""Targets whose inputs are edited."""
LEAVES: tuple[Any, ...] = (
    None, True, 0, 1, -1, 2**31, 2**63 - 1, -(2**63), 2**64 - 1, 1.5,
    "", "x", "é" * 40, "2026-11-22", "0a" * 32, b"", bytes(32), b"\xff" * 48, [], {},
)  # fmt: skip
_EDITS = 3


@dataclass(frozen=True)
class Place:
    """A value inside another one: what holds it, and under which key or index."""

    holder: Any
    key: Any

    @property
    def value(self) -> Any:
        return self.holder[self.key]


def places(value: Any) -> Iterator[Place]:
    """All values inside ``value``, but not itself."""
    keys: Any = range(len(value)) if isinstance(value, list) else value
    for key in keys if isinstance(value, dict | list) else ():
        yield Place(value, key)
        yield from places(value[key])


def edited(name: str, data: bytes, chance: random.Random) -> bytes | None:
    """``data`` with up to three values replaced, repeated or removed; None if it is not whole."""
    codec = CODECS[name]
    try:
        value = codec.decode(data)
        for _ in range(chance.randint(1, _EDITS)):
            found = list(places(value))
            if not found:
                return None
            _edit(chance.choice(found), [place.value for place in found], chance)
        encoded: bytes = codec.encode(value)
    except (ValueError, TypeError, RecursionError, OverflowError):
        return None
    return encoded


def _edit(place: Place, values: list[Any], chance: random.Random) -> None:
    donor = chance.choice([chance.choice(values), chance.choice(LEAVES), chance.choice(LEAVES)])
    action = chance.randrange(4)
    if action == 0:
        del place.holder[place.key]
    elif action == 1 and isinstance(place.holder, list):
        place.holder.append(copy.deepcopy(place.value))
    else:
        place.holder[place.key] = copy.deepcopy(donor)
