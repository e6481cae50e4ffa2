"""What a verified presentation discloses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a verifier has learnt; everything that was proved held on the request's day.

    ``values`` are the revealed fields as text by ``alias.field``, ``issuers`` the identifiers
    of the issuers by alias. ``pseudonym`` (48 bytes) is empty if none was asked for. ``commitment``
    and ``terms_hash`` are those of the entry that the presentation is bound to, or empty.
    """

    request_hash: bytes
    values: dict[str, str]
    issuers: dict[str, bytes]
    pseudonym: bytes
    commitment: bytes
    terms_hash: bytes
