"""The genesis of a ledger: the values that give it its name and its keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zkcredit.codec import Reader, Writer, text_problem
from zkcredit.errors import CallerError, MalformedInput

if TYPE_CHECKING:
    from zkcredit.ledger.note import VerifierKey

VERSION = 2

_SIZES = {"log_key": 32, "mldsa_key": 1312, "bls_key": 48, "nonce": 32}
"""Fields after the origin, in the order of the bytes."""


def check_origin(origin: str) -> None:
    """Raises CallerError unless ``origin`` can name a log: 1..64 bytes, no space or ``+``."""
    problem = text_problem(origin)
    if problem is None and any(char == "+" or char.isspace() for char in origin):
        problem = "it holds a space or a plus sign"
    if problem is not None:
        raise CallerError(f"origin {origin!r}: {problem}")


@dataclass(frozen=True, slots=True)
class Genesis:
    """What an auditor pins.

    ``origin`` names the log (1..64 bytes, no space or ``+``), ``log_key`` is
    the Ed25519 key of checkpoints (32 bytes), ``mldsa_key`` the ML-DSA-44 key that
    signs them too (1,312 bytes), ``bls_key`` the operator's key of countersignatures
    (48 bytes), ``nonce`` 32 random bytes.
    """

    origin: str
    log_key: bytes
    mldsa_key: bytes
    bls_key: bytes
    nonce: bytes

    def __post_init__(self) -> None:
        check_origin(self.origin)
        for name, size in _SIZES.items():
            if len(getattr(self, name)) != size:
                raise CallerError(f"{name} must have {size} bytes")

    def _values(self) -> bytes:
        writer = Writer().text8(self.origin)
        for name, size in _SIZES.items():
            writer.fixed(getattr(self, name), size)
        return writer.finish()

    @property
    def log_keys(self) -> tuple[VerifierKey, VerifierKey]:
        """The keys that sign every checkpoint: Ed25519, ML-DSA-44."""
        from zkcredit.ledger.note import KeyKind, VerifierKey

        classic = VerifierKey(self.origin, self.log_key)
        return classic, VerifierKey(self.origin, self.mldsa_key, KeyKind.ML_DSA_44)

    @property
    def ledger_id(self) -> bytes:
        """32 bytes derived from all values."""
        from zkcredit._native import derive_key

        return derive_key("zkcredit v1 ledger", self._values())

    def encode(self) -> bytes:
        """Version byte and values."""
        return bytes((VERSION,)) + self._values()

    @classmethod
    def decode(cls, data: bytes) -> Genesis:
        """The genesis that ``data`` encodes; raises MalformedInput."""
        reader = Reader(data)
        reader.version(VERSION, "genesis")
        origin = reader.text8()
        values = [reader.fixed(size) for size in _SIZES.values()]
        reader.finish()
        try:
            return cls(origin, *values)
        except CallerError as error:
            raise MalformedInput(f"genesis: {error}") from None
