"""Many times of one thing, in a few numbers. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles are times that were seen (nearest rank), none is interpolated."""

    count: int
    total_ms: float
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


def spread(times_ms: Sequence[float]) -> Spread:
    """Of one time or more."""
    ordered = sorted(times_ms)
    return Spread(
        count=len(ordered),
        total_ms=sum(ordered),
        mean_ms=statistics.fmean(ordered),
        p50_ms=_ranked(ordered, 50),
        p95_ms=_ranked(ordered, 95),
        p99_ms=_ranked(ordered, 99),
        max_ms=ordered[-1],
    )


def _ranked(ordered: Sequence[float], percent: int) -> float:
    """The least time that `percent` of all do not exceed."""
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]
