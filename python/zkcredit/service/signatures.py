"""Signed requests: HTTP message signatures (RFC 9421) with Ed25519.

A registered party binds an Ed25519 key to its BLS key once (:func:`binding`); requests
that change something in its name are then signed with that key. A signature covers method,
target, content and idempotency key, is valid for 300 seconds before and after the time it
names, and works once.
"""

from __future__ import annotations

import datetime as dt
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from http_message_signatures import (
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from zkcredit import digests
from zkcredit.errors import MalformedInput, ProofRefused, Refused
from zkcredit.service.wire import KeyBinding

if TYPE_CHECKING:
    from zkcredit._native import BlsKey
    from zkcredit.ledger.registry import Party, Registry
    from zkcredit.service.state import ServiceStore

TAG = "zkcredit"
"""The application that a signature is for."""
COVERED = ("@method", "@target-uri", "content-digest", "idempotency-key")
VALID_S = 300
_NONCE_CHARACTERS = range(16, 65)


class Headers(Protocol):
    """Header fields by name, in any case."""

    def __getitem__(self, key: str, /) -> str: ...
    def __setitem__(self, key: str, value: str, /) -> None: ...
    def __delitem__(self, key: str, /) -> None: ...


class Identity(Protocol):
    """A party that can sign: its keys, and its name once it is registered."""

    @property
    def bls(self) -> BlsKey:
        """The key under which it is registered."""
        ...

    def request_seed(self) -> bytes:
        """Seed (32 bytes) of its Ed25519 key."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A request as the signature library sees it; ``url`` is the target in full."""

    method: str
    url: str
    headers: Headers


class RequestSigner:
    """Signs requests of one registered party (``party_id``, 32 bytes)."""

    def __init__(self, keys: Identity, party_id: bytes) -> None:
        self._bls = keys.bls
        self._private = Ed25519PrivateKey.from_private_bytes(keys.request_seed())
        self.party_id = party_id
        self._signer = HTTPMessageSigner(
            signature_algorithm=algorithms.ED25519, key_resolver=_Own(self._private)
        )

    def __repr__(self) -> str:
        return f"RequestSigner({self.party_id.hex()})"

    def binding(self, ledger_id: bytes, issued_ms: int) -> KeyBinding:
        """The statement that binds the request key to the party, for ``POST /v1/keys``."""
        key = self._private.public_key().public_bytes_raw()
        digest = digests.request_key_digest(ledger_id, self.party_id, key, issued_ms)
        return KeyBinding(
            party=self.party_id.hex(),
            key=key.hex(),
            issued_ms=issued_ms,
            signature=self._bls.sign(digest).hex(),
        )

    def sign(self, message: Message, content: bytes) -> None:
        """Adds Content-Digest, Signature-Input and Signature to the message's headers."""
        self._signer.sign(
            message,
            key_id=self.party_id.hex(),
            created=dt.datetime.now(dt.UTC),
            nonce=secrets.token_urlsafe(24),
            tag=TAG,
            label="sig",
            covered_component_ids=COVERED,
            body=content,
        )


class _Own(HTTPSignatureKeyResolver):
    def __init__(self, private: object) -> None:
        self._private = private

    def resolve_private_key(self, key_id: str) -> object:  # noqa: ARG002
        return self._private


class _Bound(HTTPSignatureKeyResolver):
    def __init__(self, store: ServiceStore) -> None:
        self._store = store

    def resolve_public_key(self, key_id: str) -> Ed25519PublicKey:
        found = self._store.key(_party(key_id))
        if found is None:
            raise Refused("signature-refused", "no key is bound to this party: send it first")
        return Ed25519PublicKey.from_public_bytes(found)


def _party(key_id: str) -> bytes:
    try:
        party = bytes.fromhex(key_id)
    except ValueError:
        party = b""
    if len(party) != 32 or party.hex() != key_id:
        raise Refused("signature-refused", "keyid is the identifier of a party in hexadecimal")
    return party


class Verifier(HTTPMessageVerifier):
    """Verifies signatures of the parties whose keys are in ``store``."""

    max_clock_skew = dt.timedelta(seconds=VALID_S)

    def __init__(self, store: ServiceStore) -> None:
        super().__init__(signature_algorithm=algorithms.ED25519, key_resolver=_Bound(store))
        self._store = store

    def check_head(self, message: Message) -> tuple[bytes, Signed]:
        """The signer's identifier, and what is still to be checked: content and nonce.

        Refused ``signature-refused``. Nothing of the content was needed for it.
        """
        try:
            results = self.verify(
                message,
                max_age=dt.timedelta(0),
                expect_tag=TAG,
                require_components=COVERED,
            )
        except (HTTPMessageSignaturesException, ValueError) as error:
            cause = error.args[0] if error.args else None
            if isinstance(cause, Refused):
                raise cause from None
            raise Refused("signature-refused", f"the signature does not verify: {error}") from None
        if len(results) != 1:
            raise Refused("signature-refused", "one signature of this application is expected")
        found = results[0]
        nonce = found.nonce or ""
        if len(nonce) not in _NONCE_CHARACTERS:
            raise Refused("signature-refused", "a nonce of 16 to 64 characters is expected")
        party = _party(str(found.parameters["keyid"]))
        return party, Signed(self, message, [found], nonce, int(found.parameters["created"]))


@dataclass(slots=True)
class Signed:
    """A signature that verified; :meth:`check_content` is what remains."""

    verifier: Verifier
    message: Message
    results: list[Any]
    nonce: str
    created_s: int

    def check_content(self, content: bytes, party: bytes, store: ServiceStore) -> None:
        """Refused unless ``content`` is what was signed and the signature is used first now."""
        try:
            self.verifier.verify_body(self.message, self.results, content)
        except HTTPMessageSignaturesException:
            raise Refused("signature-refused", "the content is not what was signed") from None
        store.use_nonce(party, self.nonce, self.created_s)


def registered(registry: Registry, party_id: bytes) -> Party:
    """The issuer or merchant of this identifier; Refused ``not-found``."""
    found = registry.issuers.get(party_id) or registry.merchants.get(party_id)
    if found is None:
        raise Refused("not-found", "nobody is registered under this identifier")
    return found


def check_binding(registry: Registry, binding: KeyBinding) -> tuple[bytes, bytes, int]:
    """(party, key, issued_ms) of a binding that the party's BLS key signed.

    Refused ``not-found`` for a party that is not registered, ProofRefused
    ``bad-signature``, MalformedInput for a time in the future.
    """
    from zkcredit import _native

    party, key = bytes.fromhex(binding.party), bytes.fromhex(binding.key)
    if binding.issued_ms > (time.time() + VALID_S) * 1000:
        raise MalformedInput("the key's statement is from the future: set the clock")
    digest = digests.request_key_digest(registry.ledger_id, party, key, binding.issued_ms)
    signature = bytes.fromhex(binding.signature)
    try:
        _native.bls_verify_batch([(registered(registry, party).bls_key, digest, signature)])
    except ProofRefused:
        raise ProofRefused("the key is not signed by its party", rule="bad-signature") from None
    return party, key, binding.issued_ms
