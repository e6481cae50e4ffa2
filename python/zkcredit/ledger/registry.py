"""The registry: issuers, terms, periods and merchants as the log's entries say.

A pure view. Entries are applied in log order by :meth:`Registry.apply` after
the rules have accepted them; nothing here reads a file or a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.entries import (
    IssuerStatement,
    MerchantStatement,
    PeriodAction,
    PeriodStatement,
    Statement,
    TermsStatement,
)
from zkcredit.errors import Refused

if TYPE_CHECKING:
    from zkcredit.terms import Terms


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

    def copy(self) -> Registry:
        """An independent view with the same content (records are shared, being constant)."""
        twin = Registry(self.ledger_id)
        twin.issuers, twin.merchants = dict(self.issuers), dict(self.merchants)
        twin.terms, twin.periods = dict(self.terms), dict(self.periods)
        twin.issuer_keys, twin.merchant_keys = set(self.issuer_keys), set(self.merchant_keys)
        twin.bbs_keys, twin._current = set(self.bbs_keys), dict(self._current)
        return twin

    def apply(self, index: int, statement: Statement) -> None:
        """Takes in the statement of an accepted entry; steps of lines change nothing."""
        if isinstance(statement, IssuerStatement):
            key = digests.issuer_id(self.ledger_id, statement.encode())
            self.issuers[key] = Party(key, statement.bls_key, statement.name, index)
            self.issuer_keys.add(statement.bls_key)
        elif isinstance(statement, MerchantStatement):
            key = digests.merchant_id(self.ledger_id, statement.encode())
            self.merchants[key] = Party(key, statement.bls_key, statement.name, index)
            self.merchant_keys.add(statement.bls_key)
        elif isinstance(statement, TermsStatement):
            key = digests.terms_hash(self.ledger_id, statement.issuer_id, statement.terms)
            self.terms[key] = PublishedTerms(key, statement.issuer_id, statement.terms, index)
        elif isinstance(statement, PeriodStatement):
            self._apply_period(index, statement)

    def _apply_period(self, index: int, statement: PeriodStatement) -> None:
        key = (statement.terms_hash, statement.period)
        if statement.action == PeriodAction.OPEN:
            self.periods[key] = Period(statement.period, statement.bbs_key, index)
            self.bbs_keys.add(statement.bbs_key)
            self._current[statement.terms_hash] = statement.period
        else:
            old = self.periods[key]
            self.periods[key] = Period(old.number, old.bbs_key, old.index, closed=True)
