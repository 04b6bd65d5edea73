"""Damage to a GGUF file by someone who knows the format: counts, lengths, types, sizes and places that lie. Pure.

Layout: ggml/docs/gguf.md, as in magno.runtime.gguf.header.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache

from magno.calibration.malformed.damage import Damager, Rng, choice

HEADER_BYTES, TENSORS_AT, ENTRIES_AT = 24, 8, 16
STRING, ARRAY = 8, 9
VALUE_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
COUNTS = (0, 1, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)
NUMBERS = (0, 1, 3, 1 << 16, 1 << 20, (1 << 31) - 1, (1 << 32) - 1)


@dataclass(frozen=True, slots=True)
class Places:
    """Where in a sound file each kind of number lies; 4 bytes or 8."""

    types: tuple[int, ...]  # u32: of values, and of arrays' elements
    lengths: tuple[int, ...]  # u64: of strings and arrays
    numbers: tuple[int, ...]  # u32 values of metadata: sizes of the model among them
    ranks: tuple[int, ...]  # u32 a tensor
    sizes: tuple[int, ...]  # u64 a dimension
    kinds: tuple[int, ...]  # u32: type of a tensor's numbers
    offsets: tuple[int, ...]  # u64 a tensor
    texts: tuple[tuple[int, int], ...]  # begin and size of strings: keys, tokens, names


@lru_cache(maxsize=1)
def places_of(data: bytes) -> Places:
    """Of a sound file, by walking through it."""
    walk = _Walk(data)
    for _ in range(struct.unpack_from("<Q", data, ENTRIES_AT)[0]):
        walk.entry()
    for _ in range(struct.unpack_from("<Q", data, TENSORS_AT)[0]):
        walk.tensor()
    return Places(*(tuple(found) for found in walk.found.values()))


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, HEADER_BYTES
        self.found: dict[str, list] = {name: [] for name in Places.__slots__}  # type: ignore[type-arg]

    def entry(self) -> None:
        self._string()
        kind = self._number("types", "<I")
        if kind != ARRAY:
            self._value(kind)
            return
        kind, count = self._number("types", "<I"), self._number("lengths", "<Q")
        if kind == STRING:
            for _ in range(count):
                self._string()
        else:
            self.at += VALUE_BYTES[kind] * count

    def tensor(self) -> None:
        self._string()
        for _ in range(self._number("ranks", "<I")):
            self._number("sizes", "<Q")
        self._number("kinds", "<I")
        self._number("offsets", "<Q")

    def _value(self, kind: int) -> None:
        if kind == STRING:
            self._string()
        elif kind == 4:
            self._number("numbers", "<I")
        else:
            self.at += VALUE_BYTES[kind]

    def _string(self) -> None:
        size = self._number("lengths", "<Q")
        self.found["texts"].append((self.at, size))
        self.at += size

    def _number(self, name: str, form: str) -> int:
        value: int = struct.unpack_from(form, self.data, self.at)[0]
        self.found[name].append(self.at)
        self.at += struct.calcsize(form)
        return value


def counts_lie(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """How many tensors, how many entries."""
    at = TENSORS_AT if rng.random() < 0.5 else ENTRIES_AT
    return _with(data, at, "<Q", choice(rng, COUNTS)), True


def lengths_lie(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    return _with(data, _one(places_of(data).lengths, rng), "<Q", choice(rng, COUNTS[1:])), False


def wrong_value_type(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    return _with(data, _one(places_of(data).types, rng), "<I", int(rng.integers(0, 20))), False


def wrong_number(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """Layers, heads, widths, contexts: what native code divides by and allocates."""
    return _with(data, _one(places_of(data).numbers, rng), "<I", choice(rng, NUMBERS)), False


def wrong_rank(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    return _with(data, _one(places_of(data).ranks, rng), "<I", choice(rng, NUMBERS)), False


def wrong_size(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    return _with(data, _one(places_of(data).sizes, rng), "<Q", choice(rng, COUNTS)), False


def wrong_tensor_type(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    return _with(data, _one(places_of(data).kinds, rng), "<I", int(rng.integers(0, 50))), False


def wrong_offset(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    at, value = _one(places_of(data).offsets, rng), choice(rng, COUNTS)
    return _with(data, at, "<Q", value), value > len(data)


def text_twice(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """One key, token or name becomes another of the same length: it stands there twice."""
    texts = places_of(data).texts
    begin, size = texts[int(rng.integers(len(texts)))]
    others = [at for at, other in texts if other == size and at != begin]
    if not size or not others:
        return data[:begin] + b"\xff" * size + data[begin + size :], False
    other = others[int(rng.integers(len(others)))]
    return data[:begin] + data[other : other + size] + data[begin + size :], False


def other_version(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    return _with(data, 4, "<I", choice(rng, (0, 1, 4, 1 << 24, (1 << 32) - 1))), True


GGUF: dict[str, Damager] = {
    "counts that lie": counts_lie,
    "lengths that lie": lengths_lie,
    "a wrong type of value": wrong_value_type,
    "a wrong number": wrong_number,
    "a wrong rank": wrong_rank,
    "a wrong size": wrong_size,
    "a wrong type of tensor": wrong_tensor_type,
    "a wrong offset": wrong_offset,
    "a text twice": text_twice,
    "another version": other_version,
}


def _one(places: tuple[int, ...], rng: Rng) -> int:
    return places[int(rng.integers(len(places)))]


def _with(data: bytes, at: int, form: str, value: int) -> bytes:
    packed = struct.pack(form, value)
    return data[:at] + packed + data[at + len(packed) :]
