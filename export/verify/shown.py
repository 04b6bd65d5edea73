"""Clips -> what encoders are shown in comparisons and calibrations: real keyframes and fused windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from magno.runtime.camera.process.reader import CameraReader
from magno.runtime.camera.request import CameraRequest
from magno.runtime.features import keyframe_pixels, window_arrays
from magno.runtime.spec import CodecSpec
from magno.runtime.units import MagnoError
from magno.runtime.window import FusedWindow, Keyframe, Windower

CLIP = Path("tests/clips/car-detection.mp4")
READ_S = 10.0  # of each clip
KEYFRAMES, WINDOWS = 8, 16

T = TypeVar("T")


class ShownError(MagnoError):
    """Clips that give nothing to be shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Input arrays made by the runtime's own front end."""

    pixels: NDArray[np.float32]  # (n, 3, S, S)
    motion: NDArray[np.float32]  # (m, P*P, motion_width)
    residual: NDArray[np.float32]  # (m, 1, S, S)
    clips: tuple[str, ...]  # their file names

    def __str__(self) -> str:
        return f"{len(self.pixels)} keyframes and {len(self.motion)} windows of {', '.join(self.clips)}"

    def inputs(self, graph: str) -> list[dict[str, NDArray[np.float32]]]:
        """Batches of one for vision.onnx ("pixels") or delta.onnx (anything else)."""
        if graph == "vision.onnx":
            return [{"pixels": row[None]} for row in self.pixels]
        pairs = zip(self.motion, self.residual, strict=True)
        return [{"motion": motion[None], "residual": residual[None]} for motion, residual in pairs]


def show_clips(
    codec: CodecSpec, clips: Sequence[Path], keyframes: int = KEYFRAMES, windows: int = WINDOWS
) -> Shown:
    """At most so many keyframes and windows, spread evenly over the first READ_S of the clips; 0 windows: none.

    Raises ShownError or CameraError for clips without any: figures of made-up pictures would flatter.
    """
    if not clips:
        raise ShownError("A comparison wants real pictures, found no clip. Give --clip.")
    items = [item for clip in clips for item in _items(codec, clip, keyframes_only=not windows)]
    # Any whole picture may become a keyframe: those that end windows too.
    pictures = _spread(items, keyframes)
    fused = _spread([item for item in items if isinstance(item, FusedWindow)], windows)
    if not pictures or (windows and not fused):
        missing = "windows (it has no motion vectors)" if pictures else "keyframes"
        raise ShownError(
            f"A comparison wants {missing}, found none in {', '.join(map(str, clips))}: "
            "give a clip of H.264 with --clip."
        )
    pixels = np.concatenate([keyframe_pixels(item.frame.picture) for item in pictures])
    arrays = [window_arrays(item, codec) for item in fused]
    motion = [np.zeros((0, codec.patches**2, codec.motion_width), np.float32), *(pair[0] for pair in arrays)]
    residual = [np.zeros((0, 1, codec.image_px, codec.image_px), np.float32), *(pair[1] for pair in arrays)]
    names = tuple(Path(clip).name for clip in clips)
    return Shown(pixels, np.concatenate(motion), np.concatenate(residual), names)


def _items(codec: CodecSpec, clip: Path, keyframes_only: bool) -> list[Keyframe | FusedWindow]:
    windower = Windower(
        codec.window_pictures, 1 if keyframes_only else codec.windows_per_gop, keyframes_only=keyframes_only
    )
    request = CameraRequest(str(clip), codec.image_px, "fast", until_s=READ_S, keyframes_only=keyframes_only)
    with CameraReader(request) as reader:
        reader.opened()
        items = [item for frame in reader.frames() for item in windower.step(frame)]
    return items + windower.flush()


def _spread(items: list[T], most: int) -> list[T]:
    """Evenly spaced ones, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(at)] for at in np.linspace(0, len(items) - 1, most)]
