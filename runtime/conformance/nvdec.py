"""NVDEC as a source of vectors for the suite: this is what calibrates it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from magno.runtime.camera.hardware import nvdec
from magno.runtime.camera.hardware.calibrated import VectorConvention
from magno.runtime.camera.request import CameraError
from magno.runtime.conformance.vector_sources import PICTURE_PX, VectorSource
from magno.runtime.units import AccessUnit, CodecFrame


def open_vector_source(convention: VectorConvention) -> VectorSource:
    """Raises CameraError without GPU, driver or library."""

    def decode(units: Sequence[AccessUnit], codec: str) -> list[CodecFrame]:
        decoder = nvdec.Decoder(codec, None, PICTURE_PX, convention=convention)
        return [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()

    device, caps = nvdec.device(), {}
    for codec in nvdec.CODECS:
        with contextlib.suppress(CameraError):  # older GPUs decode no HEVC
            caps[codec] = nvdec.Decoder(codec, None, PICTURE_PX, convention=convention).caps
    if not caps:
        raise CameraError(
            f"NVDEC wants a GPU that decodes {' or '.join(nvdec.CODECS)}, found none on {device.name}. Use ffmpeg."
        )
    return VectorSource(nvdec.NAME, device, caps, decode=decode)
