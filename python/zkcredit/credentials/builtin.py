"""Ready-made schemas, with the same hash on every ledger.

``identity`` by a registrar, ``income`` by an employer or bank (one schema for each
currency: :func:`income_schema`), ``business`` for merchants, ``credit-history`` by
lenders from their billing documents.
"""

from __future__ import annotations

from zkcredit.credentials.schema import Field, FieldType, Schema

_ISO_3166 = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN "
    "BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ "
    "DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL "
    "GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM "
    "JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME "
    "MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP "
    "NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD "
    "SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO "
    "TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
COUNTRIES: tuple[str, ...] = tuple(_ISO_3166.split())
"""ISO 3166-1 alpha-2 codes, 249 in all."""

CATEGORIES: tuple[str, ...] = (
    "groceries",
    "restaurant",
    "alcohol",
    "tobacco",
    "clothing",
    "electronics",
    "furniture",
    "books and media",
    "sports and leisure",
    "games of chance",
    "health and pharmacy",
    "education",
    "travel and lodging",
    "transport",
    "fuel and energy",
    "construction and crafts",
    "financial services",
    "public services",
    "charity",
    "other services",
    "other goods",
)
"""What a business sells, as the registrar has checked it."""

INCOME_MAX_MINOR = (1 << 40) - 1
"""Largest income: every bit of it costs each proof about it two points to verify."""

IDENTITY = Schema(
    name="identity",
    title="Identity",
    revocable=True,
    fields=(
        Field("given_names", "given names", FieldType.TEXT),
        Field("family_name", "family name", FieldType.TEXT),
        Field("birth_date", "date of birth", FieldType.DATE),
        Field("country", "country", FieldType.ENUM, values=COUNTRIES),
        Field("document_hash", "identity document's hash", FieldType.TEXT),
        Field("verification_level", "level of verification", FieldType.INTEGER, 1, 4),
        Field("person", "one-person tag", FieldType.TEXT),
    ),
)
"""Who the holder is. ``person`` is the registrar's secret tag of one human being: the same
in every identity credential that the registrar gives to that person. ``verification_level``
runs from 1 (self-declared) to 4 (in person with a document)."""


def income_schema(currency: str, minor_digits: int) -> Schema:
    """The schema ``income`` for one currency; each currency has a hash of its own."""
    return Schema(
        name="income",
        title="Income",
        revocable=True,
        fields=(
            Field(
                "income",
                "monthly income",
                FieldType.AMOUNT,
                0,
                INCOME_MAX_MINOR,
                currency=currency,
                minor_digits=minor_digits,
            ),
            Field("since", "first day with this income", FieldType.DATE),
            Field("employer_hash", "employer's hash", FieldType.TEXT),
        ),
    )


INCOME = income_schema("EUR", 2)
"""Income in euros; :func:`income_schema` gives the schema of any other currency."""

BUSINESS = Schema(
    name="business",
    title="Business",
    revocable=True,
    fields=(
        Field("registered_name", "registered name", FieldType.TEXT),
        Field("category", "category of goods", FieldType.ENUM, values=CATEGORIES),
        Field("country", "country", FieldType.ENUM, values=COUNTRIES),
    ),
)
"""What a merchant is, for its customers."""

CREDIT_HISTORY = Schema(
    name="credit-history",
    title="Credit history",
    revocable=False,
    fields=(
        Field("periods", "number of billed periods", FieldType.INTEGER, 0, 1_200),
        Field("on_time_periods", "number of periods paid on time", FieldType.INTEGER, 0, 1_200),
        Field("days_late", "days of delay in all", FieldType.INTEGER, 0, 1_000_000),
        Field("as_of", "date of this history", FieldType.DATE),
    ),
)
"""How bills were paid until ``as_of``. It expires soon instead of being revoked."""

BUILTIN: dict[str, Schema] = {
    schema.name: schema for schema in (IDENTITY, INCOME, BUSINESS, CREDIT_HISTORY)
}
"""The ready-made schemas by name."""
