"""Bilinear samples of an image along rows and columns: pans and zooms, exact to a fraction of a pixel. Pure.

Images are planar here, (C, H, W): numpy is several times faster along long rows than along three colours.
"""

from __future__ import annotations

import numpy as np


def sample(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(C, H, W) float32 at columns `x` (w,) and rows `y` (h,), ascending, clamped to it -> (C, h, w), writable."""
    last = image.shape[2] - 1
    first = min(max(int(np.floor(x[0])), 0), last)
    stop = min(max(int(np.floor(x[-1])) + 2, first + 1), last + 1)
    return _along(_along(image[:, :, first:stop], y, 1), x - first, 2)


def planar(picture: np.ndarray) -> np.ndarray:
    """(H, W, C) -> (C, H, W) float32."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1), dtype=np.float32)


def _along(image: np.ndarray, at: np.ndarray, axis: int) -> np.ndarray:
    last = image.shape[axis] - 1
    low = np.floor(at).astype(np.intp)
    share = (at - low).astype(np.float32)
    count = len(at)
    if (
        low[-1] - low[0] == count - 1 and abs(share[0] - share[-1]) < 1e-4
    ):  # a shift: slices do, and much faster
        start = int(low[0])
        if start >= 0 and start + count <= last + (share[0] < 1e-4):
            near = _cut(image, axis, start, count)
            if share[0] < 1e-4:
                return near.copy()
            mixed = _cut(image, axis, start + 1, count) - near
            mixed *= share[0]
            mixed += near
            return mixed
    near = image.take(np.minimum(np.maximum(low, 0), last), axis)
    far = image.take(np.minimum(np.maximum(low + 1, 0), last), axis)
    far -= near
    far *= share[:, None] if axis == 1 else share
    near += far
    return near


def _cut(image: np.ndarray, axis: int, start: int, length: int) -> np.ndarray:
    return image[:, start : start + length] if axis == 1 else image[:, :, start : start + length]
