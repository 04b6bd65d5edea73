"""What the engine did, stage by stage: spans of time, in bounded memory, and nothing at all when nobody traces.

A camera's stages are read, window, encode (or drop) and ingest; a question's are queue, prefill, decode (one a token)
and outcome. What a stage decided (which picture, which token) and when by the engine's clock is the same in every
replay of a clip; how long it took by this machine's clock never is, and is kept apart.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from zlib import crc32

from magno.runtime.clock import Clock, WallClock
from magno.runtime.units import CodecFrame

Fact = str | int | float | bool | None
SPANS = 32_768  # some five minutes of one camera, 16 MiB


@dataclass(frozen=True, slots=True)
class Span:
    """One stage of one camera's or question's way."""

    track: str  # "camera front", "language front", "question 7"
    stage: str
    at_ns: int  # of the engine's clock, at its end
    facts: dict[str, Fact]  # what it worked on and decided
    start_ns: int  # of this machine's clock
    stop_ns: int


class Trail:
    """One track's spans, each from where the one before ended. This one leaves none: nobody traces."""

    __slots__ = ()
    is_on = False

    def start(self) -> None:
        """The next span begins now: what was since the last one is nobody's."""

    def lap(self, stage: str, **facts: Fact) -> None:
        """A stage ends here, and the next one begins."""


class Tracer:
    """Hands out trails. This one's leave nothing."""

    def trail(self, track: str) -> Trail:
        return NO_TRAIL


class RingTracer(Tracer):
    """Keeps the newest spans, from any thread; those that had to go are counted."""

    def __init__(self, clock: Clock, limit: int = SPANS) -> None:
        """`clock` is the engine's."""
        self._clock, self._wall = clock, WallClock()
        self._spans: deque[Span] = deque(maxlen=limit)
        self._made = 0
        self._lock = threading.Lock()

    def trail(self, track: str) -> Trail:
        return _RingTrail(self, track)

    def spans(self) -> tuple[list[Span], int]:
        """All that are kept, in the order in which they ended, and how many were dropped before them."""
        with self._lock:
            return list(self._spans), self._made - len(self._spans)

    def wall_ns(self) -> int:
        return self._wall.now_ns()

    def add(self, track: str, stage: str, facts: dict[str, Fact], start_ns: int, stop_ns: int) -> None:
        span = Span(track, stage, self._clock.now_ns(), facts, start_ns, stop_ns)
        with self._lock:
            self._spans.append(span)
            self._made += 1


class _RingTrail(Trail):
    __slots__ = ("_since_ns", "_tracer", "_track")
    is_on = True

    def __init__(self, tracer: RingTracer, track: str) -> None:
        self._tracer, self._track = tracer, track
        self._since_ns = tracer.wall_ns()

    def start(self) -> None:
        self._since_ns = self._tracer.wall_ns()

    def lap(self, stage: str, **facts: Fact) -> None:
        now_ns = self._tracer.wall_ns()
        self._tracer.add(self._track, stage, facts, self._since_ns, now_ns)
        self._since_ns = now_ns


def told_of(frame: CodecFrame) -> dict[str, Fact]:
    """A picture's facts. Its vectors and modes by their sum: they are the stream's, bit for bit, on every machine."""
    motion = frame.motion
    return {
        "sequence": frame.sequence,
        "pict_type": frame.pict_type,
        "pts_ns": frame.pts_ns,
        "link": motion.link.value if motion else None,
        "motion_crc": crc32(motion.mode.tobytes(), crc32(motion.mv_qpel.tobytes())) if motion else None,
    }


NO_TRAIL = Trail()
NO_TRACE = Tracer()
