"""Time: monotonic nanoseconds. Nothing else in the runtime reads a clock, so that a replay can bring its own."""

from __future__ import annotations

import time
from typing import Protocol

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class Clock(Protocol):
    def now_ns(self) -> int: ...

    def sleep_until_ns(self, moment_ns: int) -> None: ...


class WallClock:
    """This machine's monotonic clock, the same in every process; steps of the wall clock do not reach it."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def sleep_until_ns(self, moment_ns: int) -> None:
        left_ns = moment_ns - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / NS_PER_S)


class ReplayClock:
    """Time as a recording tells it: it moves only when told to, and nobody waits."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        return self._now_ns

    def sleep_until_ns(self, moment_ns: int) -> None:
        self._now_ns = max(self._now_ns, moment_ns)
