"""A raw H.264 stream (annex B) as a camera: a file, or standard input. Needs no library.

It carries no timestamps: pictures are placed by their order and the rate that the stream states, or that was
asked for. It begins at the first picture that decoding may begin with. An access unit is known to be whole when
the next one begins, so a live stream is one picture late.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.h264.nal import AccessUnits
from magno.runtime.camera.h264.nal_order import PictureOrder, Place
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import STANDARD_INPUT
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.units import AccessUnit

PIECE_BYTES = 1 << 16
PROBE_BYTES = 32 << 20  # by then a stream has said what it is
DEFAULT_RATE = Fraction(25)

log = logging.getLogger("magno.camera")


def open_source(request: CameraRequest, clock: Clock) -> AnnexBSource:
    return AnnexBSource(request, clock, open_stream(request))


def open_stream(request: CameraRequest) -> io.RawIOBase:
    """The bytes of a request. Raises CameraError."""
    if request.url == STANDARD_INPUT:
        if request.loop:
            raise CameraError(
                "A loop wants a file, found standard input. Leave out the loop, or name a file."
            )
        return io.FileIO(0, closefd=False)
    path = Path(request.url.removeprefix("file://"))
    try:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
            raise CameraError(
                f"Wanted a raw H.264 file at {str(path)[:500]!r}, found {found}. Check the path."
            )
        return io.FileIO(path)
    except (OSError, ValueError) as error:
        raise CameraError(
            f"Wanted to read {str(path)[:500]!r}, found that it cannot be ({error}). Check the path."
        ) from error


class AnnexBSource:
    """One raw H.264 stream. Raises CameraError when it is none."""

    container = "h264"
    codec = "h264"
    extradata: bytes | None = None
    time_from = TimeFrom.COUNT

    def __init__(self, request: CameraRequest, clock: Clock, stream: io.RawIOBase) -> None:
        self._request, self._clock, self._stream = request, clock, stream
        self._pictures = self._placed()
        try:
            self._first = next(self._pictures, None)
            if self._first is None:
                raise CameraError(
                    f"Wanted a raw H.264 stream with an IDR picture or a recovery point in {request.url[:500]}, "
                    "found none. Name an H.264 file, or mux other codecs, into MP4 say."
                )
        except BaseException:
            self.close()
            raise
        sps = self._first[1].sps
        self.size = sps.size
        self._rate = sps.rate if request.rate is None else Fraction(request.rate)
        if self._rate is None:
            log.warning("%s states no rate: taken for %s pictures a second", request.url[:200], DEFAULT_RATE)
            self._rate = DEFAULT_RATE
        self.rate = float(self._rate)

    def units(self) -> Iterator[AccessUnit]:
        """Access units in decode order, each not before its time when the pace is live. Raises CameraError when the
        stream cannot be read."""
        began_ns, base, top, decoded = self._clock.now_ns(), 0, 0, 0
        first = self._first
        while first is not None:
            base -= first[1].shown  # what was left out before it took no time
            for unit, place in _chained(first, self._pictures):
                decode_ns = self._time_ns(decoded)
                until_s = self._request.until_s
                if until_s is not None and decode_ns > until_s * NS_PER_S:
                    return
                if self._request.pace == "live" and self._request.url != STANDARD_INPUT:
                    self._clock.sleep_until_ns(began_ns + decode_ns)
                pts_ns, now_ns = self._time_ns(base + place.shown), self._clock.now_ns()
                yield AccessUnit(unit, pts_ns, now_ns, place.entry)
                decoded, top = decoded + 1, max(top, base + place.shown + 1)
            if not self._request.loop:
                return
            base, decoded = top, top
            self._stream.seek(0)
            self._pictures = self._placed()
            first = next(self._pictures, None)

    def close(self) -> None:
        self._stream.close()

    def _time_ns(self, pictures: int) -> int:
        assert self._rate is not None
        return int(pictures * NS_PER_S / self._rate)

    def _placed(self) -> Iterator[tuple[bytes, Place]]:
        """Every access unit that holds a picture, from the first that decoding may begin with."""
        order, self._begun = PictureOrder(), False
        for unit in self._access_units():
            place = order.step(unit)
            if place is None or not (self._begun or place.entry):
                continue
            self._begun = True
            yield unit, place

    def _access_units(self) -> Iterator[bytes]:
        parts, read_bytes = AccessUnits(), 0
        try:
            while piece := self._stream.read(PIECE_BYTES):
                read_bytes += len(piece)
                if read_bytes > PROBE_BYTES and not self._begun:
                    return
                yield from parts.feed(piece)
        except OSError as error:
            raise CameraError(
                f"Wanted to read on in {self._request.url[:500]}, found that it cannot be ({error.strerror}). "
                "Check the source."
            ) from error
        yield from parts.flush()


def _chained(
    first: tuple[bytes, Place], rest: Iterator[tuple[bytes, Place]]
) -> Iterator[tuple[bytes, Place]]:
    yield first
    yield from rest
