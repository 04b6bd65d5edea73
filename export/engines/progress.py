"""What a build is doing and what it has left, told while it lasts. Knows TensorRT's IProgressMonitor, and nothing else.

The build runs in a thread of its own, so that the main thread can tell how it stands although the library is silent
for minutes, and can stop it: an exception thrown through the library's own frames would end the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

BEAT_S = 1.5  # between two lines; the promise is at most 2 s

T = TypeVar("T")


@dataclass(slots=True)
class _Phase:
    """Part of a build, as the library names it, in steps of any length."""

    name: str
    steps: int
    done: int = 0


class Standing:
    """Where a build stands. Written by the build's threads, read by the one that tells."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock, self._clock = threading.Lock(), clock
        self._stage, self._stage_began_s = "starting", clock()
        self._later: tuple[str, ...] = ()
        self._usual_s: float | None = None
        self._phases: list[_Phase] = []  # outermost first
        self._had_phases = False
        self.cancelled = False

    def enter(self, stage: str, later: tuple[str, ...] = (), usual_s: float | None = None) -> None:
        """A new stage begins; `later` names those after it, `usual_s` is what this one took the last time."""
        with self._lock:
            self._phases.clear()
            self._had_phases = False
            self._stage, self._later, self._usual_s = stage, later, usual_s
            self._stage_began_s = self._clock()

    def phase(self, name: str, steps: int) -> None:
        with self._lock:
            self._phases.append(_Phase(name, steps))
            self._had_phases = True

    def step(self, name: str, index: int) -> None:
        with self._lock:
            for phase in self._phases:
                if phase.name == name:
                    phase.done = max(phase.done, index + 1)

    def finish(self, name: str) -> None:
        """Ends the phase and those inside it, the newest of that name."""
        with self._lock:
            for at in reversed(range(len(self._phases))):
                if self._phases[at].name == name:
                    del self._phases[at:]
                    return

    def line(self) -> str:
        """One line: what is done now, how long already, what is left."""
        with self._lock:
            took_s = self._clock() - self._stage_began_s
            words = ["stopping after this step"] if self.cancelled else []
            words.append(f"{self._stage}: {took_s:.0f} s")
            if self._phases:
                outer, inner = self._phases[0], self._phases[-1]
                words.append(f"{_left(outer)} of {outer.steps} steps left")
                if inner is not outer:
                    words.append(f"now {inner.name[:60].lower()}, {_left(inner)} of {inner.steps} left")
            elif self._had_phases:
                words.append("no steps left, finishing")
            if self._usual_s is not None:
                words.append(f"the last time it took {self._usual_s:.0f} s")
            if self._later:
                words.append(f"then {' and '.join(self._later)}")
            return "; ".join(words)


def _left(phase: _Phase) -> int:
    return max(phase.steps - phase.done, 0)


def run_telling(work: Callable[[], T], standing: Standing, tell: Callable[[str], None]) -> T:
    """What `work` gives or raises; meanwhile `tell` gets a line every BEAT_S seconds. When interrupted, the build is
    told to stop and waited for, so that it can put away what it has half written."""
    results: list[T] = []
    errors: list[BaseException] = []
    ended = threading.Event()  # a join that is interrupted takes the thread for ended (CPython before 3.13)

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    def tell_until_ended() -> None:
        while not ended.wait(BEAT_S):
            tell(standing.line())

    thread = threading.Thread(target=run, name="build", daemon=True)
    try:
        thread.start()
        tell_until_ended()
    except BaseException:
        standing.cancelled = True
        if thread.ident is not None:  # it has begun, and so will end
            tell_until_ended()
        raise
    if errors:
        raise errors[0]
    return results[0]


def progress_monitor(trt: Any, standing: Standing) -> Any | None:
    """TensorRT's monitor that writes into `standing`; None where this version has none (before 10)."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Called from any of the library's threads. An exception here would end the process."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            standing.phase(phase_name, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            standing.step(phase_name, step)
            return not standing.cancelled

        def phase_finish(self, phase_name: str) -> None:
            standing.finish(phase_name)

    return Monitor()
