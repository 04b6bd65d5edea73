"""A Jetson's encoder as a source of vectors for the suite: this is what calibrates it. H.264, as cameras use it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame

from magno.runtime.camera.caps import TimeFrom
from magno.runtime.camera.hardware.calibrated import VectorConvention
from magno.runtime.camera.hardware.jetson import NAME, JetsonSource, encoder_options, vector_caps
from magno.runtime.camera.hardware.jetson_library import JetsonLibrary
from magno.runtime.camera.hardware.jetson_shim.build import find_built
from magno.runtime.camera.hardware.jetson_shim.release import read_release
from magno.runtime.camera.hardware.raw_pictures import RawPicture
from magno.runtime.clock import NS_PER_S
from magno.runtime.conformance.vector_sources import PICTURE_PX, VectorSource
from magno.runtime.units import AccessUnit, CodecFrame

CODEC, RATE = "h264", 25


class Shown:
    """Pictures (H, W, 3) uint8 RGB as a camera would send them."""

    time_from = TimeFrom.COUNT
    rate = float(RATE)

    def __init__(self, pictures: Sequence[np.ndarray]) -> None:
        height, width = pictures[0].shape[:2]
        self.size, self._pictures = (width, height), pictures

    def pictures(self) -> Iterator[RawPicture]:
        for number, picture in enumerate(self._pictures):
            nv12 = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="nv12").to_ndarray()
            yield RawPicture(nv12, number * NS_PER_S // RATE, 0)

    def close(self) -> None:
        """Nothing is open."""


def open_vector_source(convention: VectorConvention, node: Path | None = None) -> VectorSource:
    """`node` is the encoder's device file; None: where it usually is. Raises CameraError on what is no Jetson, or
    where the shim was not built."""
    built = find_built(read_release())
    library = JetsonLibrary(built)

    def encode(pictures: Sequence[np.ndarray]) -> tuple[list[AccessUnit], list[CodecFrame]]:
        shown = Shown(pictures)
        encoder = library.open(encoder_options(CODEC, shown.size, shown.rate), node)
        source = JetsonSource(shown, encoder, CODEC, convention, calibrated=False)
        try:
            decoder = source.decoder(PICTURE_PX)
            played = [(unit, frame) for unit in source.units() for frame in decoder.decode(unit)]
        finally:
            source.close()
        return [unit for unit, _ in played], [frame for _, frame in played]

    caps = {CODEC: vector_caps(CODEC, convention, calibrated=False)}
    return VectorSource(NAME, built.device, caps, encode=encode)
