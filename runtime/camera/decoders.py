"""The table of decoders: which file makes CodecFrames of a source's access units."""

from __future__ import annotations

import importlib
from typing import Protocol, cast, runtime_checkable

from magno.runtime.camera.caps import VectorCaps
from magno.runtime.camera.request import CameraRequest
from magno.runtime.camera.sources import Source
from magno.runtime.units import AccessUnit, CodecFrame

# Each module has a class Decoder; request.DECODERS names them.
DECODERS = {
    "ffmpeg": "magno.runtime.camera.decoding.decoder",
    "nvdec": "magno.runtime.camera.hardware.nvdec",  # an NVIDIA GPU, through PyNvVideoCodec
}


class AnyDecoder(Protocol):
    """An open decoder: access units in decode order in, pictures in display order out."""

    caps: VectorCaps

    def decode(self, unit: AccessUnit) -> list[CodecFrame]: ...

    def flush(self) -> list[CodecFrame]: ...

    def lost(self) -> None: ...


@runtime_checkable
class TellsVectors(Protocol):
    """A source whose encoder told the vectors: nothing is decoded."""

    def decoder(self, picture_px: int) -> AnyDecoder: ...


def open_decoder(source: Source, request: CameraRequest) -> AnyDecoder:
    """What makes CodecFrames of this source's units. Raises CameraError."""
    if isinstance(source, TellsVectors):
        return source.decoder(request.picture_px)
    module = importlib.import_module(DECODERS[request.decoder])
    decoder = module.Decoder(
        source.codec,
        source.extradata,
        request.picture_px,
        keyframes_only=request.keyframes_only,
        b_frames=request.b_frames,
        rate=source.rate,
    )
    return cast(AnyDecoder, decoder)
