"""A decoded picture's luma as an array. Knows PyAV."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame


def luma_of(frame: VideoFrame) -> np.ndarray:
    """(H, W) uint8 of what is visible; a view into the picture where it has 8 bits, its upper 8 where it has more."""
    plane, bits = frame.planes[0], frame.format.components[0].bits
    kind = np.uint8 if bits <= 8 else np.uint16
    rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // np.dtype(kind).itemsize)
    visible = rows[: frame.height, : frame.width]
    return visible if bits <= 8 else np.asarray(visible >> (bits - 8), np.uint8)
