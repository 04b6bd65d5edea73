"""A video file as a camera, through PyAV: played at its own rate, or as fast as it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.request import CameraError, CameraRequest, reason_of
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.units import AccessUnit

# A file is hostile until parsed: it may name no other file or host (a playlist would), so only containers are probed.
OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,h264,hevc,m4v,mpegvideo,flv,ivf",
}


def open_source(request: CameraRequest, clock: Clock) -> FileSource:
    return FileSource(request, clock)


class FileSource:
    """One video file. Raises CameraError when it is not one."""

    time_from = TimeFrom.CONTAINER

    def __init__(self, request: CameraRequest, clock: Clock) -> None:
        path = Path(request.url.removeprefix("file://"))
        found = _what_is_at(path)
        if found != "a file":
            raise CameraError(f"Wanted a video file at {str(path)[:500]!r}, found {found}. Check the path.")
        try:
            # Absolute, since a relative name with a colon would be taken for a protocol.
            self._container = av.open(str(path.absolute()), options=OPTIONS)
        except (av.FFmpegError, ValueError) as error:
            raise CameraError(
                f"Wanted a video file at {path}, found something else ({reason_of(error)}). "
                "Name a file such as an MP4 with H.264."
            ) from error
        assert isinstance(self._container, InputContainer)
        if not self._container.streams.video:
            self._container.close()
            raise CameraError(f"Wanted a video stream in {path}, found none. Name a file with pictures.")
        self._stream: VideoStream = self._container.streams.video[0]
        self._request, self._clock, self._path = request, clock, path
        context = self._stream.codec_context
        if context is None:  # what libavcodec has no decoder for
            self._container.close()
            raise CameraError(f"Wanted a codec that libavcodec decodes in {path}, found none. Use H.264.")
        self.container: str = self._container.format.name
        self.codec: str = context.codec.canonical_name
        self.extradata: bytes | None = context.extradata
        self.size: tuple[int, int] = (context.width, context.height)
        self.rate: float = float(self._stream.average_rate or 0)

    def units(self) -> Iterator[AccessUnit]:
        """Access units in decode order, each not before its time when the pace is live.

        Raises CameraError when the file is damaged, as a container; what is inside is the decoder's to judge.
        Until `until_s` it gives what has to be decoded by then: with B-pictures, some are to be shown later.
        """
        began_ns, offset_ns = self._clock.now_ns(), 0
        while True:
            last_ns = offset_ns
            for unit, decode_ns in self._once(offset_ns):
                if self._request.pace == "live":
                    self._clock.sleep_until_ns(began_ns + decode_ns)
                last_ns = max(last_ns, unit.pts_ns)
                yield AccessUnit(unit.data, unit.pts_ns, self._clock.now_ns(), unit.is_key)
            if not self._request.loop or last_ns == offset_ns:
                return
            offset_ns = last_ns + int(NS_PER_S / (self.rate or 25))
            self._rewind()

    def _rewind(self) -> None:
        try:
            self._container.seek(0)
        except av.FFmpegError as error:
            raise CameraError(
                f"Wanted to play {self._path} again, found that it cannot be rewound ({reason_of(error)}). "
                "Remux it, to MP4 say, or leave out the loop."
            ) from error

    def _once(self, offset_ns: int) -> Iterator[tuple[AccessUnit, int]]:
        """The file's access units from pts 0 on, moved by `offset_ns`, with the time to decode each."""
        base = self._stream.time_base
        if base is None:
            raise CameraError(f"Wanted timestamps in {self._path}, found none. Remux it, to MP4 say.")
        tick_ns = base * NS_PER_S
        start = self._stream.start_time or 0
        step_ns = int(NS_PER_S / (self.rate or 25))
        following_ns = 0
        try:
            for packet in self._container.demux(self._stream):
                if not packet.size:
                    continue
                pts_ns = following_ns if packet.pts is None else int((packet.pts - start) * tick_ns)
                decode_ns = pts_ns if packet.dts is None else int((packet.dts - start) * tick_ns)
                following_ns = pts_ns + step_ns
                until_s = self._request.until_s
                if until_s is not None and offset_ns + decode_ns > until_s * NS_PER_S:
                    return
                unit = AccessUnit(bytes(packet), offset_ns + pts_ns, 0, bool(packet.is_keyframe))
                yield unit, offset_ns + max(decode_ns, 0)
        except av.FFmpegError as error:
            raise CameraError(
                f"Wanted {self._path} to be readable to its end, found damage ({reason_of(error)}). "
                "Use an intact copy."
            ) from error

    def close(self) -> None:
        self._container.close()


def _what_is_at(path: Path) -> str:
    try:
        if path.is_file():
            return "a file"
        return "a folder" if path.is_dir() else "something else" if path.exists() else "no such file"
    except (OSError, ValueError) as error:  # a name too long, a folder that may not be read
        return reason_of(error)
