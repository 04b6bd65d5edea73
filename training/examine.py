"""Put questions to a bundle through the production runtime, and collect what it says. Knows no torch, no score."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from magno.runtime.camera.request import CameraError
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import Outcome, Query
from magno.training.questions_file import Question

DEADLINE_MS = 60_000.0
MAX_TOKENS = 12
AT_ONCE = 16  # questions that wait: the engine holds so many without refusing
ATTEMPTS = 3  # at a clip
AHEAD = 2  # clips that are watched while another is asked about


@dataclass(frozen=True, slots=True)
class Examined:
    told: list[str]  # in the questions' order; the outcome in brackets where there was no answer
    watched_s: float
    asked_s: float

    @property
    def questions_per_second(self) -> float:
        return len(self.told) / max(self.watched_s + self.asked_s, 1e-9)


def examine(
    config: EngineConfig, questions: Sequence[Question], progress: Callable[[int], None] = lambda done: None
) -> Examined:
    """Ask everything. A clip is watched once for each of its moments; all questions of a moment share one stream,
    and the next clips are watched meanwhile. Raises MagnoError when the bundle or a clip cannot be used."""
    order = sorted(range(len(questions)), key=lambda i: questions[i].moment)
    moments = [list(group) for _, group in groupby(order, key=lambda i: questions[i].moment)]
    told = [""] * len(questions)
    watched_s = asked_s = 0.0
    done = 0
    with Engine.open(config) as engine:
        ahead = max(min(AHEAD, config.max_cameras - 1), 0)
        for number in range(min(ahead, len(moments))):
            _watch(engine, number, questions[moments[number][0]])
        for number, moment in enumerate(moments):
            began = time.monotonic()
            coming = number + ahead
            if coming < len(moments):
                _watch(engine, coming, questions[moments[coming][0]])
            _wait(engine, number, questions[moment[0]])
            watched = time.monotonic()
            for i, text in zip(moment, _ask(engine, number, [questions[i] for i in moment]), strict=True):
                told[i] = text
            engine.unwatch(_camera(number))
            watched_s, asked_s = watched_s + watched - began, asked_s + time.monotonic() - watched
            done += len(moment)
            progress(done)
    return Examined(told, watched_s, asked_s)


def _camera(number: int) -> str:
    return f"clip {number}"


def _watch(engine: Engine, number: int, question: Question, attempts: int = ATTEMPTS) -> None:
    """Begin to watch; again where a busy machine kept its reader from starting."""
    try:
        engine.watch(_camera(number), str(question.clip), pace="fast", until_s=question.at_s)
    except CameraError as error:
        if attempts <= 1:
            raise CameraError(f"{question.clip}: {error}") from error
        _watch(engine, number, question, attempts - 1)


def _wait(engine: Engine, number: int, question: Question, attempts: int = ATTEMPTS) -> None:
    """Until all of it was watched; from its beginning again where it was lost on the way."""
    try:
        engine.wait_ended(_camera(number))
    except CameraError as error:
        if attempts <= 1:
            raise CameraError(f"{question.clip}: {error}") from error
        engine.unwatch(_camera(number))
        _watch(engine, number, question)
        _wait(engine, number, question, attempts - 1)


def _ask(engine: Engine, number: int, questions: Sequence[Question]) -> list[str]:
    told = []
    for start in range(0, len(questions), AT_ONCE):
        queries = [
            Query(question.text, _camera(number), DEADLINE_MS, MAX_TOKENS)
            for question in questions[start : start + AT_ONCE]
        ]
        for ticket in [engine.submit(query) for query in queries]:
            answer = ticket.result()
            told.append(answer.text if answer.outcome is Outcome.COMPLETE else f"[{answer.outcome.value}]")
    return told
