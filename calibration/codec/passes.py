"""Passes over a clip, each with one stage more than the one before, so that what a stage costs is a difference."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
from av.codec.context import ThreadType
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.decoding.shrink import Shrink
from magno.runtime.camera.decoding.side_data import exported_vectors
from magno.runtime.camera.decoding.vectors import motion_field
from magno.runtime.camera.process.wire import read_message, write_message
from magno.runtime.camera.request import CameraRequest
from magno.runtime.camera.sources import Source, open_source
from magno.runtime.clock import WallClock
from magno.runtime.features import window_arrays
from magno.runtime.spec import CodecSpec
from magno.runtime.units import AccessUnit, CodecFrame, Link
from magno.runtime.window import FusedWindow, Windower

EXPORT = {"flags2": "+export_mvs"}
NO_FILTER = {"skip_loop_filter": "all"}  # no vector is changed by it; pixels drift


@dataclass(frozen=True, slots=True)
class Pass:
    """What is done with every picture of a clip."""

    name: str
    options: dict[str, str] = field(default_factory=dict)  # libavcodec's
    work: Callable[[VideoFrame], object] = lambda frame: None

    def run(self, clip: Path, pictures: int) -> tuple[int, int]:
        """Pictures there were, and the CPU nanoseconds from opening the file to the last."""
        began_ns, count = time.process_time_ns(), 0
        source = _open(clip)
        try:
            context = _context(source, self.options)
            for frame in _decoded(context, _units(source, pictures)):
                self.work(frame)
                count += 1
        finally:
            source.close()
        return count, time.process_time_ns() - began_ns


@dataclass(frozen=True, slots=True)
class EnginePass:
    """From the file towards the Δ-encoder's arrays by the parts that the engine runs, as far as it is asked to."""

    name: str
    codec: CodecSpec
    crosses: bool = False  # pictures are written and read as between the two processes
    fuses: bool = False
    gives_arrays: bool = False

    def run(self, clip: Path, pictures: int) -> tuple[int, int]:
        """As Pass.run."""
        began_ns, count = time.process_time_ns(), 0
        windower = Windower(self.codec.window_pictures, self.codec.windows_per_gop)
        source = _open(clip)
        try:
            decoder = Decoder(source.codec, source.extradata, self.codec.image_px, rate=source.rate)
            for unit in _units(source, pictures):
                for frame in decoder.decode(unit):
                    count += 1
                    crossed = _crossed(frame) if self.crosses else frame
                    for item in windower.step(crossed) if self.fuses else ():
                        if self.gives_arrays and isinstance(item, FusedWindow):
                            window_arrays(item, self.codec)
        finally:
            source.close()
        return count, time.process_time_ns() - began_ns


def engine_passes(codec: CodecSpec) -> list[EnginePass]:
    """From the decoder as it is, soundness and references included, to the whole front end, which comes last."""
    return [
        EnginePass("decoder as it is: all of that, and soundness", codec),
        EnginePass("+ from process to process", codec, crosses=True),
        EnginePass("+ fused into windows", codec, crosses=True, fuses=True),
        EnginePass(
            "+ windows as arrays: the whole front end", codec, crosses=True, fuses=True, gives_arrays=True
        ),
    ]


def passes(picture_px: int) -> list[Pass]:
    """From decoding alone to a small picture with its vectors on the grid."""
    shrink = Shrink(picture_px)

    def grid_and_small(frame: VideoFrame) -> None:
        _on_grid(frame)
        shrink.shrink(frame)

    return [
        Pass("decode, no loop filter, no IDCT", {**NO_FILTER, "skip_idct": "all"}),
        Pass("decode, no loop filter", NO_FILTER),
        Pass("decode", {}),
        Pass("+ export of vectors", EXPORT),
        Pass("+ as an array", EXPORT, exported_vectors),
        Pass("+ on the grid", EXPORT, _on_grid),
        Pass("+ small picture", EXPORT, grid_and_small),
        Pass("vectors only, as an array", {**EXPORT, **NO_FILTER}, exported_vectors),
        Pass("vectors only, on the grid", {**EXPORT, **NO_FILTER}, _on_grid),
    ]


def _on_grid(frame: VideoFrame) -> None:
    coded_size = (-(-frame.width // 16) * 16, -(-frame.height // 16) * 16)
    motion_field(exported_vectors(frame), coded_size, intact=True, link=Link.OK)


def _open(clip: Path) -> Source:
    return open_source(CameraRequest(str(clip), 16, "fast"), WallClock())


def _units(source: Source, pictures: int) -> Iterator[AccessUnit]:
    for count, unit in enumerate(source.units()):
        if count == pictures:
            return
        yield unit


def _context(source: Source, options: dict[str, str]) -> VideoCodecContext:
    context = av.CodecContext.create(source.codec, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata, context.options = source.extradata, options
    context.thread_type, context.thread_count = ThreadType.SLICE, 1
    return context


def _decoded(context: VideoCodecContext, units: Iterator[AccessUnit]) -> Iterator[VideoFrame]:
    for unit in units:
        packet = av.Packet(len(unit.data))
        packet.update(unit.data)
        yield from context.decode(packet)
    yield from context.decode(None)


def _crossed(frame: CodecFrame) -> CodecFrame:
    pipe = io.BytesIO()
    write_message(pipe, frame)
    pipe.seek(0)
    message = read_message(pipe)
    assert isinstance(message, CodecFrame)
    return message
