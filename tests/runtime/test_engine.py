"""The engine on real clips, real encoders and a real language model, of random weights."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from magno.runtime.camera.request import CameraError
from magno.runtime.clock import WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine, EngineError
from magno.runtime.units import MagnoError, Outcome, Query

ASK = Query("Which way is the car moving?", deadline_ms=30_000.0, max_tokens=8)
PATIENCE_S = 60.0


class TickingClock(WallClock):
    """Every look at it costs `tick_ms`: a deadline passes after so many looks, however fast the machine is."""

    def __init__(self) -> None:
        self.tick_ms = 0.0
        self._now_ns = 0
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        with self._lock:
            self._now_ns += int(self.tick_ms * 1e6) + 1
            return self._now_ns


@pytest.fixture(scope="module")
def config(tiny_bundle: Path) -> EngineConfig:
    return EngineConfig(str(tiny_bundle), threads=1, context_tokens=1024, budget_tokens=120, max_cameras=3)


@pytest.fixture(scope="module")
def engine(config: EngineConfig, clips: Path) -> Iterator[Engine]:
    """An engine that has watched ten seconds of a real clip."""
    with Engine.open(config) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=10.0)
        assert engine.wait_ended("park", PATIENCE_S)
        yield engine


def test_answers_about_the_newest_picture(engine: Engine) -> None:
    answer = engine.ask(ASK)
    assert answer.outcome is Outcome.COMPLETE
    assert answer.error == ""
    assert answer.frame_pts_ns == 10_000_000_000
    assert answer.ttft_ms is not None and 0 < answer.ttft_ms <= answer.latency_ms
    assert 0 < answer.visual_tokens < answer.cached_tokens <= 120


def test_the_only_camera_needs_no_name(engine: Engine) -> None:
    assert (
        engine.ask(dataclasses.replace(ASK, camera="")).text
        == engine.ask(dataclasses.replace(ASK, camera="park")).text
    )


def test_a_question_leaves_the_stream_as_it_was(engine: Engine) -> None:
    first = engine.ask(ASK)
    engine.ask(Query("Something else entirely?", deadline_ms=30_000.0))
    again = engine.ask(ASK)
    assert (again.text, again.cached_tokens) == (first.text, first.cached_tokens)


def test_text_arrives_as_it_is_decoded(engine: Engine) -> None:
    told: list[str] = []
    answer = engine.ask(ASK, told.append)
    assert told and told[-1].strip() == answer.text
    assert all(later.startswith(earlier) for earlier, later in pairwise(told))


def test_a_listener_that_raises_harms_nobody(engine: Engine) -> None:
    def listener(text: str) -> None:
        raise RuntimeError("a listener's fault")

    assert engine.ask(ASK, listener).outcome is Outcome.COMPLETE
    assert engine.ask(ASK).outcome is Outcome.COMPLETE


@pytest.mark.parametrize(
    "query",
    [
        Query(""),
        Query("   "),
        Query("x" * 5000),
        Query("nul\0"),
        Query("\ud800"),
        Query("late?", deadline_ms=0.0),
        Query("late?", deadline_ms=-5.0),
        Query("late?", deadline_ms=float("nan")),
        Query("late?", deadline_ms=1e12),
        Query("where?", camera="nowhere"),
        Query("long?", max_tokens=0),
    ],
)
def test_a_bad_question_fails_with_a_sentence(engine: Engine, query: Query) -> None:
    answer = engine.ask(query)
    assert answer.outcome is Outcome.FAILED
    assert answer.error.endswith(".") and "\n" not in answer.error
    assert engine.ask(ASK).outcome is Outcome.COMPLETE


def test_what_cannot_start_in_time_is_refused(engine: Engine) -> None:
    answer = engine.ask(Query("Which way?", deadline_ms=0.5))
    assert answer.outcome is Outcome.REFUSED
    assert answer.text == "" and "deadline" in answer.error


def test_what_does_not_fit_the_cache_is_refused(engine: Engine) -> None:
    answer = engine.ask(Query("Which way?", deadline_ms=30_000.0, max_tokens=1024))
    assert answer.outcome is Outcome.REFUSED
    assert "max_tokens" in answer.error


def test_the_deadline_cuts_an_answer_to_what_there_is(config: EngineConfig, clips: Path) -> None:
    clock = TickingClock()
    with Engine.open(config, clock) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=2.0)
        assert engine.wait_ended("park", PATIENCE_S)
        long = dataclasses.replace(ASK, max_tokens=400, deadline_ms=1_000.0)
        whole = engine.ask(long)
        clock.tick_ms = 2.0
        told: list[str] = []
        answer = engine.ask(long, told.append)
    assert answer.outcome is Outcome.PARTIAL
    assert answer.latency_ms <= long.deadline_ms
    assert told and answer.text == told[-1].strip()
    assert whole.text.startswith(answer.text.rstrip("\ufffd")) and len(answer.text) < len(whole.text)
    assert whole.foretold_tokens == 400


def test_who_wants_all_or_nothing_gets_nothing_of_an_answer_that_is_cut(
    config: EngineConfig, clips: Path
) -> None:
    clock = TickingClock()
    with Engine.open(config, clock) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=2.0)
        assert engine.wait_ended("park", PATIENCE_S)
        long = dataclasses.replace(ASK, max_tokens=400, deadline_ms=1_000.0, on_deadline="refuse")
        whole = engine.ask(long)
        clock.tick_ms = 2.0
        cut = engine.ask(long)  # the clock passes between its steps, which nothing foretells
        scheduler = engine._scheduler
        scheduler._profile = dataclasses.replace(scheduler._profile, step_ms=100.0)
        at_once = engine.ask(long)
        some = engine.ask(dataclasses.replace(long, on_deadline="partial"))
    assert whole.outcome is Outcome.COMPLETE and whole.text
    assert cut.outcome is Outcome.REFUSED and not cut.text and cut.visual_tokens > 0
    assert (
        at_once.outcome is Outcome.REFUSED and at_once.foretold_tokens is None and at_once.visual_tokens == 0
    )
    assert at_once.error.startswith("A whole answer wants")
    assert (
        some.outcome is Outcome.PARTIAL
        and some.foretold_tokens is not None
        and 1 <= some.foretold_tokens < 20
    )


def test_cancel_ends_a_question_within_a_step(engine: Engine) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(text: str) -> None:
        begun.set()
        go_on.wait(PATIENCE_S)

    ticket = engine.submit(dataclasses.replace(ASK, max_tokens=400), hold)
    assert begun.wait(PATIENCE_S)
    ticket.cancel()
    go_on.set()
    answer = ticket.result(PATIENCE_S)
    assert answer.outcome is Outcome.FAILED and "cancelled" in answer.error
    assert engine.ask(ASK).outcome is Outcome.COMPLETE


def test_every_question_gets_one_outcome_under_load(engine: Engine) -> None:
    before = engine.ask(ASK)
    tickets = []
    lock = threading.Lock()

    def ask_many(seed: int) -> None:
        for number in range(25):
            query = dataclasses.replace(ASK, deadline_ms=(5.0, 40.0, 30_000.0)[(seed + number) % 3])
            ticket = engine.submit(query)
            if number % 7 == 3:
                ticket.cancel()
            with lock:
                tickets.append(ticket)

    threads = [threading.Thread(target=ask_many, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = [ticket.result(PATIENCE_S) for ticket in tickets]
    assert len(answers) == 100
    assert any(answer.outcome is Outcome.COMPLETE for answer in answers)
    assert all((answer.outcome is Outcome.COMPLETE) or answer.error for answer in answers)
    assert all(answer.text == before.text for answer in answers if answer.outcome is Outcome.COMPLETE)
    assert engine.ask(ASK).cached_tokens == before.cached_tokens


def test_a_stream_runs_on_within_its_budget(config: EngineConfig, clips: Path) -> None:
    with Engine.open(config) as engine:
        engine.watch("bunny", str(clips / "bunny_mpeg4.mp4"), pace="fast")
        assert engine.wait_ended("bunny", PATIENCE_S)
        status = engine.status()["bunny"]
        answer = engine.ask(ASK)
    assert (status.state, status.pictures_received, status.pictures_dropped) == ("ended", 337, 0)
    assert 0 < status.cached_tokens <= config.budget_tokens
    assert answer.outcome is Outcome.COMPLETE


def test_cameras_do_not_see_each_other(config: EngineConfig, clips: Path) -> None:
    with Engine.open(config) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=3.0)
        assert engine.wait_ended("park", PATIENCE_S)
        alone = engine.ask(ASK)
        engine.watch("table", str(clips / "bottle-detection.mp4"), pace="fast", until_s=3.0)
        assert engine.wait_ended("table", PATIENCE_S)
        assert engine.ask(dataclasses.replace(ASK, camera="park")).text == alone.text
        assert engine.ask(ASK).outcome is Outcome.FAILED  # which of the two?
        engine.unwatch("table")
        assert engine.ask(ASK).text == alone.text
        with pytest.raises(EngineError):
            engine.unwatch("table")


def test_a_killed_reader_is_noticed_and_replaced(config: EngineConfig, clips: Path) -> None:
    with Engine.open(config) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), loop=True)
        watcher = engine._cameras.find("park")
        _wait(lambda: engine.status()["park"].newest_capture_ns is not None)
        assert watcher._reader is not None
        os.kill(watcher._reader.pid, signal.SIGKILL)
        _wait(lambda: engine.status()["park"].state == "lost")
        assert engine.ask(ASK).outcome is Outcome.COMPLETE  # what was seen is still there
        seen = engine.status()["park"].pictures_received
        _wait(lambda: engine.status()["park"].state == "streaming")
        _wait(lambda: engine.status()["park"].pictures_received > seen)
        assert engine.ask(ASK).outcome is Outcome.COMPLETE


def test_a_file_that_is_lost_says_so(config: EngineConfig, clips: Path, tmp_path: Path) -> None:
    with Engine.open(config) as engine:
        with pytest.raises(CameraError, match="no such file"):
            engine.watch("gone", str(tmp_path / "gone.mp4"))
        assert engine.status() == {}
        engine.watch("gone", str(clips / "car-detection.mp4"), pace="fast", until_s=0.5)  # the name is free
        with pytest.raises(EngineError, match="name of its own"):
            engine.watch("gone", str(clips / "car-detection.mp4"))


def test_closing_answers_what_is_open(config: EngineConfig, clips: Path) -> None:
    engine = Engine.open(config)
    engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=2.0)
    engine.wait_ended("park", PATIENCE_S)
    begun = threading.Event()
    tickets = [
        engine.submit(dataclasses.replace(ASK, max_tokens=400), lambda _: begun.set()) for _ in range(8)
    ]
    assert begun.wait(PATIENCE_S)
    engine.close()
    engine.close()
    assert {ticket.result(PATIENCE_S).outcome for ticket in tickets} <= {Outcome.COMPLETE, Outcome.FAILED}
    late = engine.ask(ASK)
    assert late.outcome is Outcome.FAILED and "closed" in late.error
    with pytest.raises(MagnoError):
        engine.watch("late", str(clips / "car-detection.mp4"))


def _wait(condition: object) -> None:
    assert callable(condition)
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("it did not happen")
