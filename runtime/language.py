"""A language model that takes embeddings or tokens into live sequences, forks them and decodes greedily.

The only file that imports llama_cpp. Knows nothing of video. One thread uses a model at a time: a second one that
comes in while the first is inside gets a LanguageError rather than a torn cache. `tokenize`, `piece` and `is_end`
read only, and may be called from anywhere.
"""

from __future__ import annotations

import ctypes
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from magno.runtime.cells import CellLedger
from magno.runtime.gguf_header import GgufError, read_header
from magno.runtime.units import MagnoError

LOG = logging.getLogger("magno.llama")
MAX_EMBEDDING = (
    65504.0  # the largest half-precision number: beyond it the keys and values in the cache overflow
)
NO_SLOT = 1  # llama_decode: no room in the cache


class LanguageError(MagnoError):
    """The language model cannot do what was asked; it is as it was before, and goes on."""


class CacheFullError(LanguageError):
    """No cells are free for what was to be appended."""


@dataclass(frozen=True, slots=True)
class LanguageConfig:
    """Size of the one cache that all sequences share, and how it is worked."""

    context_tokens: int = 2048  # cells; llama.cpp rounds up to a multiple of 256
    max_sequences: int = 8
    threads: int = 2
    batch_tokens: int = 256  # the longest native step

    def __post_init__(self) -> None:
        for name in ("context_tokens", "max_sequences", "threads", "batch_tokens"):
            if getattr(self, name) < 1:
                raise LanguageError(f"{name} wants 1 or more, found {getattr(self, name)}.")
        most = llama_cpp.llama_max_parallel_sequences()
        if self.max_sequences > most:
            raise LanguageError(f"max_sequences wants {most} at most, found {self.max_sequences}.")


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]
def _log(level: int, text: bytes, user_data: object) -> None:
    if LOG.isEnabledFor(logging.DEBUG) and (line := text.decode("utf-8", "replace").strip()):
        LOG.debug("%s", line)


llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))


class LanguageModel:
    """One GGUF model with one unified KV cache; open it with `LanguageModel.open`."""

    def __init__(self, native: Any, context: Any, config: LanguageConfig) -> None:
        self.config = config
        self._native, self._context = native, context
        self._memory = llama_cpp.llama_get_memory(context)
        self._vocab = llama_cpp.llama_model_get_vocab(native)
        self.embed_dim: int = llama_cpp.llama_model_n_embd_inp(native)
        self.vocab_size: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self.trained_context: int = llama_cpp.llama_model_n_ctx_train(native)
        self.can_shift: bool = llama_cpp.llama_memory_can_shift(self._memory)
        self._cells = CellLedger(llama_cpp.llama_n_ctx(context))
        self._ids = set(range(config.max_sequences))
        self._tokens = _Batch(config.batch_tokens, 0)
        self._embeddings = _Batch(config.batch_tokens, self.embed_dim)
        self._inside = threading.Lock()

    @classmethod
    def open(cls, path: Path, config: LanguageConfig | None = None) -> LanguageModel:
        """The model in the GGUF file at `path`. Raises LanguageError."""
        config = config or LanguageConfig()
        try:
            read_header(path)
        except GgufError as error:
            raise LanguageError(str(error)) from error
        llama_cpp.llama_backend_init()
        native = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        if not native:
            raise LanguageError(
                f"{path.name} wants to be a model that llama.cpp can load, found it refused (its reason is in "
                "the debug log magno.llama): export the bundle again."
            )
        try:
            _check_kind(native, path.name)
            context = llama_cpp.llama_init_from_model(native, _context_params(config))
            if not context:
                raise LanguageError(
                    f"{path.name} wants a cache of {config.context_tokens} tokens, found no memory for it: "
                    "lower context_tokens."
                )
        except BaseException:
            llama_cpp.llama_model_free(native)
            raise
        return cls(native, context, config)

    def __enter__(self) -> LanguageModel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the model and its sequences; closing twice is fine."""
        if self._context is None:
            return
        with self._exclusive():
            self._tokens.free()
            self._embeddings.free()
            llama_cpp.llama_free(self._context)
            llama_cpp.llama_model_free(self._native)
            self._context = self._native = self._memory = self._vocab = None

    @property
    def capacity_tokens(self) -> int:
        """Cells of the cache, all sequences together."""
        return self._cells.capacity

    @property
    def used_tokens(self) -> int:
        """Cells held by any sequence; what a fork shares with its parent counts once."""
        return self._cells.used

    @property
    def free_tokens(self) -> int:
        return self._cells.free

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of `text`, no BOS added. Only with `special` is "<|im_end|>" a control token and not text."""
        self._check_open()
        try:
            data = text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise LanguageError(
                f"Text wants valid UTF-8, found a broken character at {error.start}."
            ) from error
        most = len(data) + 8
        tokens = (llama_cpp.llama_token * most)()
        count = llama_cpp.llama_tokenize(self._vocab, data, len(data), tokens, most, False, special)
        if count < 0:
            raise LanguageError(f"A text of {len(data)} bytes wants {most} tokens at most, found more.")
        found = list(tokens[:count])
        if not special and any(llama_cpp.llama_vocab_is_control(self._vocab, token) for token in found):
            raise LanguageError(
                "Plain text wants no control tokens, found one: mark it as control in the GGUF."
            )
        return found

    def piece(self, token: int) -> bytes:
        """The bytes of one token, perhaps a part of a UTF-8 character; none for a control token."""
        self._check_tokens([token])
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            count = llama_cpp.llama_token_to_piece(self._vocab, token, buffer, size, 0, False)
            if count >= 0:
                return buffer.raw[:count]
            size = -count

    def is_end(self, token: int) -> bool:
        """Whether the model ends its turn with this token."""
        self._check_tokens([token])
        return bool(llama_cpp.llama_vocab_is_eog(self._vocab, token))

    def open_sequence(self) -> Sequence:
        """An empty sequence. Raises LanguageError when all are taken."""
        with self._exclusive():
            return Sequence(self, self._take_id())

    def _take_id(self) -> int:
        if not self._ids:
            raise LanguageError(
                f"A sequence wants a free place, found all {self.config.max_sequences} taken: release one, "
                "or raise max_sequences."
            )
        sequence_id = min(self._ids)
        self._ids.remove(sequence_id)
        return sequence_id

    def _decode(self, sequence_id: int, rows: Any, position: int, want_logits: bool) -> np.ndarray | None:
        """One native step of at most batch_tokens rows; the logits of the last row, or None."""
        batch = self._embeddings if isinstance(rows, np.ndarray) else self._tokens
        batch.fill(sequence_id, rows, position, want_logits)
        code = llama_cpp.llama_decode(self._context, batch.native)
        if code == NO_SLOT:
            raise _full(len(rows), self.free_tokens)
        if code:
            raise LanguageError(
                f"A decode of {len(rows)} rows wants code 0 of llama.cpp, found {code}: try again."
            )
        if not want_logits:
            return None
        pointer = llama_cpp.llama_get_logits_ith(self._context, -1)
        if not pointer:
            raise LanguageError("A decode wants logits, found none: try again.")
        logits = np.ctypeslib.as_array(pointer, shape=(self.vocab_size,)).copy()
        if not np.isfinite(logits).all():
            raise LanguageError(
                "Logits want finite numbers, found NaN or infinity: check the embeddings fed in."
            )
        return logits

    def _check_open(self) -> None:
        if self._context is None:
            raise LanguageError("The language model wants to be open, found it closed: open it again.")

    def _check_tokens(self, tokens: list[int]) -> None:
        self._check_open()
        for token in tokens:
            if not 0 <= token < self.vocab_size:
                raise LanguageError(f"A token id wants 0 to {self.vocab_size - 1}, found {token}.")

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        if not self._inside.acquire(blocking=False):
            raise LanguageError(
                "A language model wants one thread at a time, found a second: give it one owner."
            )
        try:
            self._check_open()
            yield
        finally:
            self._inside.release()


class Sequence:
    """A run of tokens in the cache of one model, growing at its end; forks share what it holds."""

    def __init__(self, model: LanguageModel, sequence_id: int) -> None:
        self._model, self._id = model, sequence_id
        self._released = False
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

        A token that step() returned and that was not fed is forgotten. After a LanguageError (CacheFullError when
        cells are lacking) the sequence is as it was.
        """
        with self._use() as model:
            checked = (
                _checked_embeddings(rows, model.embed_dim) if isinstance(rows, np.ndarray) else list(rows)
            )
            if isinstance(checked, list):
                model._check_tokens(checked)
            start = self.position
            stop = start + len(checked)
            if not len(checked):
                return start, stop
            if len(checked) > model.free_tokens:
                raise _full(len(checked), model.free_tokens)
            try:
                logits = self._append_chunks(checked, start, want_logits)
            except BaseException:
                llama_cpp.llama_memory_seq_rm(model._memory, self._id, start, -1)
                raise
            model._cells.add(self._id, start, stop)
            self._logits, self._unfed = logits, None
            return start, stop

    def _append_chunks(
        self, rows: np.ndarray | list[int], start: int, want_logits: bool
    ) -> np.ndarray | None:
        size = self._model.config.batch_tokens
        logits = None
        for first in range(0, len(rows), size):
            chunk = rows[first : first + size]
            is_last = first + size >= len(rows)
            logits = self._model._decode(self._id, chunk, start + first, want_logits and is_last)
        return logits

    def fork(self) -> Sequence:
        """A sequence with the same past; copies no data. Raises LanguageError when all places are taken."""
        with self._use() as model:
            child = Sequence(model, model._take_id())
            llama_cpp.llama_memory_seq_cp(model._memory, self._id, child._id, 0, -1)
            model._cells.fork(self._id, child._id)
            child._logits, child._unfed = self._logits, self._unfed
            return child

    def logits(self) -> np.ndarray:
        """(vocab_size,) float32 after the last row; raises LanguageError unless they were wanted."""
        if self._logits is None:
            raise LanguageError(
                "Logits want an append with want_logits, found none since: append with it first."
            )
        return self._logits.copy()

    def step(self) -> int:
        """The likeliest next token; first feeds the one that the step before returned."""
        if self._unfed is not None:
            self.append([self._unfed], want_logits=True)
        self._unfed = int(np.argmax(self.logits()))
        return self._unfed

    def evict(self, start: int, stop: int) -> None:
        """Let go of positions [start, stop). What follows keeps its positions; at the end, the end moves back."""
        with self._use() as model:
            position = self.position
            if not 0 <= start <= stop <= position:
                raise LanguageError(f"Eviction wants a range in 0 to {position}, found {start} to {stop}.")
            if start == stop:
                return
            if not llama_cpp.llama_memory_seq_rm(model._memory, self._id, start, stop):
                raise LanguageError(
                    f"Eviction wants a cache that drops parts, found it refuse {start} to {stop}."
                )
            model._cells.remove(self._id, start, stop)
            if stop == position:
                self._logits = self._unfed = None

    def shares(self, start: int) -> bool:
        """Whether a fork or parent still holds cells of this sequence at or past `start`."""
        return self._model._cells.shares(self._id, start)

    def shift(self, start: int, delta: int) -> None:
        """Move positions from `start` on by `delta` <= 0 into a gap; the keys turn at the next append.

        Raises LanguageError where cells are in the way, where a fork shares what would move (its own tokens would
        stay behind: see `shares`), and where the model cannot shift.
        """
        with self._use() as model:
            if delta == 0:
                return
            if delta > 0 or start + delta < 0 or model._cells.holds(self._id, start + delta, start):
                raise LanguageError(f"A shift wants a gap before {start} of {-delta} positions, found none.")
            if model._cells.shares(self._id, start):
                raise LanguageError(
                    f"A shift wants cells from {start} on unshared, found a fork: release it first."
                )
            if not model.can_shift:
                raise LanguageError("A shift wants a model with one-dimensional RoPE, found one without.")
            llama_cpp.llama_memory_seq_add(model._memory, self._id, start, -1, delta)
            model._cells.shift(self._id, start, delta)

    def release(self) -> None:
        """Give the cells and the place back; releasing twice, or after the model closed, is fine."""
        if self._released or self._model._context is None:
            return
        with self._use() as model:
            llama_cpp.llama_memory_seq_rm(model._memory, self._id, -1, -1)
            model._cells.remove(self._id, 0, self.position)
            model._ids.add(self._id)
            self._released = True

    @contextmanager
    def _use(self) -> Iterator[LanguageModel]:
        with self._model._exclusive():
            if self._released:
                raise LanguageError("A sequence wants to be live, found it released: open or fork another.")
            yield self._model


class _Batch:
    """One preallocated llama_batch, of embeddings where `embed_dim` is not 0, else of tokens."""

    def __init__(self, rows: int, embed_dim: int) -> None:
        self.native = llama_cpp.llama_batch_init(rows, embed_dim, 1)
        as_array = np.ctypeslib.as_array
        if embed_dim:
            self._rows = as_array(self.native.embd, shape=(rows, embed_dim))
        else:
            self._rows = as_array(self.native.token, shape=(rows,))
        self._pos = as_array(self.native.pos, shape=(rows,))
        self._wanted = as_array(self.native.logits, shape=(rows,))
        as_array(self.native.n_seq_id, shape=(rows,))[:] = 1

    def fill(self, sequence_id: int, rows: Any, position: int, want_logits: bool) -> None:
        count = len(rows)
        self.native.n_tokens = count
        self._rows[:count] = rows
        self._pos[:count] = np.arange(position, position + count)
        self._wanted[:count] = 0
        self._wanted[count - 1] = want_logits
        for row in range(count):
            self.native.seq_id[row][0] = sequence_id

    def free(self) -> None:
        llama_cpp.llama_batch_free(self.native)


def _checked_embeddings(rows: np.ndarray, embed_dim: int) -> np.ndarray:
    if rows.ndim != 2 or rows.shape[1] != embed_dim or rows.dtype.kind != "f":
        raise LanguageError(f"Embeddings want (n, {embed_dim}) float32, found {rows.shape} {rows.dtype}.")
    if not np.abs(rows).max(initial=0) <= MAX_EMBEDDING:  # false for NaN too
        raise LanguageError(
            f"Embeddings want finite numbers within ±{MAX_EMBEDDING:.0f}, found one that is not."
        )
    return rows


def _check_kind(native: Any, name: str) -> None:
    """Refuse what this runtime would feed or evict wrongly."""
    one_dimensional = (llama_cpp.LLAMA_ROPE_TYPE_NORM, llama_cpp.LLAMA_ROPE_TYPE_NEOX)
    if llama_cpp.llama_model_rope_type(native) not in one_dimensional:
        raise LanguageError(
            f"{name} wants one-dimensional RoPE, found another kind: use a Qwen2, Qwen2.5, Qwen3 or Llama model."
        )
    if (
        llama_cpp.llama_model_is_recurrent(native)
        or llama_cpp.llama_model_is_hybrid(native)
        or llama_cpp.llama_model_has_encoder(native)
    ):
        raise LanguageError(
            f"{name} wants a decoder with attention only, found another kind: use a Qwen2 model."
        )


def _context_params(config: LanguageConfig) -> Any:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = config.context_tokens
    params.n_batch = params.n_ubatch = config.batch_tokens  # one step is one graph: no half-done batches
    params.n_seq_max = config.max_sequences
    params.n_threads = params.n_threads_batch = config.threads
    params.kv_unified = True  # forks share cells, and parts of a sequence can be dropped
    return params


def _full(wanted: int, free: int) -> CacheFullError:
    return CacheFullError(
        f"The cache wants {wanted} free cells, found {free}: evict or release something first."
    )
