"""BBS from Python: the drafts' fixtures, the life of a credential, refusals."""

from __future__ import annotations

import copy
import doctest
import pickle
from typing import Any

import pytest

from vectors import cases, unhex
from zkcredit import bbs
from zkcredit._native import SecretScalar
from zkcredit.errors import CallerError, MalformedInput, ProofRefused, ZkCreditError

FOLDERS = {"SHA-256": "bls12-381-sha-256", "SHAKE-256": "bls12-381-shake-256"}


def _cases(kind: str) -> list[Any]:
    """Parameters (suite, case) of one kind of fixture, for both suites."""
    where = {"": "bbs/{}/{}", "blind": "bbs/blind/{}/{}", "nym": "bbs/pseudonym/{}/{}"}
    family, _, folder = kind.rpartition("/")
    return [
        pytest.param(suite, case, id=f"{suite}-{kind}-{name}")
        for suite, directory in FOLDERS.items()
        for name, case in cases(where[family].format(directory, folder))
    ]


def _valid(call: Any) -> bool:
    try:
        call()
    except ZkCreditError:
        return False
    return True


def _list(texts: list[str] | None) -> list[bytes]:
    return [unhex(text) for text in texts or []]


def _shown(found: dict[str, str] | None) -> dict[int, bytes]:
    return {int(position): unhex(text) for position, text in (found or {}).items()}


def _scalar(text: str) -> SecretScalar:
    return SecretScalar.from_bytes(bytes.fromhex(text.rjust(64, "0")))


def _scalars(texts: list[str]) -> list[SecretScalar]:
    return [_scalar(text) for text in texts]


def test_the_examples_of_the_documentation() -> None:
    assert doctest.testmod(bbs).failed == 0


@pytest.mark.parametrize(("suite", "directory"), FOLDERS.items())
def test_key_pairs(suite: str, directory: str) -> None:
    [case] = [case for name, case in cases(f"bbs/{directory}") if name == "keypair.json"]
    key = bbs.generate(
        unhex(case["keyMaterial"]),
        info=unhex(case["keyInfo"]),
        tag=unhex(case["keyDst"]),
        suite=suite,
    )
    assert key.expose() == unhex(case["keyPair"]["secretKey"])
    assert key.public_key == unhex(case["keyPair"]["publicKey"])
    assert key.suite == suite


@pytest.mark.parametrize(("suite", "case"), _cases("signature"))
def test_signature_fixtures(suite: str, case: Any) -> None:
    pair, header = case["signerKeyPair"], unhex(case["header"])
    signature, messages = unhex(case["signature"]), _list(case["messages"])
    public = unhex(pair["publicKey"])
    valid = case["result"]["valid"]
    assert valid == _valid(
        lambda: bbs.verify(public, signature, messages, header=header, suite=suite)
    )
    if valid:
        key = bbs.SecretKey.from_bytes(suite, unhex(pair["secretKey"]))
        assert bbs.sign(key, messages, header=header) == signature


@pytest.mark.parametrize(("suite", "case"), _cases("proof"))
def test_proof_fixtures(suite: str, case: Any) -> None:
    messages, indexes = _list(case["messages"]), case["disclosedIndexes"]
    shown = {i: messages[i] for i in indexes if i < len(messages)}
    public, proof = unhex(case["signerPublicKey"]), unhex(case["proof"])
    header, nonce = unhex(case["header"]), unhex(case["presentationHeader"])
    verdict = _valid(
        lambda: bbs.verify_proof(
            public, proof, shown, header=header, presentation_header=nonce, suite=suite
        )
    )
    assert verdict == case["result"]["valid"]
    together = [(public, proof, header, nonce, shown)]
    assert verdict == _valid(lambda: bbs.verify_batch(together, suite=suite))


@pytest.mark.parametrize(("suite", "case"), _cases("blind/signature"))
def test_blind_signature_fixtures(suite: str, case: Any) -> None:
    pair, header = case["signerKeyPair"], unhex(case["header"])
    key = bbs.SecretKey.from_bytes(suite, unhex(pair["secretKey"]))
    commitment = case["commitmentWithProof"] and unhex(case["commitmentWithProof"])
    messages = _list(case["messages"])
    blind = case["proverBlind"] and _scalar(case["proverBlind"])
    holding = bbs.Holding(
        key.public_key,
        unhex(case["signature"]),
        messages,
        _list(case["committedMessages"]),
        blind,
        header=header,
        suite=suite,
    )
    assert case["result"]["valid"] == _valid(lambda: bbs.verify_blind(holding))
    signed = bbs.blind_sign(key, commitment, messages, header=header)
    assert case["result"]["valid"] == (signed == unhex(case["signature"]))


@pytest.mark.parametrize(("suite", "case"), _cases("blind/proof"))
def test_blind_proof_fixtures(suite: str, case: Any) -> None:
    def verify() -> None:
        bbs.verify_blind_proof(
            unhex(case["signerPublicKey"]),
            unhex(case["proof"]),
            case["L"],
            shown=_shown(case["revealedMessages"]),
            shown_committed=_shown(case["revealedCommittedMessages"]),
            header=unhex(case["header"]),
            presentation_header=unhex(case["presentationHeader"]),
            suite=suite,
        )

    assert case["result"]["valid"] == _valid(verify)


@pytest.mark.parametrize(("suite", "case"), _cases("nym/nymSignature"))
def test_pseudonym_signature_fixtures(suite: str, case: Any) -> None:
    pair, header = case["signerKeyPair"], unhex(case["header"])
    key = bbs.SecretKey.from_bytes(suite, unhex(pair["secretKey"]))
    messages, nyms = _list(case["messages"]), _scalars(case["proverNyms"])
    entropy = _scalar(case["signer_nym_entropy"])
    signed = bbs.blind_sign_with_nym(
        key,
        unhex(case["commitmentWithProof"]),
        entropy,
        messages,
        header=header,
        nym_count=len(nyms),
    )
    assert signed == unhex(case["signature"])
    holding = bbs.Holding(
        key.public_key,
        signed,
        messages,
        _list(case["committedMessages"]),
        _scalar(case["proverBlind"]),
        header=header,
        suite=suite,
    )
    final = bbs.finalize_with_nym(holding, nyms, entropy)
    assert [s.expose() for s in final] == [s.expose() for s in _scalars(case["nym_secrets"])]


@pytest.mark.parametrize(("suite", "case"), _cases("nym/nymProof"))
def test_pseudonym_proof_fixtures(suite: str, case: Any) -> None:
    def verify(context_id: bytes) -> None:
        bbs.verify_proof_with_nym(
            unhex(case["signerPublicKey"]),
            unhex(case["proof"]),
            unhex(case["pseudonym"]),
            context_id,
            case["L"],
            shown=_shown(case["revealedMessages"]),
            shown_committed=_shown(case["revealedCommittedMessages"]),
            header=unhex(case["header"]),
            presentation_header=unhex(case["presentationHeader"]),
            nym_count=len(case["nym_secrets"]),
            suite=suite,
        )

    context_id, secrets = unhex(case["context_id"]), _scalars(case["nym_secrets"])
    assert case["result"]["valid"] == _valid(lambda: verify(context_id))
    assert not _valid(lambda: verify(b"another context"))
    assert bbs.pseudonym(context_id, secrets, suite=suite) == unhex(case["pseudonym"])
    holding = bbs.Holding(
        unhex(case["signerPublicKey"]),
        unhex(case["signature"]),
        _list(case["messages"]),
        _list(case["committedMessages"]),
        _scalar(case["proverBlind"]),
        header=unhex(case["header"]),
        suite=suite,
    )
    proof, pseudonym = bbs.prove_with_nym(holding, secrets, context_id)
    assert pseudonym == unhex(case["pseudonym"])
    assert proof != unhex(case["proof"])


# --- the life of a credential ---

CARD = [b"name", b"born", b"country", b""]
KEY = bbs.generate(bytes(32))
SIGNATURE = bbs.sign(KEY, CARD, header=b"card")


def _prove(*shown: int, nonce: bytes = b"nonce") -> bytes:
    return bbs.prove(
        KEY.public_key, SIGNATURE, CARD, shown, header=b"card", presentation_header=nonce
    )


def _item(
    *shown: int, nonce: bytes = b"nonce"
) -> tuple[bytes, bytes, bytes, bytes, dict[int, bytes]]:
    proof = _prove(*shown, nonce=nonce)
    return KEY.public_key, proof, b"card", nonce, {i: CARD[i] for i in shown}


@pytest.mark.parametrize("shown", [(), (0,), (3,), (1, 2), (2, 0), (0, 1, 2, 3)])
def test_a_proof_shows_what_was_asked_for(shown: tuple[int, ...]) -> None:
    key, proof, header, nonce, messages = _item(*shown)
    assert len(proof) == 272 + 32 * (len(CARD) - len(shown))
    bbs.verify_proof(key, proof, messages, header=header, presentation_header=nonce)
    wrong = [
        {"shown": messages | {4: b""}},
        {"header": b"Card"},
        {"presentation_header": b""},
        {"suite": "SHAKE-256"},
        {"public_key": bbs.generate().public_key},
        {"proof": proof[:-32]},
        {"proof": _prove(*shown, nonce=b"other")},
    ]
    right = {
        "public_key": key,
        "proof": proof,
        "shown": messages,
        "header": header,
        "presentation_header": nonce,
    }
    for change in wrong:
        with pytest.raises(ZkCreditError):
            bbs.verify_proof(**(right | change))
    for position in messages:
        with pytest.raises(ProofRefused):
            bbs.verify_proof(**(right | {"shown": messages | {position: b"forged"}}))


def test_two_proofs_differ_and_signatures_do_not() -> None:
    assert _prove(1) != _prove(1)
    assert bbs.sign(KEY, CARD, header=b"card") == SIGNATURE
    assert bbs.generate().expose() != bbs.generate().expose()


def test_every_changed_byte_of_a_proof_is_refused() -> None:
    key, proof, header, nonce, messages = _item(1, 3)
    for at in range(len(proof)):
        changed = proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :]
        with pytest.raises((ProofRefused, MalformedInput)):
            bbs.verify_proof(key, changed, messages, header=header, presentation_header=nonce)


def test_a_batch_names_its_culprits() -> None:
    items = [_item(i % 4, nonce=bytes([i])) for i in range(20)]
    bbs.verify_batch(items)
    bbs.verify_batch([])
    key, proof, header, _, shown = items[3]
    items[3] = (key, proof, header, b"other", shown)
    items[7] = (b"\0" * 96, *items[7][1:])
    items[12] = (items[12][0], b"short", *items[12][2:])
    items[19] = (*items[19][:4], {})
    with pytest.raises(ProofRefused) as refused:
        bbs.verify_batch(items)
    assert refused.value.indexes == (3, 7, 12, 19)


def test_blind_signatures_hide_what_was_committed() -> None:
    commitment, blind = bbs.commit([b"device", b"owner"])
    assert len(commitment) == 112 + 64
    signature = bbs.blind_sign(KEY, commitment, [b"country"], header=b"h")
    holding = bbs.Holding(
        KEY.public_key, signature, [b"country"], [b"device", b"owner"], blind, header=b"h"
    )
    bbs.verify_blind(holding)
    proof = bbs.prove_blind(holding, [0], [1], presentation_header=b"n")
    bbs.verify_blind_proof(
        KEY.public_key,
        proof,
        1,
        shown={0: b"country"},
        shown_committed={1: b"owner"},
        header=b"h",
        presentation_header=b"n",
    )
    with pytest.raises(ProofRefused):
        bbs.verify_blind_proof(
            KEY.public_key,
            proof,
            1,
            shown={0: b"country"},
            shown_committed={1: b"thief"},
            header=b"h",
            presentation_header=b"n",
        )
    with pytest.raises(ProofRefused):
        bbs.verify_blind(
            bbs.Holding(KEY.public_key, signature, [b"country"], [b"device", b"owner"])
        )
    with pytest.raises((ProofRefused, MalformedInput)):
        bbs.blind_sign(KEY, commitment[:-1] + bytes([commitment[-1] ^ 1]), [])


def test_a_pseudonym_is_one_per_context() -> None:
    nym, entropy = bbs.random_secret(), bbs.random_secret().expose()
    commitment, blind = bbs.commit_with_nym([], nym)
    signature = bbs.blind_sign_with_nym(KEY, commitment, entropy, CARD)
    holding = bbs.Holding(KEY.public_key, signature, CARD, [], blind)
    [secret] = bbs.finalize_with_nym(holding, nym, entropy)
    one, first = bbs.prove_with_nym(holding, secret, b"shop")
    two, second = bbs.prove_with_nym(holding, secret, b"shop")
    _, elsewhere = bbs.prove_with_nym(holding, secret, b"bank")
    assert first == second != elsewhere
    assert one != two
    bbs.verify_proof_with_nym(KEY.public_key, one, first, b"shop", len(CARD))
    for pseudonym, context in [(elsewhere, b"shop"), (first, b"bank"), (elsewhere, b"bank")]:
        with pytest.raises(ProofRefused):
            bbs.verify_proof_with_nym(KEY.public_key, one, pseudonym, context, len(CARD))
    with pytest.raises(ProofRefused):
        bbs.prove_with_nym(holding, nym, b"shop")
    with pytest.raises(ProofRefused):
        bbs.finalize_with_nym(holding, nym, bbs.random_secret())


def test_a_key_comes_back_from_its_bytes() -> None:
    for suite in bbs.SUITES:
        key = bbs.generate(suite=suite)
        again = bbs.SecretKey.from_bytes(suite, key.expose())
        assert (again.public_key, again.suite) == (key.public_key, suite)


HANDLES = [KEY, bbs.random_secret(), bbs.Holding(KEY.public_key, SIGNATURE, CARD)]


@pytest.mark.parametrize("handle", HANDLES, ids=lambda handle: type(handle).__name__)
def test_secrets_do_not_print_pickle_or_copy(handle: object) -> None:
    assert "REDACTED" in repr(handle)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(CallerError):
            attempt(handle)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: bbs.generate(b"short"), CallerError),
        (lambda: bbs.generate(suite="SHA-512"), CallerError),
        (lambda: bbs.SecretKey.from_bytes("SHA-256", bytes(32)), MalformedInput),
        (lambda: bbs.SecretKey.from_bytes("SHA-256", b"1"), MalformedInput),
        (lambda: bbs.verify(bytes(96), SIGNATURE, CARD), MalformedInput),
        (lambda: bbs.verify(b"", SIGNATURE, CARD), MalformedInput),
        (lambda: bbs.verify(KEY.public_key, bytes(80), CARD), MalformedInput),
        (lambda: bbs.verify(KEY.public_key, SIGNATURE[1:], CARD), MalformedInput),
        (lambda: bbs.verify(KEY.public_key, SIGNATURE, [b""] * 5000), CallerError),
        (lambda: bbs.verify(KEY.public_key, SIGNATURE, CARD, suite=""), CallerError),
        (lambda: bbs.verify_proof(KEY.public_key, b"", {}), MalformedInput),
        (lambda: bbs.verify_proof(KEY.public_key, _prove(), {9: b""}), CallerError),
        (lambda: bbs.verify_proof(KEY.public_key, _prove(), {-1: b""}), CallerError),
        (lambda: bbs.verify_proof(KEY.public_key, _prove(), {"0": b""}), CallerError),  # type: ignore[dict-item]
        (lambda: _prove(4), CallerError),
        (lambda: _prove(1, 1), CallerError),
        (lambda: _prove(-1), CallerError),
        (lambda: bbs.verify_blind_proof(KEY.public_key, _prove(), -1), CallerError),
        (lambda: bbs.verify_blind_proof(KEY.public_key, _prove(), 99), ProofRefused),
        (lambda: bbs.commit_with_nym([], []), CallerError),
        (lambda: bbs.pseudonym(b"", []), CallerError),
        (lambda: bbs.blind_sign(KEY, b"", []), MalformedInput),
        (
            lambda: bbs.verify_proof_with_nym(KEY.public_key, _prove(), b"", b"", 0),
            MalformedInput,
        ),
    ],
)
def test_wrong_arguments_raise_the_closed_set(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()
