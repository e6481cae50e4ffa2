"""The strict byte codec."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkcredit.codec import Reader, Writer, text_problem
from zkcredit.errors import CallerError, MalformedInput


@given(
    st.integers(0, 255), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1), st.binary(max_size=255), st.binary(max_size=300),
)  # fmt: skip
def test_round_trip(a: int, b: int, c: int, d: int, short: bytes, long: bytes) -> None:
    writer = Writer().u8(a).u16(b).u32(c).u64(d).var8(short).var16(long).var32(long)
    data = writer.fixed(b"end", 3).text8("naïve").finish()
    reader = Reader(data)
    assert (reader.u8(), reader.u16(), reader.u32(), reader.u64()) == (a, b, c, d)
    assert (reader.var8(), reader.var16(), reader.var32()) == (short, long, long)
    assert (reader.fixed(3), reader.text8()) == (b"end", "naïve")
    reader.finish()
    for cut in range(len(data) - 9, len(data)):
        with pytest.raises(MalformedInput):
            _read_all(data[:cut])
    with pytest.raises(MalformedInput, match="trailing"):
        _read_all(data + b"\0")


def _read_all(data: bytes) -> None:
    reader = Reader(data)
    reader.fixed(15)
    reader.var8(), reader.var16(), reader.var32(), reader.fixed(3), reader.text8()
    reader.finish()


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_integers_keep_their_sign(value: int) -> None:
    data = Writer().i64(value).finish()
    reader = Reader(data)
    assert reader.i64() == value
    reader.finish()
    assert data == (value % 2**64).to_bytes(8, "big")


@pytest.mark.parametrize("value", [-(2**63) - 1, 2**63])
def test_signed_integers_out_of_range_cannot_be_written(value: int) -> None:
    with pytest.raises(CallerError):
        Writer().i64(value)


def test_a_longer_limit_of_text() -> None:
    assert text_problem("x" * 65) is not None
    assert text_problem("x" * 65, 65) is None
    assert text_problem("x" * 66, 65) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 65,
        "é" * 33,
        "e\u0301",
        "a\nb",
        "a\x7f",
        "a\x85b",
        "a\u202eb",
        "a\u200bb",
        "a\u00adb",
        "a\u061cb",
        "a\u180eb",
        "a\u3164b",
        "a\ufe0eb",
        "a\ufffab",
        "a\U000e0041b",
        "\ud800",
    ],
)
def test_names_that_are_refused(text: str) -> None:
    assert text_problem(text)
    with pytest.raises(CallerError):
        Writer().text8(text)
    data = text.encode("utf-8", "surrogatepass")
    with pytest.raises(MalformedInput):
        Reader(bytes((len(data),)) + data).text8()


@pytest.mark.parametrize("text", ["a", "Café Ølen", "台北 101", "x" * 64, "a b", "👍"])
def test_names_that_are_accepted(text: str) -> None:
    assert Reader(Writer().text8(text).finish()).text8() == text


def test_what_cannot_be_written() -> None:
    for call in (
        lambda: Writer().u8(256),
        lambda: Writer().u8(-1),
        lambda: Writer().u64(1 << 64),
        lambda: Writer().fixed(b"ab", 3),
        lambda: Writer().var8(bytes(256)),
        lambda: Writer().var16(bytes(1 << 16)),
    ):
        with pytest.raises(CallerError):
            call()


def test_what_cannot_be_read() -> None:
    with pytest.raises(MalformedInput, match="version 2"):
        Reader(b"\2").version(1, "thing")
    with pytest.raises(MalformedInput):
        Reader(b"\1\xff").text8()
    with pytest.raises(MalformedInput):
        Reader(b"").fixed(-1)
    assert Reader(b"abc").rest() == b"abc"
