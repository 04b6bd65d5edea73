"""Access units -> CodecFrames on an NVIDIA GPU: H.264 and HEVC, with the vectors that the decoder counts as statistics.

A decoder with the verbs of `decoder.Decoder`. What unit, sign and order those vectors have is documented nowhere: they
are used only where `magno inspect --conformance nvdec` has measured them, on this GPU, driver and library.
NVDEC flags no damage but cells that it calls invalid; losses are told as for the software decoder, by the pictures'
own numbers (H.264) and times. Of HEVC no header is read, so that a stream of several references is not found out: have
the camera keep to one.
"""

from __future__ import annotations

import importlib
import logging
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING

from av.video.frame import VideoFrame

from magno.runtime.camera.caps import VectorCaps
from magno.runtime.camera.decoding.examine import of_kind
from magno.runtime.camera.decoding.in_flight import Fed
from magno.runtime.camera.decoding.intake import Intake
from magno.runtime.camera.decoding.references import References, Shown
from magno.runtime.camera.decoding.shrink import Shrink
from magno.runtime.camera.h264.start_codes import StartCodes
from magno.runtime.camera.hardware.calibrated import Device, VectorConvention, convention_of
from magno.runtime.camera.hardware.nvdec_identity import read_gpu
from magno.runtime.camera.hardware.nvdec_records import BLOCK_PX, motion_field
from magno.runtime.camera.request import CameraError
from magno.runtime.units import AccessUnit, CodecFrame, ResidualKind

if TYPE_CHECKING:
    from magno.runtime.camera.hardware.nvdec_library import Decoded, Session

NAME = "nvdec"
LIBRARY = "magno.runtime.camera.hardware.nvdec_library"
CODECS = ("h264", "hevc")

log = logging.getLogger("magno.camera")


def device() -> Device:
    """The identity that conformance is kept under. Raises CameraError without GPU, driver or library."""
    return read_gpu(f"PyNvVideoCodec {_library().VERSION}")


class Decoder:
    """One stream's decoder. Raises CameraError where NVDEC is not to be had, or its vectors are not calibrated."""

    def __init__(
        self,
        codec: str,
        extradata: bytes | None,
        picture_px: int,
        *,
        keyframes_only: bool = False,
        b_frames: str = "skip",
        rate: float = 0.0,
        convention: VectorConvention | None = None,
    ) -> None:
        """`convention` reads vectors that are not calibrated yet, for the tests that do so; None: the measured one.

        `keyframes_only` changes nothing: the vectors come all the same."""
        if codec not in CODECS:
            raise CameraError(
                f"The decoder nvdec wants {' or '.join(CODECS)}, found {codec[:40]}. Use --decoder ffmpeg."
            )
        self._convention = convention or convention_of(NAME, device())
        self.caps = VectorCaps(
            BLOCK_PX,
            self._convention.subpel,
            has_intra=True,
            has_skip=True,
            has_reference=codec == "h264",
            residual=ResidualKind.PIXEL_MC,
            calibrated=convention is None,
        )
        self._codec = codec
        self._session: Session = _library().Session(codec)
        self._start_codes, self._shrink = StartCodes(codec, extradata), Shrink(picture_px)
        self._intake: Intake[Decoded] = Intake(codec, extradata, rate, b_frames)
        self._references = References()
        self._reorders = False
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
        that is interlaced, or has B-pictures where these are refused, and for a decoder that tells no vectors."""
        if not self._intake.is_new(unit):
            return []
        facts = self._intake.examine(unit)
        fed = None
        if facts is not None:
            self._intake.refuse_interlaced(facts.interlaced, begun=bool(self._sequence))
            if self._codec == "hevc":  # of which times are all there is; B-pictures are taken for losses
                facts = replace(facts, timed=True)
            fed = self._intake.feed(unit, facts, reorders=self._reorders)
        data = self._start_codes.convert(unit.data, is_key=unit.is_key)
        return self._pictures(data, fed)

    def flush(self) -> list[CodecFrame]:
        """What the decoder still holds at the end of the stream."""
        return self._pictures(None, None)

    def lost(self) -> None:
        """Access units are missing before the next one: what follows is BROKEN until it has healed."""
        self._intake.lost()

    def _pictures(self, data: bytes | None, fed: Fed | None) -> list[CodecFrame]:
        number = 0 if fed is None else fed.number
        try:
            decoded = self._session.flush() if data is None else self._session.decode(data, number)
        except _library().UnitNotDecoded as error:
            if not self._sequence and not self._intake.in_flight.holds:
                raise CameraError(
                    f"Wanted pictures from NVDEC, found that it decodes nothing of this stream ({error}). "
                    "Use --decoder ffmpeg."
                ) from error
            log.debug("access unit not decoded: %s", error)
            decoded = []
            if fed is not None:
                fed.came = fed.damaged = True
                self._intake.errors += 1
        for picture in decoded:
            self._take(picture)
        released = self._intake.in_flight.released(all_of_them=data is None)
        return [self._codec_frame(picture, fed) for picture, fed in released]

    def _take(self, picture: Decoded) -> None:
        """A picture out of the decoder, on its way to being shown."""
        fed = self._intake.in_flight.of(picture.number)
        if fed is None:
            return
        if not picture.has_statistics and not self._sequence and not self._intake.in_flight.holds:
            raise CameraError(
                "The decoder nvdec wants decode statistics, found a GPU or driver that has none: they want a driver of "
                "version 590 or newer. Install one, or use --decoder ffmpeg."
            )
        statistics = picture.statistics
        if not fed.facts.kind:  # HEVC's headers are not read: any picture may be referred to
            fed.facts = of_kind("I" if statistics is not None and statistics.is_intra else "P")
        fed.came = True
        if statistics is not None and statistics.is_damaged:
            self._intake.errors += 1
            fed.damaged = True
        self._intake.in_flight.hold(picture, fed)

    def _codec_frame(self, picture: Decoded, fed: Fed) -> CodecFrame:
        statistics, kind = picture.statistics, fed.facts.kind
        if statistics is not None and statistics.mv1 is not None:
            kind, self._reorders = "B", True
        if kind == "B":  # HEVC's headers did not say so before
            self._intake.refuse_b()
        sequence, self._sequence = self._sequence, self._sequence + 1
        motion = motion_field(statistics, picture.size, self._convention, self._intake.in_flight.link(fed))
        luma = picture.nv12[: picture.size[1]]
        motion = self._references.take(motion, fed.facts, picture.size, Shown(fed.number, lambda: luma))
        small = self._shrink.shrink(VideoFrame.from_ndarray(picture.nv12, format="nv12"))
        return CodecFrame(
            sequence,
            fed.pts_ns,
            fed.capture_ns,
            kind,
            motion,
            small,
            picture.size,
            is_reference=fed.facts.is_reference,
            is_healing=fed.is_healing,
        )


def _library() -> ModuleType:
    try:
        return importlib.import_module(LIBRARY)
    except Exception as error:  # without a driver it raises RuntimeError, and pages of advice
        said = next(iter(str(error).strip().splitlines()), "")[:200]
        raise CameraError(
            f"The decoder nvdec wants PyNvVideoCodec 2.2 and an NVIDIA driver, found none that works ({said}). "
            "Run `pip install PyNvVideoCodec`, or use --decoder ffmpeg."
        ) from error
