"""A place in a GGUF file's bytes that never leaves them. Pure; reads numbers and texts, knows no keys."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Any

from magno.runtime.units import MagnoError

AGAIN = "Export the bundle again, or copy it again if it was cut on the way."
LENGTH = struct.Struct("<Q")
# Types of numbers in metadata, as struct names them; 7 is a bool.
NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class GgufError(MagnoError, ValueError):
    """A language model file that is not what its name says."""


class Walk:
    """Reads on from `offset` in `data`, the bytes of the file `name`. Each verb raises GgufError at the file's end."""

    def __init__(self, data: bytes | mmap.mmap, offset: int, name: str) -> None:
        self.data, self.offset, self.name = data, offset, name

    def take(self, size: int) -> bytes:
        start = self.offset
        self._advance(size)
        return self.data[start : self.offset]

    def number(self, size: int) -> int:
        """An unsigned integer of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def numbers(self, kind: int, count: int = 1) -> tuple[Any, ...]:
        """So many numbers of a metadata type."""
        return struct.unpack(f"<{count}{self._format(kind)}", self.take(count * self._width(kind)))

    def skip_numbers(self, kind: int, count: int) -> None:
        self._advance(count * self._width(kind))

    def string(self, limit_bytes: int) -> bytes:
        """A text with its length before it."""
        length = self.number(8)
        if length > limit_bytes:
            raise GgufError(
                f"{self.name} wants names of {limit_bytes} bytes at most, found {length}. {AGAIN}"
            )
        return self.take(length)

    def strings(self, count: int) -> Iterator[bytes]:
        """So many texts; the walk is behind them once all are taken."""
        for start, stop in self._places(count):
            yield self.data[start:stop]

    def skip_strings(self, count: int) -> None:
        for _ in self._places(count):
            pass

    def _places(self, count: int) -> Iterator[tuple[int, int]]:
        # A vocabulary has hundreds of thousands, and a robot waits for it: the loop is bare.
        data, offset, last, length_at = (
            self.data,
            self.offset,
            len(self.data) - LENGTH.size,
            LENGTH.unpack_from,
        )
        for _ in range(count):
            start = offset + LENGTH.size
            offset = start + (length_at(data, offset)[0] if offset <= last else 1)
            if offset > len(data):
                self._refuse(offset)
            yield start, offset
        self.offset = offset

    def _advance(self, size: int) -> None:
        self.offset += size
        if self.offset > len(self.data):
            self._refuse(self.offset)

    def _refuse(self, wanted: int) -> None:
        raise GgufError(
            f"{self.name} wants {wanted} bytes of metadata, found {len(self.data)} in all. {AGAIN}"
        )

    def _format(self, kind: int) -> str:
        if kind not in NUMBERS:
            raise GgufError(f"{self.name} wants metadata of known types, found type {kind}. {AGAIN}")
        return NUMBERS[kind]

    def _width(self, kind: int) -> int:
        return struct.calcsize(f"<{self._format(kind)}")
