"""A sequence of tokens in a language model's cache: it grows at its end, forks, forgets, decodes greedily.

Sequences are opened by `LanguageModel.open_sequence`. Knows no llama.cpp: what is native is the model's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from magno.runtime.native_batch import Part
from magno.runtime.units import MagnoError

if TYPE_CHECKING:
    from magno.runtime.language import LanguageModel

MAX_EMBEDDING = 65504.0  # the largest half-precision number: beyond it what the cache stores overflows
NOBODY = -1  # the id of a released sequence, which holds no cells


class LanguageError(MagnoError):
    """The language model cannot do what was asked; it is as it was before, and goes on."""


class CacheFullError(LanguageError):
    """No cells are free for what was to be appended."""


class Sequence:
    """A run of tokens in the cache of one model, growing at its end; forks share what it holds."""

    def __init__(self, model: LanguageModel, sequence_id: int) -> None:
        self._model, self._id = model, sequence_id
        self._logits: np.ndarray | None = None
        self._unfed: int | None = None  # what step() returned last

    def __enter__(self) -> Sequence:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()

    @property
    def position(self) -> int:
        """The next position."""
        return self._model._cells.end(self._id)

    @property
    def tokens(self) -> int:
        """Cells it holds, its own and shared ones; gaps hold none."""
        return self._model._cells.tokens(self._id)

    def append(self, rows: np.ndarray | list[int], *, want_logits: bool = False) -> tuple[int, int]:
        """Feed (n, embed_dim) float embeddings or n token ids; the positions [start, stop) they got.

        A token that step() returned and that was not fed is forgotten. After a LanguageError (CacheFullError
        when cells are lacking) the sequence is as it was.
        """
        with self._use() as model:
            if isinstance(rows, np.ndarray):
                _check_embeddings(rows, model.embed_dim)
            else:
                model._check_tokens(rows)
            start = self.position
            stop = start + len(rows)
            if start == stop:
                return start, stop
            if len(rows) > model.free_tokens:
                raise cache_full(len(rows), model.free_tokens)
            try:
                logits = self._append_chunks(rows, start, want_logits)
            except BaseException:
                model._drop(self._id, start, -1)
                raise
            self._grown(start, stop, logits)
            return start, stop

    def _append_chunks(
        self, rows: np.ndarray | list[int], start: int, want_logits: bool
    ) -> np.ndarray | None:
        size = self._model.config.batch_tokens
        logits = None
        for first in range(0, len(rows), size):
            chunk = rows[first : first + size]
            is_last = first + size >= len(rows)
            part = Part(self._id, chunk, start + first, want_logits and is_last)
            (logits,) = self._model._decode([part])
            check_logits(logits)
        return logits

    def _grown(self, start: int, stop: int, logits: np.ndarray | None) -> None:
        """Rows at [start, stop) have gone through the model."""
        self._model._cells.add(self._id, start, stop)
        self._logits, self._unfed = logits, None

    def fork(self) -> Sequence:
        """A sequence with the same past; copies no data. Raises LanguageError when all places are taken."""
        with self._use() as model:
            child = Sequence(model, model._take_id())
            model._share(self._id, child._id)
            model._cells.fork(self._id, child._id)
            child._logits, child._unfed = self._logits, self._unfed
            return child

    def logits(self) -> np.ndarray:
        """(vocab_size,) float32 after the last row; raises LanguageError unless they were wanted."""
        if self._logits is None:
            raise LanguageError("Logits want an append with want_logits, found none since: make one first.")
        copied: np.ndarray = self._logits.copy()
        return copied

    def step(self) -> int:
        """The likeliest next token; first feeds the one that the step before returned."""
        if self._unfed is not None:
            self.append([self._unfed], want_logits=True)
        self._unfed = int(np.argmax(self.logits()))
        return self._unfed

    def unfed(self) -> list[int]:
        """The token that `step` returned and would feed first, where there is one."""
        return [] if self._unfed is None else [self._unfed]

    def evict(self, start: int, stop: int) -> None:
        """Let go of positions [start, stop), leaving a gap; at the end, the end moves back instead."""
        with self._use() as model:
            position = self.position
            if not 0 <= start <= stop <= position:
                raise LanguageError(f"Eviction wants a range in 0 to {position}, found {start} to {stop}.")
            if start == stop:
                return
            if not model._drop(self._id, start, stop):
                raise LanguageError(f"Eviction wants a cache that drops parts, found {start} to {stop} kept.")
            model._cells.remove(self._id, start, stop)
            if stop == position:
                self._logits = self._unfed = None

    def shares(self, start: int) -> bool:
        """Whether a fork or parent still holds cells of this sequence at or past `start`."""
        return self._model._cells.shares(self._id, start)

    def shift(self, start: int, delta: int) -> None:
        """Move positions from `start` on by `delta` <= 0 into a gap; the keys turn at the next append.

        Raises LanguageError where cells are in the way, where a fork shares what would move (its own tokens
        would stay behind: see `shares`), and where the model cannot shift.
        """
        with self._use() as model:
            if delta == 0:
                return
            if delta > 0 or start + delta < 0 or model._cells.holds(self._id, start + delta, start):
                raise LanguageError(f"A shift wants a gap before {start} of {-delta} positions, found none.")
            if model._cells.shares(self._id, start):
                raise LanguageError("A shift wants what it moves unshared, found a fork: release it first.")
            if not model.can_shift:
                raise LanguageError("A shift wants a model with one-dimensional RoPE, found one without.")
            model._move(self._id, start, delta)
            model._cells.shift(self._id, start, delta)

    def release(self) -> None:
        """Give the cells and the place back; releasing twice, or after the model closed, is fine."""
        if self._id == NOBODY or self._model.is_closed:
            return
        with self._use() as model:
            model._drop(self._id, -1, -1)
            model._cells.remove(self._id, 0, self.position)
            model._ids.add(self._id)
            self._id = NOBODY

    @contextmanager
    def _use(self) -> Iterator[LanguageModel]:
        with self._model._exclusive():
            self._check_live()
            yield self._model

    def _check_live(self) -> None:
        if self._id == NOBODY:
            raise LanguageError("A sequence wants to be live, found it released: open or fork another.")


def _check_embeddings(rows: np.ndarray, embed_dim: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != embed_dim or rows.dtype.kind != "f":
        raise LanguageError(f"Embeddings want (n, {embed_dim}) float32, found {rows.shape} {rows.dtype}.")
    if not np.abs(rows).max(initial=0) <= MAX_EMBEDDING:  # false for NaN too
        raise LanguageError(f"Embeddings want finite numbers within ±{MAX_EMBEDDING:.0f}, found others.")


def check_logits(logits: np.ndarray | None) -> None:
    """Raises LanguageError where a model has said no numbers."""
    if logits is not None and not np.isfinite(logits).all():
        raise LanguageError("Logits want finite numbers, found NaN or infinity: check the embeddings.")


def cache_full(wanted: int, free: int) -> CacheFullError:
    return CacheFullError(f"The cache wants {wanted} free cells, found {free}: evict or release first.")
