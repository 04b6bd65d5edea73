"""Access units -> CodecFrames, through PyAV. The only file that decodes; knows no model and no url.

Slice threads keep the decoder free of delay (frame threads hold pictures back), and change no vector.

A loss outlives its picture: all that is predicted from it is damaged too, though the decoder flags nothing. What a
picture says of itself (`examine`), its time, and what hangs on what (`continuity`) tell which are sound; the others
are BROKEN, and the first sound one after them is a RESET.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import av
from av.codec.context import Flags, ThreadType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from magno.runtime.camera.caps import NO_VECTORS, VectorCaps
from magno.runtime.camera.decoding.concealment import heard_concealing
from magno.runtime.camera.decoding.continuity import Repeats, Steps, is_gap, is_misplaced
from magno.runtime.camera.decoding.examine import Facts, examiner, of_kind
from magno.runtime.camera.decoding.in_flight import Fed, InFlight
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
INTERLACED_PICTURES = 25  # so many in a row are no damage: the stream is interlaced

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
        self._codec = codec
        self._context = _context(codec, extradata, export_vectors=self.has_vectors)
        self._shrink = Shrink(picture_px)
        self._examiner, self._repeats, self._steps = examiner(codec, extradata), Repeats(), Steps(rate)
        self._in_flight: InFlight[VideoFrame] = InFlight()
        self._references = References()
        self._refuses_b = b_frames == "refuse"
        self._lost = True  # something is missing before the next unit; at first, all that came before
        self._ready = False  # libavcodec knows of a picture to begin from
        self._stained = 0  # number of the newest unit with an error, which spoils a later one
        self._interlaced = 0  # pictures in a row
        self._sequence = 0
        self.errors = 0  # access units that gave no picture, and pictures known to be damaged
        self.repeated = 0  # access units that came twice

    def decode(self, unit: AccessUnit) -> list[CodecFrame]:
        """The pictures that this access unit completes. A damaged unit may give none; raises CameraError for a stream
        that is interlaced, or has B-pictures where these are refused."""
        if not unit.data:  # to libavcodec, a packet of no bytes is the stream's end
            self.errors += 1
            self.lost()
            return []
        if self._repeats.again(unit.data):
            self.repeated += 1
            return []
        facts = self._examiner.examine(unit.data)
        if facts is not None:
            self._refuse(facts)
        # Made by size and filled, for the zeros behind it: libavcodec reads past the end, and of a packet made
        # around these bytes it would read whatever lies there (seen: MPEG-4 pictures damaged at random).
        packet = av.Packet(len(unit.data))
        packet.update(unit.data)
        packet.time_base = NANOSECONDS
        if facts is None:
            return self._pictures(packet, None)
        fed = self._feed(unit, facts)
        if self._stained and facts.entry:
            self._rinse(packet)
        elif self._stained and fed.number == self._stained + 1 and facts.numbered:
            fed.damaged = True
        packet.pts = fed.number  # since time stamps may repeat
        return self._pictures(packet, fed)

    def flush(self) -> list[CodecFrame]:
        """What the decoder still holds at the end of the stream."""
        return self._pictures(None, None)

    def lost(self) -> None:
        """Access units are missing before the next one: what follows is BROKEN until it has healed."""
        self._lost = True

    def _rinse(self, packet: av.Packet[Any]) -> None:
        """After an error inside a macroblock, libavcodec adds what it had read of its residual to the next picture that
        has any there, mostly the next of all, an IDR picture too. So this is decoded twice, and nothing is made of
        the first time."""
        self._stained = 0
        with contextlib.suppress(av.FFmpegError):
            for frame in self._context.decode(packet):
                self._take(frame)  # of those before it, which have numbers

    def _feed(self, unit: AccessUnit, facts: Facts) -> Fed:
        gap = self._lost
        if facts.timed:
            missing = self._steps.missing(unit.pts_ns, facts, reorders=bool(self._context.has_b_frames))
            gap = gap or is_gap(facts, missing)
            if is_misplaced(facts, missing):
                facts = replace(facts, damaged=True)
        self._lost = False
        return self._in_flight.feed(unit.pts_ns, unit.capture_ns, facts, gap=gap)

    def _refuse(self, facts: Facts) -> None:
        if self._codec == "h264":
            self._refuse_interlaced(facts.interlaced)
        if self._refuses_b and facts.kind == "B":
            raise CameraError(
                "Wanted a stream without B-pictures, found some. Have the camera send none (a baseline profile has "
                "none), or take them with --b-frames skip or --b-frames use."
            )

    def _refuse_interlaced(self, interlaced: bool) -> None:
        self._interlaced = self._interlaced + 1 if interlaced else 0
        if self._interlaced > (INTERLACED_PICTURES if self._sequence else 0):
            raise CameraError(
                "Wanted progressive pictures, found interlaced ones, whose vectors are of two kinds. Have the camera "
                "send progressive ones."
            )

    def _pictures(self, packet: av.Packet[Any] | None, fed: Fed | None) -> list[CodecFrame]:
        concealed = False
        try:
            decoded, concealed = heard_concealing(lambda: self._context.decode(packet))
        except av.FFmpegError as error:
            log.debug("access unit not decoded: %s", error)
            decoded = []
            if fed is not None:
                fed.came = fed.damaged = True
                self.errors += 1
                self._stained = fed.number
        if fed is not None and concealed:
            fed.damaged, self._stained = True, fed.number
        for frame in decoded:
            self._take(frame)
        released = self._in_flight.released(all_of_them=packet is None)
        frames = (self._codec_frame(frame, fed) for frame, fed in released)
        return [frame for frame in frames if frame is not None]

    def _take(self, frame: VideoFrame) -> None:
        """A picture out of the decoder, on its way to being shown."""
        fed = self._in_flight.of(frame.pts)
        if fed is None:  # a packet of several pictures: its second one has no number
            return
        kind = PICT_TYPES.get(PictureType(frame.pict_type).name, "P")
        if not fed.facts.kind:
            fed.facts = of_kind(kind) if self.has_vectors else of_kind("I" if kind == "I" else "P")
        if self.has_vectors and self._codec != "h264":  # H.264 said so before
            self._refuse_interlaced(frame.interlaced_frame)
        fed.came = True
        if frame.is_corrupt:
            self.errors += 1
            fed.unready, fed.damaged = not self._ready, fed.damaged or self._ready
        self._ready = self._ready or not frame.is_corrupt
        self._in_flight.hold(frame, fed)

    def _codec_frame(self, frame: VideoFrame, fed: Fed) -> CodecFrame | None:
        vectors = exported_vectors(frame) if self.has_vectors else None
        pict_type = PICT_TYPES.get(PictureType(frame.pict_type).name, "P")
        sequence, self._sequence = self._sequence, self._sequence + 1
        link = self._in_flight.link(fed)
        motion = None
        if self.has_vectors:
            coded_size = (-(-frame.width // 16) * 16, -(-frame.height // 16) * 16)  # whole macroblocks
            told = pict_type != "B" or self._codec not in UNTOLD_B
            intact = told and link is not Link.BROKEN
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
