"""Predict, admit, refuse; what is left of a budget. Pure: milliseconds in, decisions out; knows no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from magno.runtime.units import Query

MAX_QUESTION_BYTES = 4096
MAX_DEADLINE_MS = 86_400_000.0  # a day
MAX_ANSWER_TOKENS = 1024
MAX_CONVERSATION_BYTES = 128

SLOWER = 0.5  # share of a bad surprise that is believed at once: a throttled device shows within two steps
FASTER = 0.1  # share of a good one
WORST_RATIO = 4.0  # one hiccup (a page fault, a stopped process) counts as no worse than this


@dataclass(frozen=True, slots=True)
class LatencyProfile:
    """What work costs on this device, as believed now."""

    prefill_fixed_ms: float  # of any prefill, however short
    prefill_token_ms: float  # and for each of its tokens
    step_ms: float  # one decode step
    margin_ms: float = 10.0  # kept back from every deadline, for what nobody measured

    def __post_init__(self) -> None:
        for name in ("prefill_fixed_ms", "prefill_token_ms", "step_ms", "margin_ms"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} wants a finite number of milliseconds, 0 or more, found {value}.")

    def prefill_ms(self, tokens: int) -> float:
        return self.prefill_fixed_ms + tokens * self.prefill_token_ms if tokens > 0 else 0.0

    def observe_prefill(self, tokens: int, ms: float) -> LatencyProfile:
        """The profile once a prefill of `tokens` has taken `ms`: both its parts scale alike, as clocks do."""
        if tokens < 1 or not (math.isfinite(ms) and ms > 0):
            return self
        predicted_ms = self.prefill_ms(tokens)
        if predicted_ms <= 0:
            return replace(self, prefill_fixed_ms=ms)
        scale = _toward(predicted_ms, ms) / predicted_ms
        return replace(
            self,
            prefill_fixed_ms=self.prefill_fixed_ms * scale,
            prefill_token_ms=self.prefill_token_ms * scale,
        )

    def observe_step(self, ms: float) -> LatencyProfile:
        """The profile once a decode step has taken `ms`."""
        if not (math.isfinite(ms) and ms > 0):
            return self
        return replace(self, step_ms=_toward(self.step_ms, ms))

    def ease(self, calibrated: LatencyProfile) -> LatencyProfile:
        """The profile a little nearer to the calibrated one where it is slower than that.

        Call it for each refusal: a belief that refuses everything is never tested again, and must fade.
        """

        def eased(believed_ms: float, calibrated_ms: float) -> float:
            return min(believed_ms, believed_ms + FASTER * (calibrated_ms - believed_ms))

        return replace(
            self,
            prefill_fixed_ms=eased(self.prefill_fixed_ms, calibrated.prefill_fixed_ms),
            prefill_token_ms=eased(self.prefill_token_ms, calibrated.prefill_token_ms),
            step_ms=eased(self.step_ms, calibrated.step_ms),
        )


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a question may start, and if not why, and whether waiting helps."""

    admitted: bool
    predicted_ms: float  # until its first token, the margin included
    reason: str = ""  # one sentence, when refused
    retry_after_ms: float | None = None  # None: waiting does not help


def admit(remaining_ms: float, queue_ms: float, prompt_tokens: int, profile: LatencyProfile) -> Admission:
    """Whether the first token can come in the `remaining_ms` of a question behind `queue_ms` of other work.

    The first token costs no decode step: the prefill of the prompt yields it.
    """
    alone_ms = profile.prefill_ms(prompt_tokens) + profile.margin_ms
    predicted_ms = queue_ms + alone_ms
    if predicted_ms <= remaining_ms:
        return Admission(True, predicted_ms)
    wanted = (
        f"A first token wants {predicted_ms:.0f} ms on this device now, found {max(remaining_ms, 0):.0f} left"
    )
    if alone_ms > remaining_ms:
        return Admission(
            False, predicted_ms, f"{wanted}: give a deadline of {math.ceil(alone_ms)} ms or more."
        )
    retry_ms = float(max(1, math.ceil(predicted_ms - remaining_ms)))
    return Admission(
        False, predicted_ms, f"{wanted}: other questions are first, ask again in {retry_ms:.0f} ms.", retry_ms
    )


def fits_another_step(remaining_ms: float, profile: LatencyProfile) -> bool:
    """Whether one more decode step ends within `remaining_ms`; else the answer so far is the answer."""
    return profile.step_ms + profile.margin_ms <= remaining_ms


def check_query(query: Query) -> str | None:
    """The one-sentence fault of a question, or None. Looks at nothing but the question itself."""
    question = query.question
    if not question.strip():
        return "A question wants text, found none: say what you want to know."
    if "\0" in question:
        return "A question wants plain text, found a NUL character: leave it out."
    try:
        size_bytes = len(question.encode("utf-8"))
    except UnicodeEncodeError as error:
        return f"A question wants valid UTF-8, found a broken character at {error.start}: encode it as UTF-8."
    if size_bytes > MAX_QUESTION_BYTES:
        return f"A question wants {MAX_QUESTION_BYTES} bytes at most, found {size_bytes}: ask a shorter one."
    if not (math.isfinite(query.deadline_ms) and 0 < query.deadline_ms <= MAX_DEADLINE_MS):
        return (
            f"A deadline wants milliseconds above 0 and up to {MAX_DEADLINE_MS:.0f} (a day), "
            f"found {query.deadline_ms}: say how long the answer is of use."
        )
    whole = isinstance(query.max_tokens, int) and not isinstance(query.max_tokens, bool)
    if not whole or not 1 <= query.max_tokens <= MAX_ANSWER_TOKENS:
        return f"max_tokens wants a whole number from 1 to {MAX_ANSWER_TOKENS}, found {query.max_tokens}."
    if len(query.conversation.encode("utf-8", "replace")) > MAX_CONVERSATION_BYTES:
        return f"A conversation's id wants {MAX_CONVERSATION_BYTES} bytes at most, found more: choose a shorter one."
    return None


def _toward(believed_ms: float, seen_ms: float) -> float:
    """The exponential average of a belief and one observation, leaning to the slow side."""
    if believed_ms <= 0:
        return seen_ms
    if seen_ms > believed_ms:
        return believed_ms + SLOWER * (min(seen_ms, WORST_RATIO * believed_ms) - believed_ms)
    return believed_ms + FASTER * (seen_ms - believed_ms)
