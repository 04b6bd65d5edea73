"""Pictures with their motion drawn over them, as an MP4 of H.264: the only file of inspection that uses PyAV."""

from __future__ import annotations

from fractions import Fraction
from types import TracebackType
from typing import IO

import av
import numpy as np
from av.video.stream import VideoStream

from magno.runtime.inspection.dump import DumpError
from magno.runtime.inspection.overlay import VIDEO_STRETCH, canvas_size, draw_motion
from magno.runtime.units import CodecFrame

TICKS_PER_S = 90_000
NS_PER_S = 1_000_000_000
USUAL_RATE = 25.0  # pictures a second, where the source does not say
OPTIONS = {"preset": "veryfast", "crf": "20"}


def enlarged(frame: CodecFrame) -> np.ndarray:
    """The model's square picture, stretched back to what `draw_motion` draws on: (H, W, 3) uint8 RGB."""
    width, height = canvas_size(frame)
    square = av.VideoFrame.from_ndarray(frame.picture, format="rgb24")
    large = square.reformat(width, height, "rgb24", interpolation="BILINEAR")
    return np.array(large.to_ndarray())  # a copy that can be drawn on


class OverlayVideo:
    """Draws and writes picture by picture; the file is whole once it is left without an error."""

    def __init__(self, file: IO[bytes], rate: float) -> None:
        """`rate` is in pictures a second; 0: unknown."""
        self._container = av.open(file, "w", format="mp4")
        shown = Fraction(rate or USUAL_RATE).limit_denominator(1001)
        try:
            self._stream: VideoStream = self._container.add_stream("libx264", shown, options=OPTIONS)
        except ValueError as error:  # av.codec.codec.UnknownCodecError
            self._container.close()
            raise DumpError(
                "An overlay as MP4 wants libx264, found a PyAV without it. Install PyAV's own wheel, or draw a PNG."
            ) from error
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS_PER_S)
        self._size: tuple[int, int] | None = None
        self._last_pts = -1

    def add(self, frame: CodecFrame) -> None:
        """Take the next picture. Raises DumpError when it has no vectors, or another size than the first."""
        if frame.motion is None:
            raise DumpError(
                "An overlay wants motion vectors, found a codec whose decoder exports none. Draw an H.264 stream."
            )
        if self._size is None:
            self._size = frame.size
            width, height = canvas_size(frame)
            self._stream.width, self._stream.height = width // 2 * 2, height // 2 * 2  # 4:2:0 has even sides
        if frame.size != self._size:
            raise DumpError(
                f"An overlay wants pictures of one size, found {frame.size[0]}x{frame.size[1]} after "
                f"{self._size[0]}x{self._size[1]}. Draw less, with --seconds."
            )
        picture = enlarged(frame)
        draw_motion(frame, picture, VIDEO_STRETCH)
        image = av.VideoFrame.from_ndarray(
            picture[: self._stream.height, : self._stream.width], format="rgb24"
        )
        self._last_pts = max(self._last_pts + 1, frame.pts_ns * TICKS_PER_S // NS_PER_S)
        image.pts, image.time_base = self._last_pts, Fraction(1, TICKS_PER_S)
        self._container.mux(self._stream.encode(image))

    def _close(self) -> None:
        try:
            self._container.close()
        except av.FFmpegError as error:  # what the file itself said does not come through libavformat
            raise DumpError(
                "An overlay as MP4 wants its file to be written, found that it cannot be. Is the disk full?"
            ) from error

    def __enter__(self) -> OverlayVideo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._size is None:
                raise DumpError("An overlay wants pictures, found none. Name a source that has some.")
            if kind is None:
                self._container.mux(self._stream.encode(None))
        finally:
            self._close()
