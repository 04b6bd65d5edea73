"""A recorded clip through the production engine, in lockstep: time is the clip's own, and nothing races anything.

Before a picture is taken all that came of the picture before is in the cache, and the clock moves to where the clip is.
So two replays decide alike, span for span, however fast the machine is. Answers take no time: no deadline is missed.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from magno.runtime.clock import NS_PER_S, ReplayClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.trace import RingTracer, Span
from magno.runtime.units import Answer, CodecFrame, MagnoError, Query

CAMERA = "clip"
MAX_SPANS = 1 << 20  # of a replay: hours of a clip
LOOK_S = 0.2


class ReplayError(MagnoError):
    """A clip that cannot be replayed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and when in the clip it is asked."""

    at_ns: int
    query: Query


@dataclass(frozen=True, slots=True)
class Replayed:
    spans: list[Span]
    answers: list[Answer]  # in the order of the questions' times


class Lockstep:
    """What every picture of the clip passes: see watcher.Gate."""

    def __init__(self, engine: Engine, clock: ReplayClock, asked: Sequence[Asked]) -> None:
        self._engine, self._clock = engine, clock
        self._asked = deque(sorted(asked, key=lambda one: one.at_ns))
        self.answers: list[Answer] = []
        self.pictures = 0

    def before(self, frame: CodecFrame) -> CodecFrame:
        """Ask what was to be asked before this picture was seen; then it is captured at its own time."""
        while self._asked and self._asked[0].at_ns < frame.pts_ns:
            self.ask_next()
        self._clock.sleep_until_ns(frame.pts_ns)
        self.pictures += 1
        return dataclasses.replace(frame, capture_ns=self._clock.now_ns())

    def after(self) -> None:
        """Wait until the language model has taken what came of a picture."""
        self._engine.wait_taken(CAMERA)

    def ask_next(self) -> bool:
        """Ask the next question, at its time; False: there is none left."""
        if not self._asked:
            return False
        one = self._asked.popleft()
        self._clock.sleep_until_ns(one.at_ns)
        self.answers.append(self._engine.ask(one.query))
        return True


def replay(
    config: EngineConfig,
    clip: str,
    asked: Sequence[Asked],
    *,
    until_s: float | None = None,
    topic: str = "",
    progress: Callable[[int], None] = lambda pictures: None,
) -> Replayed:
    """Play a clip, or a `topic` of a bag, through a new engine, and ask. Raises MagnoError."""
    clock = ReplayClock()
    tracer = RingTracer(clock, MAX_SPANS)
    with Engine.open(config, clock, tracer) as engine:
        lockstep = Lockstep(engine, clock, asked)
        engine.watch(CAMERA, clip, pace="fast", until_s=until_s, topic=topic, gate=lockstep)
        while not engine.wait_ended(CAMERA, LOOK_S):
            progress(lockstep.pictures)
        while lockstep.ask_next():  # what is asked of the clip's end, or after it
            pass
        spans, dropped = tracer.spans()
    if dropped:
        raise ReplayError(
            f"A replay wants {MAX_SPANS} spans at most, found {dropped} more: replay a part of the clip (--until)."
        )
    return Replayed(spans, lockstep.answers)


def parse_asked(words: str, deadline_ms: float) -> Asked:
    """ "question@seconds", the last @ counts. Raises ReplayError."""
    question, at, seconds = words.rpartition("@")
    try:
        at_s = float(seconds) if at else -1.0
    except ValueError:
        at_s = -1.0
    if not 0 <= at_s < 1e9:  # false for NaN too
        raise ReplayError(f"A question of a replay wants 'TEXT@SECONDS', found {words[:80]!r}.")
    return Asked(int(at_s * NS_PER_S), Query(question, CAMERA, deadline_ms))
