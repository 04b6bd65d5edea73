"""What one camera's engine does, as a recording has it: pictures from the camera's gate, spans from the trace,
questions from who asks them. Nothing here waits, on whatever thread it is called.
"""

from __future__ import annotations

from collections.abc import Mapping

from magno.runtime.clock import NS_PER_MS, NS_PER_S, Clock
from magno.runtime.trace import NO_TRAIL, Fact, Tracer, Trail
from magno.runtime.units import Answer, CodecFrame, Outcome
from magno.runtime.viz.items import Figure, Item, Level, Note, Shown
from magno.runtime.viz.recorder import Recorder

LEVELS = {
    Outcome.COMPLETE: Level.INFO,
    Outcome.PARTIAL: Level.WARN,
    Outcome.REFUSED: Level.WARN,
    Outcome.FAILED: Level.ERROR,
}


class Tap(Tracer):
    """Give it to the engine as its tracer and to `Engine.watch` as its gate; tell it what is asked.

    `budget_tokens` of the camera's stream: tell it once the engine is open.
    """

    def __init__(self, recorder: Recorder, clock: Clock) -> None:
        self._recorder, self._clock = recorder, clock
        self.budget_tokens = 0
        self._newest: tuple[int, int] | None = None  # of the newest picture: pts and capture time

    # The camera's gate

    def before(self, frame: CodecFrame) -> CodecFrame:
        self._newest = frame.pts_ns, frame.capture_ns
        self._recorder.put(Shown(frame))
        return frame

    def after(self) -> None:
        """Nothing waits for the cache."""

    # The engine's tracer

    def trail(self, track: str) -> Trail:
        return _TapTrail(self) if track.split()[0] in ("camera", "language") else NO_TRAIL

    # Whoever asks

    def asked(self, question: str) -> int:
        """When that is, in the stream's time: `answered` wants to know."""
        at_ns = self._now_ns()
        self._recorder.put(Note(at_ns, "questions", f"? {question}"))
        return at_ns

    def answered(self, question: str, answer: Answer, asked_ns: int) -> None:
        at_ns = asked_ns + int(answer.latency_ms * NS_PER_MS)
        for item in told_of_answer(question, answer, at_ns):
            self._recorder.put(item)

    def span(self, stage: str, facts: Mapping[str, Fact]) -> None:
        """A span of one of the trails has ended."""
        for item in told_of_stage(stage, facts, self.budget_tokens):
            self._recorder.put(item)

    def _now_ns(self) -> int:
        """In the stream's time, which has gone on since its newest picture."""
        if self._newest is None:
            return 0
        pts_ns, capture_ns = self._newest
        return pts_ns + max(0, self._clock.now_ns() - capture_ns)


class _TapTrail(Trail):
    __slots__ = ("_tap",)

    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    def lap(self, stage: str, **facts: Fact) -> None:
        self._tap.span(stage, facts)


def told_of_stage(stage: str, facts: Mapping[str, Fact], budget_tokens: int) -> list[Item]:
    """A span of a camera's trace (see trace.py) as notes and figures; none where it is of no interest here."""
    pts_ns = facts.get("pts_ns")
    if not isinstance(pts_ns, int):
        return []
    if stage == "encode":
        return _encoded(pts_ns, facts)
    if stage == "drop":
        return [Note(pts_ns, "stream", "dropped: the language model is behind", Level.WARN)]
    if stage == "tier":
        return [Note(pts_ns, "stream", f"taken in by now: {facts['tier']}", Level.WARN)]
    if stage == "ingest":
        return [*_ingested(pts_ns, facts), Figure(pts_ns, "cache/budget_tokens", budget_tokens)]
    return []


def told_of_answer(question: str, answer: Answer, at_ns: int) -> list[Item]:
    """An answer and what it took, at the moment it was given."""
    saw = "" if answer.frame_pts_ns is None else f", saw up to {answer.frame_pts_ns / NS_PER_S:.2f} s"
    took = f"{answer.outcome.value} in {answer.latency_ms:.0f} ms{saw}"
    said = " ".join(part for part in (answer.text, answer.error) if part)
    items: list[Item] = [Note(at_ns, "questions", f"{question} -> {said} ({took})", LEVELS[answer.outcome])]
    if answer.ttft_ms is not None:
        items.append(Figure(at_ns, "answers/first_token_ms", answer.ttft_ms))
    return items


def _encoded(pts_ns: int, facts: Mapping[str, Fact]) -> list[Item]:
    pictures = f", {facts['pictures']} pictures" if facts["kind"] == "window" else ""
    items: list[Item] = [Note(pts_ns, "stream", f"{facts['kind']}, GOP {facts['gop']}{pictures}")]
    if facts.get("cut"):
        items.append(Note(pts_ns, "stream", "cut: another scene", Level.WARN))
    return items


def _ingested(pts_ns: int, facts: Mapping[str, Fact]) -> list[Item]:
    """Tokens of a keyframe or window that went into the cache, what left for them, and what it holds now."""
    tokens, evicted, gops, cached = (
        float(facts.get(name) or 0) for name in ("tokens", "evicted_tokens", "evicted_gops", "cached_tokens")
    )
    items: list[Item] = [
        Figure(pts_ns, f"tokens/{facts['kind']}", tokens),
        Figure(pts_ns, "cache/used_tokens", cached),
    ]
    if not tokens:
        items.append(Note(pts_ns, "stream", f"{facts['kind']} left out: no room in the cache", Level.WARN))
    if evicted:
        items.append(Figure(pts_ns, "tokens/evicted", evicted))
        items.append(Note(pts_ns, "stream", f"evicted: {evicted:.0f} tokens of {gops:.0f} GOPs"))
    return items
