"""Which question is refused as it arrives, and why. Decides, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from magno.runtime.config import EngineConfig
from magno.runtime.deadline import REFUSE, admit, foretold_tokens
from magno.runtime.latency import LatencyProfile
from magno.runtime.questions.answering import Answering
from magno.runtime.questions.open_questions import OpenQuestions
from magno.runtime.units import Query
from magno.runtime.watcher import Watcher

GIVES_WAY = (
    "A standing question wants a free place, found questions that somebody waits for: ask again later."
)


INGESTED = 2  # keyframes, before an answer's end


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a question may not wait for its turn."""

    reason: str  # one sentence
    retry_after_ms: float | None  # None: waiting does not help
    believed: bool = False  # for what the profile believes, which nothing tests while it refuses


def refusal(
    newcomer: Answering,
    queue_ms: float,
    questions: OpenQuestions,
    config: EngineConfig,
    profile: LatencyProfile,
) -> Refusal | None:
    """The refusal of a question that too many are before, that is too long, or that would come too late."""
    standing, most_tokens = newcomer.ticket.standing, questions.places.cells
    places = config.max_queries + (0 if standing else config.max_waiting)
    if questions.rivals(newcomer) >= places:
        return Refusal(f"{len(questions)} questions wait already: ask again later.", max(1.0, queue_ms))
    if newcomer.wanted_tokens > most_tokens:
        what, do = ("A question and its answer", "Ask a shorter one, or lower max_tokens.")
        if newcomer.ticket.is_past:
            what, do = "A question, its answer and what is recalled for it", "Raise context_tokens."
        reason = f"{what} want {most_tokens} tokens at most, found {newcomer.wanted_tokens}. {do}"
        return Refusal(reason, None)
    decode_ms = 0.0
    if newcomer.ticket.query.on_deadline == REFUSE:
        steps = profile.expected_tokens(newcomer.ticket.query.max_tokens) - 1
        together = min(len(questions) + 1, config.max_queries)  # while nobody else comes
        decode_ms = steps * profile.native_ms(0, together)
    found = admit(newcomer.remaining_ms(), queue_ms, newcomer.waiting_tokens, profile, decode_ms)
    return None if found.admitted else Refusal(found.reason, found.retry_after_ms, believed=True)


def foretold(
    newcomer: Answering, queue_ms: float, config: EngineConfig, profile: LatencyProfile, ingest_ms: float
) -> int:
    """How many tokens of its answer will come in time. As many may come after it as are answered at once, so each step
    is thought to be shared by all of them, and the camera is let in between: a keyframe takes `ingest_ms`."""
    behind_ms = queue_ms + INGESTED * ingest_ms
    tokens = foretold_tokens(
        newcomer.remaining_ms(), behind_ms, newcomer.waiting_tokens, config.max_queries, profile
    )
    return min(tokens, newcomer.ticket.query.max_tokens)


def camera_of(query: Query, watched: Mapping[str, Watcher]) -> Watcher | None:
    """The camera that a query names, or the only one."""
    if not query.camera and len(watched) == 1:
        return next(iter(watched.values()))
    return watched.get(query.camera)


def unknown_camera(name: str, watched: Iterable[str]) -> str:
    """What is told to whoever names a camera that is not watched, or names none where there are several."""
    names = ", ".join(watched) or "none (watch one first)"
    found = f"{name[:80]!r}" if name else "no name"
    return f"A question wants one of the cameras {names}, found {found}."
