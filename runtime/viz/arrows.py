"""Which motion arrows are shown of a picture: few enough to be read, in the shown picture's pixels. Pure numpy."""

from __future__ import annotations

import math

import numpy as np

from magno.runtime.fusion import KNOWN
from magno.runtime.units import MotionField

MOST = 300  # arrows a picture
LEAST_SHARE = 0.25  # of a cell's known blocks that move: below, its motion is noise
LEAST_ALIKE = 0.5  # of their mean speed that is left of their mean motion: below, they move anyhow
LENGTH_PICTURES = 4  # an arrow is as long as what it stands on moves in so many pictures


def arrows_of(
    motion: MotionField, size: tuple[int, int], shown: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Where arrows begin and where they point: (n, 2) float32 each, x and y in pixels of a picture of `shown` size.

    `size` is the visible width and height in luma pixels. An arrow begins where the content is in this picture; it
    stands for the blocks of one cell that move, where they move alike; cells are so large that `MOST` arrows suffice.
    """
    rows, columns = motion.mode.shape
    side = max(1, math.ceil(math.sqrt(rows * columns / MOST)))  # of a cell, in blocks
    while math.ceil(rows / side) * math.ceil(columns / side) > MOST:
        side += 1
    row, column = np.nonzero(KNOWN[motion.mode])
    moved = motion.mv_qpel[row, column].astype(np.float32) / 4
    if motion.reference is not None:  # a vector may reach back over several pictures
        moved /= np.maximum(motion.reference[row, column], 1)[:, None]
    at_px = (np.stack([column, row], -1).astype(np.float32) + 0.5) * motion.block_px
    wide = math.ceil(columns / side)
    cell = row // side * wide + column // side
    cells = math.ceil(rows / side) * wide
    moves = moved.any(-1) & (at_px < size).all(-1)
    known = np.bincount(cell, minlength=cells)
    moving = np.bincount(cell[moves], minlength=cells)
    begins = _means(cell[moves], at_px[moves], moving)
    points = _means(cell[moves], moved[moves], moving)
    speeds = _means(cell[moves], np.hypot(*moved[moves].T)[:, None], moving)[:, 0]
    kept = (moving > 0) & (moving >= LEAST_SHARE * known) & (np.hypot(*points.T) >= LEAST_ALIKE * speeds)
    scale = np.array(shown, np.float32) / np.array(size, np.float32)
    begins, points = begins[kept] * scale, points[kept] * scale * LENGTH_PICTURES
    return begins.astype(np.float32), points.astype(np.float32)


def _means(cell: np.ndarray, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(cells, k): the mean of the (n, k) values of each cell; 0 where there are none."""
    sums = [np.bincount(cell, column, len(counts)) for column in values.T]
    means: np.ndarray = np.stack(sums, -1) / np.maximum(counts, 1)[:, None]
    return means
