"""What a stream turned out to be: picture types, coverage, motion, breaks. Pure; knows no source and no codec."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from magno.runtime.fusion import KNOWN
from magno.runtime.inspection.over_time import MotionOverTime
from magno.runtime.units import CodecFrame, Link, MotionField

PATTERN_PICTURES = 60
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is asked of one picture."""

    pts_ns: int
    pict_type: str  # "I", "P" or "B"
    coverage: float | None  # share of its blocks that have a vector; None: the codec exports none
    motion_px: float | None  # mean length of its vectors; None: it has none
    link: Link | None

    @property
    def all_motion_px(self) -> float:
        """Motion that the picture's vectors carry: blocks without one count as still."""
        return (self.motion_px or 0.0) * (self.coverage or 0.0)


@dataclass(frozen=True, slots=True)
class Summary:
    """A stream in numbers. Pictures are in display order."""

    pictures: int
    duration_s: float  # from the first picture to the last
    pict_types: dict[str, int]
    pattern: str  # the first pictures' types, "IPPBP..."
    # Between intra pictures: least, median, most. None: there are fewer than two.
    gop_pictures: tuple[int, float, int] | None
    coverage: tuple[float, float] | None  # of predicted pictures: mean, least; None: there is no vector
    # Mean length of the vectors, one number a bin of time; None: no vector then.
    motion_px: list[float | None]
    motion_bin_s: float
    link_breaks: int  # how often the chain broke
    broken_pictures: int  # pictures that came before it had healed


def picture_facts(frame: CodecFrame) -> PictureFacts:
    """Measure one picture."""
    motion = frame.motion
    if motion is None:
        return PictureFacts(frame.pts_ns, frame.pict_type, None, None, None)
    known = KNOWN[motion.mode] > 0
    length_px = mean_length_px(motion, known) if known.any() else None
    return PictureFacts(frame.pts_ns, frame.pict_type, float(known.mean()), length_px, motion.link)


def mean_length_px(motion: MotionField, known: np.ndarray) -> float:
    """Mean length of the vectors of the `known` blocks (Hb, Wb) bool, in luma pixels."""
    moved = motion.mv_qpel[known].astype(np.float32) / 4
    return float(np.hypot(moved[:, 0], moved[:, 1]).mean())


class Tally:
    """Sums a stream up picture by picture, in display order; takes no more memory for a day than for a minute."""

    def __init__(self) -> None:
        self.pictures = 0
        self._pict_types: Counter[str] = Counter()
        self._pattern = ""
        self._first_ns = self._last_ns = 0
        self._gops: Counter[int] = Counter()  # how often intra pictures were so many pictures apart
        self._last_intra: int | None = None
        self._covered, self._coverage_sum, self._coverage_least = 0, 0.0, 1.0
        self._motion = MotionOverTime()
        self._broken = self._breaks = 0
        self._was_broken = False

    def add(self, picture: PictureFacts) -> None:
        """Count the next picture."""
        if not self.pictures:
            self._first_ns = picture.pts_ns
        self._last_ns = picture.pts_ns
        self._pict_types[picture.pict_type] += 1
        if len(self._pattern) < PATTERN_PICTURES:
            self._pattern += picture.pict_type
        if picture.pict_type == "I":
            if self._last_intra is not None:
                self._gops[self.pictures - self._last_intra] += 1
            self._last_intra = self.pictures
        elif picture.coverage is not None:
            self._covered += 1
            self._coverage_sum += picture.coverage
            self._coverage_least = min(self._coverage_least, picture.coverage)
        self._motion.add(picture.pts_ns, picture.motion_px)
        broken = picture.link is Link.BROKEN
        self._broken += broken
        self._breaks += broken and not self._was_broken
        self._was_broken = broken
        self.pictures += 1

    def summary(self) -> Summary:
        """What was seen so far: one picture at least."""
        motion_px, bin_ns = self._motion.bins()
        coverage = (self._coverage_sum / self._covered, self._coverage_least) if self._covered else None
        return Summary(
            pictures=self.pictures,
            duration_s=max(0, self._last_ns - self._first_ns) / NS_PER_S,
            pict_types={kind: self._pict_types[kind] for kind in "IPB"},
            pattern=self._pattern,
            gop_pictures=least_median_most(self._gops),
            coverage=coverage,
            motion_px=motion_px,
            motion_bin_s=bin_ns / NS_PER_S,
            link_breaks=self._breaks,
            broken_pictures=self._broken,
        )


def least_median_most(counts: Counter[int]) -> tuple[int, float, int] | None:
    """Of numbers, each counted; None when there are none."""
    numbers, total = sorted(counts), counts.total()
    if not total:
        return None
    middle = [(total - 1) // 2, total // 2]
    up_to = 0
    values: list[int] = []
    for number in numbers:
        up_to += counts[number]
        while len(values) < 2 and middle[len(values)] < up_to:
            values.append(number)
    return numbers[0], sum(values) / 2, numbers[-1]
