"""Access units -> CodecFrames, through PyAV. The only file that decodes; knows no model and no url.

Slice threads keep the decoder free of delay (frame threads hold pictures back), and change no vector.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.reformatter import VideoReformatter

from magno.runtime.camera.request import CameraError
from magno.runtime.camera.vectors import motion_field
from magno.runtime.units import AccessUnit, CodecFrame, Link

NANOSECONDS = Fraction(1, 1_000_000_000)
# Decoders of libavcodec that honour export_mvs. HEVC, VP9 and AV1 do not.
CODECS_WITH_VECTORS = frozenset({"h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "msmpeg4v3", "flv1"})
MAX_PENDING = 64  # capture times kept while pictures are reordered

log = logging.getLogger("magno.camera")


class Decoder:
    """One stream's decoder. Feed access units in decode order; pictures come out in display order."""

    def __init__(
        self, codec: str, extradata: bytes | None, picture_px: int, *, keyframes_only: bool = False
    ) -> None:
        self.has_vectors = codec in CODECS_WITH_VECTORS
        if not self.has_vectors and not keyframes_only:
            raise CameraError(
                f"Wanted a codec with motion vectors ({', '.join(sorted(CODECS_WITH_VECTORS))}), found {codec}, whose "
                "software decoder exports none. Ask for keyframes only (--keyframes-only), or have the camera send H.264."
            )
        context = av.CodecContext.create(codec, "r")
        if not isinstance(context, VideoCodecContext):
            raise CameraError(f"Wanted a video codec, found {codec}. Name a source that has a video stream.")
        if extradata:
            context.extradata = extradata
        if self.has_vectors:
            context.options = {"flags2": "+export_mvs"}
        context.thread_type = ThreadType.SLICE
        context.thread_count = 1
        self._context = context
        self._picture_px = picture_px
        self._reformatter = VideoReformatter()
        self._captured: dict[int, int] = {}  # pts_ns -> capture_ns
        self._sequence = 0
        self._broken = False  # something was lost since the last sound picture
        self.errors = 0

    def decode(self, unit: AccessUnit) -> list[CodecFrame]:
        """The pictures that this access unit completes. A damaged unit gives none, and breaks the chain."""
        packet = av.Packet(unit.data)
        packet.pts, packet.time_base = unit.pts_ns, NANOSECONDS
        self._captured[unit.pts_ns] = unit.capture_ns
        while len(self._captured) > MAX_PENDING:
            self._captured.pop(next(iter(self._captured)))
        return self._pictures(packet, unit.capture_ns)

    def flush(self) -> list[CodecFrame]:
        """What the decoder still holds at the end of the stream."""
        return self._pictures(None, 0)

    def _pictures(self, packet: av.Packet | None, capture_ns: int) -> list[CodecFrame]:
        try:
            decoded = self._context.decode(packet)
        except av.FFmpegError as error:
            self.errors += 1
            self._broken = True
            log.debug("access unit not decoded: %s", error)
            return []
        return [self._codec_frame(frame, capture_ns) for frame in decoded]

    def _codec_frame(self, frame: Any, capture_ns: int) -> CodecFrame:
        pts_ns = int(frame.pts) if frame.pts is not None else 0
        pict_type = PictureType(frame.pict_type).name
        link = (
            Link.BROKEN if self._broken or frame.is_corrupt else Link.RESET if pict_type == "I" else Link.OK
        )
        self._broken = bool(frame.is_corrupt)
        motion = None
        if self.has_vectors:
            side = frame.side_data.get("MOTION_VECTORS")
            vectors = None if side is None else side.to_ndarray()
            coded_size = (-(-frame.width // 16) * 16, -(-frame.height // 16) * 16)  # whole macroblocks
            motion = motion_field(vectors, coded_size, intact=link is not Link.BROKEN, link=link)
        small = self._reformatter.reformat(
            frame, self._picture_px, self._picture_px, "rgb24", interpolation="AREA", threads=1
        )
        sequence, self._sequence = self._sequence, self._sequence + 1
        return CodecFrame(
            sequence=sequence,
            pts_ns=pts_ns,
            capture_ns=self._captured.pop(pts_ns, capture_ns),
            pict_type=pict_type,
            motion=motion,
            picture=np.ascontiguousarray(small.to_ndarray()),
            size=(frame.width, frame.height),
        )
