"""Stubs of the Rust extension: frozen handles and canonical bytes cross the boundary.

Scalars cross as 32-byte big-endian strings below the group order, as ``int``
(signed, embedded) or as :class:`SecretScalar`. Points of G1 cross as 48-byte
compressed strings. Every function that can refuse raises a class of
:mod:`zkcredit.errors`. Long work releases the GIL.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Scalar: TypeAlias = int | bytes | SecretScalar  # noqa: UP040 - tests parse this on 3.11
Generator: TypeAlias = str | bytes | tuple[str, int]  # noqa: UP040

__version__: str

def blake3_hash(data: bytes, length: int = 32) -> bytes: ...
def derive_key(context: str, material: bytes, length: int = 32) -> bytes: ...
def keyed_xof(key: bytes, data: bytes, length: int = 32) -> bytes: ...
def hash_to_scalar(context: str, data: bytes) -> bytes: ...
def blake3_many(inputs: Sequence[bytes], key: bytes | None = None) -> list[bytes]: ...
def blake3_packed(buffer: bytes, lengths: Sequence[int], key: bytes | None = None) -> bytes:
    """Hashes of consecutive parts of one buffer, 32 bytes each, joined."""

class Blake3:
    """BLAKE3 in pieces: plain, keyed or deriving keys under a context."""

    def __init__(self, *, key: bytes | None = None, context: str | None = None) -> None: ...
    def update(self, data: bytes) -> None: ...
    def digest(self, length: int = 32, *, seek: int = 0) -> bytes: ...
    def copy(self) -> Blake3: ...
    def reset(self) -> None: ...

class Seed:
    """Root secret of a wallet, merchant or issuer. Not printable, not picklable."""

    @staticmethod
    def from_bytes(data: bytes) -> Seed: ...
    def scalar(self, context: str, data: bytes) -> SecretScalar: ...
    def key(self, context: str, data: bytes) -> bytes: ...
    def expose(self) -> bytes: ...

class SecretScalar:
    """A secret scalar; leaves the handle only by :meth:`expose`."""

    @staticmethod
    def from_bytes(data: bytes) -> SecretScalar: ...
    def __add__(self, other: Scalar) -> SecretScalar: ...
    def __sub__(self, other: Scalar) -> SecretScalar: ...
    def expose(self) -> bytes: ...

def add_scalars(scalars: Sequence[bytes]) -> bytes: ...
def commit(terms: Sequence[tuple[Generator, Scalar]]) -> bytes:
    """Sum of scalar·generator: a name, a ``bytes`` label (derived generator) or ``("H", i)``."""

def add_points(points: Sequence[bytes]) -> bytes: ...
def subtract_points(left: bytes, right: bytes) -> bytes: ...
def find_amount(point: bytes, base: bytes, bits: int) -> int | None:
    """The ``v`` in ``[0, 2^bits)`` with point = v·base (baby-step giant-step), bits ≤ 36."""

def check_points(points: Sequence[bytes]) -> None:
    """Strict decoding and subgroup test of compressed points; raises MalformedInput."""

class Circuit:
    name: str
    digest: bytes
    parameters: dict[str, int]
    proof_length: int
    constraints: list[tuple[str, str]]
    def describe(self) -> str: ...
    @staticmethod
    def compile(text: str, parameters: Mapping[str, int]) -> Circuit: ...

def builtin_circuit(name: str, parameters: Mapping[str, int]) -> Circuit: ...
def builtin_circuit_text(name: str) -> str: ...

class Prover:
    """A checked witness with the statement's points computed from it."""

    def __init__(
        self,
        circuit: Circuit,
        *,
        keys: Sequence[tuple[bytes, bytes]] = (),
        signatures: Sequence[bytes] = (),
        labels: Mapping[str, bytes] = ...,
        publics: Mapping[str, Scalar] = ...,
        witness: Mapping[str, Scalar | Sequence[Scalar]],
    ) -> None: ...
    @property
    def points(self) -> dict[str, bytes]: ...
    def prove(self, ledger_id: bytes, context: bytes, seed: Seed) -> bytes: ...

class Statement:
    def __init__(
        self,
        circuit: Circuit,
        *,
        ledger_id: bytes,
        context: bytes,
        keys: Sequence[tuple[bytes, bytes]] = (),
        labels: Mapping[str, bytes] = ...,
        publics: Mapping[str, Scalar] = ...,
        points: Mapping[str, bytes],
    ) -> None: ...

class Relation:
    def __init__(
        self,
        circuit: Circuit,
        *,
        ledger_id: bytes,
        keys: Sequence[tuple[bytes, bytes]] = (),
        labels: Mapping[str, bytes] = ...,
    ) -> None: ...
    def statement(
        self,
        *,
        context: bytes,
        publics: Mapping[str, Scalar] | None = None,
        points: Mapping[str, bytes],
    ) -> Statement: ...

def verify(statement: Statement, proof: bytes) -> None: ...
def verify_batch(items: Sequence[tuple[Statement, bytes]]) -> None:
    """All or ProofRefused with the culprits' indexes."""

class IssuerKey:
    """A BBS key pair: signs one period's tokens, or one schema's credentials, of one issuer."""

    @staticmethod
    def derive(seed: Seed, data: bytes) -> IssuerKey: ...
    @property
    def public_key(self) -> bytes: ...
    def sign_commitments(
        self,
        items: Sequence[tuple[bytes, int, bytes, bytes, Sequence[tuple[int, Scalar]]]],
    ) -> list[tuple[bytes, bytes]]:
        """(header, message count, C′, tweak, adjustments) → (C_final, signature of 80 bytes)."""

    def sign_messages(self, header: bytes, items: Sequence[Sequence[Scalar]]) -> list[bytes]:
        """Signatures (80 bytes) on lists of messages, constant time in them."""

def serial_tweak(origin: bytes, commitment: bytes) -> bytes:
    """H(N ‖ C′) (``origin`` = the nullifier, or ``b"open"``) added to the serial by the signer."""

def verify_messages(
    public_key: bytes, header: bytes, messages: Sequence[Scalar], signature: bytes
) -> None: ...
def check_issuer_key(public_key: bytes) -> None: ...
def verify_public_signatures(
    items: Sequence[tuple[bytes, bytes, int, bytes, bytes, bytes]],
) -> None:
    """(public key, header, message count, nullifier, C′, signature) each; culprits are named."""

class BlsKey:
    """A BLS key pair (Ethereum POP suite, public key in G1): signs registrations."""

    @staticmethod
    def derive(seed: Seed, data: bytes) -> BlsKey: ...
    @staticmethod
    def generate(material: bytes, info: bytes = b"") -> BlsKey: ...
    @staticmethod
    def from_bytes(data: bytes) -> BlsKey: ...
    def expose(self) -> bytes: ...
    @property
    def public_key(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...
    def prove_possession(self) -> bytes: ...

def bls_verify(public_key: bytes, message: bytes, signature: bytes) -> None: ...
def bls_aggregate(signatures: Sequence[bytes]) -> bytes: ...
def bls_aggregate_verify(
    public_keys: Sequence[bytes], messages: Sequence[bytes], signature: bytes
) -> None: ...
def bls_fast_aggregate_verify(
    public_keys: Sequence[bytes], message: bytes, signature: bytes
) -> None: ...
def bls_verify_batch(items: Sequence[tuple[bytes, bytes, bytes]]) -> None:
    """(public key, message, signature) each; culprits are named."""

def bls_verify_possession(public_key: bytes, proof: bytes) -> None: ...
def bls_check_public_key(public_key: bytes) -> None: ...
def bls_check_signature(signature: bytes) -> None: ...
def bls_hash_to_g2(message: bytes, tag: bytes) -> bytes: ...

class BbsKey:
    """A BBS key pair of the standard's suites, "SHA-256" or "SHAKE-256"."""

    @staticmethod
    def generate(
        suite: str, material: bytes, info: bytes = b"", tag: bytes | None = None
    ) -> BbsKey: ...
    @staticmethod
    def from_bytes(suite: str, data: bytes) -> BbsKey: ...
    def expose(self) -> bytes: ...
    @property
    def public_key(self) -> bytes: ...
    @property
    def suite(self) -> str: ...
    def sign(self, header: bytes, messages: Sequence[bytes]) -> bytes: ...
    def blind_sign(
        self, commitment: bytes | None, header: bytes, messages: Sequence[bytes]
    ) -> bytes: ...
    def blind_sign_with_nym(
        self,
        commitment: bytes,
        nym_count: int,
        nym_entropy: Scalar,
        header: bytes,
        messages: Sequence[bytes],
    ) -> bytes: ...

def bbs_verify(
    suite: str, public_key: bytes, signature: bytes, header: bytes, messages: Sequence[bytes]
) -> None: ...
def bbs_prove(
    suite: str,
    public_key: bytes,
    signature: bytes,
    header: bytes,
    presentation_header: bytes,
    messages: Sequence[bytes],
    disclosed: Sequence[int],
) -> bytes: ...
def bbs_verify_proof(
    suite: str,
    public_key: bytes,
    proof: bytes,
    header: bytes,
    presentation_header: bytes,
    disclosed: Mapping[int, bytes],
) -> None: ...
def bbs_verify_proofs(
    suite: str, items: Sequence[tuple[bytes, bytes, bytes, bytes, Mapping[int, bytes]]]
) -> None:
    """(public key, proof, header, presentation header, shown) each; culprits are named."""

def bbs_commit(suite: str, messages: Sequence[bytes]) -> tuple[bytes, SecretScalar]: ...
def bbs_commit_with_nym(
    suite: str, messages: Sequence[bytes], prover_nyms: Scalar | Sequence[Scalar]
) -> tuple[bytes, SecretScalar]: ...
def bbs_pseudonym(
    suite: str, context_id: bytes, nym_secrets: Scalar | Sequence[Scalar]
) -> bytes: ...

class BlindHolding:
    """A holder's side of a blind signature: all that is signed, and where."""

    def __init__(
        self,
        suite: str,
        public_key: bytes,
        signature: bytes,
        header: bytes,
        messages: Sequence[bytes],
        committed_messages: Sequence[bytes],
        prover_blind: SecretScalar | None,
    ) -> None: ...
    def verify(self) -> None: ...
    def finalize(
        self, prover_nyms: Scalar | Sequence[Scalar], nym_entropy: Scalar
    ) -> list[SecretScalar]: ...
    def prove(
        self,
        presentation_header: bytes,
        disclosed: Sequence[int],
        disclosed_committed: Sequence[int],
    ) -> bytes: ...
    def prove_with_nym(
        self,
        presentation_header: bytes,
        disclosed: Sequence[int],
        disclosed_committed: Sequence[int],
        nym_secrets: Scalar | Sequence[Scalar],
        context_id: bytes,
    ) -> tuple[bytes, bytes]: ...

def bbs_verify_blind_proof(
    suite: str,
    public_key: bytes,
    proof: bytes,
    header: bytes,
    presentation_header: bytes,
    message_count: int,
    disclosed: Mapping[int, bytes],
    disclosed_committed: Mapping[int, bytes],
) -> None: ...
def bbs_verify_proof_with_nym(
    suite: str,
    public_key: bytes,
    proof: bytes,
    header: bytes,
    presentation_header: bytes,
    message_count: int,
    disclosed: Mapping[int, bytes],
    disclosed_committed: Mapping[int, bytes],
    pseudonym: bytes,
    context_id: bytes,
    nym_count: int,
) -> None: ...
def aggregate_payee_keys(keys: Sequence[bytes], context: bytes) -> bytes: ...
def aggregate_payee_secrets(
    secrets: Sequence[SecretScalar], keys: Sequence[bytes], context: bytes
) -> SecretScalar: ...
