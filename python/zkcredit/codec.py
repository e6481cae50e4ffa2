"""Strict big-endian byte strings: what every stored or signed object is made of.

A :class:`Writer` builds canonical bytes and a :class:`Reader` takes them apart
again. Decoding is exact: a short field, a length out of range or a trailing
byte raises :class:`~zkcredit.errors.MalformedInput`, so that decoding and
encoding are inverse to each other and a signed or hashed object has one form
only. Values that cannot be written raise :class:`~zkcredit.errors.CallerError`.
"""

from __future__ import annotations

import re
import unicodedata

from zkcredit.errors import CallerError, MalformedInput

GROUP_ORDER = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001
"""Order r of the groups of BLS12-381: scalars are below it."""
TEXT_MAX_BYTES = 64
"""Longest text, in bytes of UTF-8, that :meth:`Writer.text8` accepts."""

# Beyond the control characters: separators, and what reorders or hides what is displayed
# (Unicode's default ignorable characters but U+FE0F, which makes a symbol an emoji).
_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def text_problem(text: str, max_bytes: int = TEXT_MAX_BYTES) -> str | None:
    """Why ``text`` is not a valid name, or None if it is.

    Valid is 1..``max_bytes`` bytes of UTF-8 in normal form C without control
    characters, line separators, direction marks or invisible format characters.
    """
    try:
        length = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return "text holds a lone surrogate"
    if not 1 <= length <= max_bytes:
        return f"text must have 1..{max_bytes} bytes of UTF-8, not {length}"
    if unicodedata.normalize("NFC", text) != text:
        return "text is not in Unicode normal form C"
    if _INVISIBLE.search(text) or any(unicodedata.category(char) == "Cc" for char in text):
        return "text holds a control or invisible character"
    return None


class Writer:
    """Appends fields to a byte string; every method returns the writer itself."""

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def _number(self, value: int, size: int) -> Writer:
        try:
            self._parts.append(value.to_bytes(size, "big"))
        except OverflowError:
            raise CallerError(f"{value} does not fit in {size} unsigned bytes") from None
        return self

    def u8(self, value: int) -> Writer:
        """One byte, 0..255."""
        return self._number(value, 1)

    def u16(self, value: int) -> Writer:
        """Two bytes, big-endian."""
        return self._number(value, 2)

    def u32(self, value: int) -> Writer:
        """Four bytes, big-endian."""
        return self._number(value, 4)

    def u64(self, value: int) -> Writer:
        """Eight bytes, big-endian."""
        return self._number(value, 8)

    def i64(self, value: int) -> Writer:
        """Eight bytes, big-endian, two's complement."""
        try:
            self._parts.append(value.to_bytes(8, "big", signed=True))
        except OverflowError:
            raise CallerError(f"{value} does not fit in 8 signed bytes") from None
        return self

    def fixed(self, value: bytes, size: int) -> Writer:
        """Exactly ``size`` bytes, without a length."""
        if len(value) != size:
            raise CallerError(f"expected {size} bytes, got {len(value)}")
        self._parts.append(bytes(value))
        return self

    def var8(self, value: bytes) -> Writer:
        """A length byte and up to 255 bytes."""
        return self.u8(len(value)).fixed(value, len(value))

    def var16(self, value: bytes) -> Writer:
        """A two-byte length and up to 65,535 bytes."""
        return self.u16(len(value)).fixed(value, len(value))

    def var32(self, value: bytes) -> Writer:
        """A four-byte length and the bytes."""
        return self.u32(len(value)).fixed(value, len(value))

    def text8(self, text: str) -> Writer:
        """A length byte and 1..64 bytes of UTF-8 (see :func:`text_problem`)."""
        problem = text_problem(text)
        if problem is not None:
            raise CallerError(problem)
        return self.var8(text.encode("utf-8"))

    def finish(self) -> bytes:
        """The bytes written so far."""
        return b"".join(self._parts)


class Reader:
    """Takes fields from the front of ``data``; close with :meth:`finish`."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes) -> None:
        self._data = bytes(data)
        self._offset = 0

    @property
    def remaining(self) -> int:
        """Number of bytes not read yet."""
        return len(self._data) - self._offset

    def fixed(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        start, end = self._offset, self._offset + size
        if size < 0 or end > len(self._data):
            raise MalformedInput(f"input ends early: {size} bytes wanted, {self.remaining} left")
        self._offset = end
        return self._data[start:end]

    def u8(self) -> int:
        """One byte."""
        return self.fixed(1)[0]

    def u16(self) -> int:
        """Two bytes, big-endian."""
        return int.from_bytes(self.fixed(2), "big")

    def u32(self) -> int:
        """Four bytes, big-endian."""
        return int.from_bytes(self.fixed(4), "big")

    def u64(self) -> int:
        """Eight bytes, big-endian."""
        return int.from_bytes(self.fixed(8), "big")

    def i64(self) -> int:
        """Eight bytes, big-endian, two's complement."""
        return int.from_bytes(self.fixed(8), "big", signed=True)

    def var8(self) -> bytes:
        """Bytes after a length byte."""
        return self._var(1)

    def var16(self) -> bytes:
        """Bytes after a two-byte length."""
        return self._var(2)

    def var32(self) -> bytes:
        """Bytes after a four-byte length."""
        return self._var(4)

    def _var(self, width: int) -> bytes:
        data, start = self._data, self._offset + width
        size = int.from_bytes(data[self._offset : start], "big")
        end = start + size
        if end > len(data):  # a length cut short is beyond the end too
            raise MalformedInput(f"input ends early: {end} bytes wanted, {len(data)} there")
        self._offset = end
        return data[start:end]

    def text8(self) -> str:
        """Text of 1..64 bytes of UTF-8 after a length byte."""
        try:
            text = self.var8().decode("utf-8")
        except UnicodeDecodeError:
            raise MalformedInput("text is not valid UTF-8") from None
        problem = text_problem(text)
        if problem is not None:
            raise MalformedInput(problem)
        return text

    def version(self, expected: int, what: str) -> None:
        """One byte that must be ``expected``; ``what`` names the object in the error."""
        found = self.u8()
        if found != expected:
            raise MalformedInput(f"{what} has version {found}; this program reads {expected}")

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.fixed(self.remaining)

    def finish(self) -> None:
        """Raises MalformedInput unless everything was read."""
        if self._offset != len(self._data):
            raise MalformedInput(f"{self.remaining} trailing bytes")
