"""What a reader process is asked to do, and the error of every source."""

from __future__ import annotations

import math
from dataclasses import dataclass

from magno.runtime.units import MagnoError

PACES = ("live", "fast")
TRANSPORTS = ("tcp", "udp")
REQUEST_VARIABLE = "MAGNO_CAMERA_REQUEST"  # of a reader process's environment
B_FRAMES = ("use", "skip", "refuse")
DECODERS = ("ffmpeg", "nvdec")  # see decoders.DECODERS
MIN_RATE, MAX_RATE = 0.01, 1000.0  # pictures a second


class CameraError(MagnoError):
    """A source that cannot be read."""


@dataclass(frozen=True, slots=True)
class CameraRequest:
    """One camera to read. Crosses to the reader process as JSON."""

    url: str
    picture_px: int  # pictures come out (S, S)
    pace: str = "live"  # "live": at the clip's own rate; "fast": as fast as it is taken
    loop: bool = False
    until_s: float | None = None  # stop after this time of the stream
    keyframes_only: bool = False
    rate: float | None = None  # pictures a second of a raw stream; None: as its headers say
    b_frames: str = "skip"  # "refuse" ends a stream that has any; "use" and "skip" are the window's to follow
    transport: str = "tcp"  # of RTSP: tcp loses nothing, udp waits for nothing
    decoder: str = "ffmpeg"  # or "nvdec", on an NVIDIA GPU whose vectors were calibrated
    topic: str = ""  # of a bag; "": its only one with pictures

    def __post_init__(self) -> None:
        if self.pace not in PACES:
            raise CameraError(f"pace wants one of {', '.join(PACES)}, found {self.pace[:40]!r}.")
        if self.decoder not in DECODERS:
            raise CameraError(f"decoder wants one of {', '.join(DECODERS)}, found {self.decoder[:40]!r}.")
        if self.b_frames not in B_FRAMES:
            raise CameraError(f"b_frames wants one of {', '.join(B_FRAMES)}, found {self.b_frames[:40]!r}.")
        if self.transport not in TRANSPORTS:
            raise CameraError(
                f"transport wants one of {', '.join(TRANSPORTS)}, found {self.transport[:40]!r}."
            )
        if self.until_s is not None and not 0 <= self.until_s < math.inf:
            raise CameraError(f"A time in the stream wants 0 s or more, found {self.until_s}.")
        if self.rate is not None and not MIN_RATE <= self.rate <= MAX_RATE:
            raise CameraError(
                f"A rate wants {MIN_RATE:g} to {MAX_RATE:g} pictures a second, found {self.rate}."
            )
        if self.loop and self.pace == "fast" and self.until_s is None:
            raise CameraError(
                "A loop wants the pace live, found fast, which would never end: leave one of them out, or say until "
                "when."
            )


def reason_of(error: Exception) -> str:
    """What the system or a library says is wrong, short enough for a sentence of ours."""
    return str(getattr(error, "strerror", None) or error).splitlines()[0][:120]
