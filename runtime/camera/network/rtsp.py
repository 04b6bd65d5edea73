"""An RTSP camera: H.264 over one TCP connection, read here; all else (UDP, other codecs) through libavformat.

libavformat ends an access unit when the next one begins: a whole picture of delay. RTP's marker ends it at once.
And over TCP it does not look at RTP's sequence numbers, where a server that cannot keep up leaves packets out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.h264.nal import NalType, nal_type, split_nal_units
from magno.runtime.camera.h264.nal_bits import HeaderError
from magno.runtime.camera.h264.nal_sets import parse_sps
from magno.runtime.camera.network import url
from magno.runtime.camera.network.families import without_password
from magno.runtime.camera.network.rtp import Depacketizer, parse_packet
from magno.runtime.camera.network.rtsp_connection import RtspConnection, RtspError
from magno.runtime.camera.network.sdp import h264_track
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.camera.sources import Source
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.units import AccessUnit

ELSEWHERE = frozenset({301, 302, 303, 305, 461})  # the camera is at another url, or sends over UDP only


class NotOurs(Exception):
    """libavformat may know how to read this camera."""


def open_source(request: CameraRequest, clock: Clock) -> Source:
    if request.transport == "tcp":
        with contextlib.suppress(NotOurs):
            return RtspSource(request, clock)
    return url.open_source(request, clock)


class RtspSource:
    """One camera's H.264, as it comes. Raises CameraError when there is no camera, NotOurs for other streams."""

    container = "rtsp"
    codec = "h264"
    time_from = TimeFrom.RTP

    def __init__(self, request: CameraRequest, clock: Clock) -> None:
        if request.loop:
            raise CameraError("A loop wants a file, found a camera's url, which has no end. Leave it out.")
        self._clock, self._shown = clock, without_password(request.url)
        self._until_ns = None if request.until_s is None else int(request.until_s * NS_PER_S)
        try:
            self._connection = RtspConnection(request.url, clock)
        except RtspError as error:
            raise self._absent(error) from error
        try:
            description, base = self._connection.describe()
            track = h264_track(description)
            if track is None:
                raise NotOurs
            self._connection.play(base, track.control)
        except RtspError as error:
            self._connection.close()
            raise NotOurs if error.status in ELSEWHERE else self._absent(error) from error
        except BaseException:
            self._connection.close()
            raise
        self._track = track
        self.extradata = track.parameter_sets or None
        self.size, rate = _size_and_rate(track.parameter_sets)
        self.rate = track.rate or rate

    def units(self) -> Iterator[AccessUnit]:
        """Access units as they come, the first at 0 s. Ends where the camera ends the stream; raises CameraError
        when it is gone."""
        depacketizer, tick_ns = Depacketizer(), NS_PER_S / self._track.clock_hz
        try:
            for data in self._connection.packets():
                packet = parse_packet(data, self._track.payload_type)
                for unit in depacketizer.push(packet) if packet is not None else ():
                    pts_ns = round(unit.ticks * tick_ns)
                    if self._until_ns is not None and pts_ns > self._until_ns:
                        return
                    yield AccessUnit(unit.data, pts_ns, self._clock.now_ns(), unit.is_key)
        except RtspError as error:
            raise CameraError(
                f"Wanted {self._shown} to go on, found it gone ({error}). It is waited for."
            ) from error

    def close(self) -> None:
        self._connection.close()

    def _absent(self, error: RtspError) -> CameraError:
        return CameraError(
            f"Wanted a camera at {self._shown}, found none ({error}). Check the url, and that the camera is on."
        )


def _size_and_rate(parameter_sets: bytes) -> tuple[tuple[int, int], float]:
    """What the parameter sets say; zeros where they do not."""
    for nal in split_nal_units(parameter_sets):
        with contextlib.suppress(HeaderError, IndexError):
            if nal_type(nal) == NalType.SPS:
                _, sps = parse_sps(nal)
                return sps.size, float(sps.rate or 0)
    return (0, 0), 0.0
