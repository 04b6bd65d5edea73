"""Measure what the language model's steps cost on this device, before the first question. Knows no deadline rule
but the profile it fills."""

from __future__ import annotations

from collections.abc import Callable

from magno.runtime.clock import NS_PER_MS, Clock
from magno.runtime.deadline import LatencyProfile
from magno.runtime.language import LanguageModel

SHORT_TOKENS = 8
REPEATS = 5


def measure(language: LanguageModel, clock: Clock, max_step_tokens: int) -> LatencyProfile:
    """A profile from a few prefills and decode steps on a sequence that is dropped again.

    The fastest of each counts, since a slow start-up must not refuse questions for ever after: what runs makes
    the profile slower within two steps, but what is refused cannot make it faster.
    """
    token = language.tokenize("a")[0]
    long_tokens = max(SHORT_TOKENS * 2, min(max_step_tokens, language.free_tokens // 2))
    short_ms = min(_prefill_ms(language, clock, [token] * SHORT_TOKENS) for _ in range(REPEATS))
    long_ms = min(_prefill_ms(language, clock, [token] * long_tokens) for _ in range(REPEATS))
    with language.open_sequence() as sequence:
        sequence.append([token], want_logits=True)
        sequence.step()
        step_ms = min(_timed(clock, sequence.step) for _ in range(REPEATS))
    token_ms = max(0.0, (long_ms - short_ms) / (long_tokens - SHORT_TOKENS))
    return LatencyProfile(max(0.0, short_ms - SHORT_TOKENS * token_ms), token_ms, step_ms)


def _prefill_ms(language: LanguageModel, clock: Clock, tokens: list[int]) -> float:
    with language.open_sequence() as sequence:
        return _timed(clock, lambda: sequence.append(tokens, want_logits=True))


def _timed(clock: Clock, work: Callable[[], object]) -> float:
    began_ns = clock.now_ns()
    work()
    return (clock.now_ns() - began_ns) / NS_PER_MS
