"""Random weights by name: the same for the same name and shape, and of a size that keeps activations near 1."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 4 << 20  # numbers at once
EMBEDDING_STD, SMALL_STD = 0.05, 0.02
EMBEDDINGS = ("embed_tokens.weight", "position_embedding.weight", ".position", ".queries", "head.probe")


def random_blocks(name: str, shape: tuple[int, ...], seed: int) -> Iterator[NDArray[np.float32]]:
    """The tensor's numbers in order, flat."""
    random = np.random.default_rng([zlib.crc32(name.encode()), seed])
    mean, std = _spread(name, shape)
    total = math.prod(shape)
    for at in range(0, total, BLOCK):
        block = random.standard_normal(min(BLOCK, total - at), np.float32)
        yield block * np.float32(std) + np.float32(mean)


def _spread(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    if name.endswith(EMBEDDINGS):
        return 0.0, EMBEDDING_STD
    if len(shape) < 2:
        return (1.0 if name.endswith(".weight") else 0.0), SMALL_STD  # a norm's scale, else a bias
    return 0.0, 1 / math.sqrt(math.prod(shape[1:]))
