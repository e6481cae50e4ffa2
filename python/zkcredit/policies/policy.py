"""Policies: what a verifier asks a holder to show and to prove.

A policy is TOML or JSON of at most 64 KiB::

    title = "Wine shop"
    reveal = ["country"]
    prove = ["birth_date <= today - 18y", "country in EU", "income >= 3 * instalment"]
    pseudonym = "shop.example"
    valid_minutes = 15

    [credentials.identity]
    schema = "identity"
    issuers = ["<identifier of an issuer, 64 hexadecimal digits>"]

    [sets]
    EU = ["AT", "DE", "FR"]

    [variables]
    instalment = "amount"

The text is data from strangers: it is bounded before it is parsed, and unknown
keys are refused.
"""

from __future__ import annotations

import enum
import functools
import json
import re
import tomllib
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from zkcredit.codec import text_problem
from zkcredit.errors import MalformedInput
from zkcredit.messages import prepare_types
from zkcredit.policies.language import SET_MAX, Clause, Membership, Name, parse_clause, parse_name

POLICY_MAX_BYTES = 65_536
CREDENTIALS_MAX = 4
"""Most credentials of a policy."""
CLAUSES_MAX = 32
SET_ITEMS_MAX = 256
"""Most items of all sets that a policy's clauses name, counted once for each clause."""
OWNER = "owner"
"""``pseudonym_from`` of a pseudonym that is made of the holder's one secret."""

_STRUCTURE_MAX = 2_000
_ALIAS = re.compile(r"[a-z][a-z0-9_]{0,31}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_RESERVED = frozenset({"today", "in", "not"})
_HEX32 = re.compile(r"[0-9a-f]{64}")


class VariableType(enum.Enum):
    """Type of a value that is given when a request is made."""

    INTEGER = "integer"
    AMOUNT = "amount"
    DATE = "date"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class CredentialRule:
    """One credential that is asked for: name or hash of its schema, issuers that are trusted."""

    alias: str
    schema: str
    issuers: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ListRule:
    """A signed list: the issuer (32 bytes) that owns it, name or hash of the list's schema."""

    issuer_id: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy; ``encoded`` are the bytes it was read from.

    ``pseudonym`` is the context of the pseudonym asked for, or empty;
    ``pseudonym_from`` is ``owner`` or the name of a one-person tag's field.
    """

    encoded: bytes
    title: str
    credentials: dict[str, CredentialRule]
    reveal: tuple[Name, ...]
    clauses: tuple[Clause, ...]
    pseudonym: str
    pseudonym_from: str
    valid_ms: int
    sets: dict[str, tuple[str, ...]]
    variables: dict[str, VariableType]
    lists: dict[str, ListRule]

    @staticmethod
    def parse(data: bytes | str) -> Policy:
        """The policy of a TOML or JSON text; MalformedInput says what is wrong with it."""
        encoded = data.encode(errors="replace") if isinstance(data, str) else bytes(data)
        return _parse(encoded)


class _CredentialTable(msgspec.Struct, forbid_unknown_fields=True):
    schema: str
    issuers: Annotated[list[str], msgspec.Meta(min_length=1, max_length=64)]


class _ListTable(msgspec.Struct, forbid_unknown_fields=True):
    issuer: str
    name: str = ""


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    credentials: Annotated[
        dict[str, _CredentialTable], msgspec.Meta(min_length=1, max_length=CREDENTIALS_MAX)
    ]
    reveal: Annotated[list[str], msgspec.Meta(max_length=64)] = []
    prove: Annotated[list[str], msgspec.Meta(max_length=CLAUSES_MAX)] = []
    pseudonym: str = ""
    pseudonym_from: str = OWNER
    valid_minutes: Annotated[int, msgspec.Meta(ge=1, le=1_440)] = 15
    sets: Annotated[dict[str, list[str | int]], msgspec.Meta(max_length=64)] = {}
    variables: Annotated[dict[str, VariableType], msgspec.Meta(max_length=32)] = {}
    lists: Annotated[dict[str, _ListTable], msgspec.Meta(max_length=8)] = {}


prepare_types(_Document)


@functools.lru_cache(64)
def _parse(encoded: bytes) -> Policy:
    return _build(encoded, _document(encoded))


def _document(encoded: bytes) -> _Document:
    if len(encoded) > POLICY_MAX_BYTES:
        raise MalformedInput(f"a policy has at most {POLICY_MAX_BYTES} bytes")
    # Each of these opens a level of nesting for one of the two parsers.
    if sum(map(encoded.count, (b"[", b"{", b"."))) > _STRUCTURE_MAX:
        raise MalformedInput(f"a policy has at most {_STRUCTURE_MAX} brackets and dots")
    try:
        text = encoded.decode()
        is_json = text.lstrip().startswith("{")
        raw = json.loads(text, object_pairs_hook=_unique) if is_json else tomllib.loads(text)
        return msgspec.convert(raw, _Document)
    except (ValueError, RecursionError) as error:  # of json, tomllib, msgspec and decode
        raise MalformedInput(f"not a policy: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key is repeated")
    return fields


def _build(encoded: bytes, document: _Document) -> Policy:
    _check_text("title", document.title)
    if document.pseudonym:
        _check_text("pseudonym", document.pseudonym)
    elif document.pseudonym_from != OWNER:
        raise MalformedInput("pseudonym_from needs a pseudonym")
    _check_names(document)
    policy = Policy(
        encoded=encoded,
        title=document.title,
        credentials={
            alias: CredentialRule(alias, table.schema, _issuers(alias, table.issuers))
            for alias, table in document.credentials.items()
        },
        reveal=tuple(parse_name(item) for item in document.reveal),
        clauses=tuple(parse_clause(item) for item in document.prove),
        pseudonym=document.pseudonym,
        pseudonym_from=document.pseudonym_from,
        valid_ms=document.valid_minutes * 60_000,
        sets={name: _items(name, items) for name, items in document.sets.items()},
        variables=document.variables,
        lists={name: _list_rule(name, table) for name, table in document.lists.items()},
    )
    _check_sets(policy)
    return policy


def _check_names(document: _Document) -> None:
    """Every name is declared once, whatever it is the name of."""
    for alias in document.credentials:
        if not _ALIAS.fullmatch(alias):
            raise MalformedInput(f"credential {alias!r}: a name is 1..32 of a-z, 0-9 and _")
    names = [*document.credentials, *document.sets, *document.variables, *document.lists]
    for name in names:
        if not _NAME.fullmatch(name) or name in _RESERVED or names.count(name) > 1:
            raise MalformedInput(f"{name!r} is no name, or names two things")


def _check_sets(policy: Policy) -> None:
    total = 0
    for clause in policy.clauses:
        if not isinstance(clause, Membership):
            continue
        members = clause.members
        if isinstance(members, str):
            if members not in policy.sets and members not in policy.lists:
                raise MalformedInput(f"clause {clause.text!r}: there is no set {members!r}")
            total += len(policy.sets.get(members, ()))
        else:
            total += len(members)
            if len(members) > SET_MAX:
                raise MalformedInput(f"a set has at most {SET_MAX} items; use a signed list")
    if total > SET_ITEMS_MAX:
        raise MalformedInput(f"the sets of all clauses have at most {SET_ITEMS_MAX} items")


def _items(name: str, items: list[str | int]) -> tuple[str, ...]:
    if not 1 <= len(items) <= SET_MAX:
        raise MalformedInput(f"set {name!r}: a set has 1..{SET_MAX} items; use a signed list")
    return tuple(str(item) for item in items)


def _issuers(alias: str, issuers: list[str]) -> tuple[bytes, ...]:
    return tuple(_identifier(f"credential {alias!r}", issuer) for issuer in issuers)


def _list_rule(name: str, table: _ListTable) -> ListRule:
    chosen = table.name or name
    _check_text(f"list {name!r}", chosen)
    return ListRule(_identifier(f"list {name!r}", table.issuer), chosen)


def _identifier(where: str, text: str) -> bytes:
    if not _HEX32.fullmatch(text):
        raise MalformedInput(f"{where}: an issuer is 64 hexadecimal digits")
    return bytes.fromhex(text)


def _check_text(what: str, text: str) -> None:
    if (problem := text_problem(text)) is not None:
        raise MalformedInput(f"{what}: {problem}")
