"""Measure what the language model's steps cost on this device, before the first question. Knows no deadline rule
but the profile it fills."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from magno.runtime.clock import NS_PER_MS, Clock
from magno.runtime.language import LanguageModel, Sequence
from magno.runtime.latency import LatencyProfile
from magno.runtime.together import Share, append_together

SHORT_TOKENS = 8
REPEATS = 5
TOGETHER = 4  # questions in a step, to tell what each more costs


def measure(language: LanguageModel, clock: Clock, max_step_tokens: int) -> LatencyProfile:
    """A profile from a few prefills and decode steps on a sequence that is dropped again.

    The fastest of each counts, since a slow start-up must not refuse questions for ever after: what runs makes
    the profile slower within two steps, but what is refused cannot make it faster.
    """
    token = language.tokenize("a")[0]
    long_tokens = max(SHORT_TOKENS * 2, min(max_step_tokens, language.free_tokens // 2))
    short_ms = min(_prefill_ms(language, clock, [token] * SHORT_TOKENS) for _ in range(REPEATS))
    long_ms = min(_prefill_ms(language, clock, [token] * long_tokens) for _ in range(REPEATS))
    together = min(TOGETHER, language.config.max_sequences)
    step_ms, shared_ms = (_step_ms(language, clock, token, count) for count in (1, together))
    rider_ms = (shared_ms - step_ms) / (together - 1) if together > 1 else 0.0
    token_ms = max(0.0, (long_ms - short_ms) / (long_tokens - SHORT_TOKENS))
    return LatencyProfile(max(0.0, short_ms - SHORT_TOKENS * token_ms), token_ms, step_ms, max(0.0, rider_ms))


def _prefill_ms(language: LanguageModel, clock: Clock, tokens: list[int]) -> float:
    with language.open_sequence() as sequence:
        return timed_ms(clock, lambda: sequence.append(tokens, want_logits=True))


def _step_ms(language: LanguageModel, clock: Clock, token: int, together: int) -> float:
    """One decode step of so many sequences."""
    with ExitStack() as held:
        sequences = [held.enter_context(language.open_sequence()) for _ in range(together)]
        return min(timed_ms(clock, lambda: _step(language, sequences, token)) for _ in range(REPEATS + 1))


def _step(language: LanguageModel, sequences: list[Sequence], token: int) -> None:
    append_together(language, [Share(sequence, [token], True) for sequence in sequences])
    for sequence in sequences:
        sequence.step()


def timed_ms(clock: Clock, work: Callable[[], object]) -> float:
    """How long it took."""
    began_ns = clock.now_ns()
    work()
    return (clock.now_ns() - began_ns) / NS_PER_MS
