"""Tests of single pictures' vectors: sign, unit, order, size of the grid, standing still, new content, identity.

Each takes a source and gives a Verdict; it asks the same of every codec that the source takes.
"""

from __future__ import annotations

import itertools

import numpy as np

from magno.runtime.conformance.encoding import Encoding
from magno.runtime.conformance.known_motion import Scene, moving, pan, panning, picture
from magno.runtime.conformance.measures import centres, inner, modal_px, motion_of
from magno.runtime.conformance.vector_sources import VectorSource
from magno.runtime.conformance.verdict import Case, Verdict, verdict
from magno.runtime.fusion import KNOWN
from magno.runtime.units import BlockMode, CodecFrame, MotionField

SIZE = (256, 192)
PICTURES = 4
MARGIN_PX = 24  # from the edge: content came in there, and no vector is right
PANS_PX = ((4, 0), (-4, 0), (0, 4), (0, -4), (-3, 5), (1, 0))
UNIT_PANS_PX = (0.25, 0.5, 0.75, 1.0, 4.0, 16.0)
SLOPE_TOLERANCE = 0.02
QUARTERS_PX = ((4, 0), (-4, 0), (0, 4), (-3, -5))  # top left, top right, bottom left, bottom right
# Neither side a multiple of 16; the third is 8 px into its last macroblocks.
SIZES = ((322, 180), (130, 98), (184, 168))
STEPS_PX = ((3, 1), (-4, 0), (5, -2), (-2, 3), (6, 2), (-5, -3), (2, -4), (-3, 4))  # no two alike
NEW = (slice(48, 112), slice(64, 160))  # rows and columns of the content that appears
NEW_SHARE = 0.9


def translation(source: VectorSource) -> Verdict:
    """Whole-pixel pans: axis and sign."""
    cases = []
    for encoding, velocity in itertools.product(source.encodings, PANS_PX):
        found = _modal_of(source, encoding, panning(SIZE, velocity, PICTURES))
        cases.append(Case(f"{encoding.codec} {velocity}", set(found) == {velocity}, _told(found)))
    return verdict("translation", "the most common vector of every pan, exactly", cases)


def unit(source: VectorSource) -> Verdict:
    """Pans from a quarter to sixteen pixels: how many px a vector's step is."""
    cases, slopes = [], {}
    for encoding in source.encodings:
        slope, told_px = measure_unit(source, encoding)
        slopes[f"slope_{encoding.codec}"] = slope
        finest_px = 1 / source.caps[encoding.codec].subpel
        right = abs(slope - 1) <= SLOPE_TOLERANCE and told_px[finest_px] == finest_px
        found = f"slope {slope:.3f}; {finest_px:g} px is told as {told_px[finest_px]:g}"
        cases.append(Case(encoding.codec, right, found))
    wanted = f"1 px told for 1 px moved, within {SLOPE_TOLERANCE:.0%}, and the codec's finest step exactly"
    return verdict("unit", wanted, cases, slopes)


def measure_unit(source: VectorSource, encoding: Encoding) -> tuple[float, dict[float, float]]:
    """Px told for one px moved (least squares), and what each of UNIT_PANS_PX is told as."""
    told_px = {}
    for velocity in UNIT_PANS_PX:
        told = [0.0]
        for motion in _predicted(source, encoding, panning(SIZE, (velocity, 0), PICTURES)):
            chosen = inner(motion, SIZE, MARGIN_PX) & (KNOWN[motion.mode] > 0)
            told += (motion.mv_qpel[chosen][:, 0] / 4).tolist()
        told_px[velocity] = float(np.median(told))
    squares = sum(velocity**2 for velocity in told_px)
    return sum(velocity * told for velocity, told in told_px.items()) / squares, told_px


def order(source: VectorSource) -> Verdict:
    """Another motion in each quarter of a picture that is not square: the raster."""
    halves = (SIZE[0] // 2, SIZE[1] // 2)
    pictures = []
    for number in range(PICTURES):
        image = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
        for quarter, (dx, dy) in enumerate(QUARTERS_PX):
            rows, columns = _quarter(quarter, halves)
            image[rows, columns] = picture(halves, pan(dx * number, dy * number), seed=quarter + 1)
        pictures.append(image)
    cases = []
    for encoding in source.encodings:
        fields = _fields(source.play(pictures, encoding)[1])
        for quarter, wanted in enumerate(QUARTERS_PX):
            found = [modal_px(motion, _middle(motion, quarter, halves)) for motion in fields]
            cases.append(Case(f"{encoding.codec} quarter {quarter}", set(found) == {wanted}, _told(found)))
    return verdict("order", "each quarter's own motion in its own place", cases)


def sizes(source: VectorSource) -> Verdict:
    """Pictures whose sides are no multiples of a block: the grid covers them, nothing is shifted."""
    cases = []
    for encoding, size in itertools.product(source.encodings, SIZES):
        scene = panning(size, (3, -2), PICTURES)
        fields = _predicted(source, encoding, scene)
        found = [modal_px(motion, inner(motion, size, MARGIN_PX)) for motion in fields]
        covers = all(_covers(motion, size) for motion in fields)
        told = _told(found) + ("" if covers else "; the grid does not cover the picture")
        label = f"{encoding.codec} {size[0]}x{size[1]}"
        cases.append(Case(label, covers and set(found) == {(3, -2)}, told))
    return verdict("sizes", "a grid over the whole picture, and the pan's vector exactly", cases)


def still(source: VectorSource) -> Verdict:
    """Nothing moves: zero, and known everywhere."""
    cases = []
    for encoding in source.encodings:
        for motion in _predicted(source, encoding, panning(SIZE, (0, 0), PICTURES)):
            visible = inner(motion, SIZE, 0)
            known = float((KNOWN[motion.mode] > 0)[visible].mean())
            moves = bool(motion.mv_qpel[visible].any())
            found = f"{known:.1%} known, {'some moves' if moves else 'all zero'}"
            cases.append(Case(encoding.codec, known == 1 and not moves, found))
    return verdict("still", "zero in every block", cases)


def new_content(source: VectorSource) -> Verdict:
    """What was not there before did not stand still."""
    before, after = picture(SIZE), picture(SIZE)
    after[NEW] = picture((NEW[1].stop - NEW[1].start, NEW[0].stop - NEW[0].start), seed=99) // 2
    cases, shares = [], {}
    for encoding in source.encodings:
        motion = motion_of(source.play([before, before, after, after], encoding)[1][2])
        x, y = centres(motion)
        half = motion.block_px / 2
        new = (x > NEW[1].start + half - 1) & (x < NEW[1].stop - half)
        new &= (y > NEW[0].start + half - 1) & (y < NEW[0].stop - half)
        zero = (KNOWN[motion.mode] > 0) & ~motion.mv_qpel.any(-1)
        share = shares[f"not_still_{encoding.codec}"] = float(1 - zero[new].mean())
        intra = float((motion.mode[new] == BlockMode.INTRA).mean())
        has_intra = source.caps[encoding.codec].has_intra
        told = f"{share:.1%} not told as still, {intra:.1%} as intra" + (
            "" if has_intra else " (it knows of none)"
        )
        cases.append(Case(encoding.codec, share >= NEW_SHARE or not has_intra, told))
    return verdict("new_content", f"{NEW_SHARE:.0%} of the new blocks not told as still", cases, shares)


def identity(source: VectorSource) -> Verdict:
    """Another motion in every picture: each has its own, not its neighbour's."""
    places = [(0, 0), *itertools.accumulate(STEPS_PX, lambda a, b: (a[0] + b[0], a[1] + b[1]))]
    scene = moving(SIZE, lambda t: pan(*places[t]), len(places))
    cases = []
    for encoding in source.encodings:
        found = _modal_of(source, encoding, scene)
        late = sum(now == before for now, before in zip(found[1:], STEPS_PX, strict=False))
        early = sum(now == after for now, after in zip(found, STEPS_PX[1:], strict=False))
        told = f"{sum(a == b for a, b in zip(found, STEPS_PX, strict=False))} of {len(STEPS_PX)} pictures"
        told += f" have their own ({late} the one's before, {early} the one's after)"
        cases.append(Case(encoding.codec, found == list(STEPS_PX), told))
    return verdict("identity", "each picture's own motion", cases)


def _predicted(source: VectorSource, encoding: Encoding, scene: Scene) -> list[MotionField]:
    """The vectors of a scene's predicted pictures."""
    return _fields(source.play(scene.pictures(), encoding)[1])


def _fields(frames: list[CodecFrame]) -> list[MotionField]:
    return [motion_of(frame) for frame in frames if frame.pict_type != "I"]


def _modal_of(source: VectorSource, encoding: Encoding, scene: Scene) -> list[tuple[float, float] | None]:
    fields = _predicted(source, encoding, scene)
    return [modal_px(motion, inner(motion, scene.size, MARGIN_PX)) for motion in fields]


def _covers(motion: MotionField, size: tuple[int, int]) -> bool:
    rows, columns = motion.mode.shape
    return bool(rows * motion.block_px >= size[1] and columns * motion.block_px >= size[0])


def _middle(motion: MotionField, quarter: int, halves: tuple[int, int]) -> np.ndarray:
    """(Hb, Wb) bool: the blocks of a quarter, away from its edges."""
    rows, columns = _quarter(quarter, halves)
    x, y = centres(motion)
    across, down = np.abs(x - columns.start - halves[0] / 2), np.abs(y - rows.start - halves[1] / 2)
    middle: np.ndarray = (across < halves[0] / 2 - MARGIN_PX) & (down < halves[1] / 2 - MARGIN_PX)
    return middle


def _quarter(number: int, halves: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a quarter of the picture."""
    top, left = (number // 2) * halves[1], (number % 2) * halves[0]
    return slice(top, top + halves[1]), slice(left, left + halves[0])


def _told(found: list[tuple[float, float] | None]) -> str:
    """The vectors that were found, each once."""
    each = sorted({"none" if vector is None else f"({vector[0]:g}, {vector[1]:g})" for vector in found})
    return ", ".join(each) or "no predicted picture"
