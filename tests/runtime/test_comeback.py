"""What follows an absence: when the next process begins, where time goes on, what is told meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.camera.process.pulse import Pulse
from magno.runtime.camera.process.wire import Opened
from magno.runtime.clock import NS_PER_MS, NS_PER_S, ReplayClock
from magno.runtime.comeback import PAUSES_S, Restarts, Timeline
from magno.runtime.tally import Tally
from magno.runtime.units import CodecFrame
from tests.synthetic import codec_frame

OPENED = Opened("h264", (64, 48), 10.0)


def _frame(sequence: int, pts_ms: int, capture_ms: int) -> CodecFrame:
    return replace(codec_frame(sequence), pts_ns=pts_ms * NS_PER_MS, capture_ns=capture_ms * NS_PER_MS)


@pytest.mark.parametrize(
    ("lives_s", "pauses_s"),
    [
        ([60.0, 60.0, 60.0], [0.0, 0.0, 0.0]),
        ([0.1] * 8, [0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]),
        ([0.1, 0.1, 5.0, 0.1, 0.1], [0.0, 0.25, 0.0, 0.0, 0.25]),
    ],
)
def test_a_process_that_worked_is_replaced_at_once(lives_s: list[float], pauses_s: list[float]) -> None:
    restarts = Restarts()
    assert [restarts.pause_s(lived_s) for lived_s in lives_s] == pauses_s


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_no_pause_is_longer_than_the_longest(lives_s: list[float]) -> None:
    restarts = Restarts()
    assert all(0.0 <= restarts.pause_s(lived_s) <= PAUSES_S[-1] for lived_s in lives_s)


def test_time_goes_on_where_the_stream_begins_anew() -> None:
    timeline = Timeline()
    before = [timeline.place(_frame(at, 40 * at, 1000 + 40 * at)) for at in range(3)]
    assert [frame.pts_ns for frame in before] == [0, 40 * NS_PER_MS, 80 * NS_PER_MS]
    timeline.begin_anew()
    after = [timeline.place(_frame(at, 7 + 40 * at, 6000 + 40 * at)) for at in range(2)]
    assert [frame.pts_ns for frame in after] == [5000 * NS_PER_MS, 5040 * NS_PER_MS]


@given(
    st.lists(
        st.tuples(st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.integers(1, 5)),
        min_size=1,
        max_size=6,
    )
)
def test_no_stream_begins_before_the_one_it_follows(streams: list[tuple[int, int, int]]) -> None:
    timeline, capture_ms, newest_ns = Timeline(), 0, None
    for first_ms, away_ms, pictures in streams:
        timeline.begin_anew()
        capture_ms += away_ms
        for at in range(pictures):
            placed = timeline.place(_frame(at, first_ms + 40 * at, capture_ms))
            assert newest_ns is None or placed.pts_ns > newest_ns
            newest_ns = placed.pts_ns
            capture_ms += 40


def test_a_silent_camera_is_told_from_a_slow_one() -> None:
    clock = ReplayClock()
    tally, slow = Tally(clock, paced=True), Tally(clock, paced=True)
    fast = Tally(clock, paced=False)
    tally.opened(OPENED)
    slow.opened(replace(OPENED, rate=1.0))
    fast.opened(OPENED)
    clock.sleep_until_ns(NS_PER_S)
    assert [each.seen_state() for each in (tally, slow, fast)] == ["silent", "streaming", "streaming"]
    tally.count(codec_frame(0))
    assert tally.seen_state() == "streaming"
    clock.sleep_until_ns(6 * NS_PER_S)
    assert tally.seen_state() == slow.seen_state() == "silent"
    assert tally.lost("gone") and not tally.lost("still gone")
    assert (tally.seen_state(), tally.error) == ("lost", "still gone")


def test_pictures_that_did_not_come_are_counted_but_not_across_an_absence() -> None:
    tally = Tally(ReplayClock(), paced=True)
    tally.opened(OPENED)
    for sequence in (0, 1, 5):
        tally.count(codec_frame(sequence))
    assert (tally.received, tally.dropped) == (6, 3)
    tally.opened(OPENED)
    tally.count(codec_frame(7))
    assert (tally.received, tally.dropped) == (7, 3)


def test_a_thread_that_takes_too_long_is_stuck() -> None:
    clock = ReplayClock()
    pulse = Pulse(clock)
    assert pulse.overdue() is None
    pulse.wait_for("a picture", 2.0)
    clock.sleep_until_ns(2 * NS_PER_S)
    assert pulse.overdue() is None
    clock.sleep_until_ns(2 * NS_PER_S + 1)
    assert (
        pulse.overdue()
        == "Wanted a picture within 2 s, found the reader process stuck at it; it is replaced."
    )
    pulse.wait_for("whatever comes", None)
    assert pulse.overdue() is None
    pulse.wait_for("a picture", 2.0)
    pulse.rest()
    clock.sleep_until_ns(60 * NS_PER_S)
    assert pulse.overdue() is None
