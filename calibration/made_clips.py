"""Clips made anew from others, in the size that a bench wants."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from magno.runtime.units import MagnoError

RATE = 30
PARAMS = {"preset": "veryfast", "crf": "23", "x264-params": "ref=1:bframes=0"}
MADE = "coded anew: x264, veryfast, crf 23, 1 reference, no B-pictures"


class ClipError(MagnoError):
    """A clip that cannot be made."""


def resized(clip: Path, made: Path, size: tuple[int, int], pictures: int | None = None) -> int:
    """Write the first `pictures` of a clip as H.264 of this size at RATE; how many there were. Raises ClipError."""
    try:
        with av.open(str(clip)) as source, av.open(str(made), "w") as out:
            stream = out.add_stream("libx264", rate=Fraction(RATE))
            stream.width, stream.height = size
            stream.pix_fmt, stream.gop_size = "yuv420p", 250
            stream.options = PARAMS
            count = 0
            for count, frame in enumerate(islice(source.decode(video=0), pictures), start=1):
                scaled = frame.reformat(*size, "yuv420p", interpolation="BICUBIC")
                scaled.pts, scaled.time_base = count - 1, Fraction(1, RATE)
                out.mux(stream.encode(scaled))
            out.mux(stream.encode(None))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ClipError(f"Wanted to code {clip} anew with x264, found that it fails ({error}).") from error
    return count
