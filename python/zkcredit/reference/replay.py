"""The rules of acceptance, applied again to every entry in order (``docs/protocol.md`` §4).

One rule cannot be replayed from a log: ``issuer-in-default`` depends on when
replies were published, which no entry says.
"""

from __future__ import annotations

from dataclasses import dataclass

from zkcredit.errors import Refused
from zkcredit.reference import g1
from zkcredit.reference.records import (
    Anchor,
    CredentialKey,
    Entry,
    Members,
    Named,
    PeriodChange,
    Publication,
    Published,
    Revocations,
    Settlement,
    Step,
    Terms,
    hashed,
)
from zkcredit.reference.schemas import is_revocable

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
        self.revocable: dict[bytes, bool] = {}
        self.list_hashes: set[bytes] = set()
        self.settled: set[int] = set()
        self.members: list[Members] = []
        self._merchant_keys: set[bytes] = set()
        self._closed: set[tuple[bytes, int]] = set()
        self._current: dict[bytes, int] = {}
        self._nullifiers: set[bytes] = set()
        self._payees: set[bytes] = set()
        self._opened: set[bytes] = set()
        self._claims: dict[int, Claim] = {}
        self._bbs_keys: set[bytes] = set()
        self._closed_keys: set[tuple[bytes, bytes, int]] = set()
        self._epochs: dict[tuple[bytes, bytes, int], int] = {}
        self._roots: set[tuple[bytes, bytes]] = set()
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
            case PeriodChange() as change:
                self._change_period(change)
            case Step() as step:
                self._step(index, entry, step)
            case Members() as members:
                if members.number != len(self.members) + 1:
                    raise Refused("members-order", "members are numbered one after the other")
                self.members.append(members)
            case Settlement() as settlement:
                self._settle(settlement)
            case publication:
                self._publish(entry.kind, publication)
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

    def _publish(self, kind: str, publication: Publication) -> None:
        self.issuer(publication.issuer_id)
        match publication:
            case Published(issuer_id, document) if kind == "terms":
                self._publish_terms(issuer_id, document)
            case Published(document=document):
                revocable, key = is_revocable(document), hashed("schema", document)
                if key in self.revocable:
                    raise Refused("duplicate-schema", "this schema is published already")
                self.revocable[key] = revocable
            case CredentialKey() as change:
                self._change_credential_key(change)
            case Revocations() as revocations:
                self._revoke(revocations)
            case Anchor(issuer_id, root):
                if (issuer_id, root) in self._roots:
                    raise Refused("duplicate-records", "these records are anchored already")
                self._roots.add((issuer_id, root))

    def _publish_terms(self, issuer_id: bytes, document: bytes) -> None:
        terms = Terms.decode(document)
        key = hashed("terms", self.ledger_id, issuer_id, document)
        if key in self.products:
            raise Refused("duplicate-terms", "these terms are published already")
        self.products[key] = Product(issuer_id, terms)

    def _use_key(self, key: bytes) -> None:
        """One BBS key serves one period or one kind of credentials, for ever."""
        if key in self._bbs_keys:
            raise Refused("key-reuse", "this key was opened before")
        self._bbs_keys.add(key)

    def _change_period(self, change: PeriodChange) -> None:
        self.product(change.terms_hash)
        current = self._current.get(change.terms_hash, 0)
        key = (change.terms_hash, change.period)
        if change.key is not None:
            if change.period != current + 1:
                raise Refused("period-order", f"period {current + 1} is the next to open")
            self._use_key(change.key)
            self.period_keys[key] = change.key
            self._current[change.terms_hash] = change.period
            return
        if change.period >= current or key in self._closed:
            raise Refused("period-order", "this period cannot close")
        self._closed.add(key)

    def _require_schema(self, schema_hash: bytes) -> None:
        if schema_hash not in self.revocable:
            raise Refused("unknown-schema", "this schema was never published")

    def _require_opened(self, key: tuple[bytes, bytes, int]) -> None:
        if key not in self._epochs:
            raise Refused("unknown-credential-key", f"key {key[2]} was never opened")

    def _change_credential_key(self, change: CredentialKey) -> None:
        self._require_schema(change.schema_hash)
        key = (change.issuer_id, change.schema_hash, change.number)
        if change.key is not None:
            is_next = change.number == 1 or (*key[:2], change.number - 1) in self._epochs
            if key in self._epochs or not is_next:
                raise Refused("key-order", "another key is the next to open")
            self._use_key(change.key)
            self._epochs[key] = 0
            return
        self._require_opened(key)
        if key in self._closed_keys:
            raise Refused("key-order", "this key is closed already")
        self._closed_keys.add(key)

    def _revoke(self, revocations: Revocations) -> None:
        self._require_schema(revocations.schema_hash)
        if not self.revocable[revocations.schema_hash]:
            raise Refused("not-revocable", "credentials of this schema are never revoked")
        key = (revocations.issuer_id, revocations.schema_hash, revocations.number)
        self._require_opened(key)
        if revocations.epoch != self._epochs[key] + 1:
            raise Refused("epoch-order", f"epoch {self._epochs[key] + 1} is the next")
        self._epochs[key] = revocations.epoch
        self.list_hashes.add(revocations.list_hash)

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
