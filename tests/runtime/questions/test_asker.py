"""Standing questions on real clips: events, cameras that go and come, and who gives way to whom."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine, EngineError
from magno.runtime.questions.asker import StandingError
from magno.runtime.questions.standing import normalised
from magno.runtime.questions.ticket import Ticket
from magno.runtime.units import Event, MagnoError, Outcome, Query
from tests.waiting import happens

QUESTION = "Which way is the car moving?"
PATIENCE_S = 60.0
EMPTY_S, CAR_S = 4.0, 8.0  # until then the park is empty, and until then a car crosses it


@pytest.fixture(scope="module")
def config(tiny_bundle: Path) -> EngineConfig:
    return EngineConfig(str(tiny_bundle), threads=1, context_tokens=1024, budget_tokens=120, max_cameras=3)


@pytest.fixture
def engine(config: EngineConfig) -> Iterator[Engine]:
    with Engine.open(config) as engine:
        yield engine


@pytest.fixture
def park(clips: Path) -> str:
    return str(clips / "car-detection.mp4")


def watch(engine: Engine, url: str, until_s: float) -> None:
    engine.watch("park", url, pace="fast", until_s=until_s)
    assert engine.wait_ended("park", PATIENCE_S)


def test_an_event_for_every_answer_of_other_words(engine: Engine, park: str) -> None:
    events: list[Event] = []
    engine.watch("park", park, loop=True)
    with engine.watch_for(QUESTION, on="interval", every_s=0.1, on_event=events.append) as standing:
        assert happens(lambda: len(events) >= 3)
    first = events[0]
    assert (first.previous, first.previous_ns, first.camera) == (None, None, "park")
    for before, event in pairwise(events):
        assert event.previous == before.answer and event.previous_ns == before.at_ns < event.at_ns
        assert normalised(event.answer.text) != normalised(before.answer.text)
        assert event.answer.outcome is Outcome.COMPLETE and event.answer.frame_capture_ns is not None
    status = standing.status()
    assert status.asked >= status.answered >= status.events >= 3 and status.error == ""


def test_by_motion_asked_once_while_nothing_moves_and_again_when_something_did(
    engine: Engine, park: str
) -> None:
    watch(engine, park, EMPTY_S)
    assert engine.status()["park"].scene_cuts == 0
    with engine.watch_for(QUESTION, "park", every_s=0.1, on_event=lambda event: None) as standing:
        assert happens(lambda: standing.status().answered == 1)
        engine.unwatch("park")
        threading.Event().wait(0.3)
        assert standing.status().asked == 1
        watch(engine, park, CAR_S)  # it comes back under its name
        assert happens(lambda: standing.status().answered >= 2)


def test_asked_as_a_car_comes_and_not_before(config: EngineConfig, park: str) -> None:
    """Played at its own rate, begun shortly before the car comes."""
    with Engine.open(config) as engine:
        engine.watch("park", park, loop=True)
        seen: list[int] = []

        def look(event: Event) -> None:
            seen.append(event.answer.frame_pts_ns or 0)

        with engine.watch_for(QUESTION, every_s=0.1, on_event=look) as standing:
            assert happens(lambda: standing.status().answered == 1)
            assert happens(lambda: engine.status()["park"].motion_energy > 1e-2)
            assert happens(lambda: standing.status().answered >= 3)
            assert standing.status().asked < 20
    assert seen[0] < 4_000_000_000


def test_a_lost_camera_is_asked_nothing_and_asked_again_once_it_is_back(engine: Engine, park: str) -> None:
    engine.watch("park", park, loop=True)
    with engine.watch_for(QUESTION, every_s=0.1, on_event=lambda event: None) as standing:
        assert happens(lambda: standing.status().answered == 1)
        pid = engine.status()["park"].reader_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert happens(lambda: engine.status()["park"].scene_cuts == 1)  # it may look elsewhere now
        assert happens(lambda: standing.status().answered >= 2)


def test_a_failure_is_told_and_tried_again(
    engine: Engine, park: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "magno.engine")
    watch(engine, park, EMPTY_S)
    with engine.watch_for("why " * 1000, on_event=lambda event: None, every_s=0.1) as standing:
        assert happens(lambda: standing.status().asked >= 2)
        assert standing.status().answered == 0 and "Ask a shorter one" in standing.status().error
    assert len([record for record in caplog.records if "standing question" in record.message]) == 1


def test_a_listener_that_raises_harms_nobody(engine: Engine, park: str) -> None:
    def listener(event: Event) -> None:
        raise RuntimeError("a listener's fault")

    watch(engine, park, EMPTY_S)
    heard: list[Event] = []
    engine.watch_for(QUESTION, on_event=listener)
    engine.watch_for("Is anything moving?", on_event=heard.append)
    assert happens(lambda: len(heard) == 1)


def test_a_listener_may_close_its_question(engine: Engine, park: str) -> None:
    engine.watch("park", park, loop=True)
    closed = threading.Event()

    def listener(event: Event) -> None:
        standing.close()
        closed.set()

    standing = engine.watch_for(QUESTION, on="interval", every_s=0.1, on_event=listener)
    assert closed.wait(PATIENCE_S)
    assert standing.is_closed and standing.status().asked == 1


def test_no_more_than_configured_and_a_closed_one_gives_its_place_back(
    config: EngineConfig, park: str
) -> None:
    with Engine.open(dataclasses.replace(config, max_standing=2)) as engine:
        watch(engine, park, 1.0)
        standing = [engine.watch_for(QUESTION, on_event=lambda event: None) for _ in range(2)]
        with pytest.raises(StandingError, match="max_standing"):
            engine.watch_for(QUESTION, on_event=lambda event: None)
        standing[0].close()
        standing[0].close()
        engine.watch_for(QUESTION, on_event=lambda event: None)
    with pytest.raises(MagnoError, match="closed"):
        engine.watch_for(QUESTION, "park", on_event=lambda event: None)


def test_what_cannot_be_asked_is_refused_at_once(engine: Engine, park: str) -> None:
    with pytest.raises(EngineError, match="0 are watched"):
        engine.watch_for(QUESTION, on_event=print)
    engine.watch("park", park, pace="fast", until_s=0.5, keyframes_only=True)
    with pytest.raises(EngineError, match="'garden'"):
        engine.watch_for(QUESTION, "garden", on_event=print)
    with pytest.raises(EngineError, match="wants text"):
        engine.watch_for(" ", on_event=print)
    with pytest.raises(EngineError, match="interval"):
        engine.watch_for(QUESTION, on="motion", on_event=print)
    with pytest.raises(MagnoError, match="every_s"):
        engine.watch_for(QUESTION, on="interval", every_s=0.0, on_event=print)


def test_a_standing_question_is_the_least_urgent() -> None:
    urgent = Ticket(Query("?", deadline_ms=60_000.0), 1_000)
    overdue = Ticket(Query("?", deadline_ms=1.0), 0, standing=True)
    assert urgent.urgency < overdue.urgency


def test_it_gives_way_where_somebody_would_have_to_wait(config: EngineConfig, park: str) -> None:
    """The only place to answer in is taken by a standing question, in the middle of its answer."""
    with Engine.open(dataclasses.replace(config, max_queries=1)) as engine:
        watch(engine, park, 1.0)
        begun, go_on = threading.Event(), threading.Event()

        def hold(text: str) -> None:
            begun.set()
            go_on.wait(PATIENCE_S)

        long = Query(QUESTION, deadline_ms=60_000.0, max_tokens=600)
        standing = engine._desk.submit([long], hold, standing=True)[0]
        assert begun.wait(PATIENCE_S)
        ticket = engine.submit(dataclasses.replace(long, max_tokens=4))
        go_on.set()
        assert ticket.result(PATIENCE_S).outcome is Outcome.COMPLETE
        refused = standing.result(PATIENCE_S)
        assert refused.outcome is Outcome.REFUSED and "somebody waits" in refused.error


def test_closing_the_engine_ends_them(config: EngineConfig, park: str) -> None:
    engine = Engine.open(config)
    engine.watch("park", park, loop=True)
    for _ in range(4):
        engine.watch_for(QUESTION, on="interval", every_s=0.1, on_event=lambda event: None)
    assert happens(lambda: engine.status()["park"].newest_capture_ns is not None)
    engine.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "magno-standing"]
