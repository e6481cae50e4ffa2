"""Policies (C2SP tlog-policy): the form, the verdict, the warnings; collecting lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.cosignerkit import NOW_S, cosigner_of, publish
from tests.support.ledgerkit import Clock, World, stub_engine

from zkcredit.cosigner.collect import Collected, collect, write
from zkcredit.cosigner.keys import Role
from zkcredit.errors import CallerError, CheckFailed, MalformedInput
from zkcredit.ledger import Operator
from zkcredit.ledger.folder import COSIGNED
from zkcredit.ledger.note import Checkpoint, Ed25519Signer, MlDsaSigner, Note, Signature, Signer
from zkcredit.ledger.quorum import Group, Party, Policy, byzantine_threshold
from zkcredit.ledger.static import StaticLog, StaticSource

LOG = Ed25519Signer("example.com/log", bytes(32))
LOG2 = MlDsaSigner("example.com/log", bytes(32))
WITNESSES = [Ed25519Signer(f"w{i}.example", bytes([i + 1]) * 32, cosigner=True) for i in range(7)]
HEAD = Checkpoint("example.com/log", 7, b"\x11" * 32)


def note(*signers: Signer) -> Note:
    return Note(HEAD.text(), ()).signed_by(*signers, time_s=NOW_S)


def spoilt(line: Signature) -> Signature:
    body = line.signature[:-1] + bytes([line.signature[-1] ^ 1])
    return Signature(line.name, line.key_id, body)


def members(count: int) -> list[Party]:
    return [Party(f"m{i}", WITNESSES[i].public) for i in range(count)]


EXAMPLE = """\
# the example of the standard, with keys
 log {log} https://log.example

\twitness X1 {w0}
witness X2 {w1}  https://x2.example/
witness X3 {w2}
group X-witnesses 2 X1 X2 X3
witness Y1 {w3}
witness Y2 {w4}
group Y-witnesses any Y1 Y2
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
""".format(log=LOG.public.encode(), **{f"w{i}": w.public.encode() for i, w in enumerate(WITNESSES)})


def test_the_example_of_the_standard() -> None:
    policy = Policy.parse(EXAMPLE)
    assert policy.groups == (
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    assert policy.logs[0].url == "https://log.example"
    assert policy.witnesses[1] == Party("X2", WITNESSES[1].public, "https://x2.example/")
    assert Policy.parse(policy.encode()) == policy
    for numbers, met in (((0, 1, 3), True), ((0, 1), False), ((0, 3, 4), False), ((1, 2, 4), True)):
        verdict = policy.evaluate(note(LOG, *(WITNESSES[i] for i in numbers)))
        assert verdict.is_met is met
        assert len(verdict.signed) + len(verdict.missing) == 5
    assert verdict.signed == ("X2", "X3", "Y2")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", "no quorum"),
        ("quorum none", "newline"),
        ("quorum none\nquorum none\n", "line 2"),
        ("quorum W\n", "not defined"),
        ("quorum\n", "write: quorum"),
        ("qurum none\n", "unknown word"),
        ("witness W {w0}\nwitness W {w1}\nquorum W\n", "is taken"),
        ("witness V {w0}\nwitness W {w0}\nquorum W\n", "there already"),
        ("log {log}\nlog {log}\nquorum none\n", "there already"),
        ("log {w0}\nquorum none\n", "of a cosigner"),
        ("witness W {log}\nquorum W\n", "of a log"),
        ("witness none {w0}\nquorum none\n", "is taken"),
        ("witness W\nquorum none\n", "write: witness"),
        ("log {log} a b\nquorum none\n", "write: log"),
        ("log x\nquorum none\n", "verifier key"),
        ("group G 1\nquorum none\n", "write: group"),
        ("group G 1 W\nwitness W {w0}\nquorum G\n", "line 1: 'W' is not defined"),
        ("witness W {w0}\ngroup G 2 W\nquorum G\n", "1..1"),
        ("witness W {w0}\ngroup G 0 W\nquorum G\n", "1..1"),
        ("witness W {w0}\ngroup G +1 W\nquorum G\n", "1..1"),
        ("witness W {w0}\ngroup G all W W\nquorum G\n", "twice"),
        ("witness W {w0}\ngroup G all W\ngroup H all W\nquorum G\n", "twice"),
        ("witness W {w0}\ngroup G all G\nquorum G\n", "not defined"),
        ("witness W {w0}\ngroup W all W\nquorum W\n", "is taken"),
        ("witness W {w0}\ngroup none all W\nquorum none\n", "is taken"),
        ("witness W {w0}\ngroup G all none\nquorum G\n", "not defined"),
        ("quorum none\r\n", "control character"),
        ("quorum none # comment\n", "write: quorum"),
        ("# \x7f\nquorum none\n", "control character"),
    ],
)
def test_strictness(lines: str, message: str) -> None:
    keys = {"log": LOG.public.encode(), **{f"w{i}": WITNESSES[i].public.encode() for i in (0, 1)}}
    with pytest.raises(MalformedInput, match=message):
        Policy.parse(lines.format(**keys))


@given(st.text())
def test_any_text_is_a_policy_or_malformed(text: str) -> None:
    try:
        Policy.parse(text)
    except MalformedInput:
        return
    raise AssertionError("a random text names no quorum")


def test_logs_of_a_policy() -> None:
    """Any of the listed logs; without any, the caller knows the log."""
    policy = Policy.of_members([LOG.public, LOG2.public], members(4))
    assert not policy.evaluate(note(LOG)).is_met
    assert not policy.evaluate(note(LOG2)).is_met
    with pytest.raises(CheckFailed, match="not signed by a log"):
        policy.evaluate(note(*WITNESSES))
    other = Ed25519Signer("example.com/other", bytes(32))
    with pytest.raises(CheckFailed, match="not signed by a log"):
        policy.evaluate(note(other, *WITNESSES))
    free = Policy.of_members([], members(4))
    assert free.evaluate(note(*WITNESSES[:3])).is_met


def test_a_wrong_line_of_a_known_key_spoils_the_note() -> None:
    policy = Policy.of_members([LOG.public], members(4))
    good = note(LOG, *WITNESSES[:4])
    last = good.signatures[-1]
    broken = spoilt(last)
    with pytest.raises(CheckFailed, match=r"w3\.example"):
        policy.evaluate(Note(good.text, (*good.signatures[:-1], broken)))
    stranger = Signature("stranger", last.key_id, b"\xff" * 72)
    assert policy.evaluate(Note(good.text, (*good.signatures, stranger))).is_met
    late = Signature(last.name, last.key_id, b"\xff" * 8 + last.signature[8:])
    with pytest.raises(CheckFailed, match="impossible time"):
        policy.evaluate(Note(good.text, (*good.signatures[:-1], late)))


def test_the_default_quorum() -> None:
    """As the literature has it: safe against a split and against silence."""
    assert [byzantine_threshold(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 10)] == [
        1, 2, 3, 3, 4, 5, 5, 6, 7,
    ]  # fmt: skip
    for count in range(1, 50):
        wanted = byzantine_threshold(count)
        assert 3 * wanted > 2 * count >= 3 * (wanted - 1)
    with pytest.raises(CallerError):
        byzantine_threshold(0)
    with pytest.raises(CallerError):
        Policy.of_members([], members(2), 3)
    policy = Policy.of_members([LOG.public], members(7))
    assert policy.groups[0].threshold == 5
    for count in range(8):
        assert policy.evaluate(note(LOG, *WITNESSES[:count])).is_met is (count >= 5)


@pytest.mark.parametrize(
    ("count", "threshold", "words"),
    [(4, None, []), (7, None, []), (7, 4, ["4 of 7"]), (3, None, ["below 4"]), (7, 7, []),
     (1, None, ["below 4"]), (3, 1, ["below 4", "1 of 3"])],
)  # fmt: skip
def test_warnings(count: int, threshold: int | None, words: list[str]) -> None:
    found = Policy.of_members([LOG.public], members(count), threshold).warnings()
    assert len(found) == len(words)
    assert all(word in text for word, text in zip(words, found, strict=True))


def test_warnings_of_other_policies() -> None:
    assert "nobody" in Policy.parse("quorum none\n").warnings()[0]
    assert Policy.parse("quorum none\n").evaluate(note()).is_met
    assert "3 of 5 cosignatures" in Policy.parse(EXAMPLE).warnings()[0]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    stub_engine(monkeypatch)
    with Operator.create(tmp_path / "ledger", clock=Clock()) as ledger:
        yield World(ledger, Clock())


def test_only_lines_that_verify_are_collected(world: World, tmp_path: Path) -> None:
    public = tmp_path / "public"
    source = publish(world.ledger, public)
    keys, notes = [], []
    for name in ("a.example", "b.example"):
        with cosigner_of(world.ledger, tmp_path / name, name) as cosigner:
            notes.append(cosigner.follow(source).note)
            keys.append(cosigner.keys.public(Role.RULES)[0])
    parties = [Party(key.name, key) for key in keys]
    policy = Policy.of_members(world.ledger.verifier_keys, parties)
    broken = Note(notes[1].text, tuple(map(spoilt, notes[1].signatures)))
    handed_in = [("a", notes[0].encode()), ("b", broken.encode()), ("c", "no note")]
    found = collect(source, policy, handed_in)
    assert sorted(found.failures) == ["b", "c"]
    assert found.verdict.missing == ("b.example/rules-v1",)
    assert len(found.note.signatures) == 3
    write(public, found)
    assert not (public / COSIGNED).exists()
    found = collect(
        StaticSource(public), policy, [("b", notes[1].encode()), ("a", notes[0].encode())]
    )
    assert (found.verdict.is_met, len(found.note.signatures)) == (True, 4)
    write(public, found)
    assert (public / "checkpoint").read_text() == (public / COSIGNED).read_text()
    for key in (*world.ledger.verifier_keys, *keys):
        Note.decode((public / COSIGNED).read_text()).verify(key)
    _the_log_goes_on(world, public, found)


def _the_log_goes_on(world: World, public: Path, found: Collected) -> None:
    """Late cosignatures never put an older checkpoint in the place of a newer one."""
    world.ledger.submit(world.merchant("shop"))
    StaticLog(world.ledger, public).publish()
    newer = (public / "checkpoint").read_text()
    write(public, found)
    assert (public / "checkpoint").read_text() == newer
    assert Checkpoint.parse(Note.decode((public / COSIGNED).read_text()).text) == found.verdict.head
