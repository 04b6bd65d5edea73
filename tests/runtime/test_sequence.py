"""Sequences through real llama.cpp, on a tiny Qwen2 with random weights in float32.

Logits of the same rows by two ways (other batch shapes, shared cells, turned keys) differ by rounding, keys
and values in the cache being half precision: TOLERANCE, on logits whose standard deviation is 0.65.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest

from magno.export.checkpoint import save_checkpoint
from magno.export.gguf_from_checkpoint import gguf_from_checkpoint
from magno.runtime.language import CacheFullError, LanguageConfig, LanguageError, LanguageModel, Sequence
from tests.tiny import TINY, TOKENIZER, VOCAB_SIZE, tiny_model

CONFIG = LanguageConfig(context_tokens=256, max_sequences=3, threads=1, batch_tokens=32)
TOLERANCE = 0.005  # five times what was measured for turned keys; the other ways agree to the last bit
PROMPT = [7, 91, 300, 45, 12, 260, 33, 410, 77, 5, 128, 64]
QUESTION = [200, 17, 350, 9]


@pytest.fixture
def model(tiny_gguf: Path) -> Iterator[LanguageModel]:
    with LanguageModel.open(tiny_gguf, CONFIG) as opened:
        yield opened


@pytest.fixture(scope="session")
def table(tiny_gguf: Path) -> np.ndarray:
    """(vocab, embed_dim) float32: the model's own embeddings of its tokens."""
    tensors = gguf.GGUFReader(tiny_gguf).tensors
    return np.array(next(t.data for t in tensors if t.name == "token_embd.weight"), dtype=np.float32)


@pytest.fixture(scope="session")
def one_layer_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One layer: its keys and values depend on no other position, so gaps can be compared with no gap."""
    folder = tmp_path_factory.mktemp("one_layer")
    config = replace(TINY, text={**TINY.text, "num_hidden_layers": 1})
    save_checkpoint(folder / "checkpoint", tiny_model(config), TOKENIZER)
    gguf_from_checkpoint(folder / "checkpoint", folder / "llm.gguf", llm_type="f32")
    return folder / "llm.gguf"


def logits_after(sequence: Sequence, rows: np.ndarray | list[int]) -> np.ndarray:
    sequence.append(rows, want_logits=True)
    return sequence.logits()


def fresh_logits(model: LanguageModel, rows: list[int]) -> np.ndarray:
    with model.open_sequence() as sequence:
        return logits_after(sequence, rows)


def still_answers(model: LanguageModel) -> bool:
    with model.open_sequence() as sequence:
        sequence.append(PROMPT, want_logits=True)
        return all(0 <= sequence.step() < model.vocab_size for _ in range(3))


def test_embeddings_of_tokens_give_the_logits_of_the_tokens(model: LanguageModel, table: np.ndarray) -> None:
    rows = PROMPT * 6  # more than two batches
    with model.open_sequence() as sequence:
        found = logits_after(sequence, table[rows])
    expected = fresh_logits(model, rows)
    assert expected.std() > 0.3
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_embeddings_and_tokens_mix_in_one_sequence(model: LanguageModel, table: np.ndarray) -> None:
    with model.open_sequence() as sequence:
        sequence.append(PROMPT[:4])
        sequence.append(table[PROMPT[4:]].astype(np.float64))
        found = logits_after(sequence, QUESTION)
    np.testing.assert_allclose(found, fresh_logits(model, PROMPT + QUESTION), atol=TOLERANCE)


def test_positions_count_on_over_batches(model: LanguageModel) -> None:
    with model.open_sequence() as sequence:
        assert sequence.append(PROMPT) == (0, 12)
        assert sequence.append([]) == (12, 12)
        assert sequence.append([1] * 70) == (12, 82)
        assert (sequence.position, sequence.tokens) == (82, 82)


def test_a_step_feeds_the_token_before_it(model: LanguageModel) -> None:
    with model.open_sequence() as sequence:
        sequence.append(PROMPT, want_logits=True)
        first = sequence.step()
        assert sequence.position == len(PROMPT)
        second = sequence.step()
        assert sequence.position == len(PROMPT) + 1
    assert first == int(np.argmax(fresh_logits(model, PROMPT)))
    assert second == int(np.argmax(fresh_logits(model, [*PROMPT, first])))


def test_a_fork_answers_as_a_fresh_prefill_does(model: LanguageModel) -> None:
    with model.open_sequence() as stream, model.open_sequence() as fresh:
        stream.append(PROMPT)
        with stream.fork() as fork:
            np.testing.assert_allclose(
                logits_after(fork, QUESTION), logits_after(fresh, PROMPT + QUESTION), atol=TOLERANCE
            )
            assert [fork.step() for _ in range(12)] == [fresh.step() for _ in range(12)]


def test_a_parent_goes_on_as_if_there_had_been_no_fork(model: LanguageModel) -> None:
    with model.open_sequence() as stream:
        stream.append(PROMPT)
        with stream.fork() as fork:
            fork.append(QUESTION, want_logits=True)
            stream.append([88, 99])  # the stream goes on while the fork decodes
            for _ in range(5):
                fork.step()
        assert stream.position == len(PROMPT) + 2
        found = logits_after(stream, [101])
    np.testing.assert_allclose(found, fresh_logits(model, [*PROMPT, 88, 99, 101]), atol=TOLERANCE)


def test_a_fork_outlives_its_parent(model: LanguageModel) -> None:
    stream = model.open_sequence()
    stream.append(PROMPT)
    fork = stream.fork()
    stream.release()
    assert model.used_tokens == len(PROMPT)
    np.testing.assert_allclose(
        logits_after(fork, QUESTION), fresh_logits(model, PROMPT + QUESTION), atol=TOLERANCE
    )


def test_a_fork_takes_cells_for_its_own_suffix_only(model: LanguageModel) -> None:
    assert (model.capacity_tokens, model.free_tokens) == (256, 256)
    with model.open_sequence() as stream:
        stream.append(PROMPT)
        with stream.fork() as fork:
            assert model.used_tokens == 12
            fork.append(QUESTION)
            assert (model.used_tokens, fork.tokens, stream.tokens) == (16, 16, 12)
            stream.evict(0, 6)  # still the fork's
            assert (model.used_tokens, fork.tokens, stream.tokens) == (16, 16, 6)
        assert model.used_tokens == 6
    assert model.free_tokens == 256


def test_a_stream_runs_on_for_many_times_the_cache(model: LanguageModel) -> None:
    with model.open_sequence() as stream:
        stream.append(PROMPT)
        oldest = stream.position
        for _ in range(150):  # 2400 tokens through 256 cells, with a fork now and then
            if model.free_tokens < 32:
                stream.evict(oldest, oldest + 64)
                oldest += 64
            stream.append([3] * 16)
            with stream.fork() as fork:
                fork.append(QUESTION, want_logits=True)
                fork.step()
        assert stream.position == len(PROMPT) + 2400
        assert np.isfinite(logits_after(stream, QUESTION)).all()


def test_evicting_the_end_moves_the_end_back(model: LanguageModel) -> None:
    with model.open_sequence() as sequence:
        sequence.append(PROMPT)
        sequence.append(QUESTION, want_logits=True)
        sequence.evict(len(PROMPT), len(PROMPT) + len(QUESTION))
        assert sequence.position == len(PROMPT)
        with pytest.raises(LanguageError, match="want_logits"):
            sequence.logits()
        found = logits_after(sequence, [101])
    np.testing.assert_allclose(found, fresh_logits(model, [*PROMPT, 101]), atol=TOLERANCE)


def test_shift_keeps_the_logits_of_what_follows(model: LanguageModel) -> None:
    """With nothing before it, what remains sees only itself, and rotary positions are relative."""

    def run(shift: bool) -> np.ndarray:
        with model.open_sequence() as sequence:
            sequence.append([3] * 40)
            sequence.append(PROMPT)
            sequence.evict(0, 40)
            if shift:
                sequence.shift(40, -40)
                assert (sequence.position, sequence.tokens) == (12, 12)
            return logits_after(sequence, QUESTION)

    np.testing.assert_allclose(run(shift=True), run(shift=False), atol=TOLERANCE)


def test_shift_equals_a_fresh_prefill_at_the_new_positions(one_layer_gguf: Path) -> None:
    with LanguageModel.open(one_layer_gguf, CONFIG) as model:
        sink, gone = PROMPT[:4], [3] * 50
        with model.open_sequence() as sequence:
            sequence.append(sink)
            sequence.append(gone)
            sequence.append(PROMPT)
            sequence.evict(4, 54)
            unshifted = sequence.fork()
            apart = logits_after(unshifted, QUESTION)
            unshifted.release()
            sequence.shift(54, -50)
            assert sequence.append([]) == (16, 16)
            with sequence.fork() as fork:  # evict, shift, fork, decode: this order has crashed a CUDA build
                forked = logits_after(fork, QUESTION)
            found = logits_after(sequence, QUESTION)
        expected = fresh_logits(model, sink + PROMPT + QUESTION)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        np.testing.assert_allclose(forked, expected, atol=TOLERANCE)
        assert np.abs(apart - expected).max() > 5 * TOLERANCE  # the distance to the sink does matter


def test_shift_is_refused_while_a_fork_shares_what_moves(model: LanguageModel) -> None:
    with model.open_sequence() as stream:
        stream.append(PROMPT)
        with stream.fork():
            stream.evict(2, 6)
            assert stream.shares(6)
            with pytest.raises(LanguageError, match="fork"):
                stream.shift(6, -4)
        stream.shift(6, -4)
        assert stream.position == 8


@pytest.mark.parametrize(("start", "delta"), [(6, -5), (6, 1), (2, -3), (12, -1)])
def test_shift_is_refused_where_there_is_no_gap(model: LanguageModel, start: int, delta: int) -> None:
    with model.open_sequence() as stream:
        stream.append(PROMPT)
        stream.evict(2, 6)
        with pytest.raises(LanguageError, match="gap"):
            stream.shift(start, delta)


def bad_rows() -> dict[str, tuple[object, str]]:
    good = np.zeros((3, 64), dtype=np.float32)
    nan, big = good.copy(), good.copy()
    nan[1, 5], big[2, 0] = np.nan, -1e6
    return {
        "wrong width": (np.zeros((3, 63), dtype=np.float32), r"\(n, 64\)"),
        "one dimension": (np.zeros(64, dtype=np.float32), r"\(n, 64\)"),
        "integers": (np.zeros((3, 64), dtype=np.int64), "float32"),
        "NaN": (nan, "finite"),
        "infinity": (np.full((1, 64), np.inf, dtype=np.float32), "finite"),
        "beyond half precision": (big, "finite"),
        "token above the vocabulary": ([1, VOCAB_SIZE], "token id"),
        "token below 0": ([-1], "token id"),
    }


@pytest.mark.parametrize("case", bad_rows())
def test_rows_that_cannot_be_fed_are_refused_before_native_code(model: LanguageModel, case: str) -> None:
    rows, message = bad_rows()[case]
    with model.open_sequence() as sequence:
        sequence.append(PROMPT)
        with pytest.raises(LanguageError, match=message):
            sequence.append(rows)  # type: ignore[arg-type]
        assert sequence.position == len(PROMPT)
        found = logits_after(sequence, QUESTION)
    np.testing.assert_allclose(found, fresh_logits(model, PROMPT + QUESTION), atol=TOLERANCE)


def test_a_full_cache_refuses_and_goes_on(model: LanguageModel) -> None:
    with model.open_sequence() as stream:
        stream.append([3] * 250)
        with pytest.raises(CacheFullError, match="7 free cells, found 6"):
            stream.append([3] * 7, want_logits=True)
        assert (stream.position, model.free_tokens) == (250, 6)
        with stream.fork() as fork, pytest.raises(CacheFullError):
            fork.append([1] * 5, want_logits=True)
            for _ in range(3):
                fork.step()
        stream.evict(0, 40)
        assert stream.append([3] * 46) == (250, 296)
    assert still_answers(model)


def test_a_native_failure_half_way_rolls_the_sequence_back(model: LanguageModel) -> None:
    """Told of cells that are not there, the model goes to llama.cpp, which says no at the second batch."""
    with model.open_sequence() as other, model.open_sequence() as stream:
        other.append([3] * 200)
        stream.append(PROMPT)
        model._cells.capacity = 1000
        with pytest.raises(CacheFullError):
            stream.append([3] * 60)
        model._cells.capacity = 256
        assert stream.append(QUESTION) == (12, 16)
        other.release()
        found = logits_after(stream, [101])
    np.testing.assert_allclose(found, fresh_logits(model, [*PROMPT, *QUESTION, 101]), atol=TOLERANCE)
