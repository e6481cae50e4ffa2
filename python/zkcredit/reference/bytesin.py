"""Strict reading of byte strings: big-endian numbers, exact lengths, nothing left over."""

from __future__ import annotations

import unicodedata

from zkcredit.errors import MalformedInput

# Separators, and what reorders or hides text on a screen, as ranges of code points.
_HIDDEN = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5)),
    *((0x180B, 0x180F), (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164)),
    *((0xFE00, 0xFE0E), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB)),
    *((0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)


class Bytes:
    """A cursor over ``data``; ``what`` names it in errors."""

    def __init__(self, data: bytes, what: str) -> None:
        self._left = memoryview(data)
        self._what = what

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if count > len(self._left):
            raise MalformedInput(f"{self._what} ends early")
        head, self._left = bytes(self._left[:count]), self._left[count:]
        return head

    def number(self, size: int) -> int:
        """An unsigned number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def version(self, expected: int = 1) -> None:
        """The version byte, which must be the expected one."""
        found = self.number(1)
        if found != expected:
            raise MalformedInput(f"{self._what} has version {found}, not {expected}")

    def text(self) -> str:
        """1..64 bytes of visible UTF-8 in normal form C after a length byte."""
        data = self.take(self.number(1))
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise MalformedInput(f"{self._what} holds text that is not UTF-8") from None
        if not 1 <= len(data) <= 64 or unicodedata.normalize("NFC", text) != text:
            raise MalformedInput(f"{self._what} holds text that is too long or not in form C")
        for char in text:
            hidden = any(low <= ord(char) <= high for low, high in _HIDDEN)
            if hidden or unicodedata.category(char) == "Cc":
                raise MalformedInput(f"{self._what} holds an invisible character")
        return text

    @property
    def left(self) -> int:
        """Number of bytes not taken yet."""
        return len(self._left)

    def end(self) -> None:
        """Refuses bytes that are left over."""
        if self._left:
            raise MalformedInput(f"{self._what} has {len(self._left)} bytes too many")
