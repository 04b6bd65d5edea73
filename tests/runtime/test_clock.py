"""Clocks: a replay's time moves only when told to."""

from __future__ import annotations

import time

from magno.runtime.clock import NS_PER_MS, NS_PER_S, ReplayClock, WallClock


def test_replay_clock_moves_forward_only_and_does_not_wait() -> None:
    clock = ReplayClock(5)
    clock.sleep_until_ns(3600 * NS_PER_S)
    assert clock.now_ns() == 3600 * NS_PER_S
    clock.sleep_until_ns(1)
    assert clock.now_ns() == 3600 * NS_PER_S


def test_wall_clock_is_the_monotonic_clock() -> None:
    before = time.monotonic_ns()
    now = WallClock().now_ns()
    assert before <= now <= time.monotonic_ns()


def test_wall_clock_sleeps_until_the_moment_and_not_for_a_past_one() -> None:
    clock = WallClock()
    moment = clock.now_ns() + 2 * NS_PER_MS
    clock.sleep_until_ns(moment)
    assert clock.now_ns() >= moment
    clock.sleep_until_ns(moment - NS_PER_S)
