"""The boundary to the extension: stubs, errors, handles that keep their secrets."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
from pathlib import Path

import pytest

from zkcredit import _native, errors

STUB = Path(_native.__file__).with_name("_native.pyi")
SEED = _native.Seed.from_bytes(bytes(range(32)))
ISSUER = _native.IssuerKey.derive(SEED, b"issuer of tests")
ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


def _stub_names() -> dict[str, list[str]]:
    """Public functions and classes of the stub, with the methods of the classes."""
    names: dict[str, list[str]] = {}
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names[node.name] = []
        elif isinstance(node, ast.ClassDef):
            names[node.name] = [x.name for x in node.body if isinstance(x, ast.FunctionDef)]
    return names


def test_the_stub_names_everything_and_nothing_else() -> None:
    found = {n for n in vars(_native) if not n.startswith("_")}
    assert found == set(_stub_names())


@pytest.mark.parametrize(("name", "methods"), _stub_names().items())
def test_stubbed_methods_exist(name: str, methods: list[str]) -> None:
    for method in methods:
        assert hasattr(getattr(_native, name), method), f"{name}.{method}"


def test_parameters_have_the_stubs_names() -> None:
    for node in ast.parse(STUB.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            wanted = [a.arg for a in (*node.args.args, *node.args.kwonlyargs)]
            found = list(inspect.signature(getattr(_native, node.name)).parameters)
            assert found == wanted, node.name


SECRETS = [
    SEED,
    SEED.scalar("zkcredit tests", b""),
    _native.IssuerKey.derive(SEED, b"issuer"),
    _native.BlsKey.derive(SEED, b"bls"),
]


@pytest.mark.parametrize("secret", SECRETS, ids=lambda s: type(s).__name__)
def test_secrets_do_not_print_pickle_or_copy(secret: object) -> None:
    assert "REDACTED" in repr(secret)
    assert "REDACTED" in str(secret)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(errors.CallerError):
            attempt(secret)
    assert not hasattr(secret, "__dict__")


def test_a_prover_does_not_print_its_witness() -> None:
    witness = {"key": SEED.scalar("zkcredit tests", b"k")}
    prover = _native.Prover(_native.builtin_circuit("settle", {}), witness=witness)
    assert repr(prover) == "Prover(settle, [REDACTED])"


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: _native.Seed.from_bytes(b"short"), errors.CallerError),
        (lambda: _native.SecretScalar.from_bytes(b"\xff" * 32), errors.MalformedInput),
        (lambda: _native.SecretScalar.from_bytes(ORDER.to_bytes(32)), errors.MalformedInput),
        (lambda: _native.SecretScalar.from_bytes(b"\1"), errors.MalformedInput),
        (lambda: _native.add_scalars([b"\xff" * 32]), errors.MalformedInput),
        (lambda: _native.commit([("nobody", 1)]), errors.CallerError),
        (lambda: _native.commit([("owner", 0)]), errors.CallerError),
        (lambda: _native.commit([("owner", 1 << 200)]), errors.CallerError),
        (lambda: _native.commit([("owner", True)]), errors.CallerError),
        (lambda: _native.commit([("owner", "1")]), errors.CallerError),  # type: ignore[list-item]
        (lambda: _native.commit([(("X", 1), 1)]), errors.CallerError),
        (lambda: _native.add_points([]), errors.CallerError),
        (lambda: _native.add_points([b"\0" * 48]), errors.MalformedInput),
        (lambda: _native.check_points([b"\xc0" + b"\0" * 47]), errors.MalformedInput),
        (lambda: _native.find_amount(b"", b"", 37), errors.CallerError),
        (lambda: _native.derive_key("c", b"", 1 << 40), errors.CallerError),
        (lambda: _native.keyed_xof(b"short", b""), errors.MalformedInput),
        (lambda: _native.builtin_circuit("nothing", {}), errors.CallerError),
        (lambda: _native.builtin_circuit("settle", {"K": 1}), errors.CallerError),
        (lambda: _native.Circuit.compile("[[", {}), errors.CallerError),
        (lambda: _native.verify_messages(b"\0" * 96, b"", [1], b"\0" * 80), errors.MalformedInput),
        (lambda: ISSUER.sign_messages(b"", [[1.5]]), errors.CallerError),  # type: ignore[list-item]
        (lambda: ISSUER.sign_messages(b"", [[1], [b"short"]]), errors.MalformedInput),
        (lambda: ISSUER.sign_messages(b"", [[1] * 5_000]), errors.CallerError),
        (lambda: _native.bls_verify_possession(b"\0" * 48, b"\0" * 96), errors.MalformedInput),
        (lambda: _native.bls_verify_batch([(b"", b"", b"")]), errors.ProofRefused),
        (lambda: _native.aggregate_payee_keys([], b""), errors.CallerError),
        (lambda: _native.aggregate_payee_keys([b"\0" * 48], b""), errors.MalformedInput),
        (
            lambda: _native.Prover(_native.builtin_circuit("settle", {}), witness={}),
            errors.CallerError,
        ),
        (
            lambda: _native.Prover(
                _native.builtin_circuit("settle", {}), witness={"key": 1, "other": 2}
            ),
            errors.CallerError,
        ),
        (
            lambda: _native.Prover(_native.builtin_circuit("settle", {}), witness={"key": [1, 2]}),
            errors.CallerError,
        ),
    ],
)
def test_wrong_arguments_raise_the_closed_set(call: object, error: type[Exception]) -> None:
    assert callable(call)
    with pytest.raises(error):
        call()


def test_issuers_sign_lists_of_messages() -> None:
    assert ISSUER.sign_messages(b"header", []) == []
    items: list[list[_native.Scalar]] = [[1, 2], [3], [1, 2], [-1, b"\7" * 32]]
    signatures = ISSUER.sign_messages(b"header", items)
    assert signatures[0] == signatures[2]
    for messages, signature in zip(items, signatures, strict=True):
        _native.verify_messages(ISSUER.public_key, b"header", messages, signature)
        for header, others in ((b"other", messages), (b"header", [*messages, 0])):
            with pytest.raises(errors.ProofRefused):
                _native.verify_messages(ISSUER.public_key, header, others, signature)


def _settlement() -> tuple[_native.Statement, bytes]:
    circuit = _native.builtin_circuit("settle", {})
    prover = _native.Prover(circuit, witness={"key": SEED.scalar("zkcredit tests", b"key")})
    proof = prover.prove(b"\1" * 32, b"\2" * 32, SEED)
    statement = _native.Statement(
        circuit, ledger_id=b"\1" * 32, context=b"\2" * 32, points=prover.points
    )
    return statement, proof


def test_a_relation_makes_the_statements_that_share_it() -> None:
    circuit = _native.builtin_circuit("spend", {"K": 0, "M": 0, "bits": 8})
    keys, labels = [(ISSUER.public_key, b"header")], {"value": b"label"}
    relation = _native.Relation(circuit, ledger_id=b"\1" * 32, keys=keys, labels=labels)
    points = {"next": b"\x80" + bytes(47), "claim": b"\xa0" + bytes(47)}
    relation.statement(context=bytes(32), publics={"nullifier": bytes(32)}, points=points)
    for changes, error in (
        ({"context": bytes(31)}, errors.MalformedInput),
        ({"publics": {"nullifier": b"\xff" * 32}}, errors.MalformedInput),
        ({"publics": {}}, errors.CallerError),
        ({"points": {"next": points["next"]}}, errors.CallerError),
        ({"points": {**points, "other": points["next"]}}, errors.CallerError),
        ({"points": {**points, "claim": bytes(47)}}, errors.MalformedInput),
    ):
        given = {"context": bytes(32), "publics": {"nullifier": bytes(32)}, "points": points}
        with pytest.raises(error):
            relation.statement(**{**given, **changes})  # type: ignore[arg-type]
    with pytest.raises(errors.CallerError):
        _native.Relation(circuit, ledger_id=b"\1" * 32, labels=labels)
    with pytest.raises(errors.MalformedInput):
        _native.Relation(circuit, ledger_id=bytes(31), keys=keys, labels=labels)


def test_culprits_of_a_batch_are_named() -> None:
    statement, proof = _settlement()
    broken = bytes([*proof[:-1], proof[-1] ^ 1])
    _native.verify_batch([(statement, proof)] * 3)
    with pytest.raises(errors.ProofRefused) as refused:
        _native.verify_batch([(statement, proof), (statement, broken), (statement, b"short")])
    assert refused.value.indexes == (1, 2)
    assert refused.value.rule == "bad-proof"
    with pytest.raises(errors.ProofRefused):
        _native.verify(statement, broken)


def test_a_witness_that_breaks_a_constraint_names_it() -> None:
    text = """
name = "bounded"
version = 1
[[secret]]
name = "v"
meaning = "a small number"
[[secret]]
name = "r"
meaning = "blinding"
[[commitment]]
id = "opening"
point = "c"
terms = { account = "v", blinding = "r" }
subgroup = true
reason = "the number is committed"
[[constraint]]
id = "small"
range = "v"
bits = "4"
reason = "the number is small"
"""
    circuit = _native.Circuit.compile(text, {})
    assert [name for name, _ in circuit.constraints] == ["small", "opening"]
    _native.Prover(circuit, witness={"v": 15, "r": 7})
    for value in (16, -1, 1 << 100):
        with pytest.raises(errors.Unsatisfied) as refused:
            _native.Prover(circuit, witness={"v": value, "r": 7})
        assert refused.value.rule == "small"


def test_an_amount_is_found_by_search() -> None:
    base = _native.commit([("owner", 1)])
    for value in (1, 65_535, 65_536, 4_294_967_295):
        assert _native.find_amount(_native.commit([("owner", value)]), base, 32) == value
    assert _native.find_amount(_native.commit([("owner", 1 << 20)]), base, 20) is None
    assert _native.find_amount(_native.commit([("blinding", 5)]), base, 12) is None


def test_scalars_add_and_subtract() -> None:
    one = _native.SecretScalar.from_bytes((1).to_bytes(32))
    assert (one + 2).expose() == (3).to_bytes(32)
    assert (one - 2).expose() == (ORDER - 1).to_bytes(32)
    assert _native.add_scalars([(ORDER - 1).to_bytes(32), (3).to_bytes(32)]) == (2).to_bytes(32)


def test_every_error_has_a_code_of_its_own() -> None:
    classes = [errors.CheckFailed, errors.CallerError, errors.Refused, errors.MalformedInput]
    classes += [errors.StateConflict, errors.StoreError]
    assert [c.exit_code for c in classes] == [1, 2, 3, 4, 5, 6]
    assert len({c.code for c in classes}) == 6
