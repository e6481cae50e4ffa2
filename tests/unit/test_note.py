"""Signed notes and checkpoints: the standard's example, and strictness."""

from __future__ import annotations

from pathlib import Path

import pytest

from zkcredit.errors import CallerError, CheckFailed, MalformedInput
from zkcredit.ledger.note import (
    Checkpoint,
    Note,
    VerifierKey,
    log_public_key,
    sign_checkpoint,
)

VECTORS = Path(__file__).parent.parent / "vectors" / "c2sp"
SEED = bytes(range(32))
CHECKPOINT = Checkpoint("zkcredit.example/log", 7, b"\x11" * 32)


def own_key() -> VerifierKey:
    return VerifierKey(CHECKPOINT.origin, log_public_key(SEED))


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
    text = sign_checkpoint(CHECKPOINT, SEED)
    assert Checkpoint.open(text, own_key()) == CHECKPOINT
    assert text == sign_checkpoint(CHECKPOINT, SEED)
    other = VerifierKey("other.example/log", own_key().key)
    with pytest.raises(CheckFailed, match="not of"):
        Checkpoint.open(text, other)
    with pytest.raises(CheckFailed):
        Checkpoint.open(text.replace("\n7\n", "\n8\n"), own_key())


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
    text = sign_checkpoint(CHECKPOINT, SEED)
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
