"""The owner thread: no question is left without an answer, no place stays taken, no camera starves."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from magno.runtime.bundle import open_bundle
from magno.runtime.camera.request import CameraError
from magno.runtime.clock import WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine, EngineError
from magno.runtime.language import LanguageConfig, LanguageError, LanguageModel
from magno.runtime.stream import LiveStream
from magno.runtime.units import Encoded, Outcome, Query
from magno.runtime.watcher import Watcher
from tests.waiting import happens

ASK = Query("Which way is the car moving?", "park", deadline_ms=30_000.0, max_tokens=8)
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def config(tiny_bundle: Path) -> EngineConfig:
    return EngineConfig(str(tiny_bundle), threads=1, context_tokens=1024, budget_tokens=120, max_cameras=3)


@pytest.fixture
def engine(config: EngineConfig, clips: Path) -> Iterator[Engine]:
    with Engine.open(config) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=1.0)
        assert engine.wait_ended("park", PATIENCE_S)
        yield engine


def test_a_fault_while_watching_does_not_end_the_answers(
    engine: Engine, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = LiveStream.append

    def fail_on_windows(stream: LiveStream, item: Encoded) -> None:
        if item.kind.value == "window":
            raise ValueError("a fault of ours")
        append(stream, item)

    monkeypatch.setattr(LiveStream, "append", fail_on_windows)
    engine.watch("table", str(clips / "bottle-detection.mp4"), pace="fast", until_s=1.0)
    assert engine.wait_ended("table", PATIENCE_S)
    assert engine.status()["table"].pictures_dropped > 0
    assert engine.submit(ASK).result(PATIENCE_S).outcome is Outcome.COMPLETE


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_when_the_owner_dies_everybody_hears_of_it(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(listener_text: str) -> None:
        raise SystemExit

    ticket = engine.submit(ASK, die)
    assert ticket.result(PATIENCE_S).outcome is Outcome.FAILED
    late = engine.submit(ASK).result(PATIENCE_S)
    assert late.outcome is Outcome.FAILED and "closed" in late.error


def test_a_belief_in_slow_steps_fades(engine: Engine) -> None:
    scheduler = engine._scheduler
    scheduler._profile = dataclasses.replace(scheduler._profile, step_ms=1e6)
    outcomes = {engine.ask(ASK).outcome for _ in range(60)}
    assert Outcome.COMPLETE in outcomes


def test_the_first_token_wants_no_step(engine: Engine) -> None:
    scheduler = engine._scheduler
    scheduler._profile = dataclasses.replace(scheduler._profile, step_ms=1e6)
    answer = engine.ask(ASK)
    assert answer.outcome is Outcome.PARTIAL
    assert answer.ttft_ms is not None


def test_questions_that_fit_alone_do_not_fill_the_cache_together(engine: Engine) -> None:
    begun, submitted = threading.Event(), threading.Event()
    told: list[str] = []

    def hold(text: str) -> None:
        told.append(text)
        if len(told) == 400:
            begun.set()
            submitted.wait(PATIENCE_S)

    long = dataclasses.replace(ASK, max_tokens=600)
    tickets = [engine.submit(long, hold)]
    assert begun.wait(PATIENCE_S)
    for deadline_ms in (29_000.0, 20_000.0, 15_000.0):
        tickets.append(engine.submit(dataclasses.replace(long, deadline_ms=deadline_ms)))
    submitted.set()
    answers = [ticket.result(PATIENCE_S) for ticket in tickets]
    assert Outcome.FAILED not in {answer.outcome for answer in answers}


def test_a_question_is_never_about_another_camera(engine: Engine, clips: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(text: str) -> None:
        begun.set()
        go_on.wait(PATIENCE_S)

    first = engine.submit(ASK, hold)
    assert begun.wait(PATIENCE_S)
    second = engine.submit(dataclasses.replace(ASK, camera=""))
    engine.unwatch("park")
    engine.watch("table", str(clips / "bottle-detection.mp4"), pace="fast", until_s=0.5)
    go_on.set()
    answer = second.result(PATIENCE_S)
    assert answer.outcome is Outcome.FAILED and "taken away" in answer.error
    assert first.result(PATIENCE_S).outcome is Outcome.COMPLETE  # its fork holds what it saw


def test_a_long_answer_does_not_blind_the_cameras(engine: Engine, clips: Path) -> None:
    engine.watch("table", str(clips / "bottle-detection.mp4"), loop=True)
    cached: list[bool] = []

    def look(text: str) -> None:
        if not cached and engine.status()["table"].newest_capture_ns is None:
            threading.Event().wait(0.05)
        else:
            cached.append(True)

    answer = engine.ask(dataclasses.replace(ASK, max_tokens=200), look)
    assert answer.outcome is Outcome.COMPLETE
    assert cached


def test_a_question_takes_in_what_waits_and_not_what_comes_meanwhile(
    config: EngineConfig, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, pause = LiveStream.append, threading.Event()

    def append_slowly(stream: LiveStream, item: Encoded) -> None:
        pause.wait(0.02)  # slower than the camera's thread, which always has more
        append(stream, item)

    monkeypatch.setattr(LiveStream, "append", append_slowly)
    with Engine.open(config) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast")
        assert happens(lambda: engine.status()["park"].newest_capture_ns is not None)
        answer = engine.ask(ASK)
        assert answer.outcome is Outcome.COMPLETE
        assert not engine.wait_ended("park", 0.0)


def test_a_camera_that_does_not_fit_gives_its_place_back(tiny_bundle: Path) -> None:
    bundle = open_bundle(tiny_bundle)
    with LanguageModel.open(bundle.llm, LanguageConfig(256, 3, 1)) as language:
        full = language.open_sequence()
        full.append([1] * language.free_tokens)
        for _ in range(5):
            with pytest.raises(LanguageError):
                LiveStream(language, bundle.spec, 120)
        full.release()
        streams = [LiveStream(language, bundle.spec, 120) for _ in range(3)]
        assert all(stream.sequence.tokens for stream in streams)


def test_who_waits_for_a_camera_hears_that_it_was_taken_away(
    engine: Engine, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.watch("table", str(clips / "bottle-detection.mp4"), loop=True)
    heard: list[str] = []
    looked, finished = threading.Event(), Watcher.finished.fget
    assert finished is not None

    def look(watcher: Watcher) -> bool:
        looked.set()
        return bool(finished(watcher))

    monkeypatch.setattr(Watcher, "finished", property(look))

    def wait() -> None:
        try:
            engine.wait_ended("table")
        except EngineError as error:
            heard.append(str(error))

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    assert looked.wait(PATIENCE_S)
    engine.unwatch("table")
    waiter.join(PATIENCE_S)
    assert not waiter.is_alive()
    assert heard and "closed" in heard[0]


def test_a_camera_that_could_not_be_opened_leaves_its_successor_alone(
    engine: Engine, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go_on = threading.Event(), threading.Event()
    open_reader, failed = Watcher.open, []

    def open_late(watcher: Watcher) -> None:
        opening.set()
        assert go_on.wait(PATIENCE_S)
        open_reader(watcher)

    def watch() -> None:
        try:
            engine.watch("table", str(clips / "gone.mp4"))
        except CameraError as error:
            failed.append(error)

    monkeypatch.setattr(Watcher, "open", open_late)
    first = threading.Thread(target=watch)
    first.start()
    assert opening.wait(PATIENCE_S)
    monkeypatch.setattr(Watcher, "open", open_reader)
    engine.unwatch("table")
    engine.watch("table", str(clips / "bottle-detection.mp4"), loop=True)
    go_on.set()
    first.join(PATIENCE_S)
    assert failed and "table" in engine.status()


def test_a_slow_moment_at_the_start_does_not_stay(tiny_bundle: Path) -> None:
    from magno.runtime.profile import measure

    class Stuttering(WallClock):
        """Two of three intervals hold a second in which this process did not run."""

        looks = 0
        late_ns = 0

        def now_ns(self) -> int:
            self.looks += 1
            if self.looks % 2 == 0 and self.looks % 6:
                self.late_ns += 1_000_000_000
            return super().now_ns() + self.late_ns

    bundle = open_bundle(tiny_bundle)
    with LanguageModel.open(bundle.llm, LanguageConfig(512, 3, 1)) as language:
        profile = measure(language, Stuttering(), 64)
    assert profile.step_ms < 500 and profile.prefill_ms(64) < 500
