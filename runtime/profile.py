"""Measure what the language model's steps cost on this device, before the first question. Knows no deadline rule
but the profile it fills."""

from __future__ import annotations

from collections.abc import Callable

from magno.runtime.clock import NS_PER_MS, Clock
from magno.runtime.deadline import LatencyProfile
from magno.runtime.language import LanguageModel

SHORT_TOKENS = 8
STEPS = 6


def measure(language: LanguageModel, clock: Clock, max_step_tokens: int) -> LatencyProfile:
    """A profile from two prefills and a few decode steps on a sequence that is dropped again."""
    token = next(iter(language.tokenize("a")), 0)
    long_tokens = max(SHORT_TOKENS * 2, min(max_step_tokens, language.free_tokens // 2))
    with language.open_sequence() as sequence:
        sequence.append([token] * SHORT_TOKENS)  # the first decode builds graphs and faults pages in
        short_ms = _timed(clock, lambda: sequence.append([token] * SHORT_TOKENS, want_logits=True))
        long_ms = _timed(clock, lambda: sequence.append([token] * long_tokens, want_logits=True))
        sequence.step()
        step_ms = max(_timed(clock, sequence.step) for _ in range(STEPS))
    token_ms = max(0.0, (long_ms - short_ms) / (long_tokens - SHORT_TOKENS))
    return LatencyProfile(max(0.0, short_ms - SHORT_TOKENS * token_ms), token_ms, step_ms)


def _timed(clock: Clock, work: Callable[[], object]) -> float:
    began_ns = clock.now_ns()
    work()
    return (clock.now_ns() - began_ns) / NS_PER_MS
