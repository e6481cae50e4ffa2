"""Replies of issuers: what they look like, and whether they are the issuer's.

The reply to a spend or refresh is the bare BBS signature of the next token, 80
bytes that everybody can check. The reply to an open, update or billing statement
is sealed for the holder, followed by the issuer's BLS signature, so that nobody
else can put bytes in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from zkcredit import digests
from zkcredit.entries import SIGNATURE_BYTES, LineStatement, RefreshStatement, SpendStatement
from zkcredit.errors import MalformedInput, ProofRefused

if TYPE_CHECKING:
    from zkcredit.ledger.registry import Registry

PUBLIC_BYTES = 80
"""A public reply: the BBS signature A (48 bytes) and e (32 bytes)."""
SEALED_BYTES = range(28 + SIGNATURE_BYTES, 65_536)
"""Lengths of a sealed reply: nonce, tag and the issuer's BLS signature at least."""


def token_parameters(
    registry: Registry, terms_hash: bytes, period: int
) -> tuple[bytes, bytes, int]:
    """Public key, header and message count of the tokens of one period."""
    published = registry.published(terms_hash)
    terms = published.terms
    key = registry.period(terms_hash, period).bbs_key
    header = digests.token_header(registry.ledger_id, terms.kind, terms_hash, period)
    return key, header, terms.message_count


def split_sealed(reply: bytes) -> tuple[bytes, bytes]:
    """Ciphertext and the issuer's signature (96 bytes) of a sealed reply."""
    if len(reply) not in SEALED_BYTES:
        raise MalformedInput(
            f"a sealed reply has {SEALED_BYTES.start}..{SEALED_BYTES.stop - 1} bytes, "
            f"not {len(reply)}"
        )
    return reply[:-SIGNATURE_BYTES], reply[-SIGNATURE_BYTES:]


def verify_replies(registry: Registry, items: Sequence[tuple[LineStatement, bytes]]) -> None:
    """Checks replies to statements of lines, batched by their form.

    Raises ProofRefused naming the culprits' positions, or MalformedInput for a
    reply of impossible length.
    """
    from zkcredit import _native

    public: list[tuple[bytes, bytes, int, bytes, bytes, bytes]] = []
    sealed: list[tuple[bytes, bytes, bytes]] = []
    places: tuple[list[int], list[int]] = ([], [])
    parameters: dict[tuple[bytes, int], tuple[bytes, bytes, int]] = {}
    for position, (statement, reply) in enumerate(items):
        if isinstance(statement, SpendStatement | RefreshStatement):
            if len(reply) != PUBLIC_BYTES:
                raise MalformedInput(f"reply {position} has {len(reply)} bytes, not {PUBLIC_BYTES}")
            token = statement.terms_hash, statement.period
            if token not in parameters:
                parameters[token] = token_parameters(registry, *token)
            signed = statement.nullifier, statement.commitment, reply
            public.append((*parameters[token], *signed))
            places[0].append(position)
        else:
            body, signature = split_sealed(reply)
            issuer = registry.issuer(registry.published(statement.terms_hash).issuer_id)
            statement_hash = digests.statement_hash(statement.encode())
            digest = digests.sealed_reply_digest(registry.ledger_id, statement_hash, body)
            sealed.append((issuer.bls_key, digest, signature))
            places[1].append(position)
    bad = _culprits(lambda: _native.verify_public_signatures(public), places[0])
    bad += _culprits(lambda: _native.bls_verify_batch(sealed), places[1])
    if bad:
        raise ProofRefused(f"{len(bad)} replies are not their issuer's", sorted(bad))


def _culprits(call: Callable[[], None], places: Sequence[int]) -> list[int]:
    if not places:
        return []
    try:
        call()
    except ProofRefused as error:
        return [places[offset] for offset in error.indexes]
    return []
