"""How motion went over time, in a few numbers however long the stream, and as one line of text. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_BINS = 60
MAX_SLOTS = 4096
BARS = "▁▂▃▄▅▆▇█"
NOTHING = "·"  # a time without any vector


@dataclass(slots=True)
class _Slot:
    """Some pictures in a row."""

    pts_ns: int  # of the first
    pictures: int = 0
    moving: int = 0  # pictures that have vectors
    motion_px: float = 0.0  # their sum


class MotionOverTime:
    """Takes each picture's motion. When its slots are full, every two become one: a line of text shows no more."""

    def __init__(self) -> None:
        self._slots: list[_Slot] = []
        self._pictures_a_slot = 1
        self._pictures = 0
        self._least_ns = self._most_ns = 0

    def add(self, pts_ns: int, motion_px: float | None) -> None:
        """Count one picture; None: it has no vectors."""
        self._least_ns = min(self._least_ns, pts_ns) if self._pictures else pts_ns
        self._most_ns = max(self._most_ns, pts_ns) if self._pictures else pts_ns
        if not self._slots or self._slots[-1].pictures == self._pictures_a_slot:
            if len(self._slots) == MAX_SLOTS:
                self._halve()
            self._slots.append(_Slot(pts_ns))
        slot = self._slots[-1]
        slot.pictures += 1
        self._pictures += 1
        if motion_px is not None:
            slot.moving += 1
            slot.motion_px += motion_px

    def _halve(self) -> None:
        """MAX_SLOTS full slots become half as many."""
        self._pictures_a_slot *= 2
        pairs = zip(self._slots[::2], self._slots[1::2], strict=True)
        self._slots = [
            _Slot(a.pts_ns, a.pictures + b.pictures, a.moving + b.moving, a.motion_px + b.motion_px)
            for a, b in pairs
        ]

    def bins(self, most: int = MAX_BINS) -> tuple[list[float | None], int]:
        """Mean motion of the pictures in each of at most `most` equal times, and how long one is, in ns."""
        span_ns, count = self._most_ns - self._least_ns + 1, min(most, self._pictures)
        moving, motion_px = [0] * count, [0.0] * count
        for slot in self._slots:
            place = (slot.pts_ns - self._least_ns) * count // span_ns
            moving[place] += slot.moving
            motion_px[place] += slot.motion_px
        means = [px / n if n else None for px, n in zip(motion_px, moving, strict=True)]
        return means, span_ns // max(1, count)


def sparkline(values: Sequence[float | None]) -> str:
    """One character a value, from zero to the greatest."""
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    return "".join(
        NOTHING if value is None else BARS[min(len(BARS) - 1, int(value / top * len(BARS)))]
        for value in values
    )
