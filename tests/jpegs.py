"""JPEGs for tests, by libavcodec's encoder."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np


def jpeg_of(picture: np.ndarray) -> bytes:
    """Of (H, W, 3) uint8 RGB."""
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = picture.shape[1], picture.shape[0], "yuvj420p"
    context.time_base = Fraction(1, 15)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuvj420p")
    return b"".join(map(bytes, [*context.encode(frame), *context.encode(None)]))
