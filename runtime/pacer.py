"""What it costs to take one camera in, as measured, and the tier that follows from it.

`timed`, `fell_behind` and `step` are the camera's thread's; `ingested` is the language model's owner thread's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median
from typing import TypeVar

from magno.runtime.clock import NS_PER_MS, NS_PER_S, Clock
from magno.runtime.spec import CodecSpec
from magno.runtime.tier import LADDER, Costs, Tier, plan, share
from magno.runtime.units import SpanKind

HOLD_S = 5.0  # without a change or a drop, before a richer tier is tried
SETTLE_S = 1.0  # that a change is given, before drops count again: what waited from before may yet be dropped
BELIEVED = 3  # times that the newest are judged by: one hiccup is not believed, two of three are
PICTURES = 0.05  # share of one picture's cost that is believed of the next one's

T = TypeVar("T")


class Spent:
    """The costs of one stage. All that it does becomes slower and faster together, as clocks do: so that what is not
    seen in a cheap tier is known too."""

    def __init__(self) -> None:
        self._fastest_ms: dict[SpanKind, float] = {}
        self._slowness: deque[float] = deque(maxlen=BELIEVED)  # times the fastest
        self._picture_ms = 0.0

    def observe(self, kind: SpanKind, ms: float) -> None:
        fastest_ms = self._fastest_ms[kind] = max(min(ms, self._fastest_ms.get(kind, ms)), 1e-3)
        self._slowness.append(ms / fastest_ms)

    def observe_picture(self, ms: float) -> None:
        self._picture_ms += PICTURES * (ms - self._picture_ms)

    def costs(self) -> Costs:
        slowness = median(list(self._slowness) or [1.0])
        keyframe_ms, window_ms = (
            slowness * self._fastest_ms.get(kind, 0.0) for kind in (SpanKind.KEYFRAME, SpanKind.WINDOW)
        )
        return Costs(keyframe_ms, window_ms, self._picture_ms)


class Pacer:
    """The tier of one camera."""

    def __init__(self, codec: CodecSpec, clock: Clock, peers: Callable[[], int], *, paced: bool) -> None:
        """`peers` share the language model, this camera among them. `paced`: pictures come at a rate of their own; else
        nothing is ever too slow, and the tier stays."""
        self._codec, self._clock, self._peers, self._paced = codec, clock, peers, paced
        self._encoding, self._ingesting = Spent(), Spent()
        self._changed_ns = self._dropped_ns = clock.now_ns()
        self._behind = False
        self.tier = Tier.FULL
        self.changes = 0

    def timed(self, kind: SpanKind | None, work: Callable[[], T]) -> T:
        """Do the work of encoding a keyframe or window; None: of fusing a picture."""
        began_ns = self._clock.now_ns()
        done = work()
        ms = (self._clock.now_ns() - began_ns) / NS_PER_MS
        if kind is None:
            self._encoding.observe_picture(ms)
        else:
            self._encoding.observe(kind, ms)
        return done

    def ingested(self, kind: SpanKind, ms: float) -> None:
        """The language model has taken a keyframe or window into its cache."""
        self._ingesting.observe(kind, ms)

    def fell_behind(self) -> None:
        """A keyframe or window was dropped, for the queue to the language model was full."""
        self._dropped_ns = self._clock.now_ns()
        self._behind |= self._dropped_ns - self._changed_ns >= SETTLE_S * NS_PER_S

    def shares(self, rate: float) -> dict[Tier, float]:
        """What each tier would take of the time that there is for this camera of so many pictures a second, in the
        stage that has the least."""
        encoding, ingesting, peers = self._encoding.costs(), self._ingesting.costs(), max(1, self._peers())
        return {
            tier: max(
                share(encoding, tier, self._codec, rate), peers * share(ingesting, tier, self._codec, rate)
            )
            for tier in LADDER
        }

    def step(self, rate: float) -> Tier | None:
        """The tier to change to; None: it stays."""
        if not self._paced:
            return None
        now_ns = self._clock.now_ns()
        rested = now_ns - max(self._changed_ns, self._dropped_ns) >= HOLD_S * NS_PER_S
        tier = plan(self.tier, self.shares(rate), behind=self._behind, rested=rested)
        self._behind = False
        if tier is self.tier:
            return None
        self.tier, self._changed_ns = tier, now_ns
        self.changes += 1
        return tier
