"""One question to several cameras: an outcome for each, under one deadline, decoded together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.questions.several import query_each
from magno.runtime.together import Appended
from magno.runtime.units import Outcome, Query

PATIENCE_S = 60.0
CLIPS = {"park": "car-detection.mp4", "table": "bottle-detection.mp4", "meadow": "bunny_h264.mp4"}
ASK = Query("Which way is it moving?", deadline_ms=30_000.0, max_tokens=12)


@pytest.fixture(scope="module")
def engine(tiny_bundle: Path, clips: Path) -> Iterator[Engine]:
    """Three real clips, two seconds of each."""
    config = EngineConfig(
        str(tiny_bundle),
        threads=1,
        context_tokens=1536,
        budget_tokens=120,
        max_cameras=3,
        max_waiting=1,
        max_queries=3,
    )
    with Engine.open(config) as engine:
        for name, clip in CLIPS.items():
            engine.watch(name, str(clips / clip), pace="fast", until_s=2.0)
            assert engine.wait_ended(name, PATIENCE_S)
        yield engine


def test_each_camera_is_asked_once_and_talks_of_itself() -> None:
    asked = query_each(Query("Which way?", "other", conversation="talk"), ["a", "b", "a"])
    assert [(name, query.camera, query.conversation) for name, query in asked.items()] == [
        ("a", "a", "talk@a"),
        ("b", "b", "talk@b"),
    ]
    assert query_each(ASK, ["a"])["a"].conversation == ""


def test_all_cameras_say_what_each_says_alone_in_steps_that_they_share(
    engine: Engine, steps: list[Appended]
) -> None:
    alone = {name: engine.ask_each(ASK, [name])[name] for name in CLIPS}
    steps.clear()
    answers = engine.ask_each(ASK)
    assert list(answers) == list(CLIPS)
    assert {answer.outcome for answer in answers.values()} == {Outcome.COMPLETE}
    assert {name: (each.text, each.frame_pts_ns) for name, each in answers.items()} == {
        name: (each.text, each.frame_pts_ns) for name, each in alone.items()
    }
    assert max(len(step.faults) for step in steps) == 3 and all(step.as_one for step in steps)


def test_they_have_one_deadline(engine: Engine) -> None:
    tickets = engine.submit_each(ASK)
    assert len({ticket.deadline_ns for ticket in tickets.values()}) == 1
    assert {ticket.result(PATIENCE_S).outcome for ticket in tickets.values()} == {Outcome.COMPLETE}


def test_text_is_told_with_its_cameras_name(engine: Engine) -> None:
    told: dict[str, str] = {}
    lock = threading.Lock()

    def on_text(name: str, text: str) -> None:
        with lock:
            told[name] = text

    answers = engine.ask_each(ASK, ["table", "park"], on_text)
    assert {name: text.strip() for name, text in told.items()} == {
        name: answer.text for name, answer in answers.items()
    }


def test_one_that_is_unknown_fails_and_the_others_are_answered(engine: Engine) -> None:
    answers = engine.ask_each(ASK, ["park", "nowhere"])
    assert answers["park"].outcome is Outcome.COMPLETE
    assert answers["nowhere"].outcome is Outcome.FAILED and "'nowhere'" in answers["nowhere"].error


def test_a_name_that_is_no_list_is_one_camera(engine: Engine) -> None:
    assert list(engine.ask_each(ASK, "park")) == ["park"]


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        (Query(""), Outcome.FAILED),
        (Query("late?", deadline_ms=-1.0), Outcome.FAILED),
        (Query("Which way?", deadline_ms=0.5), Outcome.REFUSED),
    ],
)
def test_a_bad_question_has_its_outcome_once_for_each(engine: Engine, query: Query, outcome: Outcome) -> None:
    before = engine.outcomes()
    assert [answer.outcome for answer in engine.ask_each(query).values()] == [outcome] * 3
    assert engine.outcomes()[outcome] == before[outcome] + 3


def test_where_too_many_wait_some_are_refused_and_none_is_left_without(engine: Engine) -> None:
    """Three places and one that waits: of nine questions at once five have none."""
    with engine._scheduler.wake:
        tickets = [ticket for _ in range(3) for ticket in engine.submit_each(ASK).values()]
    outcomes = [ticket.result(PATIENCE_S).outcome for ticket in tickets]
    assert outcomes == [Outcome.COMPLETE] * 4 + [Outcome.REFUSED] * 5


def test_a_conversation_is_each_cameras_own(engine: Engine) -> None:
    talk = Query("Which way?", deadline_ms=30_000.0, max_tokens=4, conversation="talk")
    first, second = engine.ask_each(talk), engine.ask_each(talk)
    assert {answer.earlier_turns for answer in first.values()} == {0}
    assert {answer.earlier_turns for answer in second.values()} == {1}
    assert engine.forget_conversation("talk@park")


def test_where_none_is_watched_it_fails_with_a_sentence(tiny_bundle: Path) -> None:
    with Engine.open(EngineConfig(str(tiny_bundle), threads=1)) as engine:
        (answer,) = engine.ask_each(ASK).values()
    assert answer.outcome is Outcome.FAILED and "watch one first" in answer.error
