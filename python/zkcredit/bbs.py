"""BBS signatures: sign many messages at once, and later show any of them, provably.

An issuer signs a list of messages. The holder shows some of them to a verifier, with a
proof that a signature on them and on hidden others exists. Proofs of one signature
cannot be linked, neither by verifiers nor by the issuer. Byte for byte
draft-irtf-cfrg-bbs-signatures (-06 to -10 are the same bytes), with the suites
``"SHA-256"`` (the default) and ``"SHAKE-256"``. Usable on its own, without the rest of
the package.

>>> from zkcredit import bbs
>>> issuer = bbs.generate()
>>> card = [b"name: Ada", b"born: 1815", b"member since: 2024"]
>>> signature = bbs.sign(issuer, card, header=b"library card")
>>> bbs.verify(issuer.public_key, signature, card, header=b"library card")

The holder shows when she joined, and nothing else, bound to the verifier's nonce:

>>> proof = bbs.prove(
...     issuer.public_key, signature, card, [2], header=b"library card",
...     presentation_header=b"nonce 77",
... )
>>> bbs.verify_proof(
...     issuer.public_key, proof, {2: b"member since: 2024"}, header=b"library card",
...     presentation_header=b"nonce 77",
... )
>>> bbs.verify_proof(
...     issuer.public_key, proof, {2: b"member since: 1999"}, header=b"library card",
...     presentation_header=b"nonce 77",
... )
Traceback (most recent call last):
...
zkcredit.errors.ProofRefused: refused: BBS proof [bad-proof]

Messages that the issuer shall not see are committed to first (*blind signatures*), and a
committed secret gives the holder one stable name per context (*pseudonyms*):

>>> nym = bbs.random_secret()
>>> commitment, blind = bbs.commit_with_nym([b"device key"], nym)
>>> entropy = bbs.random_secret().expose()
>>> blind_signature = bbs.blind_sign_with_nym(issuer, commitment, entropy, [b"born: 1815"])
>>> holding = bbs.Holding(
...     issuer.public_key, blind_signature, [b"born: 1815"], [b"device key"], blind
... )
>>> [secret] = bbs.finalize_with_nym(holding, nym, entropy)
>>> proof, pseudonym = bbs.prove_with_nym(holding, secret, b"shop.example", shown=[0])
>>> bbs.verify_proof_with_nym(
...     issuer.public_key, proof, pseudonym, b"shop.example", 1, shown={0: b"born: 1815"}
... )
>>> pseudonym == bbs.pseudonym(b"shop.example", secret)
True

Whatever verifies returns ``None``; whatever does not raises
:class:`~zkcredit.errors.ProofRefused`. Bytes that are not canonical raise
:class:`~zkcredit.errors.MalformedInput`, wrong arguments
:class:`~zkcredit.errors.CallerError`. Secret keys and secrets are handles: they do not
print, pickle or copy. A message list has at most 4,096 messages.

**Versions.** Blind signatures are draft-irtf-cfrg-bbs-blind-signatures-02, pseudonyms
draft-irtf-cfrg-bbs-per-verifier-linkability-02 (:data:`BLIND_DRAFT`,
:data:`PSEUDONYM_DRAFT`). Both drafts still change and later ones make other bytes. Use
one pseudonym secret: its formula is the same in drafts -00 to -02.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import NoReturn

from zkcredit import _native
from zkcredit._native import BbsKey as SecretKey
from zkcredit._native import SecretScalar, Seed
from zkcredit.errors import CallerError

__all__ = [
    "BLIND_DRAFT",
    "PSEUDONYM_DRAFT",
    "SUITES",
    "Holding",
    "SecretKey",
    "blind_sign",
    "blind_sign_with_nym",
    "commit",
    "commit_with_nym",
    "finalize_with_nym",
    "generate",
    "prove",
    "prove_blind",
    "prove_with_nym",
    "pseudonym",
    "random_secret",
    "sign",
    "verify",
    "verify_batch",
    "verify_blind",
    "verify_blind_proof",
    "verify_proof",
    "verify_proof_with_nym",
]

SUITES = ("SHA-256", "SHAKE-256")
BLIND_DRAFT = "draft-irtf-cfrg-bbs-blind-signatures-02"
PSEUDONYM_DRAFT = "draft-irtf-cfrg-bbs-per-verifier-linkability-02"

DEFAULT_SUITE = "SHA-256"


def generate(
    material: bytes | None = None,
    *,
    info: bytes = b"",
    tag: bytes | None = None,
    suite: str = DEFAULT_SUITE,
) -> SecretKey:
    """A secret key: from the system's random source, or ``KeyGen`` of given material.

    ``material`` is at least 32 secret random bytes; ``info`` tells keys of one material
    apart, ``tag`` replaces the draft's separation tag. The handle's ``public_key`` has 96
    bytes and its ``suite`` is fixed; ``expose()`` gives the 32 bytes of the key for a
    keystore, ``SecretKey.from_bytes(suite, data)`` reads them.
    """
    if material is None:
        material = secrets.token_bytes(32)
    return SecretKey.generate(suite, material, info, tag)


def random_secret() -> SecretScalar:
    """A fresh secret for pseudonyms, or (``expose()``) a signer's entropy: 32 bytes."""
    return Seed.from_bytes(secrets.token_bytes(32)).scalar("zkcredit v1 bbs secret", b"")


def sign(key: SecretKey, messages: Sequence[bytes], *, header: bytes = b"") -> bytes:
    """A signature of 80 bytes on a list of messages under a header. Deterministic."""
    return key.sign(header, messages)


def verify(
    public_key: bytes,
    signature: bytes,
    messages: Sequence[bytes],
    *,
    header: bytes = b"",
    suite: str = DEFAULT_SUITE,
) -> None:
    """Raise unless this is a signature on exactly these messages and this header."""
    _native.bbs_verify(suite, public_key, signature, header, messages)


def prove(
    public_key: bytes,
    signature: bytes,
    messages: Sequence[bytes],
    shown: Sequence[int],
    *,
    header: bytes = b"",
    presentation_header: bytes = b"",
    suite: str = DEFAULT_SUITE,
) -> bytes:
    """A proof of a signature that shows the messages at some positions (from 0).

    ``presentation_header`` binds the proof to a nonce, an audience or a transaction:
    without one, whoever sees the proof can show it again. 272 bytes and 32 for each
    message that stays hidden. Raises ProofRefused if the signature does not verify.
    """
    return _native.bbs_prove(
        suite, public_key, signature, header, presentation_header, messages, sorted(shown)
    )


def verify_proof(
    public_key: bytes,
    proof: bytes,
    shown: Mapping[int, bytes],
    *,
    header: bytes = b"",
    presentation_header: bytes = b"",
    suite: str = DEFAULT_SUITE,
) -> None:
    """Raise unless the key signed these messages at these positions, among others.

    ``shown`` maps positions (from 0) to messages.
    """
    _native.bbs_verify_proof(suite, public_key, proof, header, presentation_header, shown)


def verify_batch(
    items: Sequence[tuple[bytes, bytes, bytes, bytes, Mapping[int, bytes]]],
    *,
    suite: str = DEFAULT_SUITE,
) -> None:
    """Raise unless many proofs verify, of one issuer or several.

    An item is (public key, proof, header, presentation header, shown). One product of
    k + 1 pairings for k issuers, with random 128-bit weights, on all cores.
    ``ProofRefused.indexes`` names the culprits, malformed ones included. A wrong proof
    passes with a probability of 2^-127.
    """
    _native.bbs_verify_proofs(suite, items)


# --- blind signatures ---


class Holding:
    """What a holder has of a blind signature: the signature and all that is signed.

    ``messages`` are the signer's, ``committed_messages`` the holder's own, and ``blind``
    is what :func:`commit` returned beside the commitment (``None`` without one).
    """

    __slots__ = ("_native",)

    def __init__(
        self,
        public_key: bytes,
        signature: bytes,
        messages: Sequence[bytes],
        committed_messages: Sequence[bytes] = (),
        blind: SecretScalar | None = None,
        *,
        header: bytes = b"",
        suite: str = DEFAULT_SUITE,
    ) -> None:
        self._native = _native.BlindHolding(
            suite, public_key, signature, header, messages, committed_messages, blind
        )

    def __repr__(self) -> str:
        return "Holding([REDACTED])"

    def __reduce__(self) -> NoReturn:
        raise CallerError("holdings are not pickled; keep their parts in a keystore")


def commit(messages: Sequence[bytes], *, suite: str = DEFAULT_SUITE) -> tuple[bytes, SecretScalar]:
    """Commit to messages that the signer shall not see.

    Returns the commitment with its proof, for the signer, and the blind, which the holder
    keeps: without it the signature is of no use. 112 bytes and 32 for each message.
    """
    return _native.bbs_commit(suite, messages)


def blind_sign(
    key: SecretKey,
    commitment: bytes | None,
    messages: Sequence[bytes] = (),
    *,
    header: bytes = b"",
) -> bytes:
    """Sign what a commitment holds, unseen, together with messages of the signer.

    The commitment's proof is checked first; raises ProofRefused if it does not verify.
    """
    return key.blind_sign(commitment, header, messages)


def verify_blind(holding: Holding) -> None:
    """Raise unless the signature is on all of the holding: what a holder checks first."""
    holding._native.verify()


def prove_blind(
    holding: Holding,
    shown: Sequence[int] = (),
    shown_committed: Sequence[int] = (),
    *,
    presentation_header: bytes = b"",
) -> bytes:
    """A proof of a blind signature, showing messages at positions of both lists."""
    return holding._native.prove(presentation_header, sorted(shown), sorted(shown_committed))


def verify_blind_proof(
    public_key: bytes,
    proof: bytes,
    message_count: int,
    *,
    shown: Mapping[int, bytes] | None = None,
    shown_committed: Mapping[int, bytes] | None = None,
    header: bytes = b"",
    presentation_header: bytes = b"",
    suite: str = DEFAULT_SUITE,
) -> None:
    """Raise unless the key blindly signed these messages at these positions.

    ``message_count`` is the number of the signer's own messages, hidden ones included.
    """
    _native.bbs_verify_blind_proof(
        suite,
        public_key,
        proof,
        header,
        presentation_header,
        message_count,
        shown or {},
        shown_committed or {},
    )


# --- pseudonyms ---


def commit_with_nym(
    messages: Sequence[bytes],
    nym: SecretScalar | Sequence[SecretScalar],
    *,
    suite: str = DEFAULT_SUITE,
) -> tuple[bytes, SecretScalar]:
    """Like :func:`commit`, with a secret of :func:`random_secret` for pseudonyms."""
    return _native.bbs_commit_with_nym(suite, messages, nym)


def blind_sign_with_nym(
    key: SecretKey,
    commitment: bytes,
    nym_entropy: bytes | SecretScalar,
    messages: Sequence[bytes] = (),
    *,
    header: bytes = b"",
    nym_count: int = 1,
) -> bytes:
    """Like :func:`blind_sign`, adding the signer's entropy to the pseudonym secret.

    The entropy is random, for this holder alone, and sent along with the signature.
    """
    return key.blind_sign_with_nym(commitment, nym_count, nym_entropy, header, messages)


def finalize_with_nym(
    holding: Holding,
    nym: SecretScalar | Sequence[SecretScalar],
    nym_entropy: bytes | SecretScalar,
) -> list[SecretScalar]:
    """Check a signature and return the final secrets: as many as ``nym`` has, mostly one."""
    return holding._native.finalize(nym, nym_entropy)


def pseudonym(
    context_id: bytes,
    nym_secret: SecretScalar | Sequence[SecretScalar],
    *,
    suite: str = DEFAULT_SUITE,
) -> bytes:
    """The holder's name in a context: 48 bytes, unlinkable to those of other contexts."""
    return _native.bbs_pseudonym(suite, context_id, nym_secret)


def prove_with_nym(
    holding: Holding,
    nym_secret: SecretScalar | Sequence[SecretScalar],
    context_id: bytes,
    shown: Sequence[int] = (),
    shown_committed: Sequence[int] = (),
    *,
    presentation_header: bytes = b"",
) -> tuple[bytes, bytes]:
    """Like :func:`prove_blind`, with the pseudonym in a context: (proof, pseudonym)."""
    return holding._native.prove_with_nym(
        presentation_header, sorted(shown), sorted(shown_committed), nym_secret, context_id
    )


def verify_proof_with_nym(
    public_key: bytes,
    proof: bytes,
    pseudonym: bytes,
    context_id: bytes,
    message_count: int,
    *,
    shown: Mapping[int, bytes] | None = None,
    shown_committed: Mapping[int, bytes] | None = None,
    header: bytes = b"",
    presentation_header: bytes = b"",
    nym_count: int = 1,
    suite: str = DEFAULT_SUITE,
) -> None:
    """Raise unless the proof verifies and the pseudonym is its holder's in this context.

    The verifier sets ``context_id`` itself and never takes it from the holder.
    """
    _native.bbs_verify_proof_with_nym(
        suite,
        public_key,
        proof,
        header,
        presentation_header,
        message_count,
        shown or {},
        shown_committed or {},
        pseudonym,
        context_id,
        nym_count,
    )
