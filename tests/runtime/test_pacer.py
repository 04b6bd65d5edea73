"""The tier follows a device that becomes slower and faster; no clock but the test's own."""

from __future__ import annotations

from functools import partial

import pytest

from magno.runtime.clock import NS_PER_S, ReplayClock
from magno.runtime.pacer import HOLD_S, Pacer, Spent
from magno.runtime.spec import CodecSpec, ResidualKind
from magno.runtime.tier import LADDER, STRETCH, Tier
from magno.runtime.units import SpanKind

CODEC = CodecSpec(128, 16, 32, 2.0, 8.0, 64.0, 8, 4, (ResidualKind.PIXEL_MC,))
RATE = 25.0
COSTS_MS = {SpanKind.KEYFRAME: 160.0, SpanKind.WINDOW: 80.0}  # 0.36 of real time


class Device:
    """A camera's thread, in time that the test makes pass."""

    def __init__(self, *, paced: bool = True, peers: int = 1) -> None:
        self.clock = ReplayClock()
        self.pacer = Pacer(CODEC, self.clock, lambda: peers, paced=paced)
        self.slowness = 1.0
        self._items = 0
        self.tiers: list[tuple[float, Tier]] = []

    @property
    def now_s(self) -> float:
        return self.clock.now_ns() / NS_PER_S

    def run(self, seconds: float) -> None:
        """Items as they come in its tier, each as slow as the device is."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            tier = self.pacer.tier
            only = tier is Tier.KEYFRAMES
            kind = SpanKind.KEYFRAME if only or self._items % 5 == 0 else SpanKind.WINDOW
            self._items += 1
            lasts_s = 8 * STRETCH[tier] / RATE * (4 if only else 1)
            next_ns = self.clock.now_ns() + int(lasts_s * NS_PER_S)
            done_ns = self.clock.now_ns() + int(self.slowness * COSTS_MS[kind] * 1e6)
            self.pacer.timed(kind, partial(self.clock.sleep_until_ns, done_ns))
            self.pacer.ingested(kind, self.slowness * 10.0)
            if (changed := self.pacer.step(RATE)) is not None:
                self.tiers.append((self.now_s, changed))
            self.clock.sleep_until_ns(next_ns)


@pytest.mark.parametrize(
    ("slower", "wanted"), [(2.5, Tier.LONGER), (5.0, Tier.LONGEST), (20.0, Tier.KEYFRAMES)]
)
def test_down_within_two_seconds_and_back(slower: float, wanted: Tier) -> None:
    device = Device()
    device.run(10.0)
    assert device.tiers == []
    device.slowness, slowed_s = slower, device.now_s
    device.run(20.0)
    assert device.pacer.tier is wanted
    assert device.tiers[0][0] - slowed_s < 2.0 + slower * COSTS_MS[SpanKind.KEYFRAME] / 1e3
    device.slowness = 1.0
    device.run(60.0)
    assert device.pacer.tier is Tier.FULL and device.pacer.changes == len(device.tiers)
    back = [tier for _, tier in device.tiers[-LADDER.index(wanted) :]]
    assert back == list(reversed(LADDER[: LADDER.index(wanted)]))  # one after another


def test_one_hiccup_changes_nothing() -> None:
    device = Device()
    device.run(5.0)
    for _ in range(10):
        device.slowness = 30.0
        device.run(0.01)
        device.slowness = 1.0
        device.run(5.0)
    assert device.tiers == []


def test_what_drops_is_behind_and_a_change_is_given_time() -> None:
    device = Device()
    device.run(5.0)
    device.pacer.fell_behind()
    assert device.pacer.step(RATE) is Tier.LONGER
    device.pacer.fell_behind()  # what waited before the change
    assert device.pacer.step(RATE) is None
    device.clock.sleep_until_ns(device.clock.now_ns() + 2 * NS_PER_S)
    device.pacer.fell_behind()
    assert device.pacer.step(RATE) is Tier.LONGEST
    device.run(HOLD_S - 2)
    assert device.pacer.tier is Tier.LONGEST
    device.run(4 * HOLD_S)
    assert device.pacer.tier is Tier.FULL


def test_cameras_share_the_language_model() -> None:
    one, six = Device(), Device(peers=60)
    for device in (one, six):
        device.run(10.0)
    assert one.pacer.tier is Tier.FULL and six.pacer.tier is not Tier.FULL


def test_nothing_is_too_slow_for_a_source_that_waits() -> None:
    device = Device(paced=False)
    device.slowness = 100.0
    device.run(30.0)
    device.pacer.fell_behind()
    assert device.pacer.step(RATE) is None and device.pacer.tier is Tier.FULL


def test_what_is_not_seen_becomes_slower_with_the_rest() -> None:
    spent = Spent()
    for kind in (SpanKind.KEYFRAME, SpanKind.WINDOW, SpanKind.WINDOW, SpanKind.WINDOW):
        spent.observe(kind, COSTS_MS[kind])
    for _ in range(3):
        spent.observe(SpanKind.KEYFRAME, 3 * COSTS_MS[SpanKind.KEYFRAME])
    assert spent.costs().window_ms == pytest.approx(3 * COSTS_MS[SpanKind.WINDOW])
