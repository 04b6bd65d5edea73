"""Right or wrong by normalised text, and what text alone would score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.training.score import Share, is_right, mean, normalised, shares, text_only, wilson


@pytest.mark.parametrize(
    ("told", "answers", "right"),
    [
        ("Left.", ["left"], True),
        ("The red square", ["red square"], True),
        ("it is the Center", ["centre"], True),
        ("2 seconds", ["2", "two", "2 seconds"], True),
        ("", ["left"], False),
        ("up", ["up left"], False),
        ("can't tell", ["cannot tell", "cant tell"], True),
        ("[refused]", ["no"], False),
    ],
)
def test_what_counts_as_right(told: str, answers: list[str], right: bool) -> None:
    assert is_right(told, answers) is right


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_shares_and_their_mean() -> None:
    found = shares(["a", "b", "a", "b"], [True, False, True, True])
    assert found == {"a": Share(2, 2), "b": Share(1, 2)}
    assert mean(found) == 0.75 and found["b"].interval == wilson(1, 2)


def test_text_alone_learns_what_text_gives_away() -> None:
    leaky = ["Is there a blue circle?"] * 12 + ["Is there a red star?"] * 12
    answers = ["yes"] * 12 + ["no"] * 12
    told = text_only(leaky, answers, [0, 1] * 12)
    assert told == answers


def test_text_alone_learns_which_of_two_is_named_first() -> None:
    pairs = [
        ("the red star", "the blue ring"),
        ("the green cross", "the white car"),
        ("the black ring", "the car"),
    ]
    things = pairs * 6
    questions = [f"Which is faster, {first} or {second}?" for first, second in things]
    told = text_only(questions, [first for first, _ in things], [i % 2 for i in range(len(things))])
    assert all(is_right(guess, [first]) for guess, (first, _) in zip(told, things, strict=True))
