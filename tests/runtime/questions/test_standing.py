"""When a standing question is asked again, and what makes its answer another."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.clock import NS_PER_S
from magno.runtime.questions.standing import (
    PAUSES_S,
    STIRRED,
    Memory,
    Rule,
    Sight,
    answered,
    came_to_nothing,
    is_due,
    normalised,
)
from magno.runtime.spec import SpecError

S = NS_PER_S
BEFORE = Sight(watched=1, pts_ns=5 * S, stirred=1.0, cuts=2)
MEMORY = answered(BEFORE, asked_ns=100 * S)
STILL = dataclasses.replace(BEFORE, pts_ns=6 * S)  # newer, and nothing moved


@pytest.mark.parametrize(
    ("sight", "after_s", "by_motion", "by_interval"),
    [
        (None, 60.0, False, False),  # not watched
        (dataclasses.replace(BEFORE, pts_ns=None), 60.0, False, False),  # no picture yet
        (BEFORE, 60.0, False, False),  # nothing new: the camera is lost
        (STILL, 60.0, False, True),
        (STILL, 1.9, False, False),  # too soon
        (dataclasses.replace(STILL, stirred=1.0 + STIRRED / 2), 60.0, False, True),
        (dataclasses.replace(STILL, stirred=1.0 + STIRRED * 2), 60.0, True, True),
        (dataclasses.replace(STILL, stirred=1.0 + STIRRED * 2), 1.9, False, False),
        (dataclasses.replace(STILL, cuts=3), 2.0, True, True),  # another scene, or the camera came back
        (Sight(watched=2, pts_ns=S, stirred=0.0, cuts=0), 60.0, True, True),  # watched anew
        (Sight(watched=2, pts_ns=5 * S, stirred=1.0, cuts=2), 60.0, True, True),
    ],
)
def test_due(sight: Sight | None, after_s: float, by_motion: bool, by_interval: bool) -> None:
    now_ns = int((100 + after_s) * S)
    assert is_due(Rule(2.0, "motion"), MEMORY, sight, now_ns) is by_motion
    assert is_due(Rule(2.0, "interval"), MEMORY, sight, now_ns) is by_interval


def test_asked_first_as_soon_as_there_is_a_picture() -> None:
    assert not is_due(Rule(2.0), Memory(), dataclasses.replace(STILL, pts_ns=None), 0)
    assert is_due(Rule(2.0), Memory(), STILL, 0)


def test_what_came_to_nothing_is_tried_again_ever_later_and_no_later_than_that() -> None:
    memory, now_ns, pauses = MEMORY, 200 * S, []
    moved = dataclasses.replace(STILL, cuts=3)
    for _ in range(10):
        memory = came_to_nothing(memory, None, now_ns)
        assert not is_due(Rule(2.0), memory, moved, memory.not_before_ns - 1)
        assert is_due(Rule(2.0), memory, moved, memory.not_before_ns)
        pauses.append((memory.not_before_ns - now_ns) / S)
        now_ns = memory.not_before_ns
    assert pauses == [*PAUSES_S, *[PAUSES_S[-1]] * (10 - len(PAUSES_S))]
    assert answered(moved, now_ns).failures == 0


def test_a_refusal_that_says_when_to_come_back_is_heard() -> None:
    assert came_to_nothing(MEMORY, 5000.0, 0).not_before_ns == 5 * S
    assert came_to_nothing(MEMORY, 5.0, 0).not_before_ns == 1 * S


@given(
    st.lists(
        st.tuples(st.integers(1, 3 * S), st.floats(0, 2 * STIRRED), st.booleans(), st.booleans()), max_size=60
    ),
    st.sampled_from(["motion", "interval"]),
    st.floats(0.1, 10.0),
)
def test_never_more_often_than_told(
    steps: list[tuple[int, float, bool, bool]], on: str, every_s: float
) -> None:
    rule, memory, now_ns, sight = Rule(every_s, on), Memory(), 0, Sight(1, None, 0.0, 0)
    whole: list[int] = []
    for passed_ns, stirred, is_cut, succeeds in steps:
        now_ns += passed_ns
        sight = Sight(1, now_ns, sight.stirred + stirred, sight.cuts + is_cut)
        if is_due(rule, memory, sight, now_ns):
            if succeeds:
                whole.append(now_ns)
                memory = answered(sight, now_ns)
            else:
                memory = came_to_nothing(memory, None, now_ns)
    assert all(later - sooner >= every_s * S for sooner, later in pairwise(whole))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Left.", "left", True),
        ("  to the  left ", "To the left!", True),
        ("left", "right", False),
        ("two cars", "too cars", False),
        ("", ".", True),
        ("3.5", "35", False),
        ("STRASSE", "straße", True),
    ],
)
def test_what_makes_an_answer_another(one: str, other: str, same: bool) -> None:
    assert (normalised(one) == normalised(other)) is same


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"every_s": 0.0},
        {"every_s": float("nan")},
        {"every_s": 1e9},
        {"every_s": 1.0, "on": "sometimes"},
        {"every_s": 1.0, "stirred": 0.0},
        {"every_s": 1.0, "stirred": float("inf")},
    ],
)
def test_a_rule_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="wants"):
        Rule(**wrong)  # type: ignore[arg-type]
