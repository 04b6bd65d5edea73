"""When a standing question is asked again, and when its answer is another. Pure; knows no engine and no thread.

By motion: once the camera has seen another scene, or so much has moved since the answer before that it may be
another now. By interval: every so often. Never about what was answered already: a camera that shows nothing new (it is
lost, say, or gone) is asked nothing, and asked again once it has come back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from magno.runtime.clock import NS_PER_MS, NS_PER_S
from magno.runtime.spec import SpecError

ON = ("motion", "interval")
# Motion energy times seconds (see energy.motion_energy) after which an answer may be another. In car-detection.mp4 the
# empty park gathers it in some 100 s, a car in one window; in bottle-detection.mp4 hands do so every second.
STIRRED = 1e-3
MIN_EVERY_S, MAX_EVERY_S = 0.1, 86_400.0
# Before an asking that came to nothing is tried again, by how many did so in a row.
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
ENDS = " \t.,;:!?\"'"  # of an answer: they do not make it another


@dataclass(frozen=True, slots=True)
class Rule:
    """When to ask again."""

    every_s: float  # by interval: so often; by motion: no more often
    on: str = "motion"
    stirred: float = STIRRED

    def __post_init__(self) -> None:
        if self.on not in ON:
            raise SpecError(f"on wants one of {', '.join(ON)}, found {str(self.on)[:80]!r}.")
        if not MIN_EVERY_S <= self.every_s <= MAX_EVERY_S:  # false for NaN too
            raise SpecError(
                f"every_s wants {MIN_EVERY_S:g} to {MAX_EVERY_S:.0f} (a day) seconds, found {self.every_s}."
            )
        if not (math.isfinite(self.stirred) and self.stirred > 0):
            raise SpecError(f"stirred wants a finite number above 0, found {self.stirred}.")


@dataclass(frozen=True, slots=True)
class Sight:
    """What a camera has seen, from its first picture on."""

    watched: int  # which watching of it: with another number all counts begin anew
    pts_ns: int | None  # newest picture that a question would see; None: there is none
    stirred: float  # motion energy times seconds
    cuts: int  # times that another scene was seen, or may have been


@dataclass(frozen=True, slots=True)
class Memory:
    """What a standing question remembers of its askings."""

    asked_ns: int | None = None  # when the one began that was answered last
    answered: Sight | None = None  # and what the camera had seen by then
    failures: int = 0  # askings since that came to nothing
    not_before_ns: int = 0


def is_due(rule: Rule, memory: Memory, sight: Sight | None, now_ns: int) -> bool:
    """Whether it is to be asked now. `sight` is None while its camera is not watched."""
    if sight is None or sight.pts_ns is None or now_ns < memory.not_before_ns:
        return False
    before = memory.answered
    if before is None or memory.asked_ns is None:
        return True
    if now_ns - memory.asked_ns < rule.every_s * NS_PER_S:
        return False
    if sight.watched != before.watched:
        return True
    if sight.pts_ns == before.pts_ns:
        return False
    moved = sight.cuts != before.cuts or sight.stirred - before.stirred >= rule.stirred
    return rule.on == "interval" or moved


def answered(sight: Sight, asked_ns: int) -> Memory:
    """After an answer to what was asked then, of a camera that had seen so much."""
    return Memory(asked_ns, sight)


def came_to_nothing(memory: Memory, retry_after_ms: float | None, now_ns: int) -> Memory:
    """After a refusal or a failure: it is asked again later, and ever later while that goes on."""
    pause_s = PAUSES_S[min(memory.failures, len(PAUSES_S) - 1)]
    pause_ns = max(int(pause_s * NS_PER_S), int((retry_after_ms or 0.0) * NS_PER_MS))
    return replace(memory, failures=memory.failures + 1, not_before_ns=now_ns + pause_ns)


def normalised(text: str) -> str:
    """What makes an answer another: its words, whatever their case, the space between them and what ends it."""
    return " ".join(text.casefold().split()).strip(ENDS)
