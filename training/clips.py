"""Pictures -> a real codec -> the runtime's own front end -> arrays. What the model trains on is what it will see.

Every scene is encoded by x264 (or MPEG-4 Part 2) with random settings, decoded again, and passes
magno.runtime's decoder, windower and features: there is no second implementation to disagree with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext

from magno.runtime.camera.decoder import Decoder
from magno.runtime.features import window_arrays
from magno.runtime.spec import CodecSpec
from magno.runtime.units import AccessUnit
from magno.runtime.window import FusedWindow, Keyframe, Windower

FPS = 15


@dataclass(frozen=True, slots=True)
class CodecSettings:
    codec: str = "libx264"
    preset: str = "veryfast"
    crf: int = 23
    gop: int = 250


@dataclass(frozen=True, slots=True)
class Observation:
    """What the runtime saw of one clip, in order. Index pictures are those of the rendered clip."""

    kinds: np.ndarray  # (n,) uint8: 0 keyframe, 1 window
    first_picture: np.ndarray  # (n,) int16; of a window: the picture it starts from
    last_picture: np.ndarray  # (n,) int16
    keyframes: np.ndarray  # (k, S, S, 3) uint8
    motion: np.ndarray  # (w, P*P, motion_width) float16
    residual: np.ndarray  # (w, 1, S, S) float16


def random_settings(rng: np.random.Generator) -> CodecSettings:
    """What cameras send: mostly H.264, no B-pictures, one reference."""
    if rng.random() < 0.1:
        return CodecSettings("mpeg4", crf=int(rng.integers(2, 9)), gop=int(rng.choice([30, 250])))
    preset = str(
        rng.choice(["ultrafast", "superfast", "veryfast", "faster", "medium"], p=[0.2, 0.25, 0.35, 0.1, 0.1])
    )
    return CodecSettings("libx264", preset, int(rng.integers(18, 35)), int(rng.choice([20, 60, 250])))


def encode(pictures: Iterable[np.ndarray], settings: CodecSettings) -> list[AccessUnit]:
    """(H, W, 3) uint8 RGB pictures -> access units in decode order, parameter sets in band."""
    context: VideoCodecContext | None = None
    packets = []
    for index, picture in enumerate(pictures):
        if context is None:
            context = _encoder(settings, picture.shape[1], picture.shape[0])
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = index
        packets += context.encode(frame)
    if context is None:
        return []
    packets += context.encode(None)
    return [AccessUnit(bytes(p), int(p.pts * 1_000_000_000 // FPS), 0, p.is_keyframe) for p in packets]


def observe(
    units: list[AccessUnit], settings: CodecSettings, spec: CodecSpec, window_pictures: int
) -> Observation:
    """Decode, fuse and cut access units with the runtime's own front end."""
    decoder = Decoder("h264" if settings.codec == "libx264" else "mpeg4", None, spec.image_px)
    windower = Windower(window_pictures, spec.windows_per_gop)
    frames = [frame for unit in units for frame in decoder.decode(unit)] + decoder.flush()
    kinds, first, last, keyframes, motion, residual = [], [], [], [], [], []
    for item in (item for frame in frames for item in windower.step(frame)):
        last.append(item.frame.sequence)
        if isinstance(item, Keyframe):
            kinds.append(0)
            first.append(item.frame.sequence)
            keyframes.append(item.frame.picture)
        elif isinstance(item, FusedWindow):
            kinds.append(1)
            first.append(item.frame.sequence - item.displacement.pictures)
            moved, changed = window_arrays(item, spec)
            motion.append(moved[0].astype(np.float16))
            residual.append(changed[0].astype(np.float16))
    width = (spec.patches**2, spec.motion_width)
    return Observation(
        np.array(kinds, np.uint8),
        np.array(first, np.int16),
        np.array(last, np.int16),
        np.stack(keyframes),
        np.stack(motion) if motion else np.zeros((0, *width), np.float16),
        np.stack(residual) if residual else np.zeros((0, 1, spec.image_px, spec.image_px), np.float16),
    )


def write_clip(path: Path, pictures: Iterable[np.ndarray], settings: CodecSettings) -> None:
    """An MP4 file of the pictures, written aside and renamed."""
    aside = path.with_name(path.name + ".part")
    with av.open(str(aside), "w", format="mp4") as container:
        stream = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream(settings.codec, rate=FPS)
                _configure(stream.codec_context, settings, picture.shape[1], picture.shape[0])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode(None))
    aside.replace(path)


def photographs(
    folder: Path, names: tuple[str, ...] = ("bottle-detection.mp4", "bunny_h264.mp4")
) -> list[np.ndarray]:
    """Pictures of real clips, (360, 640, 3) uint8, as backgrounds; one a second at most."""
    found = []
    for name in names:
        with av.open(str(folder / name)) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index % 40 == 0:
                    found.append(frame.to_ndarray(width=640, height=360, format="rgb24"))
    return found


def _encoder(settings: CodecSettings, width: int, height: int) -> VideoCodecContext:
    context = av.CodecContext.create(settings.codec, "w")
    assert isinstance(context, VideoCodecContext)
    _configure(context, settings, width, height)
    context.time_base = Fraction(1, FPS)
    return context


def _configure(context: VideoCodecContext, settings: CodecSettings, width: int, height: int) -> None:
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate = Fraction(FPS)
    context.gop_size = settings.gop
    context.max_b_frames = 0
    context.thread_count = 1
    if settings.codec == "libx264":
        # Hardware encoders of cameras have no scene cut detection, and one reference.
        parameters = "ref=1:bframes=0:scenecut=0"
        context.options = {"preset": settings.preset, "crf": str(settings.crf), "x264-params": parameters}
    else:
        context.options = {"qmin": str(settings.crf), "qmax": str(settings.crf), "sc_threshold": "1000000000"}
