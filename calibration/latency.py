"""What native steps cost on this device, over lengths of prompt and of cache, and questions at once; their profile.

A cache in use is full: the profile is of what steps cost then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np

from magno.runtime.clock import WallClock
from magno.runtime.language import LanguageModel, Sequence
from magno.runtime.latency import LatencyProfile
from magno.runtime.latency_record import Cell
from magno.runtime.profile import timed_ms
from magno.runtime.together import Share, append_together

REPEATS = 7
PROMPTS = (1, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256)
TOGETHER = (1, 2, 4, 8)


def measured(
    language: LanguageModel, cached_tokens: int, max_step_tokens: int, say: Callable[[str], None]
) -> list[Cell]:
    """Cells of an empty cache, of one half full and of a full one. Raises LanguageError."""
    cells: list[Cell] = []
    for cached in (0, cached_tokens // 2, cached_tokens):
        say(f"steps behind {cached} tokens")
        with language.open_sequence() as stream:
            token = language.tokenize("a")[0]
            if cached:
                stream.append([token] * cached)
            prompts = [count for count in PROMPTS if count <= min(max_step_tokens, language.free_tokens)]
            cells += [Cell(cached, count, 0, _prefill_ms(stream, [token] * count)) for count in prompts]
            together = [count for count in TOGETHER if count < language.config.max_sequences]
            cells += [
                Cell(cached, 0, count, _decode_ms(language, stream, token, count)) for count in together
            ]
    return cells


def fitted(cells: list[Cell]) -> LatencyProfile:
    """The straight lines of a full cache, through prompts and through questions at once."""
    full = max(cell.cached_tokens for cell in cells)
    prompts = [
        (cell.prompt_tokens, cell.ms) for cell in cells if cell.cached_tokens == full and cell.prompt_tokens
    ]
    decodes = [(cell.decodes, cell.ms) for cell in cells if cell.cached_tokens == full and cell.decodes]
    fixed_ms, token_ms = _line(prompts)
    first_ms, rider_ms = _line(decodes)
    return LatencyProfile(fixed_ms, token_ms, first_ms + rider_ms, rider_ms)


def _line(points: list[tuple[int, float]]) -> tuple[float, float]:
    """Where it begins and how it rises: least squares of the shares by which it is wrong; both 0 or more."""
    x, y = (np.array(values, float) for values in zip(*points, strict=True))
    rows = np.stack([1 / y, x / y], axis=1)
    begin, rise = np.linalg.lstsq(rows, np.ones(len(x)), rcond=None)[0] if len(x) > 1 else (y[0], 0.0)
    if rise < 0:
        return float(y.mean()), 0.0
    if begin < 0:
        return 0.0, float((y / x).mean())
    return float(begin), float(rise)


def _prefill_ms(stream: Sequence, tokens: list[int]) -> float:
    def once() -> float:
        with stream.fork() as fork:
            return timed_ms(WallClock(), lambda: fork.append(tokens, want_logits=True))

    return min(once() for _ in range(REPEATS))


def _decode_ms(language: LanguageModel, stream: Sequence, token: int, together: int) -> float:
    with ExitStack() as held:
        forks = [held.enter_context(stream.fork()) for _ in range(together)]

        def step() -> object:
            return append_together(language, [Share(fork, [token], True) for fork in forks])

        return min(timed_ms(WallClock(), step) for _ in range(REPEATS + 1))


def rows(cells: list[Cell]) -> Iterator[tuple[str, dict[int, float]]]:
    """Of each kind of step, in words, its milliseconds by how many tokens were in the cache."""
    kinds = dict.fromkeys((cell.prompt_tokens, cell.decodes) for cell in cells)
    for prompt, decodes in kinds:
        name = f"prefill of {prompt}" if prompt else f"a token each for {decodes}"
        yield (
            name,
            {
                cell.cached_tokens: cell.ms
                for cell in cells
                if (cell.prompt_tokens, cell.decodes) == (prompt, decodes)
            },
        )
