"""Trust policies in the form of C2SP tlog-policy, and what they say of a checkpoint.

An entry is *accepted* when it is on the log, and *final* when a checkpoint that covers it
has the cosignatures that a policy asks for. Whoever ships goods of value waits for the
second: a log and fewer cosigners than the quorum can lie together.

>>> policy = Policy.parse(text)  # doctest: +SKIP
>>> policy.evaluate(Note.decode(checkpoint)).is_met  # doctest: +SKIP
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zkcredit.errors import CallerError, CheckFailed, MalformedInput
from zkcredit.ledger.note import Checkpoint, KeyKind, Note, VerifierKey

NONE = "none"
_MAX_BYTES = 1 << 20
_MAX_NAMES = 1_024
_SAFE_MEMBERS = 4
_NUMBER = re.compile("[1-9][0-9]{0,8}")


def byzantine_threshold(members: int) -> int:
    """How many of so many cosigners make a quorum: ⌊2n/3⌋ + 1.

    With it, fewer than a third may lie, or be silent, without harm.
    """
    if members < 1:
        raise CallerError("a quorum needs at least one member")
    return 2 * members // 3 + 1


@dataclass(frozen=True, slots=True)
class Party:
    """A key of a policy with the name it has there and, if known, its URL."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Met when at least ``threshold`` of the witnesses and groups named are."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says of a checkpoint: whether its quorum is met, and who signed."""

    is_met: bool
    head: Checkpoint
    signed: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Logs, witnesses and groups in the order of the file, and the quorum's name."""

    logs: tuple[Party, ...]
    witnesses: tuple[Party, ...]
    groups: tuple[Group, ...]
    quorum: str

    @classmethod
    def of_members(
        cls, logs: Sequence[VerifierKey], members: Sequence[Party], threshold: int | None = None
    ) -> Policy:
        """So many of these cosigners, by default ⌊2n/3⌋ + 1 of n."""
        wanted = byzantine_threshold(len(members)) if threshold is None else threshold
        group = Group("members", wanted, tuple(member.name for member in members))
        parties = tuple(Party(key.name, key) for key in logs)
        policy = cls(parties, tuple(members), (group,), group.name)
        try:
            return cls.parse(policy.encode())
        except MalformedInput as error:
            raise CallerError(str(error)) from None

    @classmethod
    def parse(cls, text: str) -> Policy:
        """The policy in a file; MalformedInput names the line that is wrong."""
        return _Parser().parse(text)

    def encode(self) -> str:
        """The policy as a file."""
        lines = [_line("log", party.key.encode(), party.url) for party in self.logs]
        lines += [_line("witness", p.name, p.key.encode(), p.url) for p in self.witnesses]
        lines += [_line("group", g.name, str(g.threshold), *g.members) for g in self.groups]
        return "\n".join([*lines, _line("quorum", self.quorum), ""])

    def evaluate(self, note: Note) -> Verdict:
        """What the cosignatures of a checkpoint are worth under this policy.

        CheckFailed if it is not signed by a log of the policy (if that names any), or
        (``cosignature``) if a line of a known key does not verify; MalformedInput if it is
        no checkpoint.
        """
        head = Checkpoint.parse(note.text)
        names = {party.key.name for party in self.logs}
        signers = [p for p in self.logs if p.key.name == head.origin and _has_signed(note, p.key)]
        if names and not signers:
            raise CheckFailed(f"checkpoint of {head.origin} is not signed by a log of the policy")
        signed = {party.name for party in self.witnesses if _has_signed(note, party.key)}
        met = set(signed)
        for group in self.groups:
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        witnesses = [party.name for party in self.witnesses]
        return Verdict(
            self.quorum == NONE or self.quorum in met,
            head,
            tuple(name for name in witnesses if name in signed),
            tuple(name for name in witnesses if name not in signed),
        )

    def makes_final(self, verdict: Verdict) -> bool:
        """Whether entries are final by this verdict: the quorum is met, and not of nobody."""
        return verdict.is_met and self.quorum != NONE

    def warnings(self) -> list[str]:
        """What makes this policy weaker than it looks, in words; empty if nothing does."""
        if self.quorum == NONE:
            return ["the quorum is none: nobody but the log vouches for a checkpoint"]
        count, weakest = len(self._below(self.quorum)), self._least(self.quorum)
        found: list[str] = []
        if count < _SAFE_MEMBERS:
            found.append(
                f"the quorum has {count} members: below {_SAFE_MEMBERS} none may lie or be absent"
            )
        if weakest < byzantine_threshold(count):
            found.append(
                f"{weakest} of {count} cosignatures can meet the quorum: below "
                f"{byzantine_threshold(count)} of {count} two contradicting checkpoints can too"
            )
        return found

    def _below(self, name: str) -> set[str]:
        """The witnesses that can contribute to a name."""
        for group in self.groups:
            if group.name == name:
                return {w for member in group.members for w in self._below(member)}
        return {name}

    def _least(self, name: str) -> int:
        """The fewest cosignatures that meet a name."""
        for group in self.groups:
            if group.name == name:
                return sum(sorted(self._least(m) for m in group.members)[: group.threshold])
        return 1


def _has_signed(note: Note, key: VerifierKey) -> bool:
    """Whether ``key`` signed; CheckFailed for a line of its own that does not verify."""
    if not any((line.name, line.key_id) == (key.name, key.id) for line in note.signatures):
        return False
    try:
        note.verify(key)
    except CheckFailed as error:
        raise CheckFailed(str(error), check="cosignature") from None
    return True


def _line(*items: str | None) -> str:
    return " ".join(item for item in items if item is not None)


class _Parser:
    """One pass over a policy file; names must be defined before they are used."""

    def __init__(self) -> None:
        self._logs: list[Party] = []
        self._witnesses: list[Party] = []
        self._groups: list[Group] = []
        self._defined: set[str] = set()
        self._grouped: set[str] = set()
        self._keys: dict[str, set[bytes]] = {"log": set(), "witness": set()}
        self._quorum: str | None = None

    def parse(self, text: str) -> Policy:
        if len(text) > _MAX_BYTES:
            raise MalformedInput("policy is too long")
        if text and not text.endswith("\n"):
            raise MalformedInput("policy does not end with a newline")
        kinds: dict[str, Callable[[list[str]], None]] = {
            "log": self._log, "witness": self._witness, "group": self._group,
            "quorum": self._choose,
        }  # fmt: skip
        for number, line in enumerate(text.split("\n"), 1):
            try:
                if any((ord(c) < 0x20 and c != "\t") or ord(c) == 0x7F for c in line):
                    raise MalformedInput("control character")
                items = [item for item in re.split("[ \t]+", line) if item]
                if not items or items[0].startswith("#"):
                    continue
                if items[0] not in kinds:
                    raise MalformedInput(f"unknown word {items[0]!r}")
                kinds[items[0]](items[1:])
            except MalformedInput as error:
                raise MalformedInput(f"policy, line {number}: {error}") from None
        if self._quorum is None:
            raise MalformedInput("policy has no quorum line")
        tables = tuple(self._logs), tuple(self._witnesses), tuple(self._groups)
        return Policy(*tables, self._quorum)

    def _log(self, items: list[str]) -> None:
        if len(items) not in (1, 2):
            raise MalformedInput("write: log KEY [URL]")
        key = self._key("log", items[0])
        if key.kind is KeyKind.ED25519_COSIGNATURE:
            raise MalformedInput("this is the key of a cosigner, not of a log")
        self._logs.append(Party(key.name, key, *items[1:]))

    def _witness(self, items: list[str]) -> None:
        if len(items) not in (2, 3):
            raise MalformedInput("write: witness NAME KEY [URL]")
        self._define(items[0])
        key = self._key("witness", items[1])
        if not key.kind.is_timed:
            raise MalformedInput("this is the key of a log, not of a cosigner")
        self._witnesses.append(Party(items[0], key, *items[2:]))

    def _group(self, items: list[str]) -> None:
        if len(items) < 3:
            raise MalformedInput("write: group NAME all|any|NUMBER MEMBER…")
        name, threshold, *members = items
        for member in members:
            if member not in self._defined:
                raise MalformedInput(f"{member!r} is not defined before")
            if member in self._grouped:
                raise MalformedInput(f"{member!r} is a member twice")
            self._grouped.add(member)
        self._define(name)
        count = {"any": "1", "all": str(len(members))}.get(threshold, threshold)
        if not _NUMBER.fullmatch(count) or int(count) > len(members):
            raise MalformedInput(f"the threshold is all, any or 1..{len(members)}")
        self._groups.append(Group(name, int(count), tuple(members)))

    def _choose(self, items: list[str]) -> None:
        if len(items) != 1 or self._quorum is not None:
            raise MalformedInput("write: quorum NAME, once")
        if items[0] != NONE and items[0] not in self._defined:
            raise MalformedInput(f"{items[0]!r} is not defined before")
        self._quorum = items[0]

    def _define(self, name: str) -> None:
        if name == NONE or name in self._defined:
            raise MalformedInput(f"{name!r} is taken")
        if len(self._defined) == _MAX_NAMES:
            raise MalformedInput(f"more than {_MAX_NAMES} names")
        self._defined.add(name)

    def _key(self, table: str, text: str) -> VerifierKey:
        key = VerifierKey.decode(text)
        if key.key in self._keys[table]:
            raise MalformedInput("this key is there already")
        self._keys[table].add(key.key)
        return key
