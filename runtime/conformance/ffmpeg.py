"""The software decoder as a source of vectors for the suite. What it decodes there is the suite's own stream."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import av

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.hardware.calibrated import Device, VectorConvention
from magno.runtime.conformance.vector_sources import PICTURE_PX, VectorSource
from magno.runtime.units import AccessUnit, CodecFrame

CODECS = ("h264", "mpeg4")


def open_vector_source(convention: VectorConvention) -> VectorSource:
    """`convention` is ignored: libavcodec's is documented, and read in camera/decoding/vectors.py."""
    library = ".".join(str(part) for part in av.library_versions["libavcodec"])
    device = Device(platform.machine(), "software", f"libavcodec {library}")
    caps = {codec: Decoder(codec, None, PICTURE_PX).caps for codec in CODECS}
    return VectorSource("ffmpeg", device, caps, decode=decode)


def decode(units: Sequence[AccessUnit], codec: str) -> list[CodecFrame]:
    """Every picture of a whole stream, in display order."""
    decoder = Decoder(codec, None, PICTURE_PX)
    return [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()
