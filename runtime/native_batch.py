"""A llama_batch as numpy arrays. Knows the structure's fields, and not the library that makes and frees it."""

from __future__ import annotations

from typing import Any

import numpy as np


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

    def fill(self, sequence_id: int, rows: Any, position: int, want_logits: bool) -> None:
        """Rows of one sequence from `position` on; logits, where wanted, of the last."""
        count = len(rows)
        self.native.n_tokens = count
        self._rows[:count] = rows
        self._pos[:count] = np.arange(position, position + count)
        self._wanted[:count] = 0
        self._wanted[count - 1] = want_logits
        for row in range(count):
            self.native.seq_id[row][0] = sequence_id
