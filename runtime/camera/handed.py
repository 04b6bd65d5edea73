"""Access units that the reader's owner hands over as a camera: H.264 in annex B with the owner's timestamps.

They come over standard input, one message each (`wire.read_unit`). What decoding cannot begin with is left out
until an IDR or a recovery point comes. Where frame_num jumps, or the owner says that units are missing (one
without data), the pictures that follow are BROKEN until they have healed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.nal_order import PictureOrder
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.wire import read_unit
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
        """Units as they come. Raises CameraError for interlaced pictures, and for what is no message."""
        order, begun = PictureOrder(), False
        while (unit := read_unit(self._stream)) is not None:
            if not unit.data:
                if begun:
                    yield unit
                continue
            place = order.step(unit.data)
            if place is None:
                if begun:
                    yield unit  # damaged, or parameter sets alone: the decoder's to judge
                continue
            if place.interlaced:
                raise CameraError(
                    "Wanted progressive H.264 in the access units handed over, found interlaced pictures. "
                    "Have the camera send progressive ones."
                )
            if place.gap and begun:
                yield AccessUnit(b"", unit.pts_ns, unit.capture_ns)
            begun = begun or place.entry
            if begun:
                yield AccessUnit(unit.data, unit.pts_ns, unit.capture_ns, place.entry)

    def close(self) -> None:
        self._stream.close()
