"""Tests of what the vectors come to over thirty pictures: fused windows against the true displacement.

An encoder's vectors are what is cheapest to send, not what moved, so how near a window can come is the encoder's
choice. The bars below were measured on the software decoder, whose vectors are the stream's own, block by block;
a source that does worse on the same streams has another fault.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from magno.runtime.conformance.encoding import Encoding
from magno.runtime.conformance.known_motion import Scene, panning, turning, zooming
from magno.runtime.conformance.measures import fused_error_px
from magno.runtime.conformance.vector_sources import VectorSource
from magno.runtime.conformance.verdict import Case, Verdict, verdict

PICTURES = 30  # fused
DEGREES = 0.7  # of a rotation, a picture; a zoom of 1.2 % moves the content about as far
FINEST_PX = 8  # blocks that the bars were measured with
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow")
REFERENCES = (1, 2, 3, 4)
CRFS = (18, 23, 32, 45)
SIZES = ((330, 250), (320, 240))
MOTIONS: dict[str, Callable[[tuple[int, int]], Scene]] = {
    "pan": lambda size: panning(size, (0.75, 0), PICTURES + 1),
    "rotation": lambda size: turning(size, DEGREES, PICTURES + 1),
    "zoom": lambda size: zooming(size, 1.012, PICTURES + 1),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """What a window must keep to: the greatest mean endpoint error in px, and the least share of valid blocks."""

    pan: float
    turn: float  # rotation and zoom
    valid: float = 0.95


GOOD = Bar(0.3, 0.6)  # quarter pixels, partitions of 8 px, bits enough
FEW_BITS = Bar(
    0.65, 1.45, 0.9
)  # a vector costs more than the residual it saves, in rich blocks as in flat ones
# Whole pixels only: each vector of a pan of 0.75 px says 1. No reader of vectors can mend that.
WHOLE_PIXELS = Bar(8.0, 7.0)
WHOLE_BLOCKS = Bar(0.3, 0.8)  # no partition below 16 px: a turning block is told as one that slides
ROUGH_SEARCH = Bar(0.55, 0.75)
FEW_BITS_ROUGH = Bar(1.8, 2.4, 0.9)
# So little is left of the pictures that most vectors' references cannot be told, and a block that is left has no
# neighbours to be interpolated from.
BLURRED = Bar(3.0, 5.0, 0.0)
HALF_PIXELS = Bar(0.3, 1.7)  # rounded the same way in every picture, so it adds up
HALF_PIXELS_CHEAP = Bar(0.3, 1.1)  # a cheap vector is its neighbours' mean, and errs less alike
PRESET_BARS = {"ultrafast": WHOLE_PIXELS, "superfast": WHOLE_BLOCKS, "veryfast": ROUGH_SEARCH}
FEW_BITS_CRF = 38


def bar_of(encoding: Encoding, block_px: int) -> Bar:
    """What a window of this stream must keep to, told in blocks of this size."""
    bar = _bar_of_stream(encoding)
    # A coarse block's one vector may be that of any of its parts, a corner's at worst, and turns with the rest.
    off_px = (block_px - FINEST_PX) / 2 * math.sqrt(2) * math.radians(DEGREES) * PICTURES
    return replace(bar, turn=bar.turn + off_px)


def _bar_of_stream(encoding: Encoding) -> Bar:
    plenty = encoding.crf <= Encoding().crf
    if encoding.encoder == "mpeg4":
        return HALF_PIXELS if plenty else HALF_PIXELS_CHEAP
    hasty = PRESET_BARS.get(encoding.preset)
    if encoding.crf < FEW_BITS_CRF:
        return hasty or GOOD
    if hasty is None:
        return FEW_BITS
    return FEW_BITS_ROUGH if encoding.references == 1 else BLURRED


def fusion(source: VectorSource) -> Verdict:
    """A slow pan, rotation and zoom, as an ordinary encoder sends them."""
    cases, figures = [], {}
    for encoding, motion in itertools.product(source.encodings, MOTIONS):
        error_px, case = _case(source, encoding, motion, SIZES[0])
        figures[f"{motion}_{encoding.codec}_px"] = error_px
        cases.append(case)
    wanted = f"at most {GOOD.pan} px on a pan, {GOOD.turn} px on rotation and zoom ({HALF_PIXELS.turn} in half pixels)"
    return verdict("fusion", wanted, cases, figures)


def matrix(source: VectorSource, *, full: bool) -> Verdict:
    """The same over presets, references, qualities and sizes: a covering selection, or all of them."""
    cases = [_case(source, *combination)[1] for combination in combinations(source, full=full)]
    return verdict("matrix", "each within the bar of its encoder's settings", cases)


def combinations(source: VectorSource, *, full: bool) -> Iterator[tuple[Encoding, str, tuple[int, int]]]:
    """Encodings with a motion and a size. The selection has every two settings together at least once."""
    motions = list(MOTIONS)
    for encoding in source.encodings:
        counts = REFERENCES if source.caps[encoding.codec].has_reference else (1,)
        if encoding.codec == "mpeg4":
            for motion, crf in itertools.product(motions, CRFS):
                yield replace(encoding, crf=crf), motion, SIZES[0]
        elif full:
            for preset, count, crf, motion, size in itertools.product(PRESETS, counts, CRFS, motions, SIZES):
                yield replace(encoding, preset=preset, references=count, crf=crf), motion, size
        else:
            for turn in range(len(PRESETS) * len(CRFS)):
                preset, crf = PRESETS[turn % 7], CRFS[turn // 7]
                settings = replace(encoding, preset=preset, references=counts[turn % len(counts)], crf=crf)
                yield settings, motions[turn % 3], SIZES[(turn // 4 + turn // 7) % 2]


def _case(source: VectorSource, encoding: Encoding, motion: str, size: tuple[int, int]) -> tuple[float, Case]:
    scene = MOTIONS[motion](size)
    error_px, valid = fused_error_px(source.play(scene.pictures(), encoding)[1], scene, PICTURES)
    bar = bar_of(encoding, source.caps[encoding.codec].block_px)
    bar_px = bar.pan if motion == "pan" else bar.turn
    found = f"{error_px:.2f} px of {bar_px:.2f}, {valid:.0%} valid"
    label = f"{motion} {size[0]}x{size[1]} {encoding}"
    near = error_px <= bar_px or not valid  # of nothing, nothing can be said
    return error_px, Case(label, near and valid >= bar.valid, found)
