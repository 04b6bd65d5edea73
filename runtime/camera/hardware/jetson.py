"""A Jetson's hardware encoder as a source: it has estimated the motion, so nothing is decoded.

Its vectors come with each coded picture, its small pictures from what went in. It tells no intra blocks from others,
and an IDR's vectors mean nothing: that picture is INTRA as a whole. Nothing is lost on the way from the encoder, and a
picture that it leaves out was no reference, so the chain breaks only with the encoder itself.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from av.video.frame import VideoFrame

from magno.runtime.camera.caps import VectorCaps
from magno.runtime.camera.decoding.shrink import Shrink
from magno.runtime.camera.h264.nal import split_nal_units
from magno.runtime.camera.hardware.calibrated import VectorConvention
from magno.runtime.camera.hardware.hardware_vectors import coded_size, to_quarter_pel
from magno.runtime.camera.hardware.jetson_library import BLOCK_PX, CodedPicture, EncoderOptions, JetsonEncoder
from magno.runtime.camera.hardware.raw_pictures import RawPicture, RawPictures
from magno.runtime.camera.request import CameraError
from magno.runtime.units import AccessUnit, BlockMode, CodecFrame, Link, MotionField, ResidualKind

NAME = "jetson"
BITS_A_PIXEL, IDR_S, NOMINAL_RATE = 0.2, 8, 30
GOODBYE_S = 2.0
HEVC_IRAP = range(16, 24)  # nal_unit_type of pictures that begin anew (ITU-T H.265, table 7-1)


class JetsonSource:
    """One camera behind one encoder. `units` are what it coded; `decoder` tells each one's vectors."""

    container = NAME
    extradata: bytes | None = None

    def __init__(
        self,
        raw: RawPictures,
        encoder: JetsonEncoder,
        codec: str,
        convention: VectorConvention,
        *,
        calibrated: bool,
    ) -> None:
        self.codec, self.size, self.rate, self.time_from = codec, raw.size, raw.rate, raw.time_from
        self.convention = convention
        self.caps = vector_caps(codec, convention, calibrated=calibrated)
        self.dropped = 0  # pictures that the encoder left out
        self.latest: tuple[CodedPicture, RawPicture] | None = None  # what the newest unit was made of
        self._raw, self._encoder = raw, encoder
        self._waiting: deque[tuple[int, RawPicture]] = (
            deque()
        )  # put in, by time in us; the encoder's buffers bound it
        self._fault: CameraError | None = None
        self._stop = threading.Event()
        self._feeder = threading.Thread(target=self._feed, name="magno-encode", daemon=True)

    def units(self) -> Iterator[AccessUnit]:
        """Coded pictures as they come. Raises CameraError when the camera, the encoder or its vectors fail."""
        self._feeder.start()
        while (coded := self._encoder.take()) is not None:
            raw = self._put_in(coded.pts_us)
            is_key = begins_anew(coded.stream, self.codec)
            if coded.xy is None and not is_key:
                raise CameraError(coded.why)
            self.latest = (coded, raw)
            yield AccessUnit(coded.stream, raw.pts_ns, raw.capture_ns, is_key)
        self._feeder.join()
        if self._fault is not None:
            raise self._fault

    def decoder(self, picture_px: int) -> JetsonDecoder:
        return JetsonDecoder(self, picture_px)

    def close(self) -> None:
        """End the camera, then the encoder."""
        self._stop.set()
        self._raw.close()
        if self._feeder.is_alive():
            with suppress(CameraError):
                while self._encoder.take() is not None:
                    pass
            self._feeder.join(GOODBYE_S)
        if not self._feeder.is_alive():  # else it waits inside the encoder, which must then live on
            self._encoder.close()

    def _feed(self) -> None:
        last_us = -1
        try:
            first_ns: int | None = None
            for raw in self._raw.pictures():
                if self._stop.is_set():
                    break
                first_ns = raw.pts_ns if first_ns is None else first_ns
                last_us = max(last_us + 1, (raw.pts_ns - first_ns) // 1000)
                self._waiting.append((last_us, raw))
                self._encoder.put(raw.nv12, last_us)
        except CameraError as error:
            self._fault = error
        finally:
            with suppress(CameraError):  # who takes hears of it as well
                self._encoder.finish()

    def _put_in(self, pts_us: int) -> RawPicture:
        """The picture that was put in with this time."""
        while self._waiting:
            put_us, raw = self._waiting.popleft()
            if put_us == pts_us:
                return raw
            self.dropped += 1
        raise CameraError(
            f"The encoder wanted to give back each picture's own time, found {pts_us} us, which none had. "
            "Open the camera again."
        )


def vector_caps(codec: str, convention: VectorConvention, *, calibrated: bool) -> VectorCaps:
    """What is known of the encoder's vectors."""
    return VectorCaps(
        BLOCK_PX[codec], convention.subpel, False, False, False, ResidualKind.PIXEL_MC, calibrated
    )


def encoder_options(codec: str, size: tuple[int, int], rate: float) -> EncoderOptions:
    """For vectors: nobody keeps the stream, so bits are cheap, and an IDR only bounds what a fault can harm."""
    pictures = max(1, round(rate or NOMINAL_RATE))
    return EncoderOptions(
        codec, size, pictures, int(BITS_A_PIXEL * size[0] * size[1] * pictures), IDR_S * pictures
    )


class JetsonDecoder:
    """A decoder's verbs over what the encoder told."""

    errors = 0

    def __init__(self, source: JetsonSource, picture_px: int) -> None:
        self.caps = source.caps
        self._source, self._shrink, self._sequence = source, Shrink(picture_px), 0

    def decode(self, unit: AccessUnit) -> list[CodecFrame]:
        """The picture of the unit that the source gave last."""
        if self._source.latest is None:
            return []
        coded, raw = self._source.latest
        motion = motion_field(
            coded, self._source.size, self.caps.block_px, self._source.convention, is_key=unit.is_key
        )
        picture = self._shrink.shrink(VideoFrame.from_ndarray(raw.nv12, format="nv12"))
        sequence, self._sequence = self._sequence, self._sequence + 1
        kind = "I" if unit.is_key else "P"
        return [CodecFrame(sequence, raw.pts_ns, raw.capture_ns, kind, motion, picture, self._source.size)]

    def flush(self) -> list[CodecFrame]:
        return []

    def lost(self) -> None:
        """Nothing is lost between an encoder and its own vectors."""


def motion_field(
    coded: CodedPicture, size: tuple[int, int], block_px: int, convention: VectorConvention, *, is_key: bool
) -> MotionField:
    """What the encoder told of one picture: all INTRA when it begins anew, else INTER, and MISSING what cannot be."""
    if is_key or coded.xy is None:
        rows, columns = -(-size[1] // block_px), -(-size[0] // block_px)
        mode = np.full((rows, columns), BlockMode.INTRA, np.uint8)
        return MotionField(
            np.zeros((rows, columns, 2), np.int16), mode, block_px, coded_size(size), Link.RESET
        )
    mv_qpel, possible = to_quarter_pel(coded.xy, convention)
    mode = np.where(possible, np.uint8(BlockMode.INTER), np.uint8(BlockMode.MISSING))
    return MotionField(mv_qpel, mode, block_px, coded_size(size), Link.OK)


def begins_anew(stream: bytes, codec: str) -> bool:
    """Whether a coded picture (annex B) refers to none before it."""
    if codec == "hevc":
        return any((nal[0] >> 1) & 63 in HEVC_IRAP for nal in split_nal_units(stream))
    return any(nal[0] & 31 == 5 for nal in split_nal_units(stream))  # IDR, ITU-T H.264, table 7-1
