"""A camera behind a url that libavformat opens (RTSP and the other families), through PyAV.

What was lost on the way is told by a unit without data. RTP's sequence numbers stay inside libavformat, which
only logs that they jumped; so its log is read, while it reads. MPEG-TS marks a packet that a loss has damaged.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.container import InputContainer
from av.logging import WARNING, Capture, set_level, set_skip_repeated
from av.packet import Packet
from av.video.stream import VideoStream

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.network.families import FAMILIES, OPEN_S, SOCKET_S, options_for, without_password
from magno.runtime.camera.request import CameraError, CameraRequest, reason_of
from magno.runtime.clock import NS_PER_S, Clock
from magno.runtime.units import AccessUnit

USUAL_RATE = 25.0  # pictures a second, where the stream does not say
LOSS = "missed"  # as in "RTP: missed 3 packets"


def open_source(request: CameraRequest, clock: Clock) -> UrlSource:
    return UrlSource(request, clock)


class UrlSource:
    """One camera's stream, as it comes. Raises CameraError when there is none."""

    def __init__(self, request: CameraRequest, clock: Clock) -> None:
        if request.loop:
            raise CameraError("A loop wants a file, found a camera's url, which has no end. Leave it out.")
        scheme = request.url.partition("://")[0].lower()
        self._until_ns = None if request.until_s is None else int(request.until_s * NS_PER_S)
        self._clock, self._shown = clock, without_password(request.url)
        try:
            self._container = av.open(
                request.url,
                options=options_for(scheme, request.transport),
                timeout=(OPEN_S, SOCKET_S),
            )
        except (av.FFmpegError, ValueError) as error:
            raise CameraError(
                f"Wanted a camera at {self._shown}, found none ({reason_of(error)}). Check the url, and that the "
                "camera is on."
            ) from error
        assert isinstance(self._container, InputContainer)
        try:
            self._describe(scheme)
        except BaseException:
            self._container.close()
            raise

    def _describe(self, scheme: str) -> None:
        if not self._container.streams.video:
            raise CameraError(
                f"Wanted a video stream at {self._shown}, found none. Name one that has pictures."
            )
        self._stream: VideoStream = self._container.streams.video[0]
        context = self._stream.codec_context
        if context is None:  # what libavcodec has no decoder for
            raise CameraError(
                f"Wanted a codec that libavcodec decodes at {self._shown}, found none. Have it send H.264."
            )
        self.container: str = self._container.format.name
        self.codec: str = context.codec.canonical_name
        self.extradata: bytes | None = context.extradata
        self.size: tuple[int, int] = (context.width, context.height)
        self.rate: float = float(self._stream.average_rate or 0)
        self.time_from = TimeFrom.RTP if FAMILIES[scheme].formats == "rtsp" else TimeFrom.CONTAINER

    def units(self) -> Iterator[AccessUnit]:
        """Access units as they come, the first at 0 s. Ends where the camera ends the stream; raises CameraError
        when it is gone."""
        base = self._stream.time_base
        if base is None:
            raise CameraError(f"Wanted timestamps from {self._shown}, found none. Have the camera send them.")
        tick_ns, step_ns = base * NS_PER_S, int(NS_PER_S / (self.rate or USUAL_RATE))
        # RTSP's first picture comes without its time, which is 0 there.
        first_ns = 0 if self.time_from is TimeFrom.RTP else None
        following_ns = 0
        for packet, lost in self._packets():
            arrived_ns, pts_ns = self._clock.now_ns(), following_ns
            if packet.pts is not None:
                at_ns = int(packet.pts * tick_ns)
                first_ns = at_ns - following_ns if first_ns is None else first_ns
                pts_ns = at_ns - first_ns
            following_ns = pts_ns + step_ns
            gap = AccessUnit(b"", pts_ns, arrived_ns)
            if self._until_ns is not None and pts_ns > self._until_ns:
                return
            if lost:
                yield gap
            yield AccessUnit(bytes(packet), pts_ns, arrived_ns, bool(packet.is_keyframe))
            if lost:  # which of the two sides of this unit it was on is not known
                yield gap

    def _packets(self) -> Iterator[tuple[Packet[VideoStream], bool]]:
        """Packets of the stream, and whether something was lost around each."""
        set_skip_repeated(False)
        demuxed = self._container.demux(self._stream)
        while True:
            try:
                with Capture() as told:
                    set_level(WARNING)
                    packet = next(demuxed, None)
            except av.FFmpegError as error:
                raise CameraError(
                    f"Wanted {self._shown} to go on, found it gone ({reason_of(error)}). It is waited for."
                ) from error
            finally:
                set_level(None)  # a damaged picture is the decoder's to tell, and it may log without end
            if packet is None:
                return
            if packet.size:
                lost = bool(packet.is_corrupt) or any(LOSS in message for _, _, message in told)
                yield packet, lost

    def close(self) -> None:
        self._container.close()
