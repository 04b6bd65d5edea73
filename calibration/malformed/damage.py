"""What is damaged, and damage that knows nothing of what the bytes mean. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Rng = np.random.Generator
T = TypeVar("T")
MAX_FLIPS, MAX_SPAN_BYTES, HEAD_BYTES, PADDING_BYTES = 8, 200, 4096, 64


@dataclass(frozen=True, slots=True)
class Damage:
    """Files as they become: bytes, a link's target, or None for one that goes."""

    files: Mapping[str, bytes | str | None]
    must_refuse: bool = True  # False: it may still be a sound file, which then is read as one


Damager = Callable[
    [bytes, Rng], tuple[bytes, bool]
]  # of one file: the bytes, and whether they must be refused


def cut(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """Its end is missing, and more than what may be padding; near the beginning as often as anywhere."""
    most = max(1, (min(len(data), HEAD_BYTES) if rng.random() < 0.5 else len(data)) - PADDING_BYTES)
    return data[: int(rng.integers(most))], True


def flipped(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """One to eight bits."""
    return _flips(data, rng, len(data)), False


def flipped_head(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """The same where the headers are."""
    return _flips(data, rng, HEAD_BYTES), False


def span_lost(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """Some bytes in the middle are missing."""
    begin = int(rng.integers(len(data)))
    return data[:begin] + data[begin + int(rng.integers(1, MAX_SPAN_BYTES)) :], False


def noise(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """Some bytes are others."""
    begin = int(rng.integers(min(len(data), HEAD_BYTES) if rng.random() < 0.5 else len(data)))
    size = int(rng.integers(1, MAX_SPAN_BYTES))
    return data[:begin] + rng.bytes(size) + data[begin + size :], False


def all_noise(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """Nothing of it is left."""
    return rng.bytes(int(rng.integers(HEAD_BYTES))), True


def zeros(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    """As a disk leaves a file that was never written."""
    return bytes(len(data)), True


def empty(data: bytes, rng: Rng) -> tuple[bytes, bool]:
    return b"", True


PLAIN: dict[str, Damager] = {
    "cut": cut,
    "bits flipped": flipped,
    "bits flipped in the head": flipped_head,
    "a span lost": span_lost,
    "noise": noise,
    "all noise": all_noise,
    "zeros": zeros,
    "empty": empty,
}


def choice(rng: Rng, values: Sequence[T]) -> T:
    """One of them, whatever they are: numpy's own would make an array of them."""
    return values[int(rng.integers(len(values)))]


def _flips(data: bytes, rng: Rng, first_bytes: int) -> bytes:
    damaged = bytearray(data)
    for _ in range(int(rng.integers(1, MAX_FLIPS + 1))):
        damaged[int(rng.integers(min(first_bytes, len(data))))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)
