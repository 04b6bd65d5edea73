"""The table of sources: which file reads which url."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Protocol, cast

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import Clock
from magno.runtime.units import AccessUnit

SOURCES = {
    "file": "magno.runtime.camera.file",
    "annexb": "magno.runtime.camera.annexb",  # a raw H.264 stream: *.h264, *.264, or - for standard input
    "units": "magno.runtime.camera.handed",  # access units that the reader's owner hands over
}
STANDARD_INPUT = "-"
RAW_SUFFIXES = (".h264", ".264")


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
            f"A camera's url wants file://, a path or {STANDARD_INPUT} for standard input, "
            f"found {kind[:40]}://; give a video file."
        )
    module = importlib.import_module(SOURCES[kind])
    return cast(Source, module.open_source(request, clock))


def kind_of(url: str) -> str:
    """The name in the table for a url; a scheme that is not in it as it stands."""
    scheme, separator, _ = url.partition("://")
    kind = scheme if separator else "file"
    is_raw = url == STANDARD_INPUT or url.lower().endswith(RAW_SUFFIXES)
    return "annexb" if kind == "file" and is_raw else kind
