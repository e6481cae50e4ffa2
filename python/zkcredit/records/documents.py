"""The kinds of documents that are kept as records, and who writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import msgspec

from zkcredit.errors import CallerError, MalformedInput
from zkcredit.messages import (
    Account,
    BillingDocument,
    Counter,
    Currency,
    Document,
    Hex32,
    Hex96,
    Invoice,
    Label,
    Minor,
    SignedMinor,
    prepare_types,
)

if TYPE_CHECKING:
    from zkcredit.ledger.registry import Party, Registry

Rate = Annotated[int, msgspec.Meta(ge=0, le=0xFFFFFFFF)]
"""Hundredths of a per cent."""


class CreditAgreement(Document, frozen=True, kw_only=True, tag="zkcredit/credit-agreement/1"):
    """Lender → holder: what is agreed for one line, with the figures of its terms.

    ``entry_index`` is the entry that opened the line, ``customer`` the lender's name for
    its holder. A new limit makes a new agreement.
    """

    ledger_id: Hex32
    issuer_id: Hex32
    terms_hash: Hex32
    account: Account
    customer: Label
    entry_index: Counter
    currency: Currency
    limit_minor: Minor
    attributes: list[Counter]
    apr_bps: Rate
    minimum_floor_minor: Minor
    minimum_pct_bps: Rate
    late_fee_minor: Minor
    grace_days: Counter
    due_buckets: Counter
    agreed_ms: Counter
    nonce: Hex32
    signature: Hex96


class CreditReport(Document, frozen=True, kw_only=True, tag="zkcredit/credit-report/1"):
    """Lender → holder: how one line stood at ``as_of_ms`` (Unix time).

    ``owed_minor`` is the balance of the last bill less payments and credits since,
    ``arrears_minor`` what was overdue in that bill. Of ``periods`` fallen due,
    ``on_time_periods`` were paid on time; ``days_late`` counts the days of the others.
    """

    ledger_id: Hex32
    issuer_id: Hex32
    account: Account
    customer: Label
    opened_ms: Counter
    as_of_ms: Counter
    state: Label
    currency: Currency
    limit_minor: Minor
    owed_minor: SignedMinor
    arrears_minor: Minor
    periods: Counter
    on_time_periods: Counter
    days_late: Counter
    nonce: Hex32
    signature: Hex96


AnyDocument: TypeAlias = Invoice | BillingDocument | CreditAgreement | CreditReport


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of document. ``author`` is the field that names who signs it.

    ``always`` are the fields that every disclosure shows: they tie it to its ledger, its
    author and its entry, and say of a lender's figure in which currency and of what time
    it is. ``together`` are shown all or none: only all of them say
    what they seem to say.
    """

    name: str
    document: type[AnyDocument]
    author: str
    always: frozenset[str]
    together: frozenset[str] = frozenset()

    @property
    def tag(self) -> str:
        """The type of its messages."""
        return str(self.document.__struct_config__.tag)


_BY_ISSUER = frozenset({"ledger_id", "issuer_id"})

RECEIPT = Kind(
    "receipt",
    Invoice,
    "merchant_id",
    frozenset({"ledger_id", "merchant_id", "payee"}),
    frozenset({"amount_minor", "currency", "rho", "accepted", "not_after_ms"}),
)
"""A paid invoice. Whoever is shown the amount can check it against the claim on the log."""
BILL = Kind("bill", BillingDocument, "issuer_id", _BY_ISSUER | {"terms_hash", "period"})
AGREEMENT = Kind("agreement", CreditAgreement, "issuer_id", _BY_ISSUER | {"currency", "agreed_ms"})
REPORT = Kind("report", CreditReport, "issuer_id", _BY_ISSUER | {"currency", "as_of_ms"})

KINDS = {kind.name: kind for kind in (RECEIPT, BILL, AGREEMENT, REPORT)}
_BY_TAG = {kind.tag: kind for kind in KINDS.values()}


def kind_of(document: Document) -> Kind:
    """The kind of a document; CallerError for a signed message that is no record."""
    found = _BY_TAG.get(str(document.__struct_config__.tag))
    if found is None:
        raise CallerError(f"a {type(document).__name__} is not kept as a record")
    return found


def kind_of_tag(tag: str) -> Kind:
    """The kind of documents with this type; MalformedInput if there is none."""
    found = _BY_TAG.get(tag)
    if found is None:
        raise MalformedInput(f"{tag!r} is no kind of record")
    return found


def find_kind(name: str) -> Kind:
    """The kind of this name; CallerError if there is none."""
    found = KINDS.get(name)
    if found is None:
        raise CallerError(f"there is no kind of record {name!r}: say one of {', '.join(KINDS)}")
    return found


def author_of(registry: Registry, kind: Kind, author_id: bytes) -> Party:
    """The author of this identifier; Refused ``unknown-issuer`` or ``unknown-merchant``."""
    if kind.author == "merchant_id":
        return registry.merchant(author_id)
    return registry.issuer(author_id)


prepare_types(CreditAgreement, CreditReport)
