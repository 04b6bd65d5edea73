"""Reading the headers of H.264 bit by bit (ITU-T H.264, 7.2 and 9.1). Pure."""

from __future__ import annotations


class HeaderError(ValueError):
    """Bits that are no header, or end too early."""


class Bits:
    """Reads an unescaped payload. Raises HeaderError past its end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), len(data) * 8

    def number(self, bits: int) -> int:
        """u(n): an unsigned number of so many bits."""
        if bits > self._left:
            raise HeaderError("a header that ends too early")
        self._left -= bits
        return (self._value >> self._left) & ((1 << bits) - 1)

    def flag(self) -> bool:
        return bool(self.number(1))

    def golomb(self) -> int:
        """ue(v): an unsigned Exp-Golomb number (9.1)."""
        rest = self._value & ((1 << self._left) - 1)
        zeros = self._left - rest.bit_length()
        if zeros > 32 or 2 * zeros + 1 > self._left:
            raise HeaderError("a number without end")
        self._left -= 2 * zeros + 1
        return (rest >> self._left) - 1

    def skip_golomb(self, count: int) -> None:
        for _ in range(count):
            self.golomb()

    def signed_golomb(self) -> int:
        """se(v) (9.1.1)."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def at_most(value: int, limit: int) -> int:
    """The value itself. Raises HeaderError when it is above the limit."""
    if value > limit:
        raise HeaderError("a number out of its range")
    return value
