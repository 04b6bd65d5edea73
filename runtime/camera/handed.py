"""Access units that the reader's owner hands over as a camera: H.264 in annex B with the owner's timestamps.

They come over standard input, one message each (`wire.read_unit`). What decoding cannot begin with is left out
until an IDR or a recovery point comes. One without data is the owner's word that units are missing there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.decoding.examine import H264Examiner
from magno.runtime.camera.process.wire import read_unit
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import Clock
from magno.runtime.units import AccessUnit


def open_source(request: CameraRequest, clock: Clock) -> HandedSource:
    return HandedSource(request, sys.stdin.buffer)


class HandedSource:
    """A stream of access units. It is open at once; its size is not known before its first picture."""

    container = "units"
    codec = "h264"
    extradata: bytes | None = None
    time_from = TimeFrom.CALLER
    size = (0, 0)
    rate = 0.0

    def __init__(self, request: CameraRequest, stream: BinaryIO) -> None:
        if request.loop:
            raise CameraError("A loop wants a file, found access units that are handed over. Leave it out.")
        self._stream = stream

    def units(self) -> Iterator[AccessUnit]:
        """Units as they come, from the first that decoding may begin with. Raises CameraError for no message."""
        return from_first_anchor(iter(lambda: read_unit(self._stream), None))

    def close(self) -> None:
        self._stream.close()


def from_first_anchor(units: Iterable[AccessUnit]) -> Iterator[AccessUnit]:
    """H.264 units without those before the first that decoding may begin with."""
    examiner, begun = H264Examiner(), False
    for unit in units:
        if not begun and unit.data:
            facts = examiner.examine(unit.data)
            begun = facts is not None and facts.begins
        if begun:
            yield unit
