"""A block's vector as the mean of those beside it that move alike: what rounding took from each comes back. Pure.

An encoder rounds every vector to its grid, and gives one to a whole partition, whatever turns or grows inside it.
Over thirty pictures these errors add up; neighbours round differently. Blocks that stand still, and neighbours
that move otherwise, take no part: a thing keeps its edge, and a small one its speed.
"""

from __future__ import annotations

import numpy as np

from magno.runtime.units import MotionField

ALIKE_QPEL = 2  # half a pixel: what rounding and a partition's turn may do to one of two neighbours
AXES = (
    (0, 1),
    (1, 0),
    (1, 1),
    (1, -1),
)  # on which two neighbours face each other, rows down and columns right


def smooth(field: MotionField, known: np.ndarray) -> np.ndarray:
    """(Hb, Wb, 2) float32 luma pixels: each moving block's vector, averaged with those of the eight beside it that
    move too, point into the same reference and differ by half a pixel at most along either axis; of two that face
    each other both or none, so that a steady slope stays as it is. Other blocks are as the field has them.
    `known` (Hb, Wb) bool: blocks that have a vector."""
    moves = known & (np.ascontiguousarray(field.mv_qpel).view(np.int32)[..., 0] != 0)
    if not moves.any():
        return field.mv_qpel.astype(np.float32) * 0.25
    x, y = _framed(field.mv_qpel[..., 0]), _framed(field.mv_qpel[..., 1])
    part = _framed(moves)
    into = None if field.reference is None else _framed(field.reference)
    rows, columns = known.shape
    stride = columns + 2
    inside = slice(stride + 1, (rows + 1) * stride - 1)
    more_x, more_y = np.zeros_like(x[inside]), np.zeros_like(x[inside])
    count = np.ones_like(more_x)
    for down, right in AXES:
        one, other = (_moved(inside, side * (down * stride + right)) for side in (-1, 1))
        dx, dy = ((along[one] - along[inside], along[other] - along[inside]) for along in (x, y))
        alike = _alike(*dx, *dy)
        alike &= part[one]
        alike &= part[other]
        if into is not None:
            alike &= (into[one] == into[inside]) & (into[other] == into[inside])
        bits = -alike.astype(np.int16)  # all ones, or none
        more_x += (dx[0] + dx[1]) & bits
        more_y += (dy[0] + dy[1]) & bits
        count -= bits
        count -= bits
    mean = np.zeros((2, rows * stride), np.float32)
    share = part[inside] / (4 * count).astype(np.float32)
    np.multiply(more_x, share, out=mean[0, : len(share)])
    np.multiply(more_y, share, out=mean[1, : len(share)])
    px = field.mv_qpel.astype(np.float32)
    px *= 0.25
    px += mean.reshape(2, rows, stride)[..., :columns].transpose(1, 2, 0)
    return px


def _framed(grid: np.ndarray) -> np.ndarray:
    """A grid with a frame of zeros, flat: a neighbour is an offset. What the frame holds takes no part."""
    framed = np.zeros((grid.shape[0] + 2, grid.shape[1] + 2), grid.dtype)
    framed[1:-1, 1:-1] = grid
    return framed.reshape(-1)


def _alike(*differences: np.ndarray) -> np.ndarray:
    """(n,) bool: none of these (n,) int16 is more than ALIKE_QPEL either way."""
    farthest = (differences[0] + np.int16(ALIKE_QPEL)).view(np.uint16)
    for difference in differences[1:]:
        np.maximum(farthest, (difference + np.int16(ALIKE_QPEL)).view(np.uint16), out=farthest)
    return np.asarray(farthest <= 2 * ALIKE_QPEL)


def _moved(run: slice, offset: int) -> slice:
    return slice(run.start + offset, run.stop + offset)
