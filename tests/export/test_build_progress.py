"""A build tells how it stands, and stops when it is told to."""

from __future__ import annotations

import threading
import time

import pytest

import magno.export.build_progress as progress
from magno.export.build_progress import BEAT_S, Standing, run_telling


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
    standing.enter("delta.engine")
    assert standing.line() == "delta.engine: 0 s"


def test_phases_may_end_early_and_steps_come_late_or_twice() -> None:
    standing = Standing(Clock())
    standing.phase("outer", 3)
    standing.phase("inner", 2)
    standing.finish("outer")
    standing.step("inner", 5)
    standing.finish("inner")
    assert standing.line() == "starting: 0 s"
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


def test_an_interrupted_build_is_stopped_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "BEAT_S", 0.001)
    standing = Standing()
    put_away = []

    def work() -> None:
        while not standing.cancelled:
            time.sleep(0.001)
        put_away.append(True)

    def tell(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_telling(work, standing, tell)
    assert put_away == [True]
