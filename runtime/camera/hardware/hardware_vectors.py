"""Vectors as a device wrote them down -> content displacement in quarter pixels, by what conformance measured. Pure."""

from __future__ import annotations

import numpy as np

from magno.runtime.camera.hardware.calibrated import VectorConvention

QPEL = 4
MISREAD_QPEL = 2 * QPEL * 2048  # twice the longest vector that H.264 and HEVC allow: no picture moves so far


def to_quarter_pel(raw: np.ndarray, convention: VectorConvention) -> tuple[np.ndarray, np.ndarray]:
    """(Hb, Wb, 2) int16 displacement of `raw` (Hb, Wb, 2) int16 x, y, and (Hb, Wb) bool: it can be one.

    What cannot is 0: beyond MISREAD_QPEL a number is damage, whatever its unit.
    """
    quarters = raw.astype(np.int32) * (convention.sign * QPEL // convention.subpel)
    possible = np.asarray((np.abs(quarters) <= MISREAD_QPEL).all(axis=-1))
    return np.where(possible[..., None], quarters, 0).astype(np.int16), possible


def grid_of(size: tuple[int, int], block_px: int) -> tuple[int, int]:
    """Rows and columns of the blocks that cover a picture of width, height: rounded up."""
    return -(-size[1] // block_px), -(-size[0] // block_px)


def coded_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the whole macroblocks that a picture takes."""
    return -(-size[0] // 16) * 16, -(-size[1] // 16) * 16
