"""Proofs of every circuit made by the extension, for both verifiers to judge."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from zkcredit import _native
from zkcredit.errors import ZkCreditError
from zkcredit.reference import engine
from zkcredit.reference.circuit import load

R = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
P = int(
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
    "1eabfffeb153ffffb9feffffffffaaab",
    16,
)
SEED = _native.Seed.from_bytes(hashlib.sha256(b"reference tests").digest())


def scalar(*name: object) -> int:
    """A number below 2^250 of this name."""
    return int.from_bytes(hashlib.sha256(repr(name).encode()).digest(), "big") >> 6


def wide(value: Any) -> Any:
    """Numbers as the extension takes them, in lists and dictionaries too."""
    if isinstance(value, dict):
        return {key: wide(item) for key, item in value.items()}
    if isinstance(value, list):
        return [wide(item) for item in value]
    return value.to_bytes(32, "big") if isinstance(value, int) else value


def data32(*name: object) -> bytes:
    """32 bytes of this name."""
    return hashlib.sha256(repr(name).encode()).digest()


@dataclass(frozen=True)
class Case:
    """A statement in plain bytes with a proof; ``base`` names the case it was made from."""

    name: str
    circuit: str
    parameters: Mapping[str, int]
    ledger_id: bytes
    context: bytes
    keys: tuple[tuple[bytes, bytes], ...] = ()
    labels: Mapping[str, bytes] = field(default_factory=dict)
    publics: Mapping[str, bytes] = field(default_factory=dict)
    points: Mapping[str, bytes] = field(default_factory=dict)
    proof: bytes = b""
    base: str = ""

    def _parts(self) -> dict[str, Any]:
        names = ("ledger_id", "context", "keys", "labels", "publics", "points")
        return {name: getattr(self, name) for name in names}

    def native(self) -> None:
        """Verification by the extension."""
        circuit = _native.builtin_circuit(self.circuit, self.parameters)
        _native.verify(_native.Statement(circuit, **self._parts()), self.proof)

    def statement(self) -> engine.Statement:
        """What the reference verifies."""
        return engine.Statement(load(self.circuit, self.parameters), **self._parts())

    def reference(self) -> None:
        """Verification by the reference."""
        engine.verify(self.statement(), self.proof)

    def mutated(self, name: str, **changes: Any) -> Case:
        """This case with something changed, under a name of its own."""
        return replace(self, name=f"{self.name}: {name}", base=self.name, **changes)


def accepts(verify: Callable[[], None]) -> bool:
    """Whether a verifier accepts; it may refuse with errors of the package only."""
    try:
        verify()
    except ZkCreditError:
        return False
    return True


def issuer_key(name: object = "issuer") -> _native.IssuerKey:
    """A BBS key of this name."""
    return _native.IssuerKey.derive(SEED, repr(name).encode())


def sign(key: _native.IssuerKey, header: bytes, messages: list[int]) -> bytes:
    """A BBS signature on these messages."""
    commitment = _native.commit([(("H", 0), wide(messages[0]))])
    adjustments = [(i, wide(m)) for i, m in enumerate(messages) if i]
    item = (header, len(messages), commitment, bytes(32), adjustments)
    return key.sign_commitments([item])[0][1]


def blank(circuit: str, *, name: str = "", **parameters: int) -> tuple[Case, Any, Any]:
    """A case of a circuit at these sizes without points and proof, its witness, its tokens.

    Tokens are pairs of signature and messages, one for each signature of the circuit.
    """
    fixed = circuit in ("settle", "request")
    sizes = parameters if fixed else {"K": 1, "M": 0, "bits": 32} | parameters
    name = name or f"{circuit} {' '.join(f'{k}={v}' for k, v in sorted(sizes.items()))}".strip()
    ledger_id, context = data32("ledger"), data32("context", name)
    witness, publics, labels, keys, tokens = _witness(circuit, sizes, name)
    points = {item.point: b"" for item in load(circuit, sizes).commitments}
    case = Case(
        name, circuit, sizes, ledger_id, context, tuple(keys), labels, wide(publics), points
    )
    return case, witness, tokens


def make(circuit: str, *, name: str = "", **parameters: int) -> Case:
    """An accepted case of a circuit at these sizes, proved by the extension."""
    case, witness, tokens = blank(circuit, name=name, **parameters)
    prover = _native.Prover(
        _native.builtin_circuit(circuit, case.parameters),
        keys=case.keys,
        signatures=[signature for signature, _ in tokens],
        labels=case.labels,
        publics=case.publics,
        witness=wide(witness),
    )
    proof = prover.prove(case.ledger_id, case.context, SEED)
    return replace(case, points=prover.points, proof=proof)


def _witness(circuit: str, sizes: Mapping[str, int], name: str) -> tuple[Any, ...]:
    def secret(*what: object) -> int:
        return scalar(name, *what)

    if circuit == "settle":
        return {"key": secret("key")}, {}, {}, [], []
    if circuit == "request":
        return {what: secret(what) for what in ("blind", "owner")}, {}, {}, [], []
    if circuit == "open":
        names = ("blind", "owner", "serial", "rho_owner")
        return {what: secret(what) for what in names}, {}, {}, [], []
    buckets, attributes, bits = sizes["K"], sizes["M"], sizes["bits"]
    amount = secret("amount") % 1000 + buckets + 1
    available = amount + secret("left") % (1 << bits - 1)
    due = [secret("due", j) % 10_000 for j in range(buckets)]
    attr = [secret("attr", j) for j in range(attributes)]
    old = [secret("blind"), secret("owner"), secret("serial"), 7, available, *due, *attr]
    key, header = issuer_key(), b"header of " + name.encode()
    witness: dict[str, Any] = {
        "blind": old[0], "owner": old[1], "account": 7, "available": available, "due": due,
        "attr": attr, "blind_next": secret("blind'"), "serial_next": secret("serial'"),
    }  # fmt: skip
    labels = {}
    if circuit == "spend":
        labels["value"] = b"value of " + name.encode()
        witness |= {"amount": amount, "rho": secret("rho"), "available_next": available - amount}
        share = amount // max(1, buckets)
        parts = [amount - share * (buckets - 1)] + [share] * (buckets - 1)
        if buckets > 1:
            witness["part"] = parts
        witness["due_next"] = [a + b for a, b in zip(due, parts[:buckets], strict=True)]
    if circuit in ("update", "statement"):
        witness["rho_tag"] = secret("rho_tag")
    if circuit == "statement":
        labels["value"] = b"value of " + name.encode()
        witness |= {"rho_due": secret("rho_due"), "due_next": [*due[1:], 0]}
    tokens = [(sign(key, header, old), old)]
    return witness, {"nullifier": old[2]}, labels, [(key.public_key, header)], tokens
