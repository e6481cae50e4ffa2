"""The rules of acceptance, applied again to every entry in order (``docs/protocol.md`` §4).

One rule cannot be replayed from a log: ``issuer-in-default`` depends on when
replies were published, which no entry says.
"""

from __future__ import annotations

from dataclasses import dataclass

from zkcredit.errors import Refused
from zkcredit.reference.records import (
    Anchor,
    CredentialKey,
    Entry,
    KeyPlace,
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
        self._closed_keys: set[KeyPlace] = set()
        self._epochs: dict[KeyPlace, int] = {}
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

    def check(self, entry: Entry) -> None:
        """Raises Refused with the first rule that the entry breaks.

        MalformedInput for a document that cannot be read. Nothing is taken in.
        """
        if not self._timestamp_ms <= entry.timestamp_ms < _MS_LIMIT:
            raise Refused("timestamps", "time runs backwards")
        match entry.content:
            case Named(key=key) if entry.kind == "merchant":
                if key in self._merchant_keys:
                    raise Refused("duplicate-merchant-key", "this key is registered")
            case Named(key=key):
                if any(key == issuer.key for issuer in self.issuers.values()):
                    raise Refused("duplicate-issuer", "this key is registered")
            case PeriodChange() as change:
                self._check_period(change)
            case Step() as step:
                self._check_step(entry, step)
            case Members(number=number):
                if number != len(self.members) + 1:
                    raise Refused("members-order", "members are numbered one after the other")
            case Settlement() as settlement:
                self._check_settlement(settlement)
            case publication:
                self._check_publication(entry.kind, publication)

    def apply(self, index: int, entry: Entry) -> None:
        """Takes in an entry that stands: one that :meth:`check` and its evidence let pass."""
        self._timestamp_ms = entry.timestamp_ms
        match entry.content:
            case Named(key=key) if entry.kind == "merchant":
                self._merchant_keys.add(key)
            case Named() as named:
                self.issuers[hashed("issuer", self.ledger_id, entry.statement)] = named
            case PeriodChange() as change:
                self._apply_period(change)
            case Step() as step:
                self._apply_step(index, entry.kind, step)
            case Members() as members:
                self.members.append(members)
            case Settlement(claims=claims):
                self.settled.update(claim for claim, _ in claims)
            case publication:
                self._apply_publication(entry.kind, publication)

    # --- what issuers publish --------------------------------------------------------------

    def _check_publication(self, kind: str, publication: Publication) -> None:
        self.issuer(publication.issuer_id)
        match publication:
            case Published(issuer_id, document) if kind == "terms":
                Terms.decode(document)
                if hashed("terms", self.ledger_id, issuer_id, document) in self.products:
                    raise Refused("duplicate-terms", "these terms are published already")
            case Published(document=document):
                is_revocable(document)
                if hashed("schema", document) in self.revocable:
                    raise Refused("duplicate-schema", "this schema is published already")
            case CredentialKey() as change:
                self._check_credential_key(change)
            case Revocations() as revocations:
                self._check_revocations(revocations)
            case Anchor(issuer_id, root):
                if (issuer_id, root) in self._roots:
                    raise Refused("duplicate-records", "these records are anchored already")

    def _apply_publication(self, kind: str, publication: Publication) -> None:
        match publication:
            case Published(issuer_id, document) if kind == "terms":
                key = hashed("terms", self.ledger_id, issuer_id, document)
                self.products[key] = Product(issuer_id, Terms.decode(document))
            case Published(document=document):
                self.revocable[hashed("schema", document)] = is_revocable(document)
            case CredentialKey(key=bytes(key)) as change:
                self._bbs_keys.add(key)
                self._epochs[change.place] = 0
            case CredentialKey() as change:
                self._closed_keys.add(change.place)
            case Revocations() as revocations:
                self._epochs[revocations.place] = revocations.epoch
                self.list_hashes.add(revocations.list_hash)
            case Anchor(issuer_id, root):
                self._roots.add((issuer_id, root))

    def _require_new_key(self, key: bytes) -> None:
        """One BBS key serves one period or one kind of credentials, for ever."""
        if key in self._bbs_keys:
            raise Refused("key-reuse", "this key was opened before")

    def _require_schema(self, schema_hash: bytes) -> None:
        if schema_hash not in self.revocable:
            raise Refused("unknown-schema", "this schema was never published")

    def _require_opened(self, place: KeyPlace) -> None:
        if place not in self._epochs:
            raise Refused("unknown-credential-key", f"key {place[2]} was never opened")

    def _check_credential_key(self, change: CredentialKey) -> None:
        self._require_schema(change.schema_hash)
        place = change.place
        if change.key is None:
            self._require_opened(place)
            if place in self._closed_keys:
                raise Refused("key-order", "this key is closed already")
            return
        is_next = change.number == 1 or (*place[:2], change.number - 1) in self._epochs
        if place in self._epochs or not is_next:
            raise Refused("key-order", "another key is the next to open")
        self._require_new_key(change.key)

    def _check_revocations(self, revocations: Revocations) -> None:
        self._require_schema(revocations.schema_hash)
        if not self.revocable[revocations.schema_hash]:
            raise Refused("not-revocable", "credentials of this schema are never revoked")
        self._require_opened(revocations.place)
        following = self._epochs[revocations.place] + 1
        if revocations.epoch != following:
            raise Refused("epoch-order", f"epoch {following} is the next")

    # --- periods and lines -----------------------------------------------------------------

    def _check_period(self, change: PeriodChange) -> None:
        self.product(change.terms_hash)
        current = self._current.get(change.terms_hash, 0)
        if change.key is not None:
            if change.period != current + 1:
                raise Refused("period-order", f"period {current + 1} is the next to open")
            self._require_new_key(change.key)
            return
        if change.period > current:
            raise Refused("unknown-period", "this period was never opened")
        if change.period == current or (change.terms_hash, change.period) in self._closed:
            raise Refused("period-order", "this period cannot close")

    def _apply_period(self, change: PeriodChange) -> None:
        place = (change.terms_hash, change.period)
        if change.key is None:
            self._closed.add(place)
            return
        self._bbs_keys.add(change.key)
        self.period_keys[place] = change.key
        self._current[change.terms_hash] = change.period

    def _check_step(self, entry: Entry, step: Step) -> None:
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
            return
        is_purchase = entry.kind == "spend"
        if is_purchase and entry.timestamp_ms > step.not_after_ms:
            raise Refused("expired", "the invoice had ended")
        if product.issuer_id + step.nullifier in self._nullifiers:
            raise Refused("already-spent", "this token was used")
        if is_purchase and step.payee in self._payees:
            raise Refused("duplicate-payee", "this payee has a claim")

    def _apply_step(self, index: int, kind: str, step: Step) -> None:
        if kind == "open":
            self._opened.add(step.points["next"])
            return
        product = self.product(step.terms_hash)
        self._nullifiers.add(product.issuer_id + step.nullifier)
        if kind == "spend":
            self._payees.add(step.payee)
            self._claims[index] = Claim(product.issuer_id, product.terms.currency, step.payee)

    def _check_settlement(self, settlement: Settlement) -> None:
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
