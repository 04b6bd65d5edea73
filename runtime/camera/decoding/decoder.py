"""Access units -> CodecFrames, through PyAV. The only file that decodes; knows no model and no url.

Slice threads keep the decoder free of delay (frame threads hold pictures back), and change no vector.

A loss outlives its picture: all that is predicted from it is damaged too, though the decoder flags nothing. What a
picture says of itself (`examine`), its time, and what hangs on what (`continuity`) tell which are sound; the others
are BROKEN, and the first sound one after them is a RESET.
"""

from __future__ import annotations

import contextlib
import logging
from fractions import Fraction
from functools import partial
from typing import Any

import av
from av.codec.context import Flags, ThreadType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from magno.runtime.camera.caps import NO_VECTORS, VectorCaps
from magno.runtime.camera.decoding.concealment import heard_concealing
from magno.runtime.camera.decoding.examine import of_kind
from magno.runtime.camera.decoding.in_flight import Fed
from magno.runtime.camera.decoding.intake import Intake
from magno.runtime.camera.decoding.luma import luma_of
from magno.runtime.camera.decoding.references import References, Shown
from magno.runtime.camera.decoding.shrink import Shrink
from magno.runtime.camera.decoding.side_data import exported_vectors
from magno.runtime.camera.decoding.vectors import BLOCK_PX, motion_field
from magno.runtime.camera.request import CameraError
from magno.runtime.units import AccessUnit, CodecFrame, Link, ResidualKind

NANOSECONDS = Fraction(1, 1_000_000_000)
# Decoders of libavcodec that honour export_mvs. HEVC, VP9 and AV1 do not.
CODECS_WITH_VECTORS = frozenset({"h264", "mpeg4", "mpeg2video", "mpeg1video", "h263", "msmpeg4v3", "flv1"})
# Calibrated: every test of the conformance suite runs on this decoder. P-skips come out as vectors like others.
HALF_PEL = VectorCaps(BLOCK_PX, 2, True, False, True, ResidualKind.PIXEL_MC, True)
# Of their B-pictures libavcodec (62.28) keeps no vectors: those it exports are all zero.
UNTOLD_B = frozenset({"mpeg4", "h263", "msmpeg4v3", "flv1"})
CAPS = {"h264": VectorCaps(BLOCK_PX, 4, True, False, True, ResidualKind.PIXEL_MC, True)}
PICT_TYPES = {"I": "I", "SI": "I", "B": "B", "BI": "B"}  # all others refer to the past alone: P
MAX_PIXELS = 8192 * 4608  # a forged picture size must not eat the memory

log = logging.getLogger("magno.camera")


class Decoder:
    """One stream's decoder. Feed access units in decode order; pictures come out in display order, and each as soon
    as it is known whether it is sound: at once where there are no B-pictures.

    Raises CameraError for a codec that cannot be read as asked. Of a codec without vectors, and so without a
    MotionField to say BROKEN, damaged pictures are kept back; they leave a gap in the sequence.
    """

    def __init__(
        self,
        codec: str,
        extradata: bytes | None,
        picture_px: int,
        *,
        keyframes_only: bool = False,
        b_frames: str = "skip",
        rate: float = 0.0,
    ) -> None:
        """`rate` is what the source says of itself, in pictures a second; 0: nothing."""
        self.has_vectors = codec in CODECS_WITH_VECTORS
        if not self.has_vectors and not keyframes_only:
            raise CameraError(
                f"Wanted a codec with motion vectors ({', '.join(sorted(CODECS_WITH_VECTORS))}), found {codec}, "
                "whose software decoder exports none. Ask for keyframes only (--keyframes-only), or have the "
                "camera send H.264."
            )
        self.caps = CAPS.get(codec, HALF_PEL) if self.has_vectors else NO_VECTORS
        self._codec, self._extradata = codec, extradata
        self._context = _context(codec, extradata, export_vectors=self.has_vectors)
        self._shrink = Shrink(picture_px)
        self._intake: Intake[VideoFrame] = Intake(codec, extradata, rate, b_frames)
        self._references = References()
        self._ready = False  # libavcodec knows of a picture to begin from
        self._stained = 0  # number of the newest unit with an error, which spoils a later one
        self._disturbed = False  # this context was fed what the camera did not mean it to be
        self._sequence = 0

    @property
    def errors(self) -> int:
        """Access units that gave no picture, and pictures known to be damaged."""
        return self._intake.errors

    @property
    def repeated(self) -> int:
        """Access units that came twice."""
        return self._intake.repeated

    def decode(self, unit: AccessUnit) -> list[CodecFrame]:
        """The pictures that this access unit completes. A damaged unit may give none; raises CameraError for a stream
        that is interlaced, or has B-pictures where these are refused."""
        if not self._intake.is_new(unit):
            return []
        facts = self._intake.examine(unit)
        if facts is not None and self._codec == "h264":
            self._intake.refuse_interlaced(facts.interlaced, begun=bool(self._sequence))
        # Made by size and filled, for the zeros behind it: libavcodec reads past the end, and of a packet made
        # around these bytes it would read whatever lies there (seen: MPEG-4 pictures damaged at random).
        packet = av.Packet(len(unit.data))
        packet.update(unit.data)
        packet.time_base = NANOSECONDS
        if facts is None:
            return self._pictures(packet, None)
        fed = self._intake.feed(unit, facts, reorders=bool(self._context.has_b_frames))
        if facts.overlong:
            return self._left_out(fed)
        self._clean(packet, fed)
        packet.pts = fed.number  # since time stamps may repeat
        return self._pictures(packet, fed)

    def flush(self) -> list[CodecFrame]:
        """What the decoder still holds at the end of the stream."""
        return self._pictures(None, None)

    def lost(self) -> None:
        """Access units are missing before the next one: what follows is BROKEN until it has healed."""
        self._intake.lost()

    def _clean(self, packet: av.Packet[Any], fed: Fed) -> None:
        """Keep what went before from this picture. Two things outlive damage in libavcodec (62.28): after an error
        inside a macroblock, what had been read of its residual is added to the next picture that has any there,
        mostly the next of all, an IDR picture too; and forged headers may have made it hold more pictures back, for
        ever. So where decoding can begin, it begins in a new context."""
        facts = fed.facts
        self._disturbed = self._disturbed or fed.gap or facts.damaged
        if facts.entry and facts.whole and self._disturbed:
            self._begin_anew()
        elif facts.entry and self._stained:
            self._rinse(packet)
        elif self._stained and fed.number == self._stained + 1 and facts.numbered:
            fed.damaged = True

    def _begin_anew(self) -> None:
        """A new context; what the old one holds comes out first."""
        with contextlib.suppress(av.FFmpegError):
            for frame in self._context.decode(None):
                self._take(frame)
        self._context = _context(self._codec, self._extradata, export_vectors=self.has_vectors)
        self._disturbed, self._stained = False, 0

    def _rinse(self, packet: av.Packet[Any]) -> None:
        """The same picture decoded twice, and nothing made of the first time: where its parameter sets came long ago,
        a new context would not know them."""
        self._stained = 0
        with contextlib.suppress(av.FFmpegError):
            for frame in self._context.decode(packet):
                self._take(frame)  # of those before it, which have numbers

    def _left_out(self, fed: Fed) -> list[CodecFrame]:
        fed.came = fed.damaged = self._disturbed = True
        self._intake.errors += 1
        return self._shown(all_of_them=False)

    def _pictures(self, packet: av.Packet[Any] | None, fed: Fed | None) -> list[CodecFrame]:
        concealed = False
        try:
            decoded, concealed = heard_concealing(lambda: self._context.decode(packet))
        except av.FFmpegError as error:
            log.debug("access unit not decoded: %s", error)
            decoded = []
            if fed is not None:
                fed.came = True
                self._intake.errors += 1
                self._stain(fed)
        if fed is not None and concealed:
            self._stain(fed)
        for frame in decoded:
            self._take(frame)
        return self._shown(all_of_them=packet is None)

    def _stain(self, fed: Fed) -> None:
        fed.damaged = self._disturbed = True
        self._stained = fed.number

    def _shown(self, *, all_of_them: bool) -> list[CodecFrame]:
        released = self._intake.in_flight.released(all_of_them=all_of_them)
        frames = (self._codec_frame(frame, fed) for frame, fed in released)
        return [frame for frame in frames if frame is not None]

    def _take(self, frame: VideoFrame) -> None:
        """A picture out of the decoder, on its way to being shown."""
        fed = self._intake.in_flight.of(frame.pts)
        if fed is None:  # a packet of several pictures: its second one has no number
            return
        kind = PICT_TYPES.get(PictureType(frame.pict_type).name, "P")
        if not fed.facts.kind:
            fed.facts = of_kind(kind) if self.has_vectors else of_kind("I" if kind == "I" else "P")
        if self.has_vectors and self._codec != "h264":  # H.264 said so before
            self._intake.refuse_interlaced(frame.interlaced_frame, begun=bool(self._sequence))
        fed.came = True
        if frame.is_corrupt:
            self._intake.errors += 1
            fed.unready, fed.damaged = not self._ready, fed.damaged or self._ready
            self._disturbed = True
        self._ready = self._ready or not frame.is_corrupt
        self._intake.in_flight.hold(frame, fed)

    def _codec_frame(self, frame: VideoFrame, fed: Fed) -> CodecFrame | None:
        vectors = exported_vectors(frame) if self.has_vectors else None
        pict_type = PICT_TYPES.get(PictureType(frame.pict_type).name, "P")
        sequence, self._sequence = self._sequence, self._sequence + 1
        link = self._intake.in_flight.link(fed)
        motion = None
        if self.has_vectors:
            coded_size = (-(-frame.width // 16) * 16, -(-frame.height // 16) * 16)  # whole macroblocks
            told = pict_type != "B" or self._codec not in UNTOLD_B
            intact = told and (link is not Link.BROKEN or fed.is_healing)
            motion = motion_field(vectors if told else None, coded_size, intact=intact, link=link)
            shown = Shown(fed.number, partial(luma_of, frame))
            motion = self._references.take(motion, fed.facts, (frame.width, frame.height), shown)
        elif link is Link.BROKEN:
            return None
        picture = self._shrink.shrink(frame)
        size = (frame.width, frame.height)
        return CodecFrame(
            sequence,
            fed.pts_ns,
            fed.capture_ns,
            pict_type,
            motion,
            picture,
            size,
            is_reference=fed.facts.is_reference,
            is_healing=fed.is_healing,
        )


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
    # Pictures before libavcodec has found one to begin from are given too, flagged: each unit is accounted for.
    context.flags |= Flags.output_corrupt
    context.thread_type = ThreadType.SLICE
    context.thread_count = 1
    return context
