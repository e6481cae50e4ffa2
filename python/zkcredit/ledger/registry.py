"""The registry: who is registered and what issuers have published, as the log's entries say.

A pure view. Entries are applied in log order by :meth:`Registry.apply` after
the rules have accepted them; nothing here reads a file or a clock.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zkcredit import digests
from zkcredit.entries import (
    CredentialKeyStatement,
    IssuerStatement,
    KeyAction,
    MembersStatement,
    MerchantStatement,
    PeriodStatement,
    RecordsStatement,
    RevocationStatement,
    SchemaStatement,
    Statement,
    TermsStatement,
)
from zkcredit.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zkcredit.credentials.schema import Schema
    from zkcredit.terms import Terms


_DIGITS = re.compile(r"\([0-9a-f]{16}\)\Z")
"""The end of a name to which digits of an identifier were added."""


@dataclass(frozen=True, slots=True)
class Party:
    """A registered issuer or merchant: identifier, BLS key, name and entry index."""

    id: bytes
    bls_key: bytes
    name: str
    index: int


class PublishedTerms:
    """Terms on the ledger; :attr:`terms` decodes them on first use."""

    __slots__ = ("_terms", "encoded", "hash", "index", "issuer_id")

    def __init__(self, terms_hash: bytes, issuer_id: bytes, encoded: bytes, index: int) -> None:
        self.hash = terms_hash
        self.issuer_id = issuer_id
        self.encoded = encoded
        self.index = index
        self._terms: Terms | None = None

    @property
    def terms(self) -> Terms:
        """The decoded terms; raises MalformedInput."""
        if self._terms is None:
            from zkcredit.terms import Terms

            self._terms = Terms.decode(self.encoded)
        return self._terms


@dataclass(frozen=True, slots=True)
class Period:
    """A period of some terms: BBS key (96 bytes), entry that opened it, whether closed."""

    number: int
    bbs_key: bytes
    index: int
    closed: bool = False


class PublishedSchema:
    """A schema on the ledger; :attr:`schema` decodes it on first use."""

    __slots__ = ("_schema", "encoded", "hash", "index", "issuer_id")

    def __init__(self, schema_hash: bytes, issuer_id: bytes, encoded: bytes, index: int) -> None:
        self.hash = schema_hash
        self.issuer_id = issuer_id
        self.encoded = encoded
        self.index = index
        self._schema: Schema | None = None

    @property
    def schema(self) -> Schema:
        """The decoded schema; raises MalformedInput."""
        if self._schema is None:
            from zkcredit.credentials.schema import Schema

            self._schema = Schema.decode(self.encoded)
        return self._schema


@dataclass(frozen=True, slots=True)
class CredentialKey:
    """A key (96 bytes) under which an issuer signs credentials of one schema.

    ``index`` is the entry that opened it. ``epoch`` and ``list_hash`` are those of its newest
    revocation list (or signed list), 0 and empty before the first, ``list_index`` its entry.
    """

    number: int
    bbs_key: bytes
    index: int
    closed: bool = False
    epoch: int = 0
    list_hash: bytes = b""
    list_index: int = 0


class Registry:
    """Everything registered on one ledger up to :attr:`size` entries."""

    def __init__(self, ledger_id: bytes) -> None:
        self.ledger_id = ledger_id
        self.issuers: dict[bytes, Party] = {}
        self.merchants: dict[bytes, Party] = {}
        self.terms: dict[bytes, PublishedTerms] = {}
        self.periods: dict[tuple[bytes, int], Period] = {}
        self.issuer_keys: set[bytes] = set()
        self.merchant_keys: set[bytes] = set()
        self.bbs_keys: set[bytes] = set()
        self._current: dict[bytes, int] = {}
        self.schemas: dict[bytes, PublishedSchema] = {}
        self.attachments: set[bytes] = set()
        self.records: dict[tuple[bytes, bytes], int] = {}
        self._credential_keys: dict[tuple[bytes, bytes], list[CredentialKey]] = {}
        self.members: MembersStatement | None = None
        """Whose cosignatures make entries final; None while nobody was named."""

    def issuer(self, issuer_id: bytes) -> Party:
        """The issuer of this identifier, or Refused ``unknown-issuer``."""
        found = self.issuers.get(issuer_id)
        if found is None:
            raise Refused("unknown-issuer", f"no issuer {issuer_id.hex()} on this ledger")
        return found

    def merchant(self, merchant_id: bytes) -> Party:
        """The merchant of this identifier, or Refused ``unknown-merchant``."""
        found = self.merchants.get(merchant_id)
        if found is None:
            raise Refused("unknown-merchant", f"no merchant {merchant_id.hex()} on this ledger")
        return found

    def shown_name(self, party: Party) -> str:
        """A party's name for people to read: ``Registrar``.

        Names need not be unique. Where issuers or merchants share one, 16 digits of the
        identifier follow, so that none of them passes for another: ``Registrar (5f…)``. They
        follow as well where a name ends like that by itself.
        """
        parties = (*self.issuers.values(), *self.merchants.values())
        alike = sum(other.name == party.name for other in parties)
        if alike == 1 and not _DIGITS.search(party.name):
            return party.name
        return f"{party.name} ({party.id.hex()[:16]})"

    def issuer_names(self, issuer_ids: Iterable[bytes]) -> dict[bytes, str]:
        """Names of these issuers for people to read; Refused ``unknown-issuer``."""
        return {item: self.shown_name(self.issuer(item)) for item in issuer_ids}

    def published(self, terms_hash: bytes) -> PublishedTerms:
        """The terms of this hash, or Refused ``unknown-terms``."""
        found = self.terms.get(terms_hash)
        if found is None:
            raise Refused("unknown-terms", f"no terms {terms_hash.hex()} on this ledger")
        return found

    def period(self, terms_hash: bytes, number: int) -> Period:
        """A period that was opened, or Refused ``unknown-period``."""
        found = self.periods.get((terms_hash, number))
        if found is None:
            raise Refused("unknown-period", f"period {number} of these terms was never opened")
        return found

    def current_period(self, terms_hash: bytes) -> int:
        """The highest period opened so far, 0 before the first."""
        return self._current.get(terms_hash, 0)

    def terms_of(self, issuer_id: bytes) -> list[PublishedTerms]:
        """All terms of one issuer in log order."""
        return [item for item in self.terms.values() if item.issuer_id == issuer_id]

    def schema(self, schema_hash: bytes) -> PublishedSchema:
        """The schema of this hash, or Refused ``unknown-schema``."""
        found = self.schemas.get(schema_hash)
        if found is None:
            raise Refused("unknown-schema", f"no schema {schema_hash.hex()} on this ledger")
        return found

    def find_schema(self, name: str) -> list[PublishedSchema]:
        """All schemas of this name in log order; names need not be unique."""
        return [item for item in self.schemas.values() if item.schema.name == name]

    def credential_key(self, issuer_id: bytes, schema_hash: bytes, number: int) -> CredentialKey:
        """A credential key that was opened, or Refused ``unknown-credential-key``."""
        keys = self._credential_keys.get((issuer_id, schema_hash), [])
        if not 1 <= number <= len(keys):
            raise Refused(
                "unknown-credential-key", f"this issuer has no key {number} for this schema"
            )
        return keys[number - 1]

    def current_credential_key(self, issuer_id: bytes, schema_hash: bytes) -> int:
        """Number of the newest key of an issuer for a schema, 0 before the first."""
        return len(self._credential_keys.get((issuer_id, schema_hash), []))

    def credential_keys_of(self, issuer_id: bytes) -> dict[bytes, tuple[CredentialKey, ...]]:
        """All credential keys of one issuer in order, by schema hash."""
        return {
            schema_hash: tuple(keys)
            for (owner, schema_hash), keys in self._credential_keys.items()
            if owner == issuer_id
        }

    def copy(self) -> Registry:
        """An independent view with the same content (records are shared, being constant)."""
        twin = Registry(self.ledger_id)
        twin.issuers, twin.merchants = dict(self.issuers), dict(self.merchants)
        twin.terms, twin.periods = dict(self.terms), dict(self.periods)
        twin.issuer_keys, twin.merchant_keys = set(self.issuer_keys), set(self.merchant_keys)
        twin.bbs_keys, twin._current = set(self.bbs_keys), dict(self._current)
        twin.schemas, twin.records = dict(self.schemas), dict(self.records)
        twin.attachments, twin.members = set(self.attachments), self.members
        twin._credential_keys = {key: list(found) for key, found in self._credential_keys.items()}
        return twin

    def apply(self, index: int, statement: Statement) -> None:
        """Takes in the statement of an accepted entry; steps of lines change nothing."""
        match statement:
            case IssuerStatement():
                key = digests.issuer_id(self.ledger_id, statement.encode())
                self.issuers[key] = Party(key, statement.bls_key, statement.name, index)
                self.issuer_keys.add(statement.bls_key)
            case MerchantStatement():
                key = digests.merchant_id(self.ledger_id, statement.encode())
                self.merchants[key] = Party(key, statement.bls_key, statement.name, index)
                self.merchant_keys.add(statement.bls_key)
            case TermsStatement(issuer_id, terms):
                key = digests.terms_hash(self.ledger_id, issuer_id, terms)
                self.terms[key] = PublishedTerms(key, issuer_id, terms, index)
            case PeriodStatement():
                self._apply_period(index, statement)
            case SchemaStatement(issuer_id, schema):
                key = digests.schema_hash(schema)
                self.schemas[key] = PublishedSchema(key, issuer_id, schema, index)
            case CredentialKeyStatement():
                self._apply_credential_key(index, statement)
            case RevocationStatement():
                epoch, digest = statement.epoch, statement.list_hash
                self._change_key(statement, epoch=epoch, list_hash=digest, list_index=index)
                self.attachments.add(digest)
            case RecordsStatement(issuer_id, root):
                self.records[issuer_id, root] = index
            case MembersStatement():
                self.members = statement

    def _apply_period(self, index: int, statement: PeriodStatement) -> None:
        key = (statement.terms_hash, statement.period)
        if statement.action == KeyAction.OPEN:
            self.periods[key] = Period(statement.period, statement.bbs_key, index)
            self.bbs_keys.add(statement.bbs_key)
            self._current[statement.terms_hash] = statement.period
        else:
            self.periods[key] = dataclasses.replace(self.periods[key], closed=True)

    def _apply_credential_key(self, index: int, statement: CredentialKeyStatement) -> None:
        if statement.action == KeyAction.OPEN:
            keys = self._credential_keys.setdefault(
                (statement.issuer_id, statement.schema_hash), []
            )
            keys.append(CredentialKey(statement.number, statement.bbs_key, index))
            self.bbs_keys.add(statement.bbs_key)
        else:
            self._change_key(statement, closed=True)

    def _change_key(
        self, statement: CredentialKeyStatement | RevocationStatement, **changes: Any
    ) -> None:
        keys = self._credential_keys[statement.issuer_id, statement.schema_hash]
        place = statement.number - 1
        keys[place] = dataclasses.replace(keys[place], **changes)
