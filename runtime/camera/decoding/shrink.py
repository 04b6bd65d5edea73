"""A decoded picture -> the small square one that the model sees, through libswscale."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter


class Shrink:
    """Makes pictures of one size. Keeps libswscale's tables from one picture to the next."""

    def __init__(self, picture_px: int) -> None:
        self._picture_px = picture_px
        self._reformatter = VideoReformatter()

    def shrink(self, frame: VideoFrame) -> np.ndarray:
        """The whole picture, stretched: (S, S, 3) uint8 RGB, each pixel the mean of the area it covers."""
        small = self._reformatter.reformat(
            frame, self._picture_px, self._picture_px, "rgb24", interpolation="AREA", threads=1
        )
        return np.ascontiguousarray(small.to_ndarray())
