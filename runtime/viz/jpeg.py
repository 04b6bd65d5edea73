"""The small square picture that the model sees, as a JPEG of the camera's own proportions. The only file of PIL."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

LONG_PX = 320  # so large is the longer side: the model's pictures are smaller
QUALITY = 80


def shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a picture of this visible size is shown."""
    longest = max(size)
    return max(1, round(size[0] * LONG_PX / longest)), max(1, round(size[1] * LONG_PX / longest))


def jpeg_from_rgb(picture: np.ndarray, size: tuple[int, int]) -> bytes:
    """(S, S, 3) uint8 RGB, the whole picture stretched -> a JPEG of `size`."""
    out = io.BytesIO()
    Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
