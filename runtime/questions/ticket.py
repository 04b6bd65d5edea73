"""A question's ticket: where its one answer arrives. Knows no model."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable

from magno.runtime.trace import NO_TRAIL, Trail
from magno.runtime.units import Answer, Outcome, Query

COUNTING = threading.Lock()  # questions are settled on the engine's thread and on those of who ask

log = logging.getLogger("magno.engine")


class Ticket:
    """Handed out for each question. Safe from any thread."""

    def __init__(
        self,
        query: Query,
        arrival_ns: int,
        on_text: Callable[[str], None] | None = None,
        *,
        standing: bool = False,
        trail: Trail = NO_TRAIL,
        counts: Counter[Outcome] | None = None,
    ) -> None:
        """`standing`: nobody waits for it; it gives way to every question that somebody waits for. Its outcome is
        added to `counts`."""
        self.query, self.arrival_ns, self.standing, self.trail = query, arrival_ns, standing, trail
        self._counts = counts
        self.earlier_turns = 0  # of its conversation, that are in its prompt
        self.moment_ns: int | None = None  # in the stream's time: that it is about, found by meaning
        self._on_text = on_text
        self._done = threading.Event()
        self._answer: Answer | None = None
        self._when_done: Callable[[Answer], None] | None = None
        self._cancelled = threading.Event()
        self._once = threading.Lock()

    @property
    def deadline_ns(self) -> int:
        return self.arrival_ns + int(self.query.deadline_ms * 1e6)

    @property
    def is_past(self) -> bool:
        """It is about what the camera showed before."""
        return self.query.ago_s > 0 or self.moment_ns is not None

    @property
    def urgency(self) -> tuple[bool, int]:
        """The smallest is the most urgent."""
        return self.standing, self.deadline_ns

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def cancel(self) -> None:
        """Ask for the end; it comes within one step, as an answer of its own."""
        self._cancelled.set()

    def result(self, timeout_s: float | None = None) -> Answer:
        """Wait for the answer. Raises TimeoutError when it is not there in time; the question goes on."""
        if not self._done.wait(timeout_s):
            raise TimeoutError(
                f"An answer was wanted within {timeout_s} s, found none yet. Wait longer, or cancel."
            )
        assert self._answer is not None
        return self._answer

    def when_done(self, hear: Callable[[Answer], None]) -> None:
        """Have the answer told to one listener: now, where it is there, else on the engine's thread, which must not
        wait. What it raises does not reach the engine."""
        with self._once:
            if (answer := self._answer) is None:
                self._when_done = hear
        if answer is not None:
            hear(answer)

    def tell(self, text: str) -> None:
        """Hand on the text so far. A listener that raises is not called again: it must not harm the engine."""
        if self._on_text is None:
            return
        try:
            self._on_text(text)
        except Exception:
            log.exception("a listener of a question's text failed")
            self._on_text = None

    def settle(self, answer: Answer) -> bool:
        """Give the one outcome; False when there was one already."""
        with self._once:
            if self._answer is not None:
                return False
            self._answer, hear = answer, self._when_done
        if self._counts is not None:
            with COUNTING:
                self._counts[answer.outcome] += 1
        self.trail.lap(
            "outcome",
            outcome=answer.outcome.value,
            text=answer.text,
            error=answer.error,
            pts_ns=answer.frame_pts_ns,
            visual_tokens=answer.visual_tokens,
            cached_tokens=answer.cached_tokens,
            earlier_turns=answer.earlier_turns,
        )
        self._done.set()
        if hear is not None:
            try:
                hear(answer)
            except Exception:
                log.exception("a listener of a question's answer failed")
        return True
