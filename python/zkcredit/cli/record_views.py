"""Records as people and as JSON read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zkcredit.cli.output import plain, utc

if TYPE_CHECKING:
    from zkcredit.ledger.registry import Registry
    from zkcredit.records.disclosure import Verified
    from zkcredit.records.documents import Kind


def verified_json(found: Verified, kind: Kind) -> dict[str, Any]:
    """A record or disclosure that was checked; ``hidden`` are the fields not shown."""
    from zkcredit.records.disclosure import field_names

    return {
        "kind": found.kind,
        "author": found.author,
        "author_id": found.author_id,
        "index": found.entry_index,
        "timestamp_ms": found.timestamp_ms,
        "commitment": found.commitment,
        "fields": dict(found.fields),
        "hidden": [name for name in field_names(kind) if name not in found.fields],
    }


def field_rows(fields: Mapping[str, Any], registry: Registry) -> list[tuple[str, object]]:
    """Fields with amounts and times in words; identifiers stay hexadecimal."""
    currency, digits = _currency(fields, registry)
    return [(name, _cell(name, value, currency, digits)) for name, value in fields.items()]


def _currency(fields: Mapping[str, Any], registry: Registry) -> tuple[str, int | None]:
    """Currency and digits of a document, by its terms or by its currency's digits here."""
    if "terms_hash" in fields:
        terms = registry.published(bytes(fields["terms_hash"])).terms
        return terms.currency, terms.minor_digits
    currency = str(fields.get("currency", ""))
    digits = {x.terms.minor_digits for x in registry.terms.values() if x.terms.currency == currency}
    return currency, digits.pop() if len(digits) == 1 else None


def _cell(name: str, value: Any, currency: str, digits: int | None) -> object:
    from zkcredit.money import format_money

    if name.endswith("_minor") and digits is not None:
        return format_money(value, currency, digits)
    if name.endswith("_ms"):
        return utc(value)
    shown = plain(value)
    return ", ".join(map(str, shown)) if isinstance(shown, list) else shown
