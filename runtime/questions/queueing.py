"""How long a question waits behind others for its turn. Pure: plays their answers through, as they are expected."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from magno.runtime.latency import LatencyProfile


@dataclass(frozen=True, slots=True)
class Work:
    """What one question is expected to want yet."""

    prompt_tokens: int  # not yet prefilled
    answer_tokens: int  # 1 or more
    cells: int  # that it may come to hold
    begun: bool  # holds a place
    alone: bool = False  # so near its deadline that nobody rides along


@dataclass(frozen=True, slots=True)
class Places:
    """What those that are answered at once have between them."""

    questions: int
    cells: int

    def take(self, active: Sequence[Work], cells: int) -> bool:
        """Whether one more of so many cells fits beside them."""
        fits = self.cells - sum(work.cells for work in active) >= cells
        return fits and len(active) < self.questions


def wait_ms(ahead: Sequence[Work], cells: int, places: Places, profile: LatencyProfile) -> float:
    """Until a question of `cells` can join a native step; `ahead` are those begun, and those to begin before it.

    Those that have a place step together. Only the last step before its own is waited for when a place is free,
    for a native step cannot be interrupted.
    """
    waited_ms = sum(work.answer_tokens * profile.step_ms for work in ahead if work.alone)
    active = [work for work in ahead if work.begun and not work.alone]
    waiting = deque(work for work in ahead if not work.begun and not work.alone)
    fed = sum(work.prompt_tokens for work in active)
    while True:
        while waiting and places.take(active, waiting[0].cells):
            joins = waiting.popleft()
            active.append(joins)
            fed += joins.prompt_tokens
        waited_ms += profile.prefill_ms(fed)
        fed = 0
        step_ms = profile.native_ms(0, len(active))
        if not active or (not waiting and places.take(active, cells)):
            return waited_ms + step_ms
        steps = min(work.answer_tokens for work in active)
        waited_ms += steps * step_ms
        left = [replace(work, answer_tokens=work.answer_tokens - steps) for work in active]
        active = [work for work in left if work.answer_tokens > 0]
