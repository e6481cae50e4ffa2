"""Whom records are shared with: recipient keys, and sealing to them.

HPKE (RFC 9180) in base mode with the hybrid of ML-KEM-768 and X25519 (KEM 0x647a,
X-Wing: secret as long as either of the two is), HKDF-SHA256 and ChaCha20-Poly1305.
What is sealed for a key stays closed to whoever records it today and builds a quantum
computer later; who made it is not signed.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final, Literal

from zkcredit.errors import CallerError, CheckFailed, MalformedInput, Refused
from zkcredit.messages import (
    Hex32,
    Hex96,
    HexBytes,
    Label,
    Signed,
    check_signature,
    prepare_types,
    signed,
    signing_digest,
    unsigned,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import (
        MLKEM768X25519PrivateKey,
        MLKEM768X25519PublicKey,
        Suite,
    )

    from zkcredit._native import BlsKey, Seed
    from zkcredit.ledger import LedgerView

SECRET_BYTES = 32
PUBLIC_BYTES = 1184 + 32
"""A public key is ML-KEM-768's (1,184 bytes) followed by X25519's (32 bytes)."""

ISSUER: Final = "issuer"
MERCHANT: Final = "merchant"
OTHER: Final = "other"


class Recipient(Signed, frozen=True, kw_only=True, tag="zkcredit/recipient/1"):
    """Recipient → holder: the public key for which records are sealed.

    A registered ``issuer`` or ``merchant`` signs it with its registered key; the name is
    the registered one. An ``other`` (an accountant, say) has 32 zero bytes as ``party_id``
    and 96 as signature: compare :func:`fingerprint` over a channel you trust.
    """

    ledger_id: Hex32
    role: Literal["issuer", "merchant", "other"]
    party_id: Hex32
    name: Label
    public_key: HexBytes
    signature: Hex96


prepare_types(Recipient)


class RecipientKey:
    """A recipient's secret: 32 bytes that expand to both private keys (SHAKE256, X-Wing)."""

    def __init__(self, secret: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
        from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

        if len(secret) != SECRET_BYTES:
            raise CallerError(f"a recipient's secret has {SECRET_BYTES} bytes")
        expanded = hashlib.shake_256(secret).digest(96)
        lattice = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        curve = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._private: MLKEM768X25519PrivateKey = MLKEM768X25519PrivateKey(lattice, curve)
        self.public_key = (
            lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
        )

    def __repr__(self) -> str:
        return f"RecipientKey({fingerprint(self.public_key).hex()[:16]}…)"

    def __reduce__(self) -> str:
        raise CallerError("a recipient's key cannot be pickled")

    @classmethod
    def derive(cls, seed: Seed) -> RecipientKey:
        """The key of a lender or merchant, from its root secret: nothing more to keep."""
        return cls(seed.key("zkcredit v1 recipient key", b""))

    @classmethod
    def generate(cls) -> tuple[RecipientKey, bytes]:
        """A fresh key and its 32 secret bytes, for a vault."""
        secret = secrets.token_bytes(SECRET_BYTES)
        return cls(secret), secret

    def registered(
        self,
        ledger_id: bytes,
        role: Literal["issuer", "merchant"],
        party: tuple[bytes, str],
        bls: BlsKey,
    ) -> Recipient:
        """The public key of a registered party (id, name), signed with its BLS key."""
        draft = unsigned(
            Recipient,
            ledger_id=ledger_id,
            role=role,
            party_id=party[0],
            name=party[1],
            public_key=self.public_key,
        )
        return signed(draft, bls.sign(signing_digest(draft)))

    def unregistered(self, ledger_id: bytes, name: str) -> Recipient:
        """The public key of somebody who is not on the ledger."""
        return unsigned(
            Recipient,
            ledger_id=ledger_id,
            role=OTHER,
            party_id=bytes(32),
            name=name,
            public_key=self.public_key,
        )

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """What was sealed for this key under the same ``info``; CheckFailed if nothing was."""
        from cryptography.exceptions import InvalidTag

        try:
            return _suite().decrypt(sealed, self._private, info)
        except InvalidTag:
            raise CheckFailed("what was shared does not open under this key") from None


def fingerprint(public_key: bytes) -> bytes:
    """Names a recipient's public key (32 bytes)."""
    from zkcredit._native import derive_key

    return derive_key("zkcredit v1 recipient", public_key)


def check_recipient(ledger: LedgerView, recipient: Recipient) -> bool:
    """Whether the ledger vouches for the recipient: False for an ``other``.

    Refused ``wrong-ledger``, ``unknown-issuer``, ``unknown-merchant``, ``bad-signature``;
    MalformedInput for a key that is none.
    """
    _public(recipient.public_key)
    if recipient.ledger_id != ledger.ledger_id:
        raise Refused("wrong-ledger", "the recipient's key is for another ledger")
    if recipient.role == OTHER:
        if any(recipient.party_id) or any(recipient.signature):
            raise MalformedInput("a recipient that is not registered has no identifier")
        return False
    registry = ledger.registry
    find = registry.issuer if recipient.role == ISSUER else registry.merchant
    party = find(recipient.party_id)
    if recipient.name != party.name:
        raise Refused("bad-signature", f"the recipient is registered as {party.name!r}")
    check_signature(recipient, party.bls_key, party.name)
    return True


def seal_for(public_key: bytes, plaintext: bytes, info: bytes) -> bytes:
    """Seals for a recipient's public key (1,216 bytes); ``info`` is authenticated with it."""
    try:
        return _suite().encrypt(plaintext, _public(public_key), info)
    except ValueError as error:  # an X25519 key of low order
        raise MalformedInput(f"not a recipient's public key: {error}") from None


def _suite() -> Suite:
    from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

    return Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


def _public(public_key: bytes) -> MLKEM768X25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
    from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

    if len(public_key) != PUBLIC_BYTES:
        raise MalformedInput(f"a recipient's public key has {PUBLIC_BYTES} bytes")
    try:
        lattice = MLKEM768PublicKey.from_public_bytes(public_key[:-32])
        curve = X25519PublicKey.from_public_bytes(public_key[-32:])
    except ValueError as error:
        raise MalformedInput(f"not a recipient's public key: {error}") from None
    return MLKEM768X25519PublicKey(lattice, curve)
