"""A language model that takes embeddings or tokens into live sequences, forks them and decodes greedily.

The only file that imports llama_cpp. Knows nothing of video. One thread uses a model at a time: a second one
that comes in while the first is inside gets a LanguageError rather than a torn cache. `tokenize`, `piece` and
`is_end` only read, and may be called from anywhere.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np

from magno.runtime.cells import CellLedger
from magno.runtime.gguf.header import GgufError, read_header
from magno.runtime.gguf.word_rows import WordRows
from magno.runtime.native_batch import NativeBatch, Part
from magno.runtime.sequence import CacheFullError, LanguageError, Sequence, cache_full

__all__ = ["CacheFullError", "LanguageConfig", "LanguageError", "LanguageModel", "Sequence"]

LOG = logging.getLogger("magno.llama")
NORMALIZER_KEY = "magno.tokenizer.normalizer"  # metadata of our own: llama.cpp does not normalise text
NO_SLOT = 1  # llama_decode: no room in the cache


@dataclass(frozen=True, slots=True)
class LanguageConfig:
    """Size of the one cache that all sequences share, and how it is worked."""

    context_tokens: int = 2048  # cells; llama.cpp rounds up to a multiple of 256
    max_sequences: int = 8
    threads: int = 2
    batch_tokens: int = 256  # the longest native step
    flash_attention: bool | None = None  # None: on a GPU only; on a CPU it pays for steps of 64 rows or more

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

    def __init__(self, native: Any, context: Any, config: LanguageConfig, words: WordRows) -> None:
        self.config, self.words = config, words
        self._native, self._context = native, context
        self._memory = llama_cpp.llama_get_memory(context)
        self._vocab = llama_cpp.llama_model_get_vocab(native)
        self.embed_dim: int = llama_cpp.llama_model_n_embd_inp(native)
        self.vocab_size: int = llama_cpp.llama_vocab_n_tokens(self._vocab)
        self.trained_context: int = llama_cpp.llama_model_n_ctx_train(native)
        self.can_shift: bool = llama_cpp.llama_memory_can_shift(self._memory)
        self._cells = CellLedger(llama_cpp.llama_n_ctx(context))
        self._ids = set(range(config.max_sequences))
        self._tokens = _batch(config.batch_tokens, 0)
        self._embeddings = _batch(config.batch_tokens, self.embed_dim)
        self._composes = _metadata(native, NORMALIZER_KEY) == "nfc"
        self._inside = threading.Lock()

    @classmethod
    def open(cls, path: Path, config: LanguageConfig | None = None) -> LanguageModel:
        """The model in the GGUF file at `path`. Raises LanguageError."""
        config = config or LanguageConfig()
        try:
            words = WordRows(path, read_header(path))
        except GgufError as error:
            raise LanguageError(str(error)) from error
        llama_cpp.llama_backend_init()
        native = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        if not native:
            raise LanguageError(
                f"{path.name} wants to be a model that llama.cpp can load, found it refused "
                "(magno.llama's debug log says why): export the bundle again."
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
        return cls(native, context, config, words)

    def __enter__(self) -> LanguageModel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the model and its sequences; closing twice is fine."""
        if self._context is None:
            return
        with self._exclusive():
            for batch in (self._tokens, self._embeddings):
                llama_cpp.llama_batch_free(batch.native)
            llama_cpp.llama_free(self._context)
            llama_cpp.llama_model_free(self._native)
            self._context = self._native = self._memory = self._vocab = None

    @property
    def is_closed(self) -> bool:
        return self._context is None

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
        """Token ids of `text`, no BOS added. Only with `special` can text become a control token."""
        self._check_open()
        if self._composes:
            text = unicodedata.normalize("NFC", text)
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
                "Plain text wants no control tokens, found one: the GGUF's token types are wrong."
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

    def _decode(self, parts: list[Part]) -> list[np.ndarray | None]:
        """One native step of at most batch_tokens rows; for each part the logits of its last row, or None."""
        batch = self._embeddings if isinstance(parts[0].rows, np.ndarray) else self._tokens
        lasts = batch.fill(parts)
        code = llama_cpp.llama_decode(self._context, batch.native)
        rows = batch.native.n_tokens
        if code == NO_SLOT:
            raise cache_full(rows, self.free_tokens)
        if code:
            raise LanguageError(f"A decode of {rows} rows wants code 0, found {code}: see the debug log.")
        return [
            self._logits(last) if part.want_logits else None for part, last in zip(parts, lasts, strict=True)
        ]

    def _logits(self, row: int) -> np.ndarray:
        """(vocab_size,) float32 of a row of the newest step."""
        pointer = llama_cpp.llama_get_logits_ith(self._context, row)
        if not pointer:
            raise LanguageError("A decode wants logits, found none: try again.")
        logits: np.ndarray = np.ctypeslib.as_array(pointer, shape=(self.vocab_size,)).copy()
        return logits

    def _drop(self, sequence_id: int, start: int, stop: int) -> bool:
        return bool(llama_cpp.llama_memory_seq_rm(self._memory, sequence_id, start, stop))

    def _share(self, source_id: int, target_id: int) -> None:
        llama_cpp.llama_memory_seq_cp(self._memory, source_id, target_id, 0, -1)

    def _move(self, sequence_id: int, start: int, delta: int) -> None:
        llama_cpp.llama_memory_seq_add(self._memory, sequence_id, start, -1, delta)

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
            raise LanguageError("A language model wants one thread at a time, found a second: give it one.")
        try:
            self._check_open()
            yield
        finally:
            self._inside.release()


def _check_kind(native: Any, name: str) -> None:
    """Refuse what this runtime would feed or evict wrongly."""
    one_dimensional = (llama_cpp.LLAMA_ROPE_TYPE_NORM, llama_cpp.LLAMA_ROPE_TYPE_NEOX)
    if llama_cpp.llama_model_rope_type(native) not in one_dimensional:
        raise LanguageError(
            f"{name} wants one-dimensional RoPE, found another kind: use a Qwen2, Qwen3 or Llama model."
        )
    if (
        llama_cpp.llama_model_is_recurrent(native)
        or llama_cpp.llama_model_is_hybrid(native)
        or llama_cpp.llama_model_has_encoder(native)
    ):
        raise LanguageError(
            f"{name} wants a decoder with attention only, found another kind: use a Qwen2 model."
        )


def _batch(rows: int, embed_dim: int) -> NativeBatch:
    return NativeBatch(llama_cpp.llama_batch_init(rows, embed_dim, 1), rows, embed_dim)


def _metadata(native: Any, key: str) -> str:
    """A short text of the file's metadata; empty where it has none."""
    buffer = ctypes.create_string_buffer(64)
    length = llama_cpp.llama_model_meta_val_str(native, key.encode(), buffer, len(buffer))
    return buffer.value.decode("utf-8", "replace") if length >= 0 else ""


def _context_params(config: LanguageConfig) -> Any:
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = config.context_tokens
    params.n_batch = params.n_ubatch = config.batch_tokens  # one step is one graph: no half-done batches
    params.n_seq_max = config.max_sequences
    params.n_threads = params.n_threads_batch = config.threads
    # On a CPU a row of a step below 64 goes through flash attention cell by cell: 18 rows cost three times 65.
    flash = (
        llama_cpp.llama_supports_gpu_offload() if config.flash_attention is None else config.flash_attention
    )
    params.flash_attn_type = (
        llama_cpp.LLAMA_FLASH_ATTN_TYPE_AUTO if flash else llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    params.kv_unified = True  # forks share cells, and parts of a sequence can be dropped
    return params
