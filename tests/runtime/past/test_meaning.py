"""Which keyframe a question means: of words that tell, in whatever order keyframes came."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.past.meaning import MOST_WORDS, ROWS, best, digest, directions, likeness, phrases

WIDTH = 32
RED, BLUE, SQUARE, RING, WHICH, GROUND = np.eye(WIDTH, dtype=np.float32)[:6]


def keyframe(*things: np.ndarray, rows: int = 64) -> np.ndarray:
    """A background that is alike in all, and a row for each thing."""
    found = np.tile(5 * GROUND + WHICH, (rows, 1))
    found[3 : 3 + len(things)] = np.array(things).reshape(-1, WIDTH)
    return found


def found(shown: list[np.ndarray], words: list[np.ndarray], named: list[int]) -> int:
    kept = [digest(rows) for rows in shown]
    near = likeness(
        np.stack([each.steps for each in kept]), np.stack([each.lengths for each in kept]), np.stack(words)
    )
    return best(near, named)


@pytest.mark.parametrize(
    ("question", "named"),
    [
        ("Where is the Red square?", [["where", "is", "the", "red", "square"]]),
        (
            "Which is faster, the ring or the star?",
            [["which", "is", "faster"], ["the", "ring"], ["the", "star"]],
        ),
        ("the red ball and the box", [["the", "red", "ball"], ["the", "box"]]),
        ("Wo ist der rote Würfel?", [["wo", "ist", "der", "rote", "würfel"]]),
        ("the robot's hand-rail", [["the", "robot's", "hand-rail"]]),
        ("?!", []),
    ],
)
def test_a_question_is_what_it_names(question: str, named: list[list[str]]) -> None:
    assert phrases(question) == named


@given(st.text())
def test_any_text_has_words_in_bounds(text: str) -> None:
    found = phrases(text)
    assert sum(map(len, found)) <= MOST_WORDS and all(found)


def test_what_is_unlike_the_rest_is_kept() -> None:
    rows = keyframe(RED + SQUARE, BLUE + RING)
    kept = digest(rows)
    assert kept.steps.shape == (ROWS, WIDTH) and kept.steps.dtype == np.int8
    near = kept.steps.astype(np.float32) @ directions(np.stack([RED + SQUARE, BLUE + RING])).T
    assert np.allclose((near / kept.lengths[:, None]).max(0), 1.0, atol=0.01)
    assert digest(rows[:3]).steps.shape == (3, WIDTH)


@given(st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_how_strong_rows_are_says_nothing(strength: float, seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(20, WIDTH)).astype(np.float32)
    once, again = digest(rows), digest(rows * np.float32(strength))
    assert np.abs(once.steps.astype(int) - again.steps).max() <= 1


def test_rows_of_zeros_are_like_nothing() -> None:
    kept = digest(np.zeros((9, WIDTH), np.float32))
    assert not likeness(kept.steps[None], kept.lengths[None], np.stack([RED])).any()


def test_all_words_of_a_phrase_are_of_one_thing() -> None:
    apart = keyframe(RED + RING, BLUE + SQUARE)
    shown = [apart, keyframe(RED + SQUARE, BLUE + RING), apart, keyframe(BLUE + SQUARE), keyframe()]
    assert found(shown, [WHICH, RED, SQUARE], [3]) == 1


def test_things_that_are_named_beside_each_other_may_be_anywhere() -> None:
    shown = [keyframe(RED + RING), keyframe(RED + RING, BLUE + SQUARE), keyframe(BLUE + SQUARE), keyframe()]
    assert found(shown, [WHICH, RED, RING, BLUE, SQUARE], [1, 2, 2]) == 1


def test_of_equals_the_newest_is_meant() -> None:
    assert found([keyframe(RED), keyframe(), keyframe(RED)], [RED], [1]) == 2
    assert found([keyframe()] * 3, [WHICH], [1]) == 2
    assert found([keyframe(RED)], [BLUE], [1]) == 0


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_a_word_that_is_everywhere_changes_nothing(keyframes: int, seed: int) -> None:
    near = np.random.default_rng(seed).uniform(-1, 1, (keyframes, ROWS, 3)).astype(np.float32)
    idle = np.full((keyframes, ROWS, 1), 0.9, np.float32)
    assert best(near, [3]) == best(np.concatenate([idle, near], axis=2), [4])


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_the_same_keyframe_is_meant_in_any_order(keyframes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    near, order = rng.uniform(-1, 1, (keyframes, ROWS, 4)).astype(np.float32), rng.permutation(keyframes)
    assert order[best(near[order], [1, 3])] == best(near, [1, 3])
