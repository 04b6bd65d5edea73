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

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.features import window_arrays
from magno.runtime.spec import CodecSpec
from magno.runtime.units import AccessUnit, CodecFrame
from magno.runtime.whole import whole_file
from magno.runtime.window import FusedWindow, Keyframe, Windower
from magno.training.coarse import coarse_frame
from magno.training.codec_settings import CodecSettings, random_settings

NS_PER_S = 1_000_000_000
__all__ = [
    "CodecSettings",
    "Observation",
    "encode",
    "lost",
    "observe",
    "photographs",
    "random_settings",
    "write_clip",
]


@dataclass(frozen=True, slots=True)
class Observation:
    """What the runtime saw of one clip, in order. Index pictures are those of the rendered clip."""

    kinds: np.ndarray  # (n,) uint8: 0 keyframe, 1 window
    first_picture: np.ndarray  # (n,) int16; of a window: the picture it starts from
    last_picture: np.ndarray  # (n,) int16
    keyframes: np.ndarray  # (k, S, S, 3) uint8
    motion: np.ndarray  # (w, P*P, motion_width) float16
    residual: np.ndarray  # (w, 1, S, S) float16
    ends: np.ndarray  # (w, S, S, 3) uint8: the newest picture of each window
    cuts: np.ndarray  # (k,) bool: keyframes of another scene


def encode(pictures: Iterable[np.ndarray], settings: CodecSettings) -> list[AccessUnit]:
    """(H, W, 3) uint8 RGB pictures -> access units in decode order, parameter sets in band."""
    context: VideoCodecContext | None = None
    packets = []
    for index, picture in enumerate(pictures):
        if context is None:
            context = _encoder(settings, picture.shape[1], picture.shape[0])
        packets += context.encode(_frame(picture, index))
    if context is None:
        return []
    packets += context.encode(None)
    return [AccessUnit(bytes(p), int(p.pts * NS_PER_S // settings.fps), 0, p.is_keyframe) for p in packets]


def lost(count: int, share: float, seed: int) -> frozenset[int]:
    """Which of `count` access units never arrive: not the first, and never many in a row."""
    rng = np.random.default_rng((seed, 3))
    gone = np.flatnonzero(rng.random(count) < share) if share else np.empty(0)
    return frozenset(int(i) for i in gone if i)


def observe(
    units: list[AccessUnit],
    settings: CodecSettings,
    spec: CodecSpec,
    window_pictures: int,
    *,
    adaptive: bool = False,
    missing: frozenset[int] = frozenset(),
) -> Observation:
    """Decode, fuse and cut access units with the runtime's own front end; `missing` ones are told as lost."""
    decoder = Decoder("h264" if settings.codec == "libx264" else "mpeg4", None, spec.image_px)
    windower = Windower(window_pictures, spec.windows_per_gop, adaptive=spec if adaptive else None)
    frames: list[CodecFrame] = []
    for number, unit in enumerate(units):
        if number in missing:
            decoder.lost()
        else:
            frames += decoder.decode(unit)
    frames += decoder.flush()
    if settings.coarse:
        frames = [coarse_frame(frame) for frame in frames]
    items = [item for frame in frames for item in windower.step(frame)] + windower.flush()
    kinds, first, last, keyframes, motion, residual, ends, cuts = [], [], [], [], [], [], [], []
    for item in items:
        shown = round(item.frame.pts_ns * settings.fps / NS_PER_S)
        if isinstance(item, Keyframe):
            kinds.append(0)
            first.append(shown)
            keyframes.append(item.frame.picture)
            cuts.append(item.is_cut)
        elif isinstance(item, FusedWindow):
            kinds.append(1)
            first.append(last[-1])  # a window starts from the item before it
            moved, changed = window_arrays(item, spec)
            motion.append(moved[0].astype(np.float16))
            residual.append(changed[0].astype(np.float16))
            ends.append(item.frame.picture)
        last.append(shown)
    width = (spec.patches**2, spec.motion_width)
    square = (spec.image_px, spec.image_px)
    return Observation(
        np.array(kinds, np.uint8),
        np.array(first, np.int16),
        np.array(last, np.int16),
        np.stack(keyframes) if keyframes else np.zeros((0, *square, 3), np.uint8),
        np.stack(motion) if motion else np.zeros((0, *width), np.float16),
        np.stack(residual) if residual else np.zeros((0, 1, *square), np.float16),
        np.stack(ends) if ends else np.zeros((0, *square, 3), np.uint8),
        np.array(cuts, bool),
    )


def write_clip(path: Path, pictures: Iterable[np.ndarray], settings: CodecSettings, seed: int = 0) -> None:
    """An MP4 file of the pictures, written aside and renamed; `seed` says which packets are lost."""
    with whole_file(path) as part, av.open(str(part), "w", format="mp4") as container:
        stream, packets = None, []
        for index, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(settings.codec, rate=settings.fps)
                _configure(stream.codec_context, settings, picture.shape[1], picture.shape[0])
            packets += stream.encode(_frame(picture, index))
        if stream is not None:
            packets += stream.encode(None)
        missing = lost(len(packets), settings.lost, seed)
        container.mux([packet for number, packet in enumerate(packets) if number not in missing])


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


def _frame(picture: np.ndarray, index: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.pts = index
    return frame


def _encoder(settings: CodecSettings, width: int, height: int) -> VideoCodecContext:
    context = av.CodecContext.create(settings.codec, "w")
    assert isinstance(context, VideoCodecContext)
    _configure(context, settings, width, height)
    context.time_base = Fraction(1, settings.fps)
    return context


def _configure(context: VideoCodecContext, settings: CodecSettings, width: int, height: int) -> None:
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate = Fraction(settings.fps)
    context.gop_size = settings.gop
    context.max_b_frames = settings.b_pictures
    context.thread_count = 1
    if settings.codec == "libx264":
        cuts = 40 if settings.scene_cuts else 0
        parameters = f"ref={settings.references}:bframes={settings.b_pictures}:scenecut={cuts}"
        context.options = {"preset": settings.preset, "crf": str(settings.crf), "x264-params": parameters}
    else:
        quantiser = str(settings.crf)
        context.options = {"qmin": quantiser, "qmax": quantiser, "sc_threshold": "1000000000"}
