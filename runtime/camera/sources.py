"""The table of sources: which file reads which url."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Protocol, cast

from magno.runtime.camera.request import CameraError, CameraRequest
from magno.runtime.clock import Clock
from magno.runtime.units import AccessUnit

SOURCES = {"file": "magno.runtime.camera.file"}


class Source(Protocol):
    """An open source. `units` ends when the stream does."""

    container: str  # libavformat's name: mov,mp4,... or h264 for a raw stream
    codec: str  # libavcodec's name: h264, mpeg4, ...
    extradata: bytes | None
    size: tuple[int, int]
    rate: float  # pictures a second, 0 where the source does not say

    def units(self) -> Iterator[AccessUnit]: ...

    def close(self) -> None: ...


def open_source(request: CameraRequest, clock: Clock) -> Source:
    """Open the url of a request. Raises CameraError, one sentence."""
    scheme, separator, _ = request.url.partition("://")
    kind = scheme if separator else "file"
    if kind not in SOURCES:
        raise CameraError(
            f"A camera's url wants one of {', '.join(f'{name}://' for name in SOURCES)} or a path, "
            f"found {kind[:40]}://; give a video file."
        )
    module = importlib.import_module(SOURCES[kind])
    return cast(Source, module.open_source(request, clock))
