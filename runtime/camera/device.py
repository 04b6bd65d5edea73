"""A camera at this machine's own driver (V4L2), or pictures that libavfilter makes, both through libavdevice.

    v4l2:///dev/video0?size=1280x720&rate=30&format=mjpeg     every part after ? may be left out
    lavfi:testsrc2=size=640x480:rate=25                       for trying things without a camera

A camera that sends H.264 is read as it is. What others send (JPEG, YUYV) is decoded, and encoded for its motion.
A filter graph can read files: it is its operator's own, and never comes from a stream.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.decoding.decoder import CODECS_WITH_VECTORS
from magno.runtime.camera.encode import PictureEncoder
from magno.runtime.camera.request import MAX_RATE, MIN_RATE, CameraError, CameraRequest, reason_of
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.units import AccessUnit

GRAPH = "lavfi:"
OPTIONS = {"size": "video_size", "rate": "framerate", "format": "input_format"}  # ours: libavdevice's
PROBE = {"fpsprobesize": "0"}  # the driver says the rate: no picture is watched for it
# What a camera is asked for, in turn: what needs no work, what fits through USB, whatever it has.
FORMATS = ("h264", "mjpeg", None)
MAX_AGE_NS = 10 * NS_PER_S  # a driver's time older than this is of another clock
LATE_NS = NS_PER_S // 5  # an older picture is not encoded: the machine is behind, and newer ones wait
REASONS = {
    errno.ENOENT: "it is not there",
    errno.ENXIO: "no camera is behind it",
    errno.ENODEV: "no camera is behind it",
    errno.EACCES: "it may not be read: add this user to the group video",
    errno.EBUSY: "another program has it",
    errno.ENOTTY: "it is no camera",
    errno.EINVAL: "it has no such size, rate or format",
}


log = logging.getLogger("magno.camera")


@dataclass(frozen=True, slots=True)
class Device:
    """What a url asks of libavdevice."""

    name: str  # the driver's file, or the filter graph
    driver: str  # libavdevice's name of the input
    attempts: tuple[dict[str, str], ...]  # options, tried in turn


def open_source(request: CameraRequest, clock: Clock) -> DeviceSource:
    return DeviceSource(request, clock, device_of(request.url))


def device_of(url: str) -> Device:
    """What a url means. Pure. Raises CameraError."""
    if url[: len(GRAPH)].lower() == GRAPH:
        return Device(url[len(GRAPH) :], "lavfi", ({},))
    try:
        parts = urlsplit(url)
        asked = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError as error:
        raise _bad_url(url, str(error)) from error
    if parts.netloc or not parts.path.startswith("/"):
        raise _bad_url(url, "no path of a device")
    unknown = [name for name in asked if name not in OPTIONS]
    if unknown:
        raise _bad_url(url, f"{unknown[0][:40]!r}")
    size, rate = asked.get("size"), asked.get("rate")
    if size is not None and not re.fullmatch(r"[1-9]\d{0,4}x[1-9]\d{0,4}", size):
        raise _bad_url(url, f"the size {size[:40]!r}")
    if rate is not None and not (re.fullmatch(r"\d+(\.\d+)?", rate) and MIN_RATE <= float(rate) <= MAX_RATE):
        raise _bad_url(url, f"the rate {rate[:40]!r}")
    options = {OPTIONS[name]: value for name, value in asked.items()}
    if "format" in asked:
        return Device(parts.path, "v4l2", (options,))
    attempts = (options if name is None else {**options, "input_format": name} for name in FORMATS)
    return Device(parts.path, "v4l2", tuple(attempts))


class DeviceSource:
    """One camera. Raises CameraError when it is not there."""

    def __init__(self, request: CameraRequest, clock: Clock, device: Device) -> None:
        if request.loop:
            raise CameraError("A loop wants a file, found a camera, which has no end. Leave it out.")
        self._request, self._clock, self._device = request, clock, device
        self._container = _opened(device)
        self.dropped = 0  # pictures that encoding was too slow for
        if not self._container.streams.video:
            self._container.close()
            raise CameraError(f"Wanted pictures from {self._device.name[:200]!r}, found none. Name another.")
        self._stream: VideoStream = self._container.streams.video[0]
        context = self._stream.codec_context
        context.thread_count = 1  # threads for whole pictures would hold some back
        self.container: str = self._container.format.name
        self._encodes = context.codec.canonical_name not in CODECS_WITH_VECTORS
        self.codec = PictureEncoder.codec if self._encodes else context.codec.canonical_name
        self.extradata: bytes | None = None if self._encodes else context.extradata
        self.size: tuple[int, int] = (context.width, context.height)
        self.rate: float = float(self._stream.average_rate or self._stream.base_rate or 0)
        self.time_from = TimeFrom.COUNT if self._device.driver == "lavfi" else TimeFrom.DEVICE

    def units(self) -> Iterator[AccessUnit]:
        """Access units as they come, the first at 0 s. Raises CameraError when the camera is gone."""
        encoder = PictureEncoder()
        for item, pts_ns, captured_ns in self.pictures():
            if isinstance(item, Packet):
                yield AccessUnit(bytes(item), pts_ns, captured_ns, bool(item.is_keyframe))
            else:
                yield encoder.encode(item, pts_ns, captured_ns)

    def pictures(self) -> Iterator[tuple[Packet[Any] | VideoFrame, int, int]]:
        """What the camera sends as it comes, with pts_ns and capture_ns: packets when it encodes, else pictures, of
        which those that come too late are left out. Raises CameraError when the camera is gone."""
        began_ns, first_ns, last_ns = self._clock.now_ns(), None, -1
        for item, stamp_ns in self._stamped():
            first_ns = stamp_ns if first_ns is None else first_ns
            pts_ns = max(stamp_ns - first_ns, last_ns + 1)  # a driver's clock may stutter
            if self._request.until_s is not None and pts_ns > self._request.until_s * NS_PER_S:
                return
            if self._device.driver == "lavfi" and self._request.pace == "live":
                self._clock.sleep_until_ns(began_ns + pts_ns)
            now_ns = self._clock.now_ns()
            captured_ns, last_ns = capture_ns(stamp_ns, now_ns), pts_ns
            if isinstance(item, Packet) or now_ns - captured_ns < LATE_NS:
                yield item, pts_ns, captured_ns
            else:
                self.dropped += 1

    def _stamped(self) -> Iterator[tuple[Packet[Any] | VideoFrame, int]]:
        """Packets of a camera that encodes, decoded pictures of others, each with its driver's time."""
        tick_ns = (self._stream.time_base or 0) * NS_PER_S
        try:
            for packet in self._container.demux(self._stream):
                stamp_ns = self._clock.now_ns() if packet.pts is None else int(packet.pts * tick_ns)
                if packet.size == 0 and packet.pts is None:  # PyAV's mark of the end
                    return
                if not self._encodes:
                    yield packet, stamp_ns  # of no bytes when the driver says that it is damaged: lost
                for frame in _decoded(packet) if self._encodes else []:
                    yield frame, stamp_ns
        except (av.FFmpegError, OSError) as error:
            raise CameraError(
                f"Wanted {self._device.name[:200]} to go on, found it gone ({_reason(error)}). It is waited for."
            ) from error

    def close(self) -> None:
        self._container.close()
        if self.dropped:
            log.warning(
                "%s: %d pictures were dropped, since encoding was behind; ask for fewer or smaller ones",
                self._device.name[:80],
                self.dropped,
            )


def capture_ns(stamp_ns: int, now_ns: int) -> int:
    """When a picture was taken: what its driver says, as far as it says so on this machine's monotonic clock."""
    return stamp_ns if now_ns - MAX_AGE_NS < stamp_ns <= now_ns else now_ns


def _decoded(packet: Packet[Any]) -> list[VideoFrame]:
    """The pictures of a packet; none of one that is damaged, as JPEGs through USB may be."""
    try:
        return [frame for frame in packet.decode() if isinstance(frame, VideoFrame) and not frame.is_corrupt]
    except (av.error.InvalidDataError, av.error.EOFError):
        return []


def _opened(device: Device) -> InputContainer:
    for last, options in zip([*[False] * (len(device.attempts) - 1), True], device.attempts, strict=True):
        try:
            container = av.open(device.name, format=device.driver, options={**options, **PROBE})
            assert isinstance(container, InputContainer)
            return container
        except (av.FFmpegError, OSError, ValueError) as error:
            if last or getattr(error, "errno", None) != errno.EINVAL:
                raise _not_there(device, error) from error
    raise AssertionError("no attempt was the last")


def _not_there(device: Device, error: Exception) -> CameraError:
    if device.driver == "lavfi":
        return CameraError(
            f"Wanted a filter graph that makes pictures, found {device.name[:200]!r}, which does not ({error!s:.80}). "
            "Try lavfi:testsrc2=size=640x480:rate=25."
        )
    return CameraError(
        f"Wanted a camera at {device.name[:200]!r}, found none ({_reason(error)}). Check its name."
    )


def _reason(error: Exception) -> str:
    known = REASONS.get(getattr(error, "errno", None) or 0)
    return known or reason_of(error)


def _bad_url(url: str, found: str) -> CameraError:
    return CameraError(
        f"A camera's url wants v4l2:///dev/video0, and after a ? size=1280x720, rate=30 or format=mjpeg with & "
        f"between, found {found} in {url[:200]!r}. Write it so."
    )
