"""The keys of a cosigner, and what each of them says.

C2SP lets a cosigner state more than consistency, but one key may state one thing only.
So a cosigner has a key for each :class:`Role`, each in two forms (Ed25519 and ML-DSA-44)
under one name: the cosigner's, a slash and the role.
"""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zkcredit.codec import Reader, Writer
from zkcredit.errors import CallerError, MalformedInput, StoreError
from zkcredit.ledger import folder
from zkcredit.ledger.genesis import check_origin

if TYPE_CHECKING:
    from zkcredit.ledger.note import Ed25519Signer, MlDsaSigner, VerifierKey

KEY_FILE = "cosigner.key"
_VERSION = 1


class Role(enum.StrEnum):
    """What a key states about a checkpoint, besides that the log is consistent."""

    RULES = "rules-v1"
    """Every entry up to this size keeps the rules, version 1: none is void."""
    VOIDS = "rules-v1-voids"
    """Every entry up to this size was judged by the rules, version 1; some are void."""
    WITNESS = "witness"
    """Nothing more: the log is consistent with all that this key has signed before."""

    @property
    def statement(self) -> str:
        """The statement in words, as policies and people need it."""
        return {
            Role.RULES: "every entry up to this size keeps the rules, version 1",
            Role.VOIDS: "every entry up to this size was judged by the rules, version 1; "
            "those that this cosigner lists are void",
            Role.WITNESS: "the log is consistent with all that this key has signed before",
        }[self]


def stated_by(key: VerifierKey) -> Role | None:
    """What a cosigner's key states by its name; None for the key of another program."""
    _, _, role = key.name.rpartition("/")
    return Role(role) if role in list(Role) else None


@dataclass(frozen=True, slots=True, repr=False)
class CosignerKeys:
    """All keys of one cosigner, derived from a secret ``seed`` of 32 bytes.

    ``name`` is 1..64 bytes without space or ``+``, best a domain and path of its owner.
    """

    name: str
    seed: bytes

    def __post_init__(self) -> None:
        check_origin(self.name)
        if len(self.seed) != 32:
            raise CallerError("the seed of a cosigner has 32 bytes")

    @classmethod
    def generate(cls, name: str) -> CosignerKeys:
        """Fresh keys from the system's random source."""
        return cls(name, secrets.token_bytes(32))

    def signers(self, role: Role) -> tuple[Ed25519Signer, MlDsaSigner]:
        """The two secret keys of a role."""
        from zkcredit.ledger.note import Ed25519Signer, MlDsaSigner

        name = f"{self.name}/{role}"
        mldsa = MlDsaSigner(name, self._derive(role, "ml-dsa-44"))
        return Ed25519Signer(name, self.ed25519_seed(role), cosigner=True), mldsa

    def public(self, role: Role) -> tuple[VerifierKey, VerifierKey]:
        """The public keys of a role: Ed25519, ML-DSA-44."""
        classic, mldsa = self.signers(role)
        return classic.public, mldsa.public

    def ed25519_seed(self, role: Role) -> bytes:
        """The secret (32 bytes) of a role's Ed25519 key."""
        return self._derive(role, "ed25519")

    def _derive(self, role: Role, kind: str) -> bytes:
        from zkcredit._native import derive_key

        material = Writer().fixed(self.seed, 32).text8(role).text8(kind).finish()
        return derive_key("zkcredit v1 cosigner key", material)

    def write(self, place: Path) -> None:
        """Stores the keys in the folder ``place``, readable by its owner only."""
        data = Writer().u8(_VERSION).text8(self.name).fixed(self.seed, 32).finish()
        folder.write_file(place / KEY_FILE, data, secret=True)

    @classmethod
    def read(cls, place: Path) -> CosignerKeys:
        """The keys in the folder ``place``; raises StoreError, MalformedInput."""
        path = place / KEY_FILE
        if not path.is_file():
            raise StoreError(f"no cosigner in {place}: it has no file {KEY_FILE!r}")
        reader = Reader(folder.read_file(path))
        reader.version(_VERSION, KEY_FILE)
        name, seed = reader.text8(), reader.fixed(32)
        reader.finish()
        try:
            return cls(name, seed)
        except CallerError as error:
            raise MalformedInput(f"{path}: {error}") from None
