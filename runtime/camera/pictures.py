"""Pictures that the reader's owner hands over as a camera: JPEGs are decoded here, all are encoded for their motion.

They come over standard input, one message each (`picture_queue.read_picture`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.encode import PictureEncoder
from magno.runtime.camera.jpeg import JpegDecoder, JpegError
from magno.runtime.camera.process.picture_queue import Jpeg, read_picture
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.units import AccessUnit

COMPLAIN_S = 10.0


def open_source(request: CameraRequest, clock: Clock) -> HandedPictures:
    return HandedPictures(request, sys.stdin.buffer, clock)


class HandedPictures:
    """A stream of pictures. It is open at once; its size is not known before its first picture."""

    container = "pictures"
    codec = PictureEncoder.codec
    extradata: bytes | None = None
    time_from = TimeFrom.CALLER
    size = (0, 0)

    def __init__(self, request: CameraRequest, stream: BinaryIO, clock: Clock) -> None:
        if request.loop:
            raise CameraError("A loop wants a file, found pictures that are handed over. Leave it out.")
        self._stream, self._clock = stream, clock
        self._complained_ns: int | None = None
        self.rate = request.rate or 0.0

    def units(self) -> Iterator[AccessUnit]:
        """One unit a picture, as they come. Raises CameraError for what is no message, or cannot be encoded; a JPEG
        that cannot be decoded is left out."""
        encoder, decoder = PictureEncoder(), JpegDecoder()
        while (picture := read_picture(self._stream)) is not None:
            pixels = picture.pixels
            if isinstance(pixels, Jpeg):
                try:
                    pixels = decoder.pixels(pixels)
                except JpegError as fault:
                    self._complain(fault)
                    continue
            yield encoder.encode(pixels, picture.pts_ns, picture.capture_ns)

    def close(self) -> None:
        self._stream.close()

    def _complain(self, fault: JpegError) -> None:
        """To the log, which a reader process shares with its owner; a camera may send nothing else for hours."""
        now_ns = self._clock.now_ns()
        if self._complained_ns is None or now_ns - self._complained_ns > COMPLAIN_S * NS_PER_S:
            self._complained_ns = now_ns
            print(f"A picture {fault} It was left out.", file=sys.stderr, flush=True)
