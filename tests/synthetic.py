"""Pictures whose motion is known exactly, encoded by real encoders: short names for conformance's makers of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.conformance import encoding
from magno.runtime.conformance.encoding import Encoding
from magno.runtime.conformance.known_motion import STILL, Affine, pan, panning, picture, rotation
from magno.runtime.units import AccessUnit, BlockMode, CodecFrame, Link, MotionField

RATE, PICTURE_NS, DECODERS = encoding.RATE, encoding.PICTURE_NS, encoding.CODECS
PICTURE_PX = 64
Warp = Affine
still = STILL

__all__ = [
    "DECODERS",
    "PICTURE_NS",
    "PICTURE_PX",
    "RATE",
    "Warp",
    "codec_frame",
    "decode",
    "encode",
    "pan",
    "panned",
    "picture",
    "rotation",
    "still",
    "uniform_field",
]


def panned(size: tuple[int, int], velocity: tuple[float, float], pictures: int) -> list[np.ndarray]:
    return panning(size, velocity, pictures).pictures()


def encode(
    pictures: Sequence[np.ndarray],
    codec: str = "libx264",
    *,
    gop: int = 250,
    b_pictures: int = 0,
    crf: int = 23,
) -> list[AccessUnit]:
    """Access units in decode order at 25 pictures a second, parameter sets in band, one reference."""
    preset = "ultrafast" if codec == "libx265" else "medium"
    return encoding.encode(pictures, Encoding(codec, preset, crf, b_pictures=b_pictures, gop=gop))


def decode(units: Sequence[AccessUnit], codec: str = "libx264") -> list[CodecFrame]:
    decoder = Decoder(DECODERS[codec], None, PICTURE_PX)
    return [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()


def uniform_field(
    mv_qpel: tuple[int, int] = (0, 0),
    blocks: tuple[int, int] = (4, 6),
    *,
    link: Link = Link.OK,
    mode: BlockMode = BlockMode.INTER,
) -> MotionField:
    """A field of `blocks` (rows, columns) of 8 px that all say the same."""
    field = np.broadcast_to(np.array(mv_qpel, np.int16), (*blocks, 2)).copy()
    return MotionField(field, np.full(blocks, mode, np.uint8), 8, (blocks[1] * 8, blocks[0] * 8), link)


def codec_frame(
    sequence: int, pict_type: str = "P", motion: MotionField | None = None, size: tuple[int, int] = (48, 32)
) -> CodecFrame:
    """A picture of one colour, of the sequence's number."""
    image = np.full((4, 4, 3), sequence % 256, np.uint8)
    return CodecFrame(sequence, sequence * PICTURE_NS, sequence, pict_type, motion, image, size)
