"""Where what was seen before a restart lies in the time of the stream that is watched now. Pure.

Streams of most cameras count their time from an origin of their own: nothing in one tells when it was by another. Two
are related by what is known of both:
- stamps of a wall clock, where the camera gives them (ROS topics do): its own word, so that nothing moves;
- else the machine's monotonic clock, at the capture of the older one's last picture and of the newer one's first. It
  goes on from process to process, whatever becomes of the wall clock, and ends with the machine's boot.
What no clock relates is left out: after a reboot, the past of cameras that give no stamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WALL_NS = 10**18  # since 1970: what is later than 2001 was counted from there


@dataclass(frozen=True, slots=True)
class Moment:
    """A picture, by the stream's clock and by the machine's."""

    pts_ns: int
    capture_ns: int
    boot: str


@dataclass(frozen=True, slots=True)
class Life:
    """What is kept of one watching, from its first picture to its last."""

    name: str
    first: Moment
    last: Moment


def shifts(lives: Sequence[Life], begins: Moment) -> dict[str, int]:
    """What each life's pts_ns are moved by in a stream that `begins` now; lives that cannot be related are absent.

    `lives` from the oldest to the newest: each is placed before the one that followed.
    """
    found: dict[str, int] = {}
    following = begins
    for life in reversed(lives):
        shift = _shift(life.last, following)
        if shift is None:
            continue
        found[life.name] = shift
        first = life.first
        following = Moment(first.pts_ns + shift, first.capture_ns, first.boot)
    return found


def _shift(last: Moment, following: Moment) -> int | None:
    if min(last.pts_ns, following.pts_ns) >= WALL_NS:
        return 0 if last.pts_ns <= following.pts_ns else None
    away_ns = following.capture_ns - last.capture_ns
    if last.boot != following.boot or not last.boot or away_ns < 0:
        return None
    return following.pts_ns - max(1, away_ns) - last.pts_ns
