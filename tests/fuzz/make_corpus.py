"""Writes the seeds in ``corpus/`` anew, for the Python targets and for those of the core.

Only needed when a format changes. Run: ``PYTHONPATH=python:tests/support make_corpus.py``.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import targets
from ledgerkit import Clock, World, stub_engine, tag, toy_signature

from zkcredit import vault
from zkcredit.cosigner.witness import Request
from zkcredit.credentials.builtin import BUILTIN
from zkcredit.credentials.lists import ListPlace, SignedList
from zkcredit.credentials.revocation import RevocationList
from zkcredit.credentials.schema import FieldType
from zkcredit.ledger import Operator, quorum, static
from zkcredit.ledger.folder import OperatorKeys
from zkcredit.ledger.note import Checkpoint, Ed25519Signer, Note, VerifierKey
from zkcredit.ledger.tlogproof import TlogProof
from zkcredit.merchant import state as merchant_state
from zkcredit.money import CURRENCY_PATTERN
from zkcredit.service import wire
from zkcredit.wallet import state as wallet_state

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VECTORS = ROOT / "tests" / "vectors"


PYTHON, CORE = HERE / "corpus", ROOT / "rust" / "fuzz" / "corpus"


def put(folder: Path, target: str, name: str, data: bytes | str) -> None:
    place = folder / target
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(data.encode() if isinstance(data, str) else data)


def ledger_seeds(place: Path) -> None:
    ledger = Operator.create(place, clock=Clock())
    world = World(ledger, Clock())
    ledger.submit(world.merchant("Shop"))
    spend = world.spend("a")
    steps = [
        spend,
        world.opening("b"),
        world.refresh("c"),
        world.update("d"),
        world.billing("e", 1),
    ]
    submissions = [world.prove(step) for step in steps]
    ledger.submit_many(submissions)
    ledger.submit(world.prove(world.settlement([(4, "a")])))
    for index, entry in ledger.entries():
        put(PYTHON, "entry", f"{index}-{entry.statement.KIND.name.lower()}", entry.encode())
    for number, submission in enumerate(submissions):
        put(PYTHON, "submission", str(number), submission.encode())
    note = ledger.checkpoint()
    put(PYTHON, "note", "signed", note)
    put(PYTHON, "checkpoint", "plain", Note.decode(note).text)
    for number, key in enumerate(ledger.verifier_keys):
        put(PYTHON, "verifier-key", str(number), key.encode())
    put(PYTHON, "tlog-proof", "spend", TlogProof.make(ledger, 4, note).encode())
    put(PYTHON, "genesis", "one", ledger.genesis.encode())
    put(PYTHON, "operator-key", "one", OperatorKeys(*(tag(i) for i in range(3))).encode())
    encoded = [entry.encode() for _, entry in ledger.entries()]
    put(PYTHON, "bundle", "entries", b"".join(len(x).to_bytes(2, "big") + x for x in encoded))
    put(PYTHON, "bundle", "items", static.encode_bundle([s.evidence for s in submissions]))
    put(PYTHON, "terms", "one", next(iter(ledger.registry.terms.values())).encoded)
    key = ledger.verifier_keys[0].encode()
    witnesses = [f"witness w{i} {cosigner(i).encode()}\n" for i in range(3)]
    policy = f"log {key}\n{''.join(witnesses)}group all 2 w0 w1 w2\nquorum all\n"
    quorum.Policy.parse(policy)
    put(PYTHON, "tlog-policy", "two-of-three", policy)
    request = Request(4, (tag("hash"),) * 3, Note.decode(note), Checkpoint.parse(note_text(note)))
    put(PYTHON, "http-body", "witness", b"w" + request.encode())
    put(PYTHON, "http-body", "batch", b"b" + wire.encode_batch(submissions))
    replies = [(4, toy_signature(spend)), (5, bytes(124))]
    put(PYTHON, "http-body", "replies", b"r" + wire.encode_replies(replies))
    for number, kind in enumerate(wire.BODIES):
        put(PYTHON, "http-body", kind.__name__.lower(), bytes((number,)) + as_json(kind))
    ledger.close()


def note_text(note: str) -> str:
    return Note.decode(note).text


def cosigner(number: int) -> VerifierKey:
    return Ed25519Signer(f"w{number}.example", tag(("cosigner", number)), cosigner=True).public


_TEXTS = {
    "^[0-9a-f]{64}$": "0a" * 32,
    "^[0-9a-f]{192}$": "0a" * 96,
    f"^{CURRENCY_PATTERN}$": "EUR",
}


def value(info: Any) -> Any:
    """Something that a field of this type can hold, in its JSON form."""
    match info:
        case msgspec.inspect.IntType():
            return max(info.ge or 0, 1)
        case msgspec.inspect.StrType():
            return _TEXTS.get(info.pattern, "2026-11-22" if info.min_length == 10 else "name")
        case msgspec.inspect.DateType():
            return "2026-11-22"
        case msgspec.inspect.BoolType():
            return True
        case msgspec.inspect.LiteralType():
            return info.values[0]
        case msgspec.inspect.CustomType():
            return "0a" * (getattr(info.cls, "size", None) or 4)
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            return [value(info.item_type)]
        case msgspec.inspect.TupleType():
            return [value(item) for item in info.item_types]
        case msgspec.inspect.DictType():
            return {"name": value(info.value_type)}
        case msgspec.inspect.UnionType():
            return value(info.types[0])
        case msgspec.inspect.StructType():
            return fields(info)
        case _:
            return None


def fields(info: msgspec.inspect.StructType) -> dict[str, Any]:
    found = {field.encode_name: value(field.type) for field in info.fields}
    return found if info.tag_field is None else {info.tag_field: info.tag, **found}


def as_json(kind: type) -> bytes:
    return json.dumps(value(msgspec.inspect.type_info(kind))).encode()


def party_seeds(place: Path) -> None:
    for name, kind in targets.MESSAGES.items():
        put(PYTHON, "message", name.split("/")[1], as_json(kind))
    for name, schema in BUILTIN.items():
        put(PYTHON, "schema", name, schema.encode())
    put(PYTHON, "schema-text", "member", SCHEMA)
    put(PYTHON, "policy", "wine", POLICY)
    clauses = ("birth_date <= today - 18y", "country in EU", "income >= 3 * instalment",
               "document_hash not in stolen")  # fmt: skip
    for number, text in enumerate(clauses):
        put(PYTHON, "clause", str(number), text)
    vault.Vault.create(place / "v", "passphrase", "wallet", b"content", vault.TEST_COST).close()
    put(PYTHON, "vault", "one", (place / "v").read_bytes())
    for name, module in (("wallet", wallet_state), ("merchant", merchant_state)):
        kind = module.WalletState if name == "wallet" else module.MerchantState
        raw = value_of_state(msgspec.inspect.type_info(kind))
        raw["version"] = module.VERSION
        if name == "merchant":
            raw["role"] = "merchant"
        put(PYTHON, name, "full", msgspec.msgpack.encode(raw))
    place_of_key = tag("ledger"), tag("issuer"), tag("schema"), 1
    gaps = RevocationList(*place_of_key, 2, (3, 9), bytes(240))
    put(PYTHON, "revocation-list", "two", gaps.encode())
    for gap in (False, True):
        signatures = (bytes(80),) * (2 + gap)
        found = SignedList(ListPlace(*place_of_key, 1), FieldType.INTEGER, gap, (4, 7), signatures)
        put(PYTHON, "signed-list", "gaps" if gap else "items", found.encode())


def value_of_state(info: Any) -> Any:
    """Like :func:`value` for what MessagePack holds."""
    if isinstance(info, msgspec.inspect.BytesType):
        return b"bytes"
    if isinstance(info, msgspec.inspect.StructType):
        return {field.encode_name: value_of_state(field.type) for field in info.fields}
    if isinstance(info, msgspec.inspect.ListType):
        return [value_of_state(info.item_type)]
    if isinstance(info, msgspec.inspect.UnionType):
        return value_of_state(info.types[0])
    return value(info)


def core_seeds() -> None:
    for number, name in enumerate(("open", "settle", "spend", "update")):
        file = json.loads((VECTORS / "engine" / f"{name}.json").read_text())
        order = [line.split(" ")[1] for line in file["canonical text"]
                 if line.startswith("commitment ")]  # fmt: skip
        case = file["accepted"][name]
        data = "".join(case["points"][point] for point in order) + case["proof"]
        put(CORE, "engine", name, bytes((number,)) + bytes.fromhex(data))
    for path in (ROOT / "circuits").glob("*.toml"):
        put(CORE, "circuit", path.stem, path.read_bytes())
    for folder in ("deserialization_G1", "deserialization_G2"):
        for number, path in enumerate(sorted((VECTORS / "bls" / folder).glob("*.json"))):
            found = json.loads(path.read_text())["input"]
            data = bytes.fromhex(next(iter(found.values())))
            put(CORE, "points", f"{folder[-2:]}-{number}", data)
            put(CORE, "bls", f"{folder[-2:]}-{number}", data)
    for suite, folder in enumerate(("bls12-381-sha-256", "bls12-381-shake-256")):
        for family in ("", "blind", "pseudonym"):
            for path in sorted((VECTORS / "bbs" / family / folder).rglob("*001.json")):
                found = json.loads(path.read_text())
                for field in ("proof", "commitmentWithProof", "signature"):
                    if isinstance(found.get(field), str):
                        name = f"{family or 'plain'}-{suite}-{path.stem}-{field}"
                        put(CORE, "bbs", name, bytes((suite, 1, 2)) + bytes.fromhex(found[field]))
    name = "sigma-proofs_Shake128_BLS12381.json"
    for case in json.loads((VECTORS / "sigma" / name).read_text()):
        relation = bytes.fromhex(case["Instance"])
        for number, field in enumerate(("batchable", "compact")):
            if case["Flavor"] == field:
                head = bytes((number,)) + len(relation).to_bytes(2, "big")
                data = head + relation + bytes.fromhex(case["NargString"])
                put(CORE, "sigma", case["Relation"] + "-" + field, data)


def main() -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as place:
        stub_engine(patch)
        ledger_seeds(Path(place) / "ledger")
        party_seeds(Path(place))
    core_seeds()


SCHEMA = """name = "member"
title = "Membership"
revocable = true
[[field]]
name = "number"
title = "Number"
type = "integer"
minimum = 1
maximum = 99
[[field]]
name = "since"
title = "Since"
type = "date"
[[field]]
name = "kind"
title = "Kind"
type = "enum"
values = ["junior", "senior"]
"""
POLICY = f"""title = "Wine on credit"
reveal = ["country"]
prove = [
    "birth_date <= today - 18y",
    "country in EU",
    "income >= 3 * instalment",
    "document_hash not in stolen",
]
pseudonym = "wine.example"
valid_minutes = 15
[credentials.identity]
schema = "identity"
issuers = ["{"0a" * 32}"]
[credentials.income]
schema = "income"
issuers = ["{"0b" * 32}"]
[sets]
EU = ["AT", "BE", "DE", "FR", "IT"]
[variables]
instalment = "amount"
[lists.stolen]
issuer = "{"0a" * 32}"
"""

if __name__ == "__main__":
    main()
