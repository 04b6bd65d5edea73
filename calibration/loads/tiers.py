"""A device that can just bear its camera becomes twice and three times as slow, and as fast again: which tier it takes
the camera in by, how soon, and what it drops meanwhile, beside the same with the tier held.

Where a camera costs little, encoders and native steps are made slower first (see slowness), until it takes BEARABLE of
their time.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from typing import Any

from magno.calibration.loads.load import CAMERA, LoadError, watching
from magno.calibration.loads.outcomes import Bar, bars_as_json
from magno.calibration.loads.slowness import Slowness, since_s
from magno.calibration.moments import moment_of
from magno.runtime.clock import NS_PER_S, WallClock
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.tier import Tier
from magno.runtime.watcher import Watcher

BEARABLE = 0.4  # of real time: what is twice as slow is over tier.MOST
LEARN_S, LEARN_TIMES = 6.0, 3  # two GOPs of a slow clip: what keyframes and windows cost is known then
DOWN_S, BACK_S = 2.0, 30.0
PATIENCE_S = 60.0
LOOK_S = 0.05


def follow(
    args: argparse.Namespace, factors: tuple[float, ...], say: Callable[[str], None]
) -> dict[str, Any]:
    """Step by step. Raises MagnoError."""
    config = EngineConfig(str(args.bundle), threads=args.threads, max_cameras=1)
    with watching(config, args.clip, say) as engine, Slowness(engine) as slowness:
        device = _Device(engine, slowness)
        say("learning what the camera costs")
        device.bear()
        before = device.seen_for(args.seconds)
        steps = []
        for factor in factors:
            say(f"{factor:g} times slower than a device that can just bear its camera")
            steps.append({"factor": factor, **device.slower(factor, args.seconds)})
        say("the same with the tier held")
        held = device.held(factors[-1], args.seconds)
    found = bars(before, steps, held)
    return {
        "made_slower": device.base,
        "before": before,
        "steps": steps,
        "held": held,
        "bars": bars_as_json(found),
    }


class _Device:
    """One engine on a machine that can be made slower."""

    def __init__(self, engine: Engine, slowness: Slowness) -> None:
        self._engine, self._slowness, self._clock = engine, slowness, WallClock()
        self._watcher: Watcher = engine._cameras.find(CAMERA)
        self._pause = threading.Event()
        self.base = 1.0

    def bear(self) -> None:
        """Make it so slow that its camera takes BEARABLE of its time."""
        for _ in range(LEARN_TIMES):  # not all of a share is slowed: fusing is not, nor is waiting for a core
            self._pause.wait(LEARN_S)
            share = self._watcher.pacer.shares(self._watcher._tally.shown_rate())[Tier.FULL]
            if not share > 0:
                raise LoadError("A camera wants to cost something, found that none of it was taken in.")
            self.base = self._slowness.factor = max(1.0, self.base * BEARABLE / share)
        self._pause.wait(LEARN_S)

    def slower(self, factor: float, seconds: float) -> dict[str, Any]:
        """So many times, for some seconds, and as fast again."""
        self._slowness.factor, slowed_ns = factor * self.base, self._clock.now_ns()
        down_ns = moment_of(lambda: self._tier is not Tier.FULL, PATIENCE_S)
        seen = self.seen_for(seconds)
        self._slowness.factor, eased_ns = self.base, self._clock.now_ns()
        back_ns = moment_of(lambda: self._tier is Tier.FULL, PATIENCE_S)
        return {**seen, "down_s": since_s(slowed_ns, down_ns), "back_s": since_s(eased_ns, back_ns)}

    def held(self, factor: float, seconds: float) -> dict[str, Any]:
        """As `slower`, in the full tier whatever happens."""
        self._watcher.pacer._paced = False
        self._slowness.factor = factor * self.base
        self._pause.wait(DOWN_S)
        return self.seen_for(seconds)

    def seen_for(self, seconds: float) -> dict[str, Any]:
        """What is dropped, how old the newest picture gets, and the tier in the end."""
        changes, dropped = self._watcher.pacer.changes, self._watcher.pictures_dropped
        until_ns, oldest_ns = self._clock.now_ns() + int(seconds * NS_PER_S), 0
        while (now_ns := self._clock.now_ns()) < until_ns:
            newest_ns = self._engine.status()[CAMERA].newest_capture_ns
            oldest_ns = max(oldest_ns, now_ns - (newest_ns or now_ns))
            self._pause.wait(LOOK_S)
        return {
            "tier": self._tier.value,
            "changes": self._watcher.pacer.changes - changes,
            "dropped": self._watcher.pictures_dropped - dropped,
            "oldest_s": oldest_ns / NS_PER_S,
        }

    @property
    def _tier(self) -> Tier:
        return self._watcher.pacer.tier


def bars(before: dict[str, Any], steps: list[dict[str, Any]], held: dict[str, Any]) -> list[Bar]:
    """What is wanted of each step; `held` is compared with the last."""
    full = Tier.FULL.value
    found = [Bar("bearable: tier", full, before["tier"], before["tier"] == full and not before["changes"])]
    for step in steps:
        name, down_s, back_s = f"{step['factor']:g} times slower", step["down_s"], step["back_s"]
        told = f"{step['tier']}, after {_seconds(down_s)}"
        met = down_s is not None and down_s <= DOWN_S
        found.append(Bar(f"{name}: a cheaper tier", f"within {DOWN_S:.0f} s", told, met))
        met = back_s is not None and back_s <= BACK_S
        found.append(Bar(f"{name}: full again", f"within {BACK_S:.0f} s", _seconds(back_s), met))
    last = steps[-1]
    told = f"{last['dropped']}, newest {last['oldest_s']:.1f} s old at most"
    wanted = f"no more than the {held['dropped']} of the full tier ({held['oldest_s']:.1f} s)"
    found.append(Bar("pictures dropped", wanted, told, last["dropped"] <= held["dropped"]))
    return found


def _seconds(found_s: float | None) -> str:
    return "never" if found_s is None else f"{found_s:.1f} s"
