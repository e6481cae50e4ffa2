"""BLAKE3 from Python: the official vectors in every way to call it."""

from __future__ import annotations

import doctest
import pickle
import threading
from typing import Any

import blake3
import pytest

from vectors import load
from zkcredit import hashing
from zkcredit.errors import CallerError, MalformedInput

FILE = load("blake3/test_vectors.json")
KEY, CONTEXT = FILE["key"].encode(), FILE["context_string"]
LONGEST = bytes(range(251)) * 420


def _input(case: Any) -> bytes:
    return LONGEST[: case["input_len"]]


CASES = [pytest.param(case, id=str(case["input_len"])) for case in FILE["cases"]]


def test_the_examples_of_the_documentation() -> None:
    assert doctest.testmod(hashing).failed == 0


@pytest.mark.parametrize("case", CASES)
def test_one_shot_vectors(case: Any) -> None:
    data = _input(case)
    plain, keyed, derived = (
        bytes.fromhex(case[name]) for name in ("hash", "keyed_hash", "derive_key")
    )
    assert hashing.blake3(data) == plain[:32]
    assert hashing.blake3(data, len(plain)) == plain
    assert hashing.keyed(KEY, data, len(keyed)) == keyed
    assert hashing.derive_key(CONTEXT, data, len(derived)) == derived
    assert hashing.many([data]) == [plain[:32]]
    assert hashing.many([data], KEY) == [keyed[:32]]
    assert hashing.many_packed(data, [len(data)]) == plain[:32]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("step", [1, 64, 1000, 1 << 20])
def test_vectors_in_pieces(case: Any, step: int) -> None:
    data = _input(case)
    if step == 1 and len(data) > 5000:
        step = 13
    for arguments, name in [
        ({}, "hash"),
        ({"key": KEY}, "keyed_hash"),
        ({"context": CONTEXT}, "derive_key"),
    ]:
        expected = bytes.fromhex(case[name])
        hasher = hashing.Hasher(**arguments)
        for at in range(0, len(data), step):
            hasher.update(data[at : at + step])
        assert hasher.digest(len(expected)) == expected
        assert hasher.digest(10, seek=7) == expected[7:17]
        assert hasher.digest() == expected[:32]


def test_copies_go_their_own_way() -> None:
    one = hashing.Hasher(key=KEY)
    one.update(b"a")
    two = one.copy()
    two.update(b"b")
    assert one.digest() == hashing.keyed(KEY, b"a")
    assert two.digest() == hashing.keyed(KEY, b"ab")
    two.reset()
    assert two.digest() == hashing.keyed(KEY, b"")


@pytest.mark.parametrize(("count", "size"), [(0, 0), (1, 0), (10, 33), (5000, 40), (40, 70_000)])
def test_many_inputs(count: int, size: int) -> None:
    inputs = [(b"%d" % n) * (size // 4 + n % 3) for n in range(count)]
    expected = [blake3.blake3(item).digest() for item in inputs]
    assert hashing.many(inputs) == expected
    lengths = [len(item) for item in inputs]
    assert hashing.many_packed(b"".join(inputs), lengths) == b"".join(expected)
    keyed = [blake3.blake3(item, key=KEY).digest() for item in inputs]
    assert hashing.many(inputs, key=KEY) == keyed


def test_a_long_output_agrees_with_the_other_library() -> None:
    ours, theirs = hashing.Hasher(context="c"), blake3.blake3(derive_key_context="c")
    ours.update(LONGEST)
    theirs.update(LONGEST)
    assert ours.digest(100_000, seek=1 << 40) == theirs.digest(100_000, seek=1 << 40)


def test_threads_share_a_hasher() -> None:
    hasher = hashing.Hasher()
    piece = bytes(100_000)
    threads = [
        threading.Thread(target=lambda: [hasher.update(piece) for _ in range(20)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hasher.digest() == hashing.blake3(piece * 80)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: hashing.blake3(b"", 1 << 40), CallerError),
        (lambda: hashing.keyed(b"short", b""), MalformedInput),
        (lambda: hashing.many([], b"short"), MalformedInput),
        (lambda: hashing.many_packed(b"abc", [1, 3]), CallerError),
        (lambda: hashing.many_packed(b"abc", [1, 1]), CallerError),
        (lambda: hashing.Hasher(key=KEY, context="c"), CallerError),
        (lambda: hashing.Hasher(key=b""), MalformedInput),
        (lambda: hashing.Hasher().digest(1 << 40), CallerError),
        (lambda: hashing.Hasher().digest(seek=1 << 63), CallerError),
        (lambda: pickle.dumps(hashing.Hasher()), CallerError),
    ],
)
def test_wrong_arguments(call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call()


def test_a_hasher_does_not_print_its_key() -> None:
    assert repr(hashing.Hasher(key=KEY)) == "Blake3(..)"
