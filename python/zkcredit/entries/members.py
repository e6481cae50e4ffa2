"""The statement that says whose cosignatures make an entry final."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from zkcredit.codec import Reader, Writer, text_problem
from zkcredit.entries.base import Kind, Layout, Statement, check_layout
from zkcredit.errors import CallerError

MEMBERS_MAX = 64
"""Most members of a consortium."""
_HEAD = Layout(number="I", threshold="B")


@dataclass(frozen=True, slots=True)
class Member:
    """A cosigner: the name of its key (1..64 bytes, no space or ``+``), Ed25519 key (32 bytes)."""

    name: str
    key: bytes

    def __post_init__(self) -> None:
        problem = text_problem(self.name)
        if problem is None and ("+" in self.name or any(map(str.isspace, self.name))):
            problem = "it holds a space or a plus sign"
        if problem is not None:
            raise CallerError(f"name of a member: {problem}")
        if len(self.key) != 32:
            raise CallerError("the key of a member must have 32 bytes")


@dataclass(frozen=True, slots=True)
class MembersStatement(Statement):
    """From here on, ``threshold`` cosignatures of these ``members`` make a quorum.

    ``number`` counts the statements of a ledger from 1; 1..64 members of different names
    and keys, 1..len(members) of which are the threshold.
    """

    KIND = Kind.MEMBERS
    number: int
    threshold: int
    members: tuple[Member, ...]

    def __post_init__(self) -> None:
        check_layout(self, _HEAD)
        if not 1 <= len(self.members) <= MEMBERS_MAX:
            raise CallerError(f"a consortium has 1..{MEMBERS_MAX} members")
        for field in ("name", "key"):
            if len({getattr(member, field) for member in self.members}) < len(self.members):
                raise CallerError(f"two members have the same {field}")
        if not 1 <= self.threshold <= len(self.members):
            raise CallerError(f"threshold must be 1..{len(self.members)}")

    def _body(self) -> bytes:
        writer = Writer().u32(self.number).u8(self.threshold).u8(len(self.members))
        for member in self.members:
            writer.text8(member.name).fixed(member.key, 32)
        return writer.finish()

    @classmethod
    def _parse(cls, body: bytes) -> Self:
        reader = Reader(body)
        number, threshold, count = reader.u32(), reader.u8(), reader.u8()
        members = tuple(Member(reader.text8(), reader.fixed(32)) for _ in range(count))
        reader.finish()
        return cls(number, threshold, members)
