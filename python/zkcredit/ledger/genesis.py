"""The genesis of a ledger: the values that give it its name and its keys."""

from __future__ import annotations

from dataclasses import dataclass

from zkcredit.codec import Reader, Writer, text_problem
from zkcredit.errors import CallerError, MalformedInput

VERSION = 1


@dataclass(frozen=True, slots=True)
class Genesis:
    """What an auditor pins.

    ``origin`` names the log (1..64 bytes, no space or ``+``), ``log_key`` is
    the Ed25519 key of checkpoints (32 bytes), ``bls_key`` the operator's key of
    countersignatures (48 bytes), ``nonce`` 32 random bytes.
    """

    origin: str
    log_key: bytes
    bls_key: bytes
    nonce: bytes

    def __post_init__(self) -> None:
        problem = text_problem(self.origin)
        if problem is None and ("+" in self.origin or len(self.origin.split()) != 1):
            problem = "it holds a space or a plus sign"
        if problem is not None:
            raise CallerError(f"origin {self.origin!r}: {problem}")
        if (len(self.log_key), len(self.bls_key), len(self.nonce)) != (32, 48, 32):
            raise CallerError("log_key, bls_key and nonce must have 32, 48 and 32 bytes")

    def _values(self) -> bytes:
        writer = Writer().text8(self.origin).fixed(self.log_key, 32)
        return writer.fixed(self.bls_key, 48).fixed(self.nonce, 32).finish()

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
        values = reader.text8(), reader.fixed(32), reader.fixed(48), reader.fixed(32)
        reader.finish()
        try:
            return cls(*values)
        except CallerError as error:
            raise MalformedInput(f"genesis: {error}") from None
