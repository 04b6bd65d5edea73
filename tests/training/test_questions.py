"""What is asked is certain, has the right answer, and its text says nothing of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magno.training.questions.balance import SLACK, Balance
from magno.training.questions.families import FAMILIES, Asked, all_questions
from magno.training.questions.moment import NEAR_WAY_RAD, Moment
from magno.training.questions.words import (
    CAMERA_WAYS,
    CANNOT_TELL,
    COLOURS,
    NO,
    PHRASINGS,
    PLACES,
    SHAPES,
    STILL,
    WAYS_4,
    WAYS_8,
    YES,
    corpus,
    worded,
    written,
)
from magno.training.scenes.compose import Recipe, compose
from magno.training.scenes.film import film
from magno.training.scenes.grounds import paint_of
from magno.training.scenes.photographs import stock
from magno.training.scenes.truth import Truth
from tests.training.hand_made import FPS, SIDE, straight, truth_of

CLOSED: dict[str, set[str]] = {
    **{family: set(WAYS_4) for family in FAMILIES if family.startswith("direction")},
    "direction_8": set(WAYS_8),
    "direction_still": {STILL},
    "camera": set(CAMERA_WAYS),
    **{f: {YES, NO} for f in ("anything", "presence", "closer", "away", "stop", "start", "changed")},
    "count": set("012345"),
    "colour": set(COLOURS),
    "shape": set(SHAPES),
    "where": {place for row in PLACES for place in row},
    "since_appeared": set("123"),
    "since_stopped": set("123"),
    "cannot_tell": {CANNOT_TELL},
}


@pytest.fixture(scope="module")
def truths(clips: Path) -> list[Truth]:
    paint = paint_of(stock(clips, False), False)
    return [film(compose(seed, Recipe(pictures=(30, 36)), paint))[1] for seed in range(26)]


def asked_of(truth: Truth, picture: int) -> dict[tuple[str, str], str]:
    """(family, question by the thing's whole name) -> answer, at one picture."""
    moment = Moment(truth, picture)
    found = {}
    for asked in all_questions(truth, [picture], 0):
        slots = asked.slots
        if asked.thing >= 0 and len(slots) == 1 and asked.family not in ("colour", "shape", "presence"):
            slots = (moment.name(asked.thing),)
        found[asked.family, worded(asked.phrase, slots)] = asked.answers[0]
    return found


def test_every_answer_is_one_of_its_family(truths: list[Truth]) -> None:
    met = set()
    for seed, truth in enumerate(truths):
        for asked in all_questions(truth, list(range(5, truth.pictures, 6)), seed):
            met.add(asked.family)
            assert 0 <= asked.since <= asked.picture < truth.pictures
            for wording in range(5):
                text = asked.question(wording)
                assert text[0].isupper() and text[-1] in "?." and "{" not in text
            if asked.family in CLOSED:
                assert asked.answers[0] in CLOSED[asked.family], asked
            elif asked.family in ("faster", "first"):
                assert asked.answers[0] in asked.slots
            else:
                assert asked.answers[0].startswith("the ") or asked.answers[0] == "nothing"
    assert len(met) >= len(FAMILIES) - 2


def test_questions_are_the_same_from_the_same_seed(truths: list[Truth]) -> None:
    first, again = (all_questions(truths[0], [20, 30], 4) for _ in range(2))
    assert first == again


@given(st.floats(0, 360), st.floats(0.06, 0.3))
@settings(max_examples=60, deadline=None)
def test_a_direction_is_the_nearest_or_is_not_asked(angle: float, speed: float) -> None:
    motion = Moment(truth_of(straight(21, angle, speed)), 20).motions[0]
    order = ("right", "down right", "down", "down left", "left", "up left", "up", "up right")
    for ways, told in ((4, motion.way_4), (8, motion.way_8)):
        sector = 360 / ways
        nearest = order[round(angle / sector) % ways * (8 // ways)]
        off = abs((angle + sector / 2) % sector - sector / 2)
        near = np.rad2deg(NEAR_WAY_RAD[ways])
        if abs(off - near) > 0.5:
            assert told == (nearest if off < near else None)


def test_canonical_questions_about_two_movers() -> None:
    found = asked_of(truth_of(straight(30, 0, 0.1, (40, 40)), straight(30, 270, 0.25, (150, 150))), 25)
    assert found["direction_two", "Which way is the red square moving?"] == "right"
    assert found["direction_two", "Which way is the blue circle moving?"] == "up"
    assert found["anything", "Is anything moving?"] == YES
    assert found["count", "How many objects are there?"] == "2"
    assert found["camera", "How is the camera moving?"] == STILL
    pairs = {answer for (family, _), answer in found.items() if family == "faster"}
    assert pairs == {"the blue circle"}
    assert not any(
        family == "what" for family, _ in found
    )  # two things move: one name would be half an answer


def test_what_stands_still() -> None:
    found = asked_of(truth_of(straight(30, 0, 0.0, (160, 30))), 25)
    assert found["direction_still", "Which way is the red square moving?"] == STILL
    assert found["anything", "Is anything moving?"] == NO
    assert found["what", "What is moving?"] == "nothing"
    assert found["where", "Where is the red square?"] == "top right"
    assert found["stop", "Did the red square stop?"] == NO


def test_nothing_is_asked_of_what_creeps() -> None:
    found = asked_of(truth_of(straight(30, 0, 0.015)), 25)
    assert not {f for f, _ in found} & {"direction", "direction_still", "anything", "what", "stop", "faster"}


def test_a_pan_is_the_cameras_and_the_content_moves_against_it() -> None:
    pan = np.tile([2.0, 0.0], (30, 1))
    way = straight(30, 180, 2.0 * FPS / SIDE, (150, 100))
    truth = truth_of(way, pan=pan)
    truth.own[:] = 0
    found = asked_of(truth, 25)
    assert found["camera", "How is the camera moving?"] == "right"
    assert found["direction_moving_camera", "Which way is the red square moving?"] == "left"
    assert found["what", "What is moving?"] == "the camera"
    zoomed = asked_of(truth_of(pan=np.zeros((30, 2)), zoom=np.full(30, -0.01)), 25)
    assert zoomed["camera", "How is the camera moving?"] == "backward"


def test_stops_starts_and_how_long_ago() -> None:
    moving, resting = straight(40, 0, 0.15, (40, 100)), np.zeros((60, 2))
    stopped = np.concatenate([moving, resting + moving[-1]])
    found = asked_of(truth_of(stopped), 79)  # it stopped 2 s ago
    assert found["stop", "Did the red square stop?"] == YES
    assert found["start", "Did the red square start?"] == NO
    assert found["since_stopped", "How many seconds ago did the red square stop?"] == "2"
    started = np.concatenate([resting[:40] + moving[0], moving])
    late = np.concatenate([resting[:60] + 150.0, straight(20, 270, 0.15, (150, 150))])
    found = asked_of(truth_of(started, late), 75)
    assert found["start", "Did the red square start?"] == YES
    assert {answer for (family, _), answer in found.items() if family == "first"} == {"the red square"}


def test_it_appeared_and_the_view_changed() -> None:
    visible = (np.arange(60) >= 40).astype(np.float32)[:, None]
    found = asked_of(truth_of(straight(60, 0, 0.0), visible=visible), 59)
    assert found["since_appeared", "How many seconds ago did the red square appear?"] == "1"
    assert found["changed", "Has the view changed?"] == NO
    assert asked_of(truth_of(straight(60, 0, 0.0), cut_at=40), 59)["changed", "Has the view changed?"] == YES


def test_coming_closer_and_moving_away() -> None:
    radius = 20 * np.exp(np.arange(30) * 0.02)[:, None]
    found = asked_of(truth_of(straight(30, 0, 0.0), radius=radius), 29)
    assert found["closer", "Is the red square coming closer?"] == YES
    assert found["away", "Is the red square moving away?"] == NO


@pytest.mark.parametrize("share", [0.3, 0.0])
def test_what_is_not_in_view_cannot_be_told_of(share: float) -> None:
    visible = np.full((30, 1), share)
    questions = all_questions(truth_of(straight(30, 0, 0.1), visible=visible), [25], 1)
    about_it = [a for a in questions if "red square" in a.question() and a.family != "cannot_tell"]
    if share:  # half hidden: neither there nor gone
        assert not about_it and not any("red square" in a.question() for a in questions)
    else:
        assert all((a.family, a.answers[0]) == ("presence", NO) for a in about_it)


def test_wordings() -> None:
    assert worded("presence", ("orange star",)) == "Is there an orange star?"
    assert worded("faster", ("the red square", "the blue circle")).startswith(
        "Which is faster, the red square or"
    )
    assert all(len(templates) >= 3 for templates in PHRASINGS.values())
    assert "Which way is the red square moving?" in corpus() and written("cannot tell") in corpus()
    assert [written(answer) for answer in ("left", "the camera", "2")] == [" left", " the camera", "2"]


def candidates(families: list[str], buckets: list[int]) -> list[Asked]:
    return [
        Asked(family, "count", (), ("1",), number, 0, f"{bucket}")
        for number, (family, bucket) in enumerate(zip(families, buckets, strict=True))
    ]


@given(st.lists(st.tuples(st.sampled_from(["anything", "camera"]), st.integers(0, 1)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_answer_runs_ahead(drawn: list[tuple[str, int]]) -> None:
    families, buckets = [family for family, _ in drawn], [bucket for _, bucket in drawn]
    balance = Balance()
    chosen = balance.choose(candidates(families, buckets), 60, np.random.default_rng(0))
    assert len({a.picture for a in chosen}) == len(chosen)
    counts = [balance.buckets["anything", bucket] for bucket in "01"]
    assert abs(counts[0] - counts[1]) <= 2 * SLACK


def test_a_quota_is_filled_and_no_more() -> None:
    balance = Balance(4)
    rng = np.random.default_rng(0)
    chosen = balance.choose(candidates(["anything"] * 20, [0] * 10 + [1] * 10), 20, rng)
    assert len(chosen) == 4 and balance.buckets["anything", "0"] == 2
    assert "anything" not in balance.lacking() and "camera" in balance.lacking()
