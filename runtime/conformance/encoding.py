"""Pictures -> access units, by the encoders that PyAV brings. The only file here that encodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from magno.runtime.units import AccessUnit, MagnoError

RATE = 25
PICTURE_NS = 1_000_000_000 // RATE
CODECS = {"libx264": "h264", "mpeg4": "mpeg4", "libx265": "hevc"}  # encoder: what decodes it


class EncodingError(MagnoError):
    """A stream that this machine's libavcodec cannot make."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a stream is made. What an encoder has no such choice for is left out."""

    encoder: str = "libx264"
    preset: str = "medium"  # x264's and x265's
    # x264's own quality. At a higher one (12) it rounds a pan of 0.6 px to 0.5 in every picture and sends the rest
    # as residual: its vectors alone are then off by 1.4 px after 30 pictures.
    crf: int = 23
    references: int = 1
    b_pictures: int = 0
    b_pyramid: bool = False  # some B-pictures are references
    gop: int = 250
    intra_refresh: bool = False  # columns of intra blocks instead of intra pictures
    slices: int = 1

    @property
    def codec(self) -> str:
        """libavcodec's name of what comes out."""
        return CODECS[self.encoder]

    def __str__(self) -> str:
        words = [self.encoder]
        if self.encoder != "mpeg4":
            words.append(self.preset)
        words += [f"crf {self.crf}", f"refs {self.references}"]
        words += [f"{self.b_pictures} B"] if self.b_pictures else []
        words += ["intra-refresh"] if self.intra_refresh else []
        return " ".join([*words, f"{self.slices} slices"] if self.slices > 1 else words)


def encode(pictures: Sequence[np.ndarray], encoding: Encoding) -> list[AccessUnit]:
    """Access units in decode order at RATE pictures a second, parameter sets in band.

    `pictures` are (H, W, 3) uint8 RGB of one even size. Raises EncodingError without such an encoder.
    """
    context = _context(encoding, (pictures[0].shape[1], pictures[0].shape[0]))
    packets = []
    for index, image in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = index
        packets += context.encode(frame)
    packets += context.encode(None)
    return [AccessUnit(bytes(p), int(p.pts or 0) * PICTURE_NS, 0, bool(p.is_keyframe)) for p in packets]


def _context(encoding: Encoding, size: tuple[int, int]) -> VideoCodecContext:
    try:
        context = av.CodecContext.create(encoding.encoder, "w")
    except ValueError as error:  # av.codec.codec.UnknownCodecError
        raise EncodingError(
            f"Wanted the encoder {encoding.encoder}, found a PyAV without it. Install PyAV's own wheel."
        ) from error
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = size
    context.pix_fmt, context.framerate, context.time_base = "yuv420p", Fraction(RATE), Fraction(1, RATE)
    context.gop_size, context.max_b_frames, context.thread_count = encoding.gop, encoding.b_pictures, 1
    context.options = _options(encoding)
    return context


def _options(encoding: Encoding) -> dict[str, str]:
    if encoding.encoder == "libx264":
        params: dict[str, int | str] = {
            "ref": encoding.references,
            "bframes": encoding.b_pictures,
            "b-adapt": 0,
            "b-pyramid": "normal" if encoding.b_pyramid else "none",
            "scenecut": 0,
            "intra-refresh": int(encoding.intra_refresh),
            "slices": encoding.slices,
        }
        return {"preset": encoding.preset, "crf": str(encoding.crf), "x264-params": _joined(params)}
    if encoding.encoder == "libx265":
        params = {
            "ref": encoding.references,
            "bframes": encoding.b_pictures,
            "keyint": encoding.gop,
            "scenecut": 0,
            "open-gop": 0,
            "log-level": "none",
            "pools": "none",
        }
        return {"preset": encoding.preset, "x265-params": _joined(params)}
    quantiser = str(min(max(encoding.crf - 21, 2), 31))  # 2 at x264's own quality, 24 where x264 has 45
    return {"qmin": quantiser, "qmax": quantiser}


def _joined(params: dict[str, int | str]) -> str:
    return ":".join(f"{name}={value}" for name, value in params.items())
