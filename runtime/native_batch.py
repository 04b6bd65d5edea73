"""A llama_batch as numpy arrays. Knows the structure's fields, and not the library that makes and frees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one sequence in a native step."""

    sequence_id: int
    rows: Any  # (n, embed_dim) float array or n token ids; one kind a step
    position: int  # of the first
    want_logits: bool  # of the last


class NativeBatch:
    """One preallocated llama_batch of `rows`, of embeddings where `embed_dim` is not 0, else of tokens."""

    def __init__(self, native: Any, rows: int, embed_dim: int) -> None:
        self.native = native
        as_array = np.ctypeslib.as_array
        if embed_dim:
            self._rows = as_array(native.embd, shape=(rows, embed_dim))
        else:
            self._rows = as_array(native.token, shape=(rows,))
        self._pos = as_array(native.pos, shape=(rows,))
        self._wanted = as_array(native.logits, shape=(rows,))
        as_array(native.n_seq_id, shape=(rows,))[:] = 1

    def fill(self, parts: list[Part]) -> list[int]:
        """Rows of sequences, part after part; the place of each part's last row."""
        lasts, first = [], 0
        for part in parts:
            stop = first + len(part.rows)
            self._rows[first:stop] = part.rows
            self._pos[first:stop] = np.arange(part.position, part.position + stop - first)
            self._wanted[first:stop] = 0
            self._wanted[stop - 1] = part.want_logits
            for row in range(first, stop):
                self.native.seq_id[row][0] = part.sequence_id
            lasts.append(stop - 1)
            first = stop
        self.native.n_tokens = first
        return lasts
