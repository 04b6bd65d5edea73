"""Several sequences in one native step, through real llama.cpp: each is as if it had been alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from magno.runtime.language import CacheFullError, LanguageConfig, LanguageModel, Sequence
from magno.runtime.together import Appended, Share, append_together

CONFIG = LanguageConfig(context_tokens=512, max_sequences=12, threads=1, batch_tokens=64)
STREAMS = ([7, 91, 300, 45, 12, 260, 33, 410, 77, 5], [128, 64, 9, 350, 17, 200])
QUESTIONS = [[200 + n, 17 * n + 1, 350 - n, 9][: 2 + n % 3] for n in range(8)]
STEPS = 12


@pytest.fixture
def model(tiny_gguf: Path) -> Iterator[LanguageModel]:
    with LanguageModel.open(tiny_gguf, CONFIG) as opened:
        yield opened


@pytest.fixture
def streams(model: LanguageModel) -> list[Sequence]:
    found = [model.open_sequence() for _ in STREAMS]
    for stream, tokens in zip(found, STREAMS, strict=True):
        stream.append(list(tokens))
    return found


def step_together(model: LanguageModel, forks: list[Sequence]) -> Appended:
    return append_together(model, [Share(fork, fork.unfed(), True) for fork in forks])


def alone(stream: Sequence, question: list[int], steps: int = STEPS) -> list[int]:
    with stream.fork() as fork:
        fork.append(question, want_logits=True)
        return [fork.step() for _ in range(steps)]


def test_eight_forks_of_two_cameras_say_what_each_says_alone(
    model: LanguageModel, streams: list[Sequence]
) -> None:
    expected = [alone(streams[n % 2], question) for n, question in enumerate(QUESTIONS)]
    forks = [streams[n % 2].fork() for n in range(8)]
    shares = [Share(fork, question, True) for fork, question in zip(forks, QUESTIONS, strict=True)]
    assert append_together(model, shares) == Appended([None] * 8, True)
    said = [[fork.step()] for fork in forks]
    for _ in range(STEPS - 1):
        assert step_together(model, forks).as_one
        for tokens, fork in zip(said, forks, strict=True):
            tokens.append(fork.step())
    assert said == expected
    assert len({tuple(tokens) for tokens in said}) > 4  # they do not all say the same


def test_a_prompt_and_a_token_share_a_step(model: LanguageModel, streams: list[Sequence]) -> None:
    expected = [alone(streams[0], QUESTIONS[0], 3), alone(streams[1], QUESTIONS[1], 2)]
    with streams[0].fork() as first, streams[1].fork() as second:
        first.append(QUESTIONS[0], want_logits=True)
        said = [first.step()]
        append_together(model, [Share(first, first.unfed(), True), Share(second, QUESTIONS[1][:1], False)])
        said.append(first.step())
        append_together(model, [Share(second, QUESTIONS[1][1:], True), Share(first, first.unfed(), True)])
        said.append(first.step())
        assert said == expected[0]
        assert [second.step(), second.step()] == expected[1]


def test_one_leaves_and_the_others_go_on(model: LanguageModel, streams: list[Sequence]) -> None:
    expected = [alone(streams[0], question) for question in QUESTIONS[:3]]
    forks = [streams[0].fork() for _ in range(3)]
    said: list[list[int]] = [[], [], []]
    for fork, question in zip(forks, QUESTIONS, strict=False):
        fork.append(question, want_logits=True)
    for step in range(STEPS):
        for tokens, fork in zip(said, forks, strict=False):
            tokens.append(fork.step())
        if step == 4:
            forks.pop().release()
        step_together(model, forks)
    assert said == [expected[0], expected[1], expected[2][:5]]


def test_what_does_not_fit_together_goes_in_by_turns_until_the_cache_is_full(
    model: LanguageModel, streams: list[Sequence]
) -> None:
    streams[1].append([3] * (model.free_tokens - 6))
    forks = [streams[0].fork() for _ in range(3)]
    found = append_together(
        model, [Share(fork, [9, 9, 9, 9][:size], True) for fork, size in zip(forks, (4, 4, 2), strict=True)]
    )
    assert not found.as_one
    assert [type(fault) for fault in found.faults] == [type(None), CacheFullError, type(None)]
    assert [fork.position for fork in forks] == [14, 10, 12]
    assert model.free_tokens == 0


def test_when_llama_cpp_refuses_the_step_each_is_tried_alone(
    model: LanguageModel, streams: list[Sequence]
) -> None:
    """Told of cells that are not there, the model goes to llama.cpp, which says no to eight at once."""
    expected = alone(streams[0], QUESTIONS[0], 2)
    streams[1].append([3] * (model.free_tokens - 6))
    model._cells.capacity = 1000
    forks = [streams[0].fork() for _ in range(2)]
    found = append_together(model, [Share(forks[0], QUESTIONS[0], True), Share(forks[1], [5] * 7, True)])
    model._cells.capacity = 512
    assert not found.as_one
    assert found.faults[0] is None and isinstance(found.faults[1], CacheFullError)
    assert [forks[0].step(), forks[0].step()] == expected
    assert forks[1].position == len(STREAMS[0])


def test_a_sequence_of_no_numbers_harms_itself_alone(
    model: LanguageModel, streams: list[Sequence], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = alone(streams[1], QUESTIONS[1], 2)
    logits = model._logits

    def broken(row: int) -> np.ndarray:
        found = logits(row)
        return found * np.nan if row == len(QUESTIONS[0]) - 1 else found

    monkeypatch.setattr(model, "_logits", broken)
    forks = [stream.fork() for stream in streams]
    found = append_together(model, [Share(forks[0], QUESTIONS[0], True), Share(forks[1], QUESTIONS[1], True)])
    monkeypatch.undo()
    assert found.as_one and "finite" in str(found.faults[0]) and found.faults[1] is None
    assert forks[0].position == len(STREAMS[0])
    assert [forks[1].step(), forks[1].step()] == expected


def test_a_released_sequence_harms_itself_alone(model: LanguageModel, streams: list[Sequence]) -> None:
    gone, going = streams[0].fork(), streams[0].fork()
    gone.release()
    found = append_together(model, [Share(gone, [1], True), Share(going, QUESTIONS[0], True)])
    assert "released" in str(found.faults[0]) and found.faults[1] is None
    assert going.step() == alone(streams[0], QUESTIONS[0], 1)[0]


def test_a_share_longer_than_a_step_goes_in_by_itself(model: LanguageModel, streams: list[Sequence]) -> None:
    found = append_together(model, [Share(streams[0], [3] * 100, False)])
    assert found.faults == [None] and streams[0].position == len(STREAMS[0]) + 100
