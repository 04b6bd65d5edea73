"""Access units -> CodecFrames, through PyAV. The only file that decodes; knows no model and no url.

Slice threads keep the decoder free of delay (frame threads hold pictures back), and change no vector.

A loss outlives its picture: all that is predicted from it is damaged too, though the decoder flags nothing. So
after a fault every picture is BROKEN until the next intact intra picture, or, in a stream that sends none, until
HEALING_PICTURES went by without another fault. Packets that were lost on the way and never fed leave no trace
that a decoder would tell of: a source that can lose packets must call `lost`.
"""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import Any

import av
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from magno.runtime.camera.caps import NO_VECTORS, VectorCaps
from magno.runtime.camera.request import CameraError
from magno.runtime.camera.shrink import Shrink
from magno.runtime.camera.side_data import exported_vectors
from magno.runtime.camera.vectors import BLOCK_PX, motion_field
from magno.runtime.units import AccessUnit, CodecFrame, Link, ResidualKind

NANOSECONDS = Fraction(1, 1_000_000_000)
# Decoders of libavcodec that honour export_mvs. HEVC, VP9 and AV1 do not.
CODECS_WITH_VECTORS = frozenset({"h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "msmpeg4v3", "flv1"})
# Calibrated: every test of the conformance suite runs on this decoder. P-skips come out as vectors like others.
HALF_PEL = VectorCaps(BLOCK_PX, 2, True, False, True, ResidualKind.PIXEL_MC, True)
CAPS = {"h264": VectorCaps(BLOCK_PX, 4, True, False, False, ResidualKind.PIXEL_MC, True)}
PICT_TYPES = {"I": "I", "SI": "I", "B": "B", "BI": "B"}  # all others refer to the past alone: P
MAX_PENDING = 64  # capture times kept while pictures are reordered
MAX_PIXELS = 8192 * 4608  # a forged picture size must not eat the memory
# A stream without intra pictures heals through intra blocks, within its refresh period: 250 pictures for x264,
# 10 s for the cameras we know.
HEALING_PICTURES = 300

log = logging.getLogger("magno.camera")


class Decoder:
    """One stream's decoder. Feed access units in decode order; pictures come out in display order.

    Raises CameraError for a codec that cannot be read as asked. Of a codec without vectors, and so without a
    MotionField to say BROKEN, damaged pictures are kept back; they leave a gap in the sequence.
    """

    def __init__(
        self, codec: str, extradata: bytes | None, picture_px: int, *, keyframes_only: bool = False
    ) -> None:
        self.has_vectors = codec in CODECS_WITH_VECTORS
        if not self.has_vectors and not keyframes_only:
            raise CameraError(
                f"Wanted a codec with motion vectors ({', '.join(sorted(CODECS_WITH_VECTORS))}), found {codec}, "
                "whose software decoder exports none. Ask for keyframes only (--keyframes-only), or have the "
                "camera send H.264."
            )
        self.caps = CAPS.get(codec, HALF_PEL) if self.has_vectors else NO_VECTORS
        self._context = _context(codec, extradata, export_vectors=self.has_vectors)
        self._shrink = Shrink(picture_px)
        self._fed: dict[int, tuple[int, int]] = {}  # pts_ns -> capture_ns and number of the access unit
        self._units = 0
        self._sequence = 0
        self._sound = False  # nothing that the next picture may refer to is damaged or missing
        self._fault_unit = 0  # the newest access unit that was damaged, or may refer to what was lost
        self._since_fault = 0  # pictures
        self.errors = 0  # access units that gave no picture, and pictures known to be damaged

    def decode(self, unit: AccessUnit) -> list[CodecFrame]:
        """The pictures that this access unit completes. A damaged unit may give none; it raises nothing."""
        self._units += 1
        if not unit.data:  # to libavcodec, a packet of no bytes is the stream's end
            self.errors += 1
            self.lost()
            return []
        # Made by size and filled, for the zeros behind it: libavcodec reads past the end, and of a packet made
        # around these bytes it would read whatever lies there (seen: MPEG-4 pictures damaged at random).
        packet = av.Packet(len(unit.data))
        packet.update(unit.data)
        packet.pts, packet.time_base = unit.pts_ns, NANOSECONDS
        self._fed[unit.pts_ns] = (unit.capture_ns, self._units)
        while len(self._fed) > MAX_PENDING:
            self._fed.pop(next(iter(self._fed)))
        return self._pictures(packet, unit.capture_ns)

    def flush(self) -> list[CodecFrame]:
        """What the decoder still holds at the end of the stream."""
        return self._pictures(None, 0)

    def lost(self) -> None:
        """Access units are missing before the next one: what follows is BROKEN until it has healed."""
        self._fault(self._units)

    def _fault(self, unit: int) -> None:
        self._sound, self._since_fault = False, 0
        self._fault_unit = max(self._fault_unit, unit)

    def _pictures(self, packet: av.Packet[Any] | None, capture_ns: int) -> list[CodecFrame]:
        try:
            decoded = self._context.decode(packet)
        except av.FFmpegError as error:
            self.errors += 1
            self.lost()
            log.debug("access unit not decoded: %s", error)
            return []
        frames = (self._codec_frame(frame, capture_ns) for frame in decoded)
        return [frame for frame in frames if frame is not None]

    def _codec_frame(self, frame: VideoFrame, capture_ns: int) -> CodecFrame | None:
        vectors = exported_vectors(frame) if self.has_vectors else None
        pict_type = PICT_TYPES.get(PictureType(frame.pict_type).name, "P")
        sequence, self._sequence = self._sequence, self._sequence + 1
        pts_ns = int(frame.pts) if frame.pts is not None else 0
        captured_ns, unit = self._fed.pop(pts_ns, (capture_ns, self._units))
        # A picture may begin with an intra slice and go on with others: one with vectors is not intra.
        link = self._link(unit, pict_type == "I" and vectors is None, bool(frame.is_corrupt))
        motion = None
        if self.has_vectors:
            coded_size = (-(-frame.width // 16) * 16, -(-frame.height // 16) * 16)  # whole macroblocks
            motion = motion_field(vectors, coded_size, intact=link is not Link.BROKEN, link=link)
        elif link is Link.BROKEN:
            return None
        picture = self._shrink.shrink(frame)
        size = (frame.width, frame.height)
        return CodecFrame(
            sequence, pts_ns, captured_ns, pict_type, motion, picture, size, is_reference=pict_type != "B"
        )

    def _link(self, unit: int, intra: bool, corrupt: bool) -> Link:
        if corrupt:
            self.errors += 1
            self._fault(unit)
            return Link.BROKEN
        # Of a stream with B-pictures, an intra picture may come out after a fault that it was decoded before.
        if intra and unit > self._fault_unit:
            self._sound = True
            return Link.RESET
        if self._sound:
            return Link.OK
        self._since_fault += 1
        self._sound = self._since_fault > HEALING_PICTURES
        return Link.RESET if self._sound else Link.BROKEN


def _context(codec: str, extradata: bytes | None, *, export_vectors: bool) -> VideoCodecContext:
    try:
        context = av.CodecContext.create(codec, "r")
    except ValueError as error:  # av.codec.codec.UnknownCodecError
        raise CameraError(
            f"Wanted a codec that libavcodec decodes, found {codec[:40]!r}. Have the camera send H.264."
        ) from error
    if not isinstance(context, VideoCodecContext):
        raise CameraError(f"Wanted a video codec, found {codec}. Name a source that has a video stream.")
    if extradata:
        context.extradata = extradata
    context.options = {"max_pixels": str(MAX_PIXELS)}
    if export_vectors:
        context.options = {**context.options, "flags2": "+export_mvs"}
    context.thread_type = ThreadType.SLICE
    context.thread_count = 1
    return context
