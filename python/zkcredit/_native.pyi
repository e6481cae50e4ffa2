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

def blake3_hash(data: bytes) -> bytes: ...
def derive_key(context: str, material: bytes, length: int = 32) -> bytes: ...
def keyed_xof(key: bytes, data: bytes, length: int = 32) -> bytes: ...
def hash_to_scalar(context: str, data: bytes) -> bytes: ...

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

def verify(statement: Statement, proof: bytes) -> None: ...
def verify_batch(items: Sequence[tuple[Statement, bytes]]) -> None:
    """All or ProofRefused with the culprits' indexes."""

class IssuerKey:
    """A BBS key pair: signs one period's tokens of one issuer."""

    @staticmethod
    def derive(seed: Seed, data: bytes) -> IssuerKey: ...
    @property
    def public_key(self) -> bytes: ...
    def sign_commitments(
        self,
        items: Sequence[tuple[bytes, int, bytes, bytes, Sequence[tuple[int, Scalar]]]],
    ) -> list[tuple[bytes, bytes]]:
        """(header, message count, C′, tweak, adjustments) → (C_final, signature of 80 bytes)."""

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
    @property
    def public_key(self) -> bytes: ...
    def sign(self, message: bytes) -> bytes: ...
    def prove_possession(self) -> bytes: ...

def bls_verify_batch(items: Sequence[tuple[bytes, bytes, bytes]]) -> None: ...
def bls_verify_possession(public_key: bytes, proof: bytes) -> None: ...
def aggregate_payee_keys(keys: Sequence[bytes], context: bytes) -> bytes: ...
def aggregate_payee_secrets(
    secrets: Sequence[SecretScalar], keys: Sequence[bytes], context: bytes
) -> SecretScalar: ...
