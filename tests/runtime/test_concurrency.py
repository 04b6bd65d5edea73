"""Questions answered together: each gets the answer it would get alone, whatever becomes of the others."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from magno.runtime import scheduler as scheduler_module
from magno.runtime.clock import WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.language import LanguageError, LanguageModel
from magno.runtime.together import Appended, Share
from magno.runtime.units import Answer, Outcome, Query

PATIENCE_S = 60.0
WORDS = (
    "Which way?",
    "What moves?",
    "Where is the car?",
    "How many?",
    "Is it red?",
    "Left?",
    "Why?",
    "And now?",
)
QUERIES = [Query(word, ("park", "table")[at % 2], 60_000.0, 10 + at) for at, word in enumerate(WORDS)]


@pytest.fixture(scope="module")
def config(tiny_bundle: Path) -> EngineConfig:
    return EngineConfig(str(tiny_bundle), threads=1, context_tokens=1536, budget_tokens=120, max_cameras=2)


@pytest.fixture
def engine(config: EngineConfig, clips: Path) -> Iterator[Engine]:
    with Engine.open(config) as engine:
        watch(engine, clips)
        yield engine


def watch(engine: Engine, clips: Path) -> None:
    for name, clip in (("park", "car-detection.mp4"), ("table", "bottle-detection.mp4")):
        engine.watch(name, str(clips / clip), pace="fast", until_s=2.0)
        assert engine.wait_ended(name, PATIENCE_S)


def ask_at_once(engine: Engine, queries: list[Query]) -> list[Answer]:
    with engine._scheduler.wake:  # none of them begins before all are there
        tickets = [engine.submit(query) for query in queries]
    return [ticket.result(PATIENCE_S) for ticket in tickets]


def texts(answers: list[Answer]) -> list[str]:
    assert {answer.outcome for answer in answers} == {Outcome.COMPLETE}, [answer.error for answer in answers]
    return [answer.text for answer in answers]


def test_eight_at_once_of_two_cameras_say_what_they_say_in_sequence(
    engine: Engine, steps: list[Appended]
) -> None:
    in_sequence = texts([engine.ask(query) for query in QUERIES])
    alone_steps = len(steps)
    steps.clear()
    assert texts(ask_at_once(engine, QUERIES)) == in_sequence
    assert len(set(in_sequence)) > 4
    assert max(len(step.faults) for step in steps) == 8
    assert all(step.as_one for step in steps)
    assert len(steps) < alone_steps / 3


def test_one_cancelled_one_ended_and_one_that_fails_leave_the_others_alone(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = [*QUERIES[:3], dataclasses.replace(QUERIES[3], max_tokens=2), *QUERIES[4:]]
    in_sequence = texts([engine.ask(query) for query in queries])
    append = scheduler_module.append_together
    made = 0

    def fail_the_second(model: LanguageModel, shares: list[Share]) -> Appended:
        nonlocal made
        made += 1
        if made == 5:
            tickets[0].cancel()
            shares[1].sequence.release()
        return append(model, shares)

    monkeypatch.setattr(scheduler_module, "append_together", fail_the_second)
    with engine._scheduler.wake:
        tickets = [engine.submit(query) for query in queries]
    answers = [ticket.result(PATIENCE_S) for ticket in tickets]
    assert [answer.outcome for answer in answers[:2]] == [Outcome.FAILED] * 2
    assert "cancelled" in answers[0].error and in_sequence[0].startswith(answers[0].text)
    assert "released" in answers[1].error
    assert texts(answers[2:]) == in_sequence[2:]
    assert engine._language.used_tokens == sum(status.cached_tokens for status in engine.status().values())


def test_a_deadline_cuts_one_of_them_alone(config: EngineConfig, clips: Path) -> None:
    class Ticking(WallClock):
        """Every look costs `tick_ms`, however fast the machine is."""

        tick_ms, past_ns, lock = 0.0, 0, threading.Lock()

        def now_ns(self) -> int:
            with self.lock:
                self.past_ns += int(self.tick_ms * 1e6) + 1
                return self.past_ns

    clock = Ticking()
    with Engine.open(config, clock) as engine:
        watch(engine, clips)
        in_sequence = texts([engine.ask(query) for query in QUERIES])
        clock.tick_ms = 1.0
        urgent = dataclasses.replace(QUERIES[0], deadline_ms=2_000.0, max_tokens=300)
        answers = ask_at_once(engine, [urgent, *QUERIES[1:]])
    assert answers[0].outcome is Outcome.PARTIAL
    assert answers[0].latency_ms <= urgent.deadline_ms
    assert texts(answers[1:]) == in_sequence[1:]


def test_a_step_that_llama_cpp_refuses_is_made_one_by_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, steps: list[Appended]
) -> None:
    in_sequence = texts([engine.ask(query) for query in QUERIES])
    decode = engine._language._decode

    def refuse(parts: list[object]) -> object:
        if len(parts) > 1:
            raise LanguageError("A decode of rows wants code 0, found 1: see the debug log.")
        return decode(parts)  # type: ignore[arg-type]

    monkeypatch.setattr(engine._language, "_decode", refuse)
    steps.clear()
    assert texts(ask_at_once(engine, QUERIES)) == in_sequence
    assert not steps[0].as_one


def test_a_fault_of_ours_in_a_step_does_not_end_the_answers(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:

        def fail(model: LanguageModel, shares: list[Share]) -> Appended:
            raise ValueError("a fault of ours")

        patched.setattr(scheduler_module, "append_together", fail)
        answers = ask_at_once(engine, QUERIES)
    assert {answer.outcome for answer in answers} == {Outcome.FAILED}
    assert all("ValueError" in answer.error for answer in answers)
    assert engine.ask(QUERIES[0]).outcome is Outcome.COMPLETE


def test_more_than_there_are_places_take_turns(
    config: EngineConfig, clips: Path, steps: list[Appended]
) -> None:
    with Engine.open(dataclasses.replace(config, max_queries=3)) as engine:
        watch(engine, clips)
        in_sequence = texts([engine.ask(query) for query in QUERIES])
        steps.clear()
        assert texts(ask_at_once(engine, QUERIES)) == in_sequence
        assert max(len(step.faults) for step in steps) == 3


def test_who_waited_in_vain_is_told_when_to_ask_again(config: EngineConfig, clips: Path) -> None:
    """One place, held by a listener until the other's deadline is nearly there."""
    with Engine.open(dataclasses.replace(config, max_queries=1)) as engine:
        watch(engine, clips)
        begun, over = threading.Event(), threading.Event()

        def hold(text: str) -> None:
            begun.set()
            over.wait(PATIENCE_S)

        first = engine.submit(QUERIES[0], hold)
        assert begun.wait(PATIENCE_S)
        late = engine.submit(dataclasses.replace(QUERIES[1], deadline_ms=2_000.0))
        assert not late.done
        over.wait(2.0)
        over.set()
        answer = late.result(PATIENCE_S)
        assert first.result(PATIENCE_S).outcome is Outcome.COMPLETE
    assert answer.outcome is Outcome.REFUSED
    assert answer.retry_after_ms is not None and answer.retry_after_ms > 0
    assert "ask again in" in answer.error
