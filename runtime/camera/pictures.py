"""Pictures that the reader's owner hands over as a camera: they are encoded here, for their motion.

They come over standard input, one message each (`picture_queue.read_picture`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.encode import PictureEncoder
from magno.runtime.camera.process.picture_queue import read_picture
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import Clock
from magno.runtime.units import AccessUnit


def open_source(request: CameraRequest, clock: Clock) -> HandedPictures:
    return HandedPictures(request, sys.stdin.buffer)


class HandedPictures:
    """A stream of pictures. It is open at once; its size is not known before its first picture."""

    container = "pictures"
    codec = PictureEncoder.codec
    extradata: bytes | None = None
    time_from = TimeFrom.CALLER
    size = (0, 0)

    def __init__(self, request: CameraRequest, stream: BinaryIO) -> None:
        if request.loop:
            raise CameraError("A loop wants a file, found pictures that are handed over. Leave it out.")
        self._stream = stream
        self.rate = request.rate or 0.0

    def units(self) -> Iterator[AccessUnit]:
        """One unit a picture, as they come. Raises CameraError for what is no message, or cannot be encoded."""
        encoder = PictureEncoder()
        while (picture := read_picture(self._stream)) is not None:
            yield encoder.encode(picture.pixels, picture.pts_ns, picture.capture_ns)

    def close(self) -> None:
        self._stream.close()
