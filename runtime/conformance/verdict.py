"""What a test of the suite says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that a test tried."""

    label: str
    passed: bool
    found: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One test: what it wanted of the source, and what it found."""

    name: str
    passed: bool | None  # None: it could not be told
    wanted: str
    found: str
    figures: dict[str, float] = field(default_factory=dict)


def verdict(
    name: str, wanted: str, cases: Sequence[Case], figures: dict[str, float] | None = None
) -> Verdict:
    """Passed when every case did; tells of the first that did not."""
    failed = [case for case in cases if not case.passed]
    found = f"{len(cases) - len(failed)} of {len(cases)}"
    if len(cases) == 1:
        found = cases[0].found
    elif failed:
        found += f"; {failed[0].label}: {failed[0].found}"
    measured = {told: value for told, value in (figures or {}).items() if math.isfinite(value)}
    numbers = {"cases": float(len(cases)), "failed": float(len(failed)), **measured}
    return Verdict(name, bool(cases) and not failed, wanted, found, numbers)
