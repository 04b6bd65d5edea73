"""A build tells how it stands, and stops when it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

import magno.export.engines.progress as progress
from magno.export.engines.progress import BEAT_S, Standing, run_telling


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_line_says_what_is_done_and_what_is_left() -> None:
    clock = Clock()
    standing = Standing(clock)
    assert standing.line() == "starting: 0 s"
    standing.enter("vision.engine", ("delta.engine",), usual_s=95.2)
    clock.now_s = 12.4
    assert standing.line() == "vision.engine: 12 s; the last time it took 95 s; then delta.engine"
    standing.phase("Building engine", 6)
    standing.step("Building engine", 1)
    standing.phase("Timing graph nodes", 512)
    standing.step("Timing graph nodes", 139)
    assert standing.line() == (
        "vision.engine: 12 s; 4 of 6 steps left; now timing graph nodes, 372 of 512 left; "
        "the last time it took 95 s; then delta.engine"
    )
    standing.finish("Timing graph nodes")
    standing.finish("Building engine")
    assert standing.line().startswith("vision.engine: 12 s; no steps left, finishing; the last time")
    standing.enter("delta.engine")
    assert standing.line() == "delta.engine: 0 s"


def test_phases_may_end_early_and_steps_come_late_or_twice() -> None:
    standing = Standing(Clock())
    standing.phase("outer", 3)
    standing.phase("inner", 2)
    standing.finish("outer")
    standing.step("inner", 5)
    standing.finish("inner")
    assert standing.line() == "starting: 0 s; no steps left, finishing"
    standing.phase("outer", 3)
    standing.step("outer", 7)
    standing.step("outer", 0)
    assert standing.line() == "starting: 0 s; 0 of 3 steps left"


def test_a_silent_build_is_told_of_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    assert BEAT_S < 2.0
    monkeypatch.setattr(progress, "BEAT_S", 0.001)
    heard = threading.Event()
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        if len(lines) == 3:
            heard.set()

    assert run_telling(lambda: heard.wait(30), Standing(), tell)
    assert lines[:3] == ["starting: 0 s"] * 3


def test_what_a_build_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        run_telling(lambda: 1 // 0, Standing(), print)


CHILD = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
import time
from magno.export.engines.progress import Standing, run_telling

standing = Standing()

def work():
    print("at work", flush=True)
    while not standing.cancelled:
        time.sleep(0.01)
    print("put away", flush=True)

run_telling(work, standing, lambda line: None)
"""


def test_an_interrupted_build_is_stopped_and_waited_for() -> None:
    """In a process of its own, since it is the interpreter's own handling that is easily got wrong."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "at work\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "put away\n"
        assert process.stderr.read().rstrip().endswith("KeyboardInterrupt")
        assert process.wait(30) in (1, -signal.SIGINT)


def test_a_build_that_stops_says_so() -> None:
    standing = Standing(Clock())
    standing.enter("vision.engine", ("delta.engine",))
    standing.cancelled = True
    assert standing.line() == "stopping after this step; vision.engine: 0 s; then delta.engine"
