"""Combine the pictures of a window into one displacement field by back-tracing. Pure; knows no codec library.

One step a picture: `D_t(p) = d_t(p) + D_{t-1}(p - d_t(p))`, with validity carried along. Summing vectors in
place is wrong wherever content moves through blocks: 6.0 px against 0.5 over 30 pictures of a slow rotation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.runtime.units import BlockMode, MotionField


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
    known = (field.mode == BlockMode.INTER) | (field.mode == BlockMode.SKIP) | (field.mode == BlockMode.BI)
    return Displacement(px, known.astype(np.float32), field.block_px, 1)


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
    row, column = np.mgrid[0:rows, 0:columns].astype(np.float32)
    source_column = np.clip(column - step.px[..., 0] / step.block_px, 0, columns - 1)
    source_row = np.clip(row - step.px[..., 1] / step.block_px, 0, rows - 1)
    came_from = bilinear(before.px, source_row, source_column)
    nearest = before.valid[np.rint(source_row).astype(np.intp), np.rint(source_column).astype(np.intp)]
    return Displacement(step.px + came_from, step.valid * nearest, step.block_px, before.pictures + 1)


def bilinear(image: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Sample `image` (H, W) or (H, W, C) at fractional positions that lie inside it."""
    top, left = np.floor(row).astype(np.intp), np.floor(column).astype(np.intp)
    below = np.minimum(top + 1, image.shape[0] - 1)
    right = np.minimum(left + 1, image.shape[1] - 1)
    down, across = row - top, column - left
    if image.ndim == 3:
        down, across = down[..., None], across[..., None]
    upper = image[top, left] * (1 - across) + image[top, right] * across
    lower = image[below, left] * (1 - across) + image[below, right] * across
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)
