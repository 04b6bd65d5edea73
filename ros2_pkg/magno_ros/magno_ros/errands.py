"""One thread that runs what it is given, in turn, at once or in a while. Knows no ROS and no question."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from magno_ros.prompt import run_promptly

STOP_S = 5.0

Errand = Callable[[], object]


class Errands:
    """Begins at once. An errand's exception is told to `on_fault`, on this thread, and harms no other errand."""

    def __init__(
        self, name: str, on_fault: Callable[[BaseException], None], *, is_prompt: bool = False
    ) -> None:
        """`is_prompt`: on a thread that runs before those that compute (prompt.py)."""
        self._on_fault, self._is_prompt = on_fault, is_prompt
        self._soon: SimpleQueue[Errand | None] = SimpleQueue()
        self._later: list[tuple[float, int, Errand]] = []  # a heap by the time of each
        self._lock = threading.Lock()  # of the heap
        self._numbers = itertools.count()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def soon(self, errand: Errand) -> None:
        """Run it after all that was given before. Callable from any thread, never waits."""
        self._soon.put(errand)

    def later(self, seconds: float, errand: Errand) -> None:
        """Run it in so many seconds, or a little later. Callable from any thread, never waits."""
        due = time.monotonic() + seconds, next(self._numbers), errand
        with self._lock:
            heapq.heappush(self._later, due)
            is_next = self._later[0] is due
        if is_next:  # else the thread looks in time as it is
            self._soon.put(_look)

    def close(self) -> None:
        """Run what was given to `soon`, and no more. Not for an errand to call."""
        self._soon.put(None)
        self._thread.join(STOP_S)

    def _run(self) -> None:
        if self._is_prompt:
            run_promptly()
        while (errand := self._next()) is not None:
            try:
                errand()
            except Exception as fault:
                self._on_fault(fault)

    def _next(self) -> Errand | None:
        while True:
            wait_s = None
            with self._lock:
                if self._later:
                    wait_s = self._later[0][0] - time.monotonic()
                    if wait_s <= 0:
                        return heapq.heappop(self._later)[2]
            with suppress(Empty):
                return self._soon.get(timeout=wait_s)


def _look() -> None:
    """No errand: the thread sees that another is due sooner than it thought."""
