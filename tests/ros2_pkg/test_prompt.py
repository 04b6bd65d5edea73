"""A prompt thread gets what the system allows and passes nothing on; what has settled is collected once it has gone."""

from __future__ import annotations

import gc
import os
import threading
import weakref

import pytest

pytest.importorskip("rclpy")

from magno_ros.prompt import LOWEST, NICE, THRESHOLDS, run_promptly, settle


def test_a_thread_runs_promptly_where_it_may_and_those_it_begins_do_not() -> None:
    got: list[str] = []
    policies: list[int] = []

    def child() -> None:
        policies.append(os.sched_getscheduler(0))

    def prompt() -> None:
        got.append(run_promptly())
        policies.append(os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)
        if got == ["real-time"]:
            assert os.sched_getparam(0).sched_priority == LOWEST
        elif got == ["nice"]:
            assert os.getpriority(os.PRIO_PROCESS, 0) == NICE
        begun = threading.Thread(target=child)
        begun.start()
        begun.join()

    thread = threading.Thread(target=prompt)
    thread.start()
    thread.join()
    wanted = os.SCHED_RR if got == ["real-time"] else os.SCHED_OTHER
    assert policies == [wanted, os.SCHED_OTHER]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER  # the caller's process is as it was


class Ring:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.own = self


def test_what_was_there_is_not_looked_through_until_it_settles_again() -> None:
    usual = gc.get_threshold()
    try:
        ring = Ring()
        there = weakref.ref(ring)
        settle()
        assert gc.get_freeze_count() > 0
        del ring
        gc.collect()
        assert there() is not None
        settle()
        assert there() is None
        assert gc.get_threshold() == THRESHOLDS
    finally:
        gc.unfreeze()
        gc.set_threshold(*usual)
