"""Who takes part in the next native step, with how many tokens. Pure: decides, and touches no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from magno.runtime.latency import LatencyProfile


@dataclass(frozen=True, slots=True)
class Wish:
    """What one question wants of the next native step, and what its deadline leaves it."""

    prompt_tokens: int  # not yet prefilled; 0: it decodes one token
    slack_ms: float  # the longest that step may take, if the rest is to be in time: see `slack_ms`


def slack_ms(remaining_ms: float, tokens_left: int, profile: LatencyProfile) -> float:
    """How long the next step may take, for a question of `tokens_left` in all to end by its deadline alone."""
    steps_after = tokens_left - 1  # this step yields a token, the last of a prompt's too
    return remaining_ms - profile.margin_ms - steps_after * profile.native_ms(0, 1)


def plan_step(wishes: Sequence[Wish], most_tokens: int, profile: LatencyProfile) -> list[int]:
    """The tokens that each question feeds in one native step of `most_tokens` or fewer; 0: it waits.

    `wishes` come most urgent first. The first takes part. The others ride along where the step, longer by
    them, still lets those end in time that are in it already; one that cannot end in time as it is holds nobody
    back, but for the first, whose time nobody else may take.
    """
    taken = [0] * len(wishes)
    prompt_tokens = decodes = 0
    bound_ms = math.inf
    for at, wish in enumerate(wishes):
        room = most_tokens - prompt_tokens - decodes
        if room <= 0:
            break
        prompt = min(wish.prompt_tokens, room)
        decode = 0 if prompt else 1
        step_ms = profile.native_ms(prompt_tokens + prompt, decodes + decode)
        if at and step_ms > bound_ms:
            continue
        if at == 0 or step_ms <= wish.slack_ms:
            bound_ms = min(bound_ms, wish.slack_ms)
        prompt_tokens, decodes = prompt_tokens + prompt, decodes + decode
        taken[at] = prompt + decode
    return taken
