"""Makes an engine's native steps and encoders slower, from one moment to the next, and sets this process's wall clock
back and forth. For benches only: the runtime has no such switch.

What is slowed sleeps for the extra time: the engine cannot tell that from slow work, but the cores are free meanwhile.
Extra is counted from the time for which its thread ran: what it waited for a core does not become longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.engine import Engine

JUMPS_S = (0.0, 3600.0, -86_400.0, 1e9, -5.0)  # of the wall clock, one after another
JUMP_EVERY_S = 0.5


class Slowness:
    """How many times as long native steps and encoders take, from entering to leaving; 1 at first. Tells too for how
    much of their time native steps had a core."""

    def __init__(self, engine: Engine) -> None:
        self._slowed = (
            (engine._language, "_decode"),  # every native step, of questions and of streams
            (engine._encoder, "keyframe"),
            (engine._encoder, "window"),
        )
        self._clock = WallClock()
        self.factor = 1.0
        self._took_ns = self._ran_ns = 0  # of native steps, before they are made slower

    @property
    def core_share(self) -> float:
        """Of the time of native steps, in which their thread ran: well below 1, it is the machine that is late."""
        return self._ran_ns / self._took_ns if self._took_ns else 1.0

    def __enter__(self) -> Slowness:
        for owner, name in self._slowed:
            setattr(owner, name, self._slower(getattr(owner, name), is_step=name == "_decode"))
        return self

    def __exit__(self, *exc: object) -> None:
        for owner, name in self._slowed:
            delattr(owner, name)

    def _slower(self, work: Callable[..., Any], *, is_step: bool) -> Callable[..., Any]:
        def slower(*args: Any, **named: Any) -> Any:
            began_ns, began_ran_ns = self._clock.now_ns(), time.thread_time_ns()
            found = work(*args, **named)
            now_ns, ran_ns = self._clock.now_ns(), time.thread_time_ns() - began_ran_ns
            if is_step:
                self._took_ns, self._ran_ns = self._took_ns + now_ns - began_ns, self._ran_ns + ran_ns
            self._clock.sleep_until_ns(now_ns + int((self.factor - 1.0) * ran_ns))
            return found

        return slower


@contextmanager
def jumping_wall_clock() -> Iterator[list[int]]:
    """`time.time` and `time.time_ns` of this process jump by hours and years, twice a second. How often they were read
    is in the list."""
    truly, truly_ns, clock = time.time, time.time_ns, WallClock()
    began_ns = clock.now_ns()
    reads = [0]

    def jump_s() -> float:
        reads[0] += 1
        turn = (clock.now_ns() - began_ns) // int(JUMP_EVERY_S * NS_PER_S)
        return JUMPS_S[turn % len(JUMPS_S)]

    time.time = lambda: truly() + jump_s()
    time.time_ns = lambda: truly_ns() + int(jump_s() * NS_PER_S)
    try:
        yield reads
    finally:
        time.time, time.time_ns = truly, truly_ns


def since_s(began_ns: int, moment_ns: int | None) -> float | None:
    """Seconds from one to the other, where there is another."""
    return None if moment_ns is None else (moment_ns - began_ns) / NS_PER_S
