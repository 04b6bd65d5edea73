"""One question on its way: fork the live stream, prefill the question, decode, in small steps.

Used by the language model's owner thread alone. Every step is short; between two, the deadline and a cancel are
looked at. The step that ends it returns the one Answer.
"""

from __future__ import annotations

import codecs

from magno.runtime.clock import NS_PER_MS, Clock
from magno.runtime.deadline import LatencyProfile, admit, fits_another_step
from magno.runtime.language import LanguageModel, Sequence
from magno.runtime.stream import LiveStream, Seen
from magno.runtime.ticket import Ticket
from magno.runtime.units import Answer, MagnoError, Outcome
from magno.runtime.watcher import Watcher


class Answering:
    """The state of one question. `step` until it returns an Answer; `close` gives the fork back."""

    def __init__(
        self, ticket: Ticket, camera: Watcher, prompt: list[int], max_step_tokens: int, clock: Clock
    ) -> None:
        self.ticket, self.camera = ticket, camera
        self._prompt, self._max_step_tokens, self._clock = prompt, max_step_tokens, clock
        self._fork: Sequence | None = None
        self._seen: Seen | None = None
        self._dropped_pictures = 0
        self._fed = 0  # tokens of the prompt
        self._decoded = 0
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")  # a token may end inside a character
        self._text = ""
        self._first_token_ns: int | None = None
        self._begun_ns = 0
        self._prefilled_ns = 0

    @property
    def begun(self) -> bool:
        return self._fork is not None

    @property
    def prompt_left(self) -> int:
        return len(self._prompt) - self._fed

    @property
    def wanted_tokens(self) -> int:
        """Cells that its fork may come to hold, beside what it shares."""
        return len(self._prompt) + self.ticket.query.max_tokens

    @property
    def timed_steps(self) -> int:
        return max(0, self._decoded - 1)

    def spare_ms(self, profile: LatencyProfile) -> float:
        """What is left once the longest answer is whole; none before the first token, which must not wait."""
        left_ms = (self.ticket.query.max_tokens - self._decoded) * profile.step_ms + profile.margin_ms
        return self.remaining_ms() - left_ms if self._decoded else 0.0

    def remaining_ms(self) -> float:
        return (self.ticket.deadline_ns - self._clock.now_ns()) / NS_PER_MS

    def begin(self, stream: LiveStream, dropped_pictures: int) -> None:
        """Fork the stream as it is now. Raises LanguageError."""
        self._seen = stream.seen()
        self._dropped_pictures = dropped_pictures
        self._begun_ns = self._clock.now_ns()
        self._fork = stream.sequence.fork()

    def overdue(self, profile: LatencyProfile) -> Answer | None:
        """The answer when it cannot go on: cancelled, or too late for another step."""
        if self.ticket.cancelled:
            return self._answer(Outcome.FAILED, "The question was cancelled by who asked it.")
        if self.prompt_left:
            admission = admit(self.remaining_ms(), 0.0, self.prompt_left, profile)
            return None if admission.admitted else self._answer(Outcome.REFUSED, admission.reason)
        if not self._decoded:  # the prefill has yielded the first token: it costs no step
            if self.remaining_ms() > 0:
                return None
        elif fits_another_step(self.remaining_ms(), profile):
            return None
        return self._answer(Outcome.PARTIAL, "The deadline came before the answer's end: give it more time.")

    def step(self, language: LanguageModel, profile: LatencyProfile) -> tuple[Answer | None, LatencyProfile]:
        """One chunk of prefill or one token. Returns the answer, if this ended it, and the refined profile."""
        ended = self.overdue(profile)
        if ended is not None or self._fork is None:
            return ended, profile
        began_ns = self._clock.now_ns()
        try:
            if self.prompt_left:
                profile = self._prefill(self._fork, profile, began_ns)
                return None, profile
            token = self._fork.step()
        except MagnoError as error:
            return self._answer(Outcome.FAILED, str(error)), profile
        now_ns = self._clock.now_ns()
        if self._decoded:  # the first token came with the prefill, and says nothing of a step
            profile = profile.observe_step((now_ns - began_ns) / NS_PER_MS)
        self._decoded += 1
        if self._first_token_ns is None:
            self._first_token_ns = now_ns
        if language.is_end(token):
            self._text += self._bytes.decode(b"", final=True)
            return self._answer(Outcome.COMPLETE), profile
        self._text += self._bytes.decode(language.piece(token))
        self.ticket.tell(self._text)
        whole = self._decoded >= self.ticket.query.max_tokens
        return self._answer(Outcome.COMPLETE) if whole else None, profile

    def fail(self, reason: str) -> Answer:
        return self._answer(Outcome.FAILED, reason)

    def close(self) -> None:
        if self._fork is not None:
            self._fork.release()
            self._fork = None

    def _prefill(self, fork: Sequence, profile: LatencyProfile, began_ns: int) -> LatencyProfile:
        chunk = self._prompt[self._fed : self._fed + self._max_step_tokens]
        self._fed += len(chunk)
        fork.append(chunk, want_logits=not self.prompt_left)
        self._prefilled_ns = self._clock.now_ns()
        return profile.observe_prefill(len(chunk), (self._prefilled_ns - began_ns) / NS_PER_MS)

    def _answer(self, outcome: Outcome, error: str = "") -> Answer:
        now_ns, arrival_ns = self._clock.now_ns(), self.ticket.arrival_ns
        stage_ms = {}
        if self._begun_ns:
            stage_ms["queue"] = (self._begun_ns - arrival_ns) / NS_PER_MS
        if self._prefilled_ns:
            stage_ms["prefill"] = (self._prefilled_ns - self._begun_ns) / NS_PER_MS
            stage_ms["decode"] = (now_ns - self._prefilled_ns) / NS_PER_MS
        first, seen = self._first_token_ns, self._seen
        return Answer(
            text=self._text.strip(),
            outcome=outcome,
            error=error,
            ttft_ms=None if first is None else (first - arrival_ns) / NS_PER_MS,
            latency_ms=(now_ns - arrival_ns) / NS_PER_MS,
            frame_pts_ns=seen.pts_ns if seen else None,
            frame_capture_ns=seen.capture_ns if seen else None,
            age_ms=max(0.0, (arrival_ns - seen.capture_ns) / NS_PER_MS) if seen else None,
            dropped_pictures=self._dropped_pictures,
            visual_tokens=seen.visual_tokens if seen else 0,
            cached_tokens=seen.cached_tokens if seen else 0,
            stage_ms=stage_ms,
            earlier_turns=self.ticket.earlier_turns,
        )
