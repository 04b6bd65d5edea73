"""Pictures -> H.264 access units, through x264 in this process: the encoder is the motion estimator of a camera that
has none of its own.

What comes out goes through the ordinary Decoder, so vectors come from one place whatever the camera. Every picture
gives its access unit at once; nobody stores the stream, so bits are cheap and the vectors are what counts. How the
settings were chosen: `magno bench encoder`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from magno.runtime.camera.request import CameraError
from magno.runtime.units import AccessUnit

MAX_THREADS, PIXELS_A_THREAD = 4, 1 << 20  # each takes a slice: 1 up to 1280x720, 2 for 1920x1080
GOP_PICTURES = 240  # nothing is lost on the way, so an intra picture only bounds what a fault can harm
NOMINAL_RATE = 30  # no bit rate is asked for, so it only has to be there
MIN_SIDE_PX, MAX_SIDE_PX = 16, 8192


@dataclass(frozen=True, slots=True)
class Settings:
    """How x264 looks for motion, and how exactly it keeps pictures."""

    preset: str
    crf: int
    params: str = ""  # x264's own, beside those that every camera needs


# superfast: the fastest with quarter-pel vectors; ultrafast searches whole pixels.
# subme=6 without psy: blocks are decided by rate and distortion alone. Flat areas with sensor noise then keep vectors
# that are right, where quicker decisions make them intra blocks and slower presets chase the noise.
# crf 25: at 23 noise is followed, at 27 flat areas slide.
# cabac: without it the same vectors, decoded in 4/5 of the time.
CHOSEN = Settings("superfast", 25, "subme=6:psy=0:cabac=0")
# No B-pictures, one reference, and nothing looks ahead, so a picture comes out when it goes in. Sensor noise makes
# scene cuts, so there are none; a real one shows as intra blocks. Weights keep a change of brightness from being taken
# for motion; weightp=2 would name the reference twice.
LOW_DELAY = "bframes=0:ref=1:weightp=1:scenecut=0:mbtree=0:rc-lookahead=0:sync-lookahead=0:sliced-threads=1"


class PictureEncoder:
    """One camera's encoder. A picture of another size than the last begins a new stream, with an IDR."""

    codec = "h264"

    def __init__(self, settings: Settings = CHOSEN) -> None:
        self._settings = settings
        self._context: VideoCodecContext | None = None
        self._reformatter = VideoReformatter()
        self._pictures = 0

    def encode(self, picture: VideoFrame | np.ndarray, pts_ns: int, capture_ns: int) -> AccessUnit:
        """The access unit of one picture: what PyAV decoded, or (H, W, 3) uint8 RGB, or (H, W) uint8 grey.

        An odd last row or column is squeezed in. Raises CameraError for a size that cannot be encoded.
        """
        if not isinstance(picture, VideoFrame):
            picture = VideoFrame.from_ndarray(picture, format="gray" if picture.ndim == 2 else "rgb24")
        size = (picture.width & ~1, picture.height & ~1)  # its colours are kept by blocks of 2x2 pixels
        if self._context is None or (self._context.width, self._context.height) != size:
            self._context, self._pictures = _context(size, self._settings), 0
        frame = self._reformatter.reformat(picture, *size, "yuv420p", threads=1)
        frame.pts, frame.time_base = self._pictures, Fraction(1, NOMINAL_RATE)
        frame.pict_type = PictureType.NONE  # a JPEG says I, which would be taken for an order
        self._pictures += 1
        try:
            (packet,) = self._context.encode(frame)
        except (av.FFmpegError, ValueError) as error:  # none: the encoder holds pictures back
            raise CameraError(
                f"Wanted one access unit of each picture, found that x264 gives none ({error}). Install PyAV's "
                "own wheel."
            ) from error
        return AccessUnit(bytes(packet), pts_ns, capture_ns, bool(packet.is_keyframe))


def _context(size: tuple[int, int], settings: Settings) -> VideoCodecContext:
    if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in size):
        raise CameraError(
            f"An encoder wants pictures of {MIN_SIDE_PX} to {MAX_SIDE_PX} px a side, found {size[0]}x{size[1]}. "
            "Have the camera send others."
        )
    try:
        context = av.CodecContext.create("libx264", "w")
    except ValueError as error:  # av.codec.codec.UnknownCodecError
        raise CameraError(
            "A camera without an encoder of its own wants x264, found a PyAV without it. Install PyAV's own wheel."
        ) from error
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt, context.framerate = "yuv420p", Fraction(NOMINAL_RATE)
    context.time_base = Fraction(1, NOMINAL_RATE)
    context.gop_size, context.max_b_frames = GOP_PICTURES, 0
    context.thread_count = min(MAX_THREADS, -(-size[0] * size[1] // PIXELS_A_THREAD))
    context.options = {
        "preset": settings.preset,
        "tune": "zerolatency",
        "crf": str(settings.crf),
        "x264-params": f"{LOW_DELAY}:{settings.params}".rstrip(":"),
    }
    return context
