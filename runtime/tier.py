"""How much of a camera is taken in, when the device has not the time for all of it. Pure: costs in, a tier out.

First windows get longer, so that there are fewer of them and fewer keyframes between; then nothing but keyframes is
left (pocket's answers, before its fourth training: 79 % right in full, 73 and 70 with longer windows, 35 with keyframes
only). What each tier would cost is foretold from what a keyframe and a window cost now, so that the right one is chosen
at once. Down at the first sign, up one tier at a time and only where that leaves room: never to and fro.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from magno.runtime.clock import NS_PER_MS, NS_PER_S
from magno.runtime.spec import CodecSpec

MS_PER_S = NS_PER_S / NS_PER_MS
MOST = 0.7  # of a thread's time: more, and one hiccup fills the queue before it
EASY = 0.5  # that a richer tier may take


class Tier(Enum):
    """From the richest to the cheapest."""

    FULL = "full"
    LONGER = "longer windows"
    LONGEST = "longest windows"
    KEYFRAMES = "keyframes only"


STRETCH = {Tier.FULL: 1, Tier.LONGER: 2, Tier.LONGEST: 4, Tier.KEYFRAMES: 4}  # of windows, and so of GOPs
LADDER = tuple(Tier)


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one stage, as believed now."""

    keyframe_ms: float
    window_ms: float
    picture_ms: float = 0.0  # of each picture that is fused into a window


def share(costs: Costs, tier: Tier, codec: CodecSpec, rate: float) -> float:
    """Of a thread's time, that a stage takes of it for one camera of so many pictures a second."""
    pictures = 1 + codec.windows_per_gop * codec.window_pictures * STRETCH[tier]
    spent_ms = costs.keyframe_ms
    if tier is not Tier.KEYFRAMES:
        spent_ms += codec.windows_per_gop * costs.window_ms + pictures * costs.picture_ms
    return spent_ms * rate / pictures / MS_PER_S


def plan(tier: Tier, shares: Mapping[Tier, float], *, behind: bool, rested: bool) -> Tier:
    """The tier to go on with. `shares` of each: of the time that there is for this camera, in its scarcest stage.

    `behind`: something had to be dropped; `rested`: long enough nothing was, and the tier has not changed.
    """
    at = LADDER.index(tier)
    if behind or shares[tier] > MOST:
        return next((other for other in LADDER[at + 1 :] if shares[other] <= MOST), LADDER[-1])
    richer = LADDER[max(at - 1, 0)]
    return richer if rested and shares[richer] <= EASY else tier
