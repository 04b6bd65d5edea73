"""What a stream turned out to be: picture types, coverage, motion, breaks. Pure; knows no source and no codec."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from magno.runtime.fusion import KNOWN
from magno.runtime.units import CodecFrame, Link, MotionField

MAX_BINS = 60
PATTERN_PICTURES = 60
NS_PER_S = 1_000_000_000
BARS = "▁▂▃▄▅▆▇█"
NOTHING = "·"  # a time without any vector


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is kept of one picture; a few numbers, so that hours of video fit."""

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
    gop_pictures: (
        tuple[int, float, int] | None
    )  # between intra pictures: least, median, most; None: fewer than two
    coverage: tuple[float, float] | None  # of predicted pictures: mean, least; None: there is no vector
    motion_px: list[
        float | None
    ]  # mean length of the vectors, one number a bin of time; None: no vector then
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


def summarize(pictures: Sequence[PictureFacts]) -> Summary:
    """Sum up one picture or more, given in display order."""
    types = "".join(picture.pict_type for picture in pictures)
    covered = [p.coverage for p in pictures if p.coverage is not None and p.pict_type != "I"]
    broken = [picture.link is Link.BROKEN for picture in pictures]
    span_ns = max(0, pictures[-1].pts_ns - pictures[0].pts_ns)
    motion_px, bin_ns = motion_over_time(pictures)
    return Summary(
        pictures=len(pictures),
        duration_s=span_ns / NS_PER_S,
        pict_types={kind: types.count(kind) for kind in "IPB"},
        pattern=types[:PATTERN_PICTURES],
        gop_pictures=gop_pictures(types),
        coverage=(statistics.fmean(covered), min(covered)) if covered else None,
        motion_px=motion_px,
        motion_bin_s=bin_ns / NS_PER_S,
        link_breaks=sum(now and not before for before, now in zip([False, *broken], broken, strict=False)),
        broken_pictures=sum(broken),
    )


def gop_pictures(types: str) -> tuple[int, float, int] | None:
    """Least, median and most pictures from one intra picture to the next; None with fewer than two of them."""
    places = [place for place, kind in enumerate(types) if kind == "I"]
    gaps = [after - before for before, after in itertools.pairwise(places)]
    return (min(gaps), statistics.median(gaps), max(gaps)) if gaps else None


def motion_over_time(
    pictures: Sequence[PictureFacts], bins: int = MAX_BINS
) -> tuple[list[float | None], int]:
    """Mean motion of the pictures in each of at most `bins` equal times, and how long one is, in ns."""
    first_ns = min(picture.pts_ns for picture in pictures)
    span_ns = max(picture.pts_ns for picture in pictures) - first_ns + 1
    bins = min(bins, len(pictures))
    found: list[list[float]] = [[] for _ in range(bins)]
    for picture in pictures:
        if picture.motion_px is not None:
            found[(picture.pts_ns - first_ns) * bins // span_ns].append(picture.motion_px)
    return [statistics.fmean(motions) if motions else None for motions in found], span_ns // bins


def sparkline(values: Sequence[float | None]) -> str:
    """One character a value, from zero to the greatest."""
    top = max((value for value in values if value is not None), default=0.0) or 1.0
    return "".join(
        NOTHING if value is None else BARS[min(len(BARS) - 1, int(value / top * len(BARS)))]
        for value in values
    )
