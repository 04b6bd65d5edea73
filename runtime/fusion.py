"""Combine the pictures of a window into one displacement field by back-tracing. Pure; knows no codec library.

One step a picture: `D_t(p) = d_t(p) + D_r(p - d_t(p))`, where r is the picture that the vector at p points into,
with validity carried along. Summing vectors in place is wrong wherever content moves through blocks: 6.0 px
against 0.5 over 30 pictures of a slow rotation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from magno.runtime.smoothing import smooth
from magno.runtime.units import BlockMode, MotionField

KNOWN = np.zeros(256, np.float32)  # by BlockMode: 1 where a block has a vector
KNOWN[[BlockMode.INTER, BlockMode.SKIP, BlockMode.BI]] = 1
# Of `between`. What is left of its error shrinks by the field's slope each time: 0.37 after a turn of 21 degrees.
ROUNDS = 3
LEAST_SHARE = 1e-3  # where the nearest block is valid, a quarter is


@dataclass(frozen=True, slots=True)
class Displacement:
    """How far the content at each block came since the window's first picture."""

    px: np.ndarray  # (Hb, Wb, 2) float32, x then y, luma pixels of the stream
    valid: np.ndarray  # (Hb, Wb) float32 0 or 1: traced back through vectors all the way
    block_px: int
    pictures: int  # shown since then, this one included and those that were left out


def start(field: MotionField) -> Displacement:
    """The chain after its first picture: that picture's own vectors, smoothed. Blocks without one are not valid."""
    valid = KNOWN[field.mode]
    return Displacement(smooth(field, valid > 0), valid, field.block_px, 1)


def chain(before: Displacement | None, field: MotionField) -> Displacement:
    """One step on, from one reference: the content of `field`'s picture, traced through it and on through
    `before`, which is the reference's own displacement; None: the reference is the window's first picture."""
    return _follow(before, start(field), field)


def _follow(before: Displacement | None, step: Displacement, field: MotionField) -> Displacement:
    if before is None:
        return step
    _check_grid(before, step)
    px, valid = step.px + before.px, step.valid * before.valid
    # Blocks that stand still came from their own place: only those that move are traced.
    moving = np.flatnonzero(np.ascontiguousarray(field.mv_qpel).view(np.int32))  # x and y as one number
    _trace(before, step, moving, px, valid)
    return Displacement(px, valid, step.block_px, before.pictures + 1)


def chain_each(references: Mapping[int, Displacement | None], field: MotionField) -> Displacement:
    """One step on, each vector through the picture that it points into: `references` by MotionField.reference,
    1 the newest, None for the window's first picture. What points into any other is not valid."""
    step = start(field)
    if 1 in references:
        came = _follow(references[1], step, field)
    else:
        came = Displacement(step.px, np.zeros_like(step.valid), step.block_px, 1)
    if field.reference is None:
        return came
    points_into = field.reference.reshape(-1)
    for depth in depths(field):
        if depth == 1:
            continue
        blocks = np.flatnonzero(points_into == depth)
        before = references.get(depth)
        came.px.reshape(-1, 2)[blocks] = step.px.reshape(-1, 2)[blocks]
        came.valid.reshape(-1)[blocks] = step.valid.reshape(-1)[blocks] if depth in references else 0
        if before is not None:
            _check_grid(before, step)
            _trace(before, step, blocks, came.px, came.valid)
    return came


def depths(field: MotionField) -> list[int]:
    """Into which references a field's vectors point, 1 the newest."""
    if field.reference is None:
        return [1]
    told = field.reference[KNOWN[field.mode] > 0]
    return [int(depth) for depth in np.flatnonzero(np.bincount(told, minlength=1))]


def between(of: Displacement | None, to: Displacement) -> Displacement:
    """How far the content of one picture came since another, of which either may have been shown first, from how
    far both came since a third one; `of` is None for that third one itself.

    The content at q of the one picture is at b = q - D(q) in the other, and both came from one place of the third:
    `D(q) = D_of(q) - D_to(q - D(q))`, a fixed point that a few rounds find.
    """
    rows, columns = to.valid.shape
    came = np.zeros_like(to.px) if of is None else of.px
    row, column = np.indices((rows, columns), np.float32)
    px, to_row, to_column = came - to.px, row, column
    for _ in range(ROUNDS):
        to_row = np.clip(row - px[..., 1] / to.block_px, 0, rows - 1)
        to_column = np.clip(column - px[..., 0] / to.block_px, 0, columns - 1)
        px = came - _sample(to, to_row, to_column)
    valid = to.valid[np.rint(to_row).astype(np.intp), np.rint(to_column).astype(np.intp)]
    if of is not None:
        valid = valid * of.valid
    return Displacement(px, valid, to.block_px, 0 if of is None else of.pictures)


def bilinear(image: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Sample `image` (H, W) or (H, W, 2) float32 at fractional positions that lie inside it."""
    height, width = image.shape[:2]
    top, left = row.astype(np.intp), column.astype(np.intp)  # positions are not negative: this is the floor
    down = np.subtract(row, top, dtype=np.float32)
    across = np.subtract(column, left, dtype=np.float32)
    right = np.minimum(left + 1, width - 1) - left
    below = (np.minimum(top + 1, height - 1) - top) * width
    pixels = (_pairs(image) if image.ndim == 3 else image).reshape(-1)
    corner = top * width + left
    upper, lower = pixels.take(corner), pixels.take(corner + below)
    upper += (pixels.take(corner + right) - upper) * across
    lower += (pixels.take(corner + below + right) - lower) * across
    upper += (lower - upper) * down
    return np.asarray(upper.view(np.float32)).reshape(*row.shape, *image.shape[2:])


def _trace(
    before: Displacement, step: Displacement, blocks: np.ndarray, px: np.ndarray, valid: np.ndarray
) -> None:
    """Fill `px` and `valid` at `blocks` (flat indices): their step, and on through `before` where it leads."""
    rows, columns = step.valid.shape
    row, column = np.indices((rows, columns), np.float32).reshape(2, -1)[:, blocks]  # dividing takes longer
    moved = _pairs(step.px).reshape(-1)[blocks]
    source_column = np.clip(column - moved.real / step.block_px, 0, columns - 1)
    source_row = np.clip(row - moved.imag / step.block_px, 0, rows - 1)
    moved += _pairs(_sample(before, source_row, source_column))
    _pairs(px).reshape(-1)[blocks] = moved
    nearest = np.rint(source_row).astype(np.intp) * columns + np.rint(source_column).astype(np.intp)
    valid.reshape(-1)[blocks] = step.valid.reshape(-1)[blocks] * before.valid.reshape(-1)[nearest]


def _sample(came: Displacement, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """(..., 2) px at fractional positions, from the blocks around that are valid: the others' say nothing."""
    if came.valid.all():
        return bilinear(came.px, row, column)
    share = bilinear(came.valid, row, column)
    px = bilinear(came.px * came.valid[..., None], row, column)
    px /= np.maximum(share, LEAST_SHARE)[..., None]
    return px


def _pairs(px: np.ndarray) -> np.ndarray:
    """(..., 2) float32 as (...) complex64, a view: numpy handles x and y at once, several times as fast."""
    return np.ascontiguousarray(px).view(np.complex64)[..., 0]


def _check_grid(before: Displacement, step: Displacement) -> None:
    if before.px.shape != step.px.shape or before.block_px != step.block_px:
        raise ValueError(
            f"A chain wants one grid; found {before.px.shape} of {before.block_px} px and then "
            f"{step.px.shape} of {step.block_px} px. Start a new chain when the picture size changes."
        )
