"""Combine the pictures of a window into one displacement field by back-tracing. Pure; knows no codec library.

One step a picture: `D_t(p) = d_t(p) + D_{t-1}(p - d_t(p))`, with validity carried along. Summing vectors in
place is wrong wherever content moves through blocks: 6.0 px against 0.5 over 30 pictures of a slow rotation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.runtime.units import BlockMode, MotionField

KNOWN = np.zeros(256, np.float32)  # by BlockMode: 1 where a block has a vector
KNOWN[[BlockMode.INTER, BlockMode.SKIP, BlockMode.BI]] = 1


@dataclass(frozen=True, slots=True)
class Displacement:
    """How far the content at each block came since the window's first picture."""

    px: np.ndarray  # (Hb, Wb, 2) float32, x then y, luma pixels of the stream
    valid: np.ndarray  # (Hb, Wb) float32 0 or 1: traced back through vectors all the way
    block_px: int
    pictures: int  # steps fused so far


def start(field: MotionField) -> Displacement:
    """The chain after its first picture: that picture's own vectors. Blocks without one are not valid."""
    px = field.mv_qpel.astype(np.float32) * 0.25
    return Displacement(px, KNOWN[field.mode], field.block_px, 1)


def chain(before: Displacement | None, field: MotionField) -> Displacement:
    """One step on: the content of `field`'s picture, traced through it and on through `before`."""
    step = start(field)
    if before is None:
        return step
    if before.px.shape != step.px.shape or before.block_px != step.block_px:
        raise ValueError(
            f"A chain wants one grid; found {before.px.shape} of {before.block_px} px and then "
            f"{step.px.shape} of {step.block_px} px. Start a new chain when the picture size changes."
        )
    rows, columns = step.valid.shape
    px, valid = step.px + before.px, step.valid * before.valid
    # Blocks that stand still came from their own place: only those that move are traced.
    moving = np.flatnonzero(field.mv_qpel.any(axis=-1))
    row, column = np.divmod(moving, columns)
    moved = step.px.reshape(-1, 2)[moving]
    source_column = np.clip(column - moved[:, 0] / step.block_px, 0, columns - 1)
    source_row = np.clip(row - moved[:, 1] / step.block_px, 0, rows - 1)
    px.reshape(-1, 2)[moving] = moved + bilinear(before.px, source_row, source_column)
    nearest = np.rint(source_row).astype(np.intp) * columns + np.rint(source_column).astype(np.intp)
    valid.reshape(-1)[moving] = step.valid.reshape(-1)[moving] * before.valid.reshape(-1)[nearest]
    return Displacement(px, valid, step.block_px, before.pictures + 1)


def bilinear(image: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Sample `image` (H, W) or (H, W, C) float32 at fractional positions that lie inside it."""
    height, width = image.shape[:2]
    top, left = row.astype(np.intp), column.astype(np.intp)  # positions are not negative: this is the floor
    down, across = row - top, column - left
    below = np.minimum(top + 1, height - 1) * width
    top *= width
    right = np.minimum(left + 1, width - 1)
    pixels = image.reshape(height * width, -1)
    down, across = down[..., None], across[..., None]
    upper = pixels.take(top + left, 0) * (1 - across) + pixels.take(top + right, 0) * across
    lower = pixels.take(below + left, 0) * (1 - across) + pixels.take(below + right, 0) * across
    mixed = np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)
    return mixed.reshape(*row.shape, *image.shape[2:])
