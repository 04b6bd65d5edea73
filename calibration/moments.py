"""When something comes about, by looking again and again; to about two milliseconds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from magno.runtime.clock import NS_PER_S, WallClock

LOOK_S = 0.002


def moment_of(condition: Callable[[], bool], within_s: float) -> int | None:
    """When it came true, on the monotonic clock in ns; None: not in this time."""
    clock, pause = WallClock(), threading.Event()
    until_ns = clock.now_ns() + int(within_s * NS_PER_S)
    while not condition():
        if clock.now_ns() > until_ns:
            return None
        pause.wait(LOOK_S)
    return clock.now_ns()


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and worst."""
    ordered = sorted(values)
    if not ordered:
        return {"p50": 0.0, "p99": 0.0, "worst": 0.0}
    place = min(len(ordered) - 1, int(len(ordered) * 0.99))
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[place], "worst": ordered[-1]}
