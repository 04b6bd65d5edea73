"""The table of what the suite can test: decoders of streams, and encoders that tell their own vectors."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from magno.runtime.camera.caps import VectorCaps
from magno.runtime.camera.hardware.calibrated import Device, VectorConvention
from magno.runtime.camera.request import CameraError
from magno.runtime.conformance.encoding import CODECS, Encoding, encode
from magno.runtime.units import AccessUnit, CodecFrame

# Each module has `open_vector_source(convention) -> VectorSource`, and raises CameraError where it cannot run.
VECTOR_SOURCES = {
    "ffmpeg": "magno.runtime.conformance.ffmpeg",
    "nvdec": "magno.runtime.conformance.nvdec",
    "jetson": "magno.runtime.conformance.jetson",
}
PICTURE_PX = 64  # of the frames' own pictures: the suite looks at vectors alone
ENCODERS = {codec: encoder for encoder, codec in CODECS.items()}

Decode = Callable[
    [Sequence[AccessUnit], str], list[CodecFrame]
]  # a whole stream, and libavcodec's name of its codec
Encode = Callable[[Sequence[np.ndarray]], tuple[list[AccessUnit], list[CodecFrame]]]  # a scene's pictures


@dataclass(frozen=True, slots=True)
class VectorSource:
    """Something that gives vectors: it decodes a stream, or it encodes pictures. One of the two is None."""

    name: str
    device: Device
    caps: dict[str, VectorCaps]  # by libavcodec's name of each codec it takes or sends
    decode: Decode | None = None
    encode: Encode | None = None

    @property
    def encodings(self) -> list[Encoding]:
        """One for each codec. Of a source that encodes by itself, its name alone counts."""
        return [Encoding(ENCODERS[codec]) for codec in self.caps]

    def play(
        self, pictures: Sequence[np.ndarray], encoding: Encoding
    ) -> tuple[list[AccessUnit], list[CodecFrame]]:
        """The stream that was made of the pictures, and what the source says of each. Raises CameraError."""
        if self.encode is not None:
            units, frames = self.encode(pictures)
        else:
            units = encode(pictures, encoding)
            frames = self.decoded(units, encoding.codec)
        if len(frames) != len(pictures):
            raise CameraError(
                f"Wanted {len(pictures)} pictures back from {self.name}, found {len(frames)}. "
                f"It holds back or drops some of {encoding}."
            )
        return units, frames

    def decoded(self, units: Sequence[AccessUnit], codec: str) -> list[CodecFrame]:
        if self.decode is None:
            raise ValueError(f"{self.name} encodes, and decodes nothing.")
        return self.decode(units, codec)


def open_vector_source(name: str, convention: VectorConvention) -> VectorSource:
    """Open one of the table; its vectors are read by this convention. Raises CameraError."""
    return cast(VectorSource, importlib.import_module(VECTOR_SOURCES[name]).open_vector_source(convention))
