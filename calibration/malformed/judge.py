"""What became of malformed files, and what of it must not be. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

SLOW_S = 1.0  # of CPU: a busy machine does not make a loader slow
MOST_KIB = 512 << 10  # that memory may grow by
LONGEST_SENTENCE = 1200  # characters; paths may be long
NAMED = 20  # told of by number


@dataclass(frozen=True, slots=True)
class Seen:
    """One malformed file, and what its loader did."""

    number: int
    family: str
    kind: str
    must_refuse: bool
    outcome: str = ""  # "refused", "taken", "fault", "died"
    told: str = ""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    growth_kib: int = 0

    @property
    def is_one_sentence(self) -> bool:
        text = self.told.strip()
        return bool(text) and "\n" not in text and len(text) <= LONGEST_SENTENCE and "Traceback" not in text


# What must not be -> whether it was so.
FAULTS: dict[str, Callable[[Seen], bool]] = {
    "ended the process, or never came back": lambda seen: seen.outcome == "died",
    "an error that is no sentence of ours": lambda seen: seen.outcome == "fault",
    "refused, but not in one sentence": lambda seen: seen.outcome == "refused" and not seen.is_one_sentence,
    "taken for sound": lambda seen: seen.outcome == "taken" and seen.must_refuse,
    f"took over {SLOW_S:g} s to refuse": lambda seen: seen.outcome == "refused" and seen.cpu_s > SLOW_S,
    f"took over {MOST_KIB >> 10} MiB": lambda seen: seen.growth_kib > MOST_KIB,
}


def judge(seen: Sequence[Seen]) -> dict[str, Any]:
    """Figures; `failed`: whether anything was that must not be."""
    wrong = {name: [one for one in seen if was(one)] for name, was in FAULTS.items()}
    slowest = max((one for one in seen if one.outcome == "refused"), key=lambda one: one.cpu_s, default=None)
    largest = max(seen, key=lambda one: one.growth_kib, default=None)
    return {
        "files": len(seen),
        "families": {
            family: dict(Counter(one.outcome for one in seen if one.family == family))
            for family in sorted({one.family for one in seen})
        },
        "kinds": len({(one.family, one.kind) for one in seen}),
        "wrong": {
            name: {"count": len(these), "which": [_named(one) for one in these[:NAMED]]}
            for name, these in wrong.items()
        },
        "slowest_cpu_s": slowest.cpu_s if slowest else 0.0,
        "slowest": _named(slowest) if slowest else "",
        "growth_kib": largest.growth_kib if largest else 0,
        "largest": _named(largest) if largest else "",
        "failed": any(wrong.values()),
    }


def _named(one: Seen) -> str:
    told = f": {one.told}" if one.told else ""
    return f"{one.number} ({one.family}, {one.kind}){told}"[:400]
