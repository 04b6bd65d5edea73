"""The rows that a GGUF file's language model begins with for its tokens: what it was taught that words are like.

Read from the file, a few rows at a time. Knows no language model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from magno.runtime.gguf.header import GgufHeader
from magno.runtime.gguf.tensors import BLOCKS
from magno.runtime.units import MagnoError

TENSOR = "token_embd.weight"
Q8_BLOCK = np.dtype([("scale", "<f2"), ("steps", "i1", 32)])

Raw = NDArray[np.uint8]
Rows = NDArray[np.float32]


class WordRowsError(MagnoError):
    """Rows of a kind that is not read here."""


def _from_bfloat16(raw: Raw) -> Rows:
    return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)


def _from_q8(raw: Raw) -> Rows:
    blocks = raw.view(Q8_BLOCK)
    steps: Rows = blocks["steps"].astype(np.float32)
    return (blocks["scale"][..., None].astype(np.float32) * steps).reshape(len(raw), -1)


# ggml's types of weights -> rows of bytes as numbers. What packs numbers more tightly than Q8_0 is not read.
READERS: dict[int, Callable[[Raw], Rows]] = {
    0: lambda raw: raw.view("<f4").astype(np.float32),
    1: lambda raw: raw.view("<f2").astype(np.float32),
    8: _from_q8,
    30: _from_bfloat16,
}


class WordRows:
    """Of the file at `path`, whose `header` was checked."""

    def __init__(self, path: Path, header: GgufHeader) -> None:
        self._path = path
        self._info = next((info for info in header.infos if info.name == TENSOR), None)
        self._start = header.first_byte + (self._info.offset if self._info else 0)

    @property
    def fault(self) -> str | None:
        """Why there are none to be had, in one sentence, or None."""
        if self._info is None or len(self._info.shape) != 2:
            return f"Recall by meaning wants the model's {TENSOR}, found none. Ask with a time instead."
        if self._info.kind not in READERS:
            return (
                f"Recall by meaning wants {TENSOR} in F32, F16, BF16 or Q8_0, found type {self._info.kind}. Ask with "
                "a time instead, or export with --llm-type q8_0."
            )
        return None

    def of(self, tokens: Sequence[int]) -> Rows:
        """(n, embed_dim) of so many tokens. Raises WordRowsError."""
        fault, info = self.fault, self._info
        if fault is not None or info is None:
            raise WordRowsError(fault or "")
        width, words = info.shape
        if any(not 0 <= token < words for token in tokens):
            raise WordRowsError(f"A token wants to be one of {words}, found another.")
        per_block, block_bytes = BLOCKS[info.kind]
        row_bytes = width // per_block * block_bytes
        table = np.memmap(self._path, np.uint8, "r", self._start, (words, row_bytes))
        rows = READERS[info.kind](np.array(table[list(tokens)]))
        if not np.isfinite(rows).all():
            raise WordRowsError(
                f"{self._path.name} wants finite numbers in {TENSOR}, found others. Export it again."
            )
        return rows
