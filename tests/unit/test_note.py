"""Signed notes and checkpoints: the standard's example, and strictness."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkcredit.errors import CallerError, CheckFailed, MalformedInput
from zkcredit.ledger.note import (
    Checkpoint,
    Ed25519Signer,
    KeyKind,
    MlDsaSigner,
    Note,
    Signer,
    VerifierKey,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "c2sp"
SEED = bytes(range(32))
CHECKPOINT = Checkpoint("zkcredit.example/log", 7, b"\x11" * 32)


SIGNER = Ed25519Signer(CHECKPOINT.origin, SEED)
NOW_S = 1_800_000_000


def own_key() -> VerifierKey:
    return SIGNER.public


def signed(checkpoint: Checkpoint = CHECKPOINT, *signers: Signer) -> str:
    return Note(checkpoint.text(), ()).signed_by(*(signers or (SIGNER,)), time_s=NOW_S).encode()


def test_the_standards_example_verifies() -> None:
    key_text = (VECTORS / "signed-note/example.vkey").read_text().strip()
    key = VerifierKey.decode(key_text)
    assert key.encode() == key_text
    text = (VECTORS / "signed-note/example.note").read_text()
    note = Note.decode(text)
    note.verify(key)
    assert note.encode() == text
    with pytest.raises(CheckFailed, match="does not verify"):
        Note(note.text + "more\n", note.signatures).verify(key)
    with pytest.raises(CheckFailed, match="not signed by"):
        note.verify(own_key())


def test_a_cosigned_checkpoint_parses() -> None:
    note = Note.decode((VECTORS / "checkpoint/parse-only-cosigned.checkpoint").read_text())
    assert Checkpoint.parse(note.text).size > 0
    assert len(note.signatures) >= 2


def test_sign_and_open() -> None:
    text = signed()
    assert Checkpoint.open(text, own_key()) == CHECKPOINT
    assert text == signed()
    other = VerifierKey("other.example/log", own_key().key)
    with pytest.raises(CheckFailed, match="not of"):
        Checkpoint.open(text, other)
    with pytest.raises(CheckFailed):
        Checkpoint.open(text.replace("\n7\n", "\n8\n"), own_key())


TIMED: list[Signer] = [
    Ed25519Signer("member.example/one", SEED, cosigner=True),
    MlDsaSigner("member.example/two", SEED),
    MlDsaSigner(CHECKPOINT.origin, SEED),
]


@pytest.mark.parametrize("signer", TIMED, ids=lambda signer: repr(signer.public.kind))
def test_timed_signatures(signer: Signer) -> None:
    note = Note.decode(signed(CHECKPOINT, SIGNER, signer))
    key = VerifierKey.decode(signer.public.encode())
    assert key == signer.public
    assert note.times(key) == [NOW_S]
    assert note.times(own_key()) == []
    line = note.signatures[1].signature
    later = (NOW_S + 1).to_bytes(8, "big") + line[8:]
    for changed in (later, line[:-1], line[:7], b"", line[:-1] + bytes((line[-1] ^ 1,))):
        with pytest.raises(CheckFailed, match="does not verify"):
            key.check(note.text, changed)
    grown = Checkpoint(CHECKPOINT.origin, 8, CHECKPOINT.root).text()
    with pytest.raises(CheckFailed, match="does not verify"):
        key.check(grown, line)
    renamed = VerifierKey("member.example/three", key.key, key.kind)
    if key.kind is KeyKind.ML_DSA_44:
        with pytest.raises(CheckFailed, match="does not verify"):
            renamed.check(note.text, line)
    with pytest.raises(CheckFailed, match="not signed by"):
        note.verify(renamed)


def test_extension_lines_are_covered_by_ed25519_only() -> None:
    note = Note(CHECKPOINT.text() + "extension\n", ()).signed_by(*TIMED, time_s=NOW_S)
    for signer in TIMED:
        covered = signer.public.kind is KeyKind.ED25519_COSIGNATURE
        plain = Note(CHECKPOINT.text(), note.signatures)
        if covered:
            with pytest.raises(CheckFailed):
                plain.verify(signer.public)
        else:
            plain.verify(signer.public)


def test_all_keys_of_a_log_must_have_signed() -> None:
    both = (SIGNER.public, MlDsaSigner(CHECKPOINT.origin, SEED).public)
    assert Checkpoint.open(signed(CHECKPOINT, SIGNER, TIMED[2]), *both) == CHECKPOINT
    with pytest.raises(CheckFailed, match="not signed by"):
        Checkpoint.open(signed(), *both)
    with pytest.raises(CallerError):
        Checkpoint.open(signed())


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("\n\n", "\n"),
        lambda t: t.rstrip("\n"),
        lambda t: t.replace("—", "-"),
        lambda t: t.replace("log ", "log  ", 1),
        lambda t: t[:-2] + "!\n",
        lambda t: t.replace("\n7\n", "\n\t7\n"),
        lambda t: t.replace("\n7\n", "\n07\n"),
        lambda t: t.replace("\n7\n", "\n-7\n"),
        lambda t: t.replace("\n7\n", "\n\n"),
        lambda t: t.replace("\n7\n", f"\n{1 << 64}\n"),
        lambda t: t.replace("ERER", "", 1),
        lambda t: t.replace("ERE=\n", "ERF=\n"),
        lambda t: "x" * (1 << 21),
        lambda t: t + t[t.index("—") :] * 200,
        lambda t: "",
    ],
)
def test_malformed_checkpoints(change: object) -> None:
    assert callable(change)
    text = signed()
    changed = change(text)
    assert changed != text
    with pytest.raises(MalformedInput):
        Checkpoint.open(changed, own_key())


@pytest.mark.parametrize(
    "text",
    ["", "name", "a+b", "name+00000000+AQ==", "na me+00000000+" + "A" * 44, "n+00000000+!"],
)
def test_malformed_keys(text: str) -> None:
    with pytest.raises(MalformedInput):
        VerifierKey.decode(text)


def test_key_identifier_must_match() -> None:
    name, identifier, body = own_key().encode().split("+", 2)
    with pytest.raises(MalformedInput, match="identifier"):
        VerifierKey.decode(f"{name}+{'0' * len(identifier)}+{body}")


def test_what_cannot_be_signed() -> None:
    with pytest.raises(CallerError):
        Checkpoint("two\nlines", 0, b"\0" * 32).text()
    with pytest.raises(CallerError):
        Checkpoint("log", 0, b"\0" * 31).text()
