"""What the language model's work costs on this device, as believed now. Pure: milliseconds in, beliefs out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

SLOWER = 0.5  # share of a bad surprise that is believed at once: a throttled device shows within two steps
FASTER = 0.1  # share of a good one
WORST_RATIO = 4.0  # one hiccup (a page fault, a stopped process) counts as no worse than this
ANSWER = 0.2  # share of one answer's length that is believed of the next one's


@dataclass(frozen=True, slots=True)
class LatencyProfile:
    """What work costs on this device, as believed now."""

    prefill_fixed_ms: float  # of any prefill, however short
    prefill_token_ms: float  # and for each of its tokens
    step_ms: float  # one decode step of one question
    rider_ms: float = 0.0  # and for each more that decodes in the same step
    margin_ms: float = 10.0  # kept back from every deadline, for what nobody measured
    answer_tokens: float = 8.0  # of an answer, its end included: as those before it

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} wants a finite number, 0 or more, found {value}.")

    def prefill_ms(self, tokens: int) -> float:
        return self.prefill_fixed_ms + tokens * self.prefill_token_ms if tokens > 0 else 0.0

    def native_ms(self, prompt_tokens: int, decodes: int) -> float:
        """One native step that prefills so many tokens and decodes one more for each of so many questions."""
        if prompt_tokens > 0:
            return self.prefill_ms(prompt_tokens) + decodes * self.rider_ms
        return self.step_ms + (decodes - 1) * self.rider_ms if decodes > 0 else 0.0

    def expected_tokens(self, max_tokens: int, decoded: int = 0) -> int:
        """How many more an answer that has `decoded` will take; one at least while it goes on."""
        return max(1, min(max_tokens, math.ceil(self.answer_tokens)) - decoded)

    def observe(self, prompt_tokens: int, decodes: int, ms: float) -> LatencyProfile:
        """The profile once a native step of this kind has taken `ms`."""
        if prompt_tokens > 0:
            return self.observe_prefill(prompt_tokens, ms - decodes * self.rider_ms)
        return self.observe_step(ms, decodes)

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

    def observe_step(self, ms: float, together: int = 1) -> LatencyProfile:
        """The profile once a decode step of `together` questions has taken `ms`.

        One alone says nothing of what riders cost; with several both parts scale alike.
        """
        if together < 1 or not (math.isfinite(ms) and ms > 0):
            return self
        predicted_ms = self.native_ms(0, together)
        if together == 1 or predicted_ms <= 0:
            return replace(self, step_ms=_toward(self.step_ms, ms))
        scale = _toward(predicted_ms, ms) / predicted_ms
        return replace(self, step_ms=self.step_ms * scale, rider_ms=self.rider_ms * scale)

    def observe_answer(self, tokens: int) -> LatencyProfile:
        """The profile once a whole answer took so many tokens."""
        return replace(self, answer_tokens=self.answer_tokens + ANSWER * (tokens - self.answer_tokens))

    def ease(self, calibrated: LatencyProfile) -> LatencyProfile:
        """The profile a little nearer to the calibrated one where it is slower than that.

        Call it for each refusal: a belief that refuses everything is never tested again, and must fade.
        """

        def eased(name: str) -> float:
            believed, measured = getattr(self, name), getattr(calibrated, name)
            return float(min(believed, believed + FASTER * (measured - believed)))

        names = ("prefill_fixed_ms", "prefill_token_ms", "step_ms", "rider_ms", "answer_tokens")
        return replace(self, **{name: eased(name) for name in names})


def _toward(believed_ms: float, seen_ms: float) -> float:
    """The exponential average of a belief and one observation, leaning to the slow side."""
    if believed_ms <= 0:
        return seen_ms
    if seen_ms > believed_ms:
        return believed_ms + SLOWER * (min(seen_ms, WORST_RATIO * believed_ms) - believed_ms)
    return believed_ms + FASTER * (seen_ms - believed_ms)
