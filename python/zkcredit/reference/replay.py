"""The rules of acceptance, applied again to every entry in order (``docs/protocol.md`` §4).

One rule cannot be replayed from a log: ``issuer-in-default`` depends on when
replies were published, which no entry says.
"""

from __future__ import annotations

from dataclasses import dataclass

from zkcredit.errors import Refused
from zkcredit.reference import g1
from zkcredit.reference.records import (
    Entry,
    Named,
    PeriodChange,
    Published,
    Settlement,
    Step,
    Terms,
    hashed,
)

_MS_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class Product:
    """Published terms and whose they are."""

    issuer_id: bytes
    terms: Terms


@dataclass(frozen=True, slots=True)
class Claim:
    """What a purchase lets its payee settle."""

    issuer_id: bytes
    asset: str
    payee: bytes


class Ledger:
    """Everything that the entries so far have established."""

    def __init__(self, ledger_id: bytes) -> None:
        self.ledger_id = ledger_id
        self.issuers: dict[bytes, Named] = {}
        self.products: dict[bytes, Product] = {}
        self.period_keys: dict[tuple[bytes, int], bytes] = {}
        self.settled: set[int] = set()
        self._merchant_keys: set[bytes] = set()
        self._closed: set[tuple[bytes, int]] = set()
        self._current: dict[bytes, int] = {}
        self._nullifiers: set[bytes] = set()
        self._payees: set[bytes] = set()
        self._opened: set[bytes] = set()
        self._claims: dict[int, Claim] = {}
        self._timestamp_ms = 0

    def product(self, terms_hash: bytes) -> Product:
        """Terms on the ledger; raises Refused ``unknown-terms``."""
        found = self.products.get(terms_hash)
        if found is None:
            raise Refused("unknown-terms", "these terms were never published")
        return found

    def issuer(self, issuer_id: bytes) -> Named:
        """An issuer on the ledger; raises Refused ``unknown-issuer``."""
        found = self.issuers.get(issuer_id)
        if found is None:
            raise Refused("unknown-issuer", "this issuer was never registered")
        return found

    def accept(self, index: int, entry: Entry) -> None:
        """Takes in the entry, or raises Refused with the rule it breaks."""
        if not self._timestamp_ms <= entry.timestamp_ms < _MS_LIMIT:
            raise Refused("timestamps", "time runs backwards")
        match entry.content:
            case Named() as named:
                self._register(entry, named)
            case Published() as published:
                self._publish(published)
            case PeriodChange() as change:
                self._change_period(change)
            case Step() as step:
                self._step(index, entry, step)
            case Settlement() as settlement:
                self._settle(settlement)
        self._timestamp_ms = entry.timestamp_ms

    def _register(self, entry: Entry, named: Named) -> None:
        if entry.kind == "merchant":
            if named.key in self._merchant_keys:
                raise Refused("duplicate-merchant-key", "this key is registered")
            self._merchant_keys.add(named.key)
            return
        if any(named.key == issuer.key for issuer in self.issuers.values()):
            raise Refused("duplicate-issuer", "this key is registered")
        self.issuers[hashed("issuer", self.ledger_id, entry.statement)] = named

    def _publish(self, published: Published) -> None:
        self.issuer(published.issuer_id)
        terms = Terms.decode(published.terms)
        key = hashed("terms", self.ledger_id, published.issuer_id, published.terms)
        if key in self.products:
            raise Refused("duplicate-terms", "these terms are published already")
        self.products[key] = Product(published.issuer_id, terms)

    def _change_period(self, change: PeriodChange) -> None:
        self.product(change.terms_hash)
        current = self._current.get(change.terms_hash, 0)
        key = (change.terms_hash, change.period)
        if change.key is not None:
            if change.period != current + 1:
                raise Refused("period-order", f"period {current + 1} is the next to open")
            if change.key in self.period_keys.values():
                raise Refused("key-reuse", "this key belongs to another period")
            self.period_keys[key] = change.key
            self._current[change.terms_hash] = change.period
            return
        if change.period >= current or key in self._closed:
            raise Refused("period-order", "this period cannot close")
        self._closed.add(key)

    def _step(self, index: int, entry: Entry, step: Step) -> None:
        product = self.product(step.terms_hash)
        current = self._current.get(step.terms_hash, 0)
        if entry.kind == "statement":
            if step.period >= current:
                raise Refused("period-not-current", "the next period is not open")
            if (step.terms_hash, step.period) in self._closed:
                raise Refused("period-closed", "this period is closed")
        elif step.period != current:
            raise Refused("period-not-current", f"the open period is {current}")
        if entry.kind == "open":
            if step.points["next"] in self._opened:
                raise Refused("duplicate-open", "this commitment was opened")
            self._opened.add(step.points["next"])
            return
        is_purchase = entry.kind == "spend"
        if is_purchase and entry.timestamp_ms > step.not_after_ms:
            raise Refused("expired", "the invoice had ended")
        g1.decode_scalar(step.nullifier, "nullifier")
        key = product.issuer_id + step.nullifier
        if key in self._nullifiers:
            raise Refused("already-spent", "this token was used")
        if is_purchase:
            if step.payee in self._payees:
                raise Refused("duplicate-payee", "this payee has a claim")
            self._payees.add(step.payee)
            self._claims[index] = Claim(product.issuer_id, product.terms.currency, step.payee)
        self._nullifiers.add(key)

    def _settle(self, settlement: Settlement) -> None:
        self.issuer(settlement.issuer_id)
        for index, payee_key in settlement.claims:
            claim = self._claims.get(index)
            if claim is None:
                raise Refused("unknown-claim", f"entry {index} is no purchase")
            expected = Claim(settlement.issuer_id, settlement.asset, hashed("payee", payee_key))
            if claim != expected:
                raise Refused("wrong-claim", f"claim {index} is somebody else's")
            if index in self.settled:
                raise Refused("claim-settled", f"claim {index} is settled")
        self.settled.update(index for index, _ in settlement.claims)
