"""One question on its way: fork the live stream, bring back what it is about where that is long ago, prefill the
question, decode, in small steps.

Used by the language model's owner thread alone, which makes the native steps: a question says what it brings to
one (`share`) and takes what came of it (`took`). Between two steps the deadline and a cancel are looked at. What
ends it returns the one Answer.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable

import numpy as np

from magno.runtime.clock import NS_PER_MS, NS_PER_S, Clock
from magno.runtime.deadline import REFUSE, admit, fits_another_step, refuse_late
from magno.runtime.language import LanguageModel, Sequence
from magno.runtime.latency import LatencyProfile
from magno.runtime.questions.queueing import Work
from magno.runtime.questions.ticket import Ticket
from magno.runtime.steps import Wish, slack_ms
from magno.runtime.stream import LiveStream, Piece, Seen
from magno.runtime.together import Share
from magno.runtime.units import Answer, Outcome
from magno.runtime.watcher import Watcher


class Answering:
    """The state of one question. `begin`, then steps until one gives an Answer; `close` gives the fork back."""

    def __init__(
        self, ticket: Ticket, camera: Watcher, prompt: list[int], clock: Clock, most_recalled: int = 0
    ) -> None:
        """`most_recalled` tokens of the past are brought back where it is about then."""
        self.ticket, self.camera = ticket, camera
        self._prompt, self._clock = prompt, clock
        self._fork: Sequence | None = None
        self._seen: Seen | None = None
        self._dropped_pictures = 0
        self.foretold_tokens: int | None = None  # of its answer, that come in time
        self._fed = 0  # tokens of the prompt
        self._pieces: deque[Piece] = deque()  # of the past, yet to be brought back
        self._recall_tokens = most_recalled if ticket.is_past else 0  # in all; before it begins, at most
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
    def waiting_tokens(self) -> int:
        """What is to be prefilled before its first token; more than it will be, perhaps, before it begins."""
        recalled = sum(piece.tokens for piece in self._pieces) if self.begun else self._recall_tokens
        return recalled + self.prompt_left

    @property
    def recalls(self) -> bool:
        """Whether some of the past is to be brought back before its prompt."""
        return bool(self._pieces)

    @property
    def wanted_tokens(self) -> int:
        """Cells that its fork may come to hold, beside what it shares."""
        return self._recall_tokens + len(self._prompt) + self.ticket.query.max_tokens

    @property
    def timed_steps(self) -> int:
        return max(0, self._decoded - 1)

    @property
    def decoded(self) -> int:
        """Tokens of the answer so far."""
        return self._decoded

    def spare_ms(self, profile: LatencyProfile, together: int) -> float:
        """What is left once the longest answer is whole, with so many in each step.

        None before the first token, which must not wait.
        """
        steps = self.ticket.query.max_tokens - self._decoded
        left_ms = steps * profile.native_ms(0, together) + profile.margin_ms
        return self.remaining_ms() - left_ms if self._decoded else 0.0

    def wish(self, profile: LatencyProfile) -> Wish:
        """What it wants of the next native step."""
        tokens_left = profile.expected_tokens(self.ticket.query.max_tokens, self._decoded)
        return Wish(self.prompt_left, slack_ms(self.remaining_ms(), tokens_left, profile))

    def work(self, profile: LatencyProfile) -> Work:
        """What it is expected to want yet."""
        tokens_left = profile.expected_tokens(self.ticket.query.max_tokens, self._decoded)
        return Work(self.waiting_tokens, tokens_left, self.wanted_tokens, self.begun)

    def remaining_ms(self) -> float:
        return (self.ticket.deadline_ns - self._clock.now_ns()) / NS_PER_MS

    def begin(self, stream: LiveStream, seen: Seen, dropped_pictures: int) -> None:
        """Fork the stream as it is now, or as it was at the moment it is about. Raises PastError, LanguageError."""
        self._dropped_pictures = dropped_pictures
        self._begun_ns = self._clock.now_ns()
        if self.ticket.is_past:
            # What words name is in that GOP; what was shown before it is not asked about, and doubles what it costs.
            past = stream.until(self._moment_ns(seen), gop_alone=self.ticket.moment_ns is not None)
            self._fork, self._seen, self._pieces = past.sequence, past.seen, deque(past.pieces)
            self._recall_tokens = sum(piece.tokens for piece in past.pieces)
        else:
            self._fork, self._seen = stream.sequence.fork(), seen
        self.ticket.trail.lap("queue", question=self.ticket.query.question)

    def recall(self) -> None:
        """Bring one piece of the past back. Raises LanguageError."""
        assert self._fork is not None
        piece = self._pieces[0]
        self._fork.append(piece.text)
        self._fork.append(piece.rows.astype(np.float32))
        self._pieces.popleft()
        self.ticket.trail.lap("recall", tokens=piece.tokens)

    def overdue(self, profile: LatencyProfile, queue_ms: Callable[[], float]) -> Answer | None:
        """The answer when it cannot go on: cancelled, or too late for another step.

        `queue_ms` is asked, for a late refusal, how long a question like it would wait now.
        """
        if self.ticket.cancelled:
            return self._answer(Outcome.FAILED, "The question was cancelled by who asked it.")
        if self.prompt_left:
            return self._late(profile, queue_ms)
        if fits_another_step(self.remaining_ms(), profile):
            return None
        return self._cut()

    def share(self, tokens: int) -> Share:
        """What it brings to a native step: so many tokens of its prompt, else the token it decoded last."""
        assert self._fork is not None
        if not self.prompt_left:
            return Share(self._fork, self._fork.unfed(), True)
        chunk = self._prompt[self._fed : self._fed + tokens]
        return Share(self._fork, chunk, self._fed + len(chunk) == len(self._prompt))

    def took(self, tokens: int, language: LanguageModel) -> Answer | None:
        """Take what came of the native step to which it brought `tokens`; the answer, if this ended it."""
        assert self._fork is not None
        now_ns = self._clock.now_ns()
        if self.prompt_left:
            self._fed += tokens
            self.ticket.trail.lap("prefill", tokens=tokens)
            self._prefilled_ns = now_ns
            if self.prompt_left:
                return None
            if self.remaining_ms() <= 0:
                return self._cut()
        token = self._fork.step()
        self.ticket.trail.lap("decode", token=token)
        self._decoded += 1
        if self._first_token_ns is None:
            self._first_token_ns = now_ns
        if language.is_end(token):
            self._text += self._bytes.decode(b"", final=True)
            return self._answer(Outcome.COMPLETE)
        self._text += self._bytes.decode(language.piece(token))
        self.ticket.tell(self._text)
        whole = self._decoded >= self.ticket.query.max_tokens
        return self._answer(Outcome.COMPLETE) if whole else None

    def fail(self, reason: str) -> Answer:
        return self._answer(Outcome.FAILED, reason)

    def close(self) -> None:
        if self._fork is not None:
            self._fork.release()
            self._fork = None

    def _moment_ns(self, newest: Seen) -> int:
        """In the stream's time. It has gone on since its newest picture, though nothing was seen of that."""
        if self.ticket.moment_ns is not None:
            return self.ticket.moment_ns
        behind_ns = max(0, self.ticket.arrival_ns - newest.capture_ns)
        return newest.pts_ns - max(0, int(self.ticket.query.ago_s * NS_PER_S) - behind_ns)

    def _late(self, profile: LatencyProfile, queue_ms: Callable[[], float]) -> Answer | None:
        """A refusal when the first token cannot come in time any more."""
        left_ms, deadline_ms = self.remaining_ms(), self.ticket.query.deadline_ms
        if admit(left_ms, 0.0, self.waiting_tokens, profile).admitted:
            return None
        wanted_tokens = self._recall_tokens + len(self._prompt)
        found = refuse_late(deadline_ms, left_ms, queue_ms(), wanted_tokens, profile)
        return self._answer(Outcome.REFUSED, found.reason, found.retry_after_ms)

    def _cut(self) -> Answer:
        most = self.ticket.query.max_tokens
        found = f"found time for {self._decoded} before its deadline"
        outcome = Outcome.PARTIAL
        if self.ticket.query.on_deadline == REFUSE:
            outcome, self._text = Outcome.REFUSED, ""
        return self._answer(outcome, f"An answer wants up to {most} tokens, {found}: give it more time.")

    def _answer(self, outcome: Outcome, error: str = "", retry_after_ms: float | None = None) -> Answer:
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
            retry_after_ms=retry_after_ms,
            frame_pts_ns=seen.pts_ns if seen else None,
            frame_capture_ns=seen.capture_ns if seen else None,
            age_ms=max(0.0, (arrival_ns - seen.capture_ns) / NS_PER_MS) if seen else None,
            dropped_pictures=self._dropped_pictures,
            visual_tokens=seen.visual_tokens if seen else 0,
            cached_tokens=seen.cached_tokens if seen else 0,
            stage_ms=stage_ms,
            earlier_turns=self.ticket.earlier_turns,
            recalled_tokens=self._recall_tokens if self.begun else 0,
            foretold_tokens=self.foretold_tokens,
        )


def immediate(
    ticket: Ticket, clock: Clock, outcome: Outcome, error: str, retry_after_ms: float | None = None
) -> Answer:
    """The answer to a question that never began."""
    latency_ms = (clock.now_ns() - ticket.arrival_ns) / NS_PER_MS
    return Answer("", outcome, error, latency_ms=latency_ms, retry_after_ms=retry_after_ms)
