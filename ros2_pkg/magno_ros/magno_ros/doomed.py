"""What the engine has just refused for want of time. Who asks for no less a moment later is told the same, without
asking it: to find out anew costs as much as a token. Pure: knows no engine, no clock.
"""

from __future__ import annotations

from magno.runtime.deadline import PARTIAL
from magno.runtime.units import Answer, Outcome, Query

MOMENT_MS = 50.0  # no longer, however long it will be busy: it may be wrong


class Doomed:
    """The newest such refusal. Not for several threads."""

    def __init__(self) -> None:
        self._newest: tuple[Query, Answer, float] | None = None

    def heed(self, question: Query, answer: Answer, now_s: float) -> None:
        """Remember a refusal that time will end. One about the past, a conversation or a whole answer tells nothing of
        others."""
        retry_ms = answer.retry_after_ms or 0.0
        ends = answer.outcome is Outcome.REFUSED and retry_ms > 0 and question.on_deadline == PARTIAL
        if ends and not question.ago_s and not question.recall and not question.conversation:
            until_s = now_s + min(retry_ms, MOMENT_MS) / 1e3
            self._newest = question, answer, until_s

    def answer(self, question: Query, now_s: float) -> Answer | None:
        """The same refusal for who asks the same camera no less, no later; None: nothing is known."""
        if self._newest is None:
            return None
        refused, answer, until_s = self._newest
        no_less = len(question.question) >= len(refused.question)
        no_later = question.deadline_ms <= refused.deadline_ms
        same = question.camera == refused.camera and no_less and no_later
        return answer if same and now_s < until_s else None
