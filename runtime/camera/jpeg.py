"""JPEGs -> arrays, for the reader process: what decodes them is libavcodec, and what they hold is a stranger's."""

from __future__ import annotations

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from magno.runtime.camera.process.picture_queue import Jpeg, is_size, jpeg_fault
from magno.runtime.units import MagnoError


class JpegError(MagnoError):
    """What is no JPEG; its text goes on after what it was, such as "A message of TOPIC"."""


class JpegDecoder:
    """Decodes the pictures of one camera, whose sizes may change."""

    def __init__(self) -> None:
        self._context: VideoCodecContext | None = None

    def pixels(self, jpeg: Jpeg) -> np.ndarray:
        """(H, W, 3) uint8 RGB. Raises JpegError; the next one is decoded all the same."""
        if (fault := jpeg_fault(jpeg.data)) is not None:
            raise JpegError(fault)
        context = self._context or av.CodecContext.create("mjpeg", "r")
        assert isinstance(context, VideoCodecContext)
        self._context = context
        try:
            frames = context.decode(av.Packet(jpeg.data))
        except (av.FFmpegError, ValueError) as error:
            self._context = None
            raise JpegError(f"wants a JPEG, found one that cannot be decoded ({error}).") from error
        if not frames or not is_size(frames[-1].width, frames[-1].height):
            raise JpegError("wants a JPEG with a picture of a camera's size, found none.")
        pixels: np.ndarray = frames[-1].to_ndarray(format="rgb24")
        return pixels
