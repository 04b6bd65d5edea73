"""The table of sources: which file reads which url."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol, cast

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.network.families import FAMILIES, OPEN_S, SOCKET_S, without_password
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import Clock
from magno.runtime.units import AccessUnit

STANDARD_INPUT = "-"
RAW_SUFFIXES = (".h264", ".264")
BAG_SUFFIX = ".mcap"
NO_SCHEMES = ("annexb", "bag", "units", "pictures")
SHORT_SCHEMES = ("gst", "jetson", "lavfi")  # what follows their colon is no place


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of source: its file, and what its reader process may expect of it."""

    module: str
    is_live: bool = False  # a camera: it may be absent or go, is waited for, and has no end
    open_s: float = 10.0  # opening takes no longer, unless the process is stuck
    read_s: float | None = None  # nor does waiting for one access unit; None: that may take for ever


URL = Kind("magno.runtime.camera.network.url", True, 3 * OPEN_S, 2 * SOCKET_S)
SOURCES = {
    "file": Kind("magno.runtime.camera.file"),
    "annexb": Kind(
        "magno.runtime.camera.annexb"
    ),  # a raw H.264 stream: *.h264, *.264, or - for standard input
    "bag": Kind("magno.runtime.camera.topic.bag"),  # a recorded topic: *.mcap
    "units": Kind("magno.runtime.camera.handed"),  # access units that the reader's owner hands over
    "pictures": Kind("magno.runtime.camera.pictures"),  # pictures that the reader's owner hands over
    "v4l2": Kind("magno.runtime.camera.device", True, 10.0, 10.0),  # v4l2:///dev/video0?size=1280x720&rate=30
    "lavfi": Kind(
        "magno.runtime.camera.device"
    ),  # lavfi:testsrc2=size=640x480: pictures that libavfilter makes
    "gst": Kind(
        "magno.runtime.camera.gstreamer", True, 15.0, 15.0
    ),  # gst:v4l2src ! x264enc: a GStreamer pipeline
    # jetson:v4l2:///dev/video0 or jetson:gst:nvarguscamerasrc ! nvvidconv: vectors of a Jetson's own encoder
    "jetson": Kind("magno.runtime.camera.hardware.jetson_camera", True, 15.0, 15.0),
    **dict.fromkeys(FAMILIES, URL),  # rtsps, http, udp and so on
    "rtsp": replace(URL, module="magno.runtime.camera.network.rtsp"),
}


class Source(Protocol):
    """An open source. `units` ends when the stream does."""

    container: str  # libavformat's name: mov,mp4,... or h264 for a raw stream
    codec: str  # libavcodec's name: h264, mpeg4, ...
    extradata: bytes | None
    size: tuple[int, int]
    rate: float  # pictures a second, 0 where the source does not say
    time_from: TimeFrom  # whose clock its pts_ns follows

    def units(self) -> Iterator[AccessUnit]: ...

    def close(self) -> None: ...


def open_source(request: CameraRequest, clock: Clock) -> Source:
    """Open the url of a request. Raises CameraError, one sentence."""
    kind = kind_of(request.url)
    if kind not in SOURCES:
        raise CameraError(
            f"A camera's url wants a path, {STANDARD_INPUT} for standard input, or one of "
            f"{', '.join(name for name in SOURCES if name not in NO_SCHEMES)}, found {kind[:40]}://; "
            "give a video file or a camera."
        )
    if request.topic and kind != "bag":
        raise CameraError(
            f"A topic wants a bag (*{BAG_SUFFIX}), found {without_password(request.url)[:500]}. Leave out the topic."
        )
    module = importlib.import_module(SOURCES[kind].module)
    return cast(Source, module.open_source(request, clock))


def kind_of(url: str) -> str:
    """The name in the table for a url; a scheme that is not in it as it stands."""
    short = url.partition(":")[0].lower()
    if short in SHORT_SCHEMES:
        return short
    scheme, separator, _ = url.partition("://")
    kind = scheme.lower() if separator else "file"
    if kind != "file":
        return kind
    if url.lower().endswith(BAG_SUFFIX):
        return "bag"
    return "annexb" if url == STANDARD_INPUT or url.lower().endswith(RAW_SUFFIXES) else kind


def is_live(request: CameraRequest) -> bool:
    """Whether it asks for a camera that is waited for when it is absent; read fast, it is read once."""
    kind = SOURCES.get(kind_of(request.url))
    return kind is not None and kind.is_live and request.pace == "live" and request.until_s is None
