"""From a 24-word phrase to every secret of a wallet, merchant or lender.

The phrase is BIP-39; its seed is hashed once more into the root. All secrets
are derived from the root under a context of their own and under data that
names the exact step, so two attempts at different things never share a secret
and a repeated attempt at the same thing gives the same bytes.
"""

from __future__ import annotations

import secrets
import unicodedata
from typing import TYPE_CHECKING

from zkcredit.errors import CallerError, MalformedInput

if TYPE_CHECKING:
    from mnemonic import Mnemonic

    from zkcredit._native import BlsKey, IssuerKey, SecretScalar, Seed

WORDS = 24
"""Number of words of a phrase (256 bits of randomness)."""


def _mnemonic() -> Mnemonic:
    from mnemonic import Mnemonic

    return Mnemonic("english")


def new_phrase() -> str:
    """A fresh random phrase of 24 English words."""
    return _mnemonic().to_mnemonic(secrets.token_bytes(32))


def normalise_phrase(phrase: str) -> str:
    """Lower case, single spaces; MalformedInput if the words or the checksum are wrong."""
    words = unicodedata.normalize("NFKD", phrase).lower().split()
    if len(words) != WORDS:
        raise MalformedInput(f"a phrase has {WORDS} words, this one {len(words)}")
    mnemonic = _mnemonic()
    known = set(mnemonic.wordlist)
    for position, word in enumerate(words, 1):
        if word not in known:
            raise MalformedInput(f"word {position} of the phrase is not in the word list")
    text = " ".join(words)
    if not mnemonic.check(text):
        raise MalformedInput("the phrase's checksum is wrong: a word is mistyped or misplaced")
    return text


def seed_from_phrase(phrase: str) -> Seed:
    """The root secret of a phrase (BIP-39 without an extra passphrase)."""
    from zkcredit._native import Seed, derive_key

    text = normalise_phrase(phrase)
    return Seed.from_bytes(derive_key("zkcredit v1 seed", _mnemonic().to_seed(text, "")))


def _u32(value: int) -> bytes:
    if not 0 <= value < 1 << 32:
        raise CallerError(f"{value} does not fit in 32 bits")
    return value.to_bytes(4, "big")


class WalletKeys:
    """Every secret of a holder, derived from ``seed``; nothing here is stored.

    ``nullifier`` (N) is 32 bytes, ``commitment`` (C′ of an open entry) 48 bytes,
    ``kind`` the entry kind's number.
    """

    def __init__(self, seed: Seed) -> None:
        self.seed = seed
        self.owner: SecretScalar = seed.scalar("zkcredit v1 owner", b"")

    def _pair(self, data: bytes) -> tuple[SecretScalar, SecretScalar]:
        return (
            self.seed.scalar("zkcredit v1 blind", data),
            self.seed.scalar("zkcredit v1 serial", data),
        )

    def open_pair(self, terms_hash: bytes, line: int) -> tuple[SecretScalar, SecretScalar]:
        """``(blind, s')`` of line number ``line`` under these terms."""
        return self._pair(b"open" + terms_hash + _u32(line))

    def spend_pair(
        self, nullifier: bytes, payee: bytes, claim: bytes, plan: int
    ) -> tuple[SecretScalar, SecretScalar]:
        """``(blind', s')`` of a purchase.

        The plan is part of the data: two plans of one purchase differ in the due
        buckets, and with one blinding their difference would be public.
        """
        return self._pair(b"spend" + nullifier + payee + claim + bytes([plan]))

    def step_pair(
        self, kind: int, nullifier: bytes, period: int
    ) -> tuple[SecretScalar, SecretScalar]:
        """``(blind', s')`` of a refresh, update or statement."""
        return self._pair(b"step" + bytes([kind]) + nullifier + _u32(period))

    def owner_blinding(self, terms_hash: bytes, line: int) -> SecretScalar:
        """rho_Y of the owner tag of a line."""
        return self.seed.scalar("zkcredit v1 owner tag", terms_hash + _u32(line))

    def tag_blinding(self, kind: int, nullifier: bytes) -> SecretScalar:
        """rho_S of the bill tag of an update or statement."""
        return self.seed.scalar("zkcredit v1 bill tag", bytes([kind]) + nullifier)

    def due_blinding(self, kind: int, nullifier: bytes) -> SecretScalar:
        """rho_D of the due commitment of a statement."""
        return self.seed.scalar("zkcredit v1 due", bytes([kind]) + nullifier)

    def credential_blind(
        self, issuer_id: bytes, schema_hash: bytes, number: int, ordinal: int
    ) -> SecretScalar:
        """``blind`` of the credential ``ordinal`` under key ``number`` of an issuer's schema."""
        data = issuer_id + schema_hash + _u32(number) + _u32(ordinal)
        return self.seed.scalar("zkcredit v1 credential blind", data)

    def reply_key(self, origin: bytes) -> bytes:
        """Key (32 bytes) that seals the lender's reply; ``origin`` is N, or C′ of an open."""
        return self.seed.key("zkcredit v1 reply", origin)

    def memo_key(self, statement: bytes) -> bytes:
        """Key (32 bytes) of the memo beside the entry with these statement bytes."""
        return self.seed.key("zkcredit v1 memo", statement)


class MerchantKeys:
    """Secrets of a merchant: its registration key and one pair per invoice nonce."""

    def __init__(self, seed: Seed) -> None:
        from zkcredit._native import BlsKey

        self.seed = seed
        self.bls: BlsKey = BlsKey.derive(seed, b"merchant")

    def rho(self, nonce: bytes) -> SecretScalar:
        """The claim's blinding for the invoice with this 32-byte nonce."""
        return self.seed.scalar("zkcredit v1 invoice rho", nonce)

    def request_seed(self) -> bytes:
        """Seed (32 bytes) of the Ed25519 key that signs the merchant's HTTP requests."""
        return self.seed.key("zkcredit v1 request key", b"merchant")

    def payee_secret(self, nonce: bytes) -> SecretScalar:
        """The one-time secret that settles the invoice's claim."""
        return self.seed.scalar("zkcredit v1 invoice payee", nonce)


class IssuerKeys:
    """Secrets of an issuer: its registration key and one BBS key per use and number.

    A lender and an issuer of credentials with one seed are one issuer on the ledger.
    """

    def __init__(self, seed: Seed) -> None:
        from zkcredit._native import BlsKey

        self.seed = seed
        self.bls: BlsKey = BlsKey.derive(seed, b"issuer")
        self._keys: dict[bytes, IssuerKey] = {}

    def request_seed(self) -> bytes:
        """Seed (32 bytes) of the Ed25519 key that signs the issuer's HTTP requests."""
        return self.seed.key("zkcredit v1 request key", b"issuer")

    def credential_key(self, schema_hash: bytes, number: int) -> IssuerKey:
        """The key that signs credentials of this schema; derived once, then kept."""
        return self._derived(b"credential" + schema_hash + _u32(number))

    def _derived(self, data: bytes) -> IssuerKey:
        from zkcredit._native import IssuerKey

        key = self._keys.get(data)
        if key is None:
            key = self._keys[data] = IssuerKey.derive(self.seed, data)
        return key


class LenderKeys(IssuerKeys):
    """Secrets of a lender: those of an issuer, and one BBS key per terms and period."""

    def period_key(self, terms_hash: bytes, period: int) -> IssuerKey:
        """The key that signs this period's tokens; derived once, then kept."""
        return self._derived(b"period" + terms_hash + _u32(period))
