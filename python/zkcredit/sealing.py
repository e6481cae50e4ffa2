"""What only the holder can read: sealed replies, memos beside entries, bodies of records.

All are ChaCha20-Poly1305 with a random 12-byte nonce in front, under a key for this one
purpose: derived from the holder's seed for one statement, or random for one body.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from zkcredit.codec import Reader, Writer, text_problem
from zkcredit.entries import MEMO_BYTES
from zkcredit.errors import CheckFailed, MalformedInput

_NONCE, _TAG = 12, 16
_MEMO_VERSION = 2
_MEMO_PLAIN = MEMO_BYTES - _NONCE - _TAG
_LABEL_MAX_BYTES = _MEMO_PLAIN - 43


def seal(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Nonce and ciphertext under ``key`` (32 bytes); ``associated`` is authenticated with it."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    nonce = secrets.token_bytes(_NONCE)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, plaintext, associated)


def open_sealed(key: bytes, sealed: bytes, associated: bytes, what: str) -> bytes:
    """What :func:`seal` made: CheckFailed under another key, MalformedInput if too short.

    ``what`` names it in the error.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if len(sealed) < _NONCE + _TAG:
        raise MalformedInput(f"{what} is too short")
    try:
        return ChaCha20Poly1305(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], associated)
    except InvalidTag:
        raise CheckFailed(f"{what} does not open under this key") from None


def seal_reply(key: bytes, ledger_id: bytes, statement_hash: bytes, plaintext: bytes) -> bytes:
    """A lender's private reply to one statement; ``key`` (32 bytes) came with the request."""
    return seal(key, plaintext, ledger_id + statement_hash)


def open_reply(key: bytes, ledger_id: bytes, statement_hash: bytes, sealed: bytes) -> bytes:
    """The plaintext of a sealed reply; CheckFailed if it is for another statement or key."""
    return open_sealed(key, sealed, ledger_id + statement_hash, "the lender's reply")


@dataclass(frozen=True, slots=True)
class Memo:
    """What the holder wants to find again: amount, parts of the plan, shop and label.

    ``rho`` (32 bytes) blinds the claim of a purchase; the shop chose it, so no phrase gives it.
    """

    amount_minor: int = 0
    plan: int = 1
    label: str = "-"
    rho: bytes = bytes(32)

    def seal(self, key: bytes, statement: bytes) -> bytes:
        """Exactly 128 bytes, bound to the statement."""
        writer = Writer().u8(_MEMO_VERSION).u64(self.amount_minor).u8(self.plan)
        plain = writer.fixed(self.rho, 32).text8(_shorten(self.label)).finish()
        return seal(key, plain.ljust(_MEMO_PLAIN, b"\0"), statement)

    @staticmethod
    def open(key: bytes, statement: bytes, sealed: bytes) -> Memo:
        """CheckFailed if the memo is not the holder's, MalformedInput if it is not a memo."""
        reader = Reader(open_sealed(key, sealed, statement, "the memo"))
        reader.version(_MEMO_VERSION, "memo")
        amount_minor, plan, rho = reader.u64(), reader.u8(), reader.fixed(32)
        memo = Memo(amount_minor, plan, reader.text8(), rho)
        if any(reader.rest()):
            raise MalformedInput("the memo's padding is not zero")
        return memo


def _shorten(label: str) -> str:
    """``label`` cut to 57 bytes of UTF-8 at a character's edge, ``-`` if nothing is left."""
    text = label.encode()[:_LABEL_MAX_BYTES].decode(errors="ignore")
    return text if text_problem(text) is None else "-"
