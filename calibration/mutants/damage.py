"""Damage to a stream: what happens to its access units between the encoder and us. Pure, and exact by number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from magno.runtime.camera.h264.nal import START, split_nal_units
from magno.runtime.units import AccessUnit

STORM_SLICES = 65_536
MAX_FLIPS, MAX_LOST, MAX_SPAN_BYTES = 8, 3, 200
HEADER_BYTES = 40  # parameter sets, slice headers and start codes lie here


@dataclass(frozen=True, slots=True)
class Mutant:
    """A stream after one accident."""

    number: int
    kind: str
    at: int  # the first access unit that is hit, in decode order
    units: tuple[AccessUnit, ...]


def mutate(units: Sequence[AccessUnit], number: int, damageable: int, seed: int = 0) -> Mutant:
    """Mutant `number` of a stream: one of its first `damageable` access units is hit, or a few from there on.

    The same for the same arguments, on every machine.
    """
    rng = np.random.default_rng((seed, number))
    kind = str(rng.choice(list(KINDS), p=[share for share, _ in KINDS.values()]))
    at = int(rng.integers(damageable))
    hit = KINDS[kind][1]
    # What is lost or repeated is counted from `at`, and stays among what may be damaged.
    some = tuple(hit(list(units[at:damageable]), rng))
    return Mutant(number, kind, at, (*units[:at], *some, *units[damageable:]))


def _flips(data: bytes, rng: np.random.Generator, first_bytes: int) -> bytes:
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, MAX_FLIPS + 1)) if rng.random() < 0.5 else 1):
        damaged[int(rng.integers(min(first_bytes, len(data))))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def _one_flip(data: bytes, rng: np.random.Generator) -> bytes:
    return _flips(data, rng, len(data))


def _header_flip(data: bytes, rng: np.random.Generator) -> bytes:
    return _flips(data, rng, HEADER_BYTES)


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(1, max(2, len(data))))]


def _span_lost(data: bytes, rng: np.random.Generator) -> bytes:
    begin = int(rng.integers(len(data)))
    return data[:begin] + data[begin + int(rng.integers(1, MAX_SPAN_BYTES)) :] or data[:1]


def _noise(data: bytes, rng: np.random.Generator) -> bytes:
    begin, size = int(rng.integers(len(data))), int(rng.integers(1, MAX_SPAN_BYTES))
    return data[:begin] + rng.bytes(size) + data[begin + size :]


def _storm(data: bytes, rng: np.random.Generator) -> bytes:
    """The picture, then its slice's first bytes as slices of their own, 65,536 times."""
    nals = split_nal_units(data) or [data]
    slice_start = max(nals, key=len)[: int(rng.integers(2, 9))]
    return data + (START + slice_start) * STORM_SLICES


def _inside(hit: Callable[[bytes, np.random.Generator], bytes]) -> Accident:
    def accident(units: list[AccessUnit], rng: np.random.Generator) -> list[AccessUnit]:
        return [replace(units[0], data=hit(units[0].data, rng)), *units[1:]]

    return accident


def _lost(units: list[AccessUnit], rng: np.random.Generator) -> list[AccessUnit]:
    return units[int(rng.integers(1, MAX_LOST + 1)) :]


def _repeated(units: list[AccessUnit], rng: np.random.Generator) -> list[AccessUnit]:
    later = int(rng.integers(0, min(MAX_LOST, len(units))))  # at once, or after one or two others
    return [*units[: later + 1], units[0], *units[later + 1 :]]


Accident = Callable[[list[AccessUnit], np.random.Generator], list[AccessUnit]]
KINDS: dict[str, tuple[float, Accident]] = {
    "bits flipped": (0.35, _inside(_one_flip)),
    "header bits flipped": (0.15, _inside(_header_flip)),
    "truncated": (0.1, _inside(_cut)),
    "span deleted": (0.1, _inside(_span_lost)),
    "noise written over": (0.049, _inside(_noise)),
    "packets lost": (0.15, _lost),
    "packet repeated": (0.1, _repeated),
    "65,536 slices": (0.001, _inside(_storm)),
}
WHOLE_PACKETS = (
    "packets lost",
    "packet repeated",
)  # what is left of such a stream is intact: nothing is unknowable
