"""What a reader process is asked to do, and the error of every source."""

from __future__ import annotations

import math
from dataclasses import dataclass

from magno.runtime.units import MagnoError

PACES = ("live", "fast")


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

    def __post_init__(self) -> None:
        if self.pace not in PACES:
            raise CameraError(f"pace wants one of {', '.join(PACES)}, found {self.pace[:40]!r}.")
        if self.until_s is not None and not 0 <= self.until_s < math.inf:
            raise CameraError(f"A time in the stream wants 0 s or more, found {self.until_s}.")
        if self.loop and self.pace == "fast":
            raise CameraError(
                "A loop wants the pace live, found fast, which would never end: leave one of them out."
            )
