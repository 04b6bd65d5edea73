"""How the in-process encoder was chosen: what x264's presets see of known motion, and what that costs.

Each setting encodes a still, pans of 0.25 to 16 px, a rotation and a zoom, of a smooth texture and of a clip's own
picture, with and without sensor noise. Its vectors, as the ordinary decoder gives them, are compared with what moved.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import av
import numpy as np
from rich.table import Table

from magno.runtime.camera.decoding.decoder import Decoder
from magno.runtime.camera.encode import CHOSEN, PictureEncoder, Settings
from magno.runtime.conformance.known_motion import Affine, Scene, panning, picture, turning, zooming
from magno.runtime.fusion import KNOWN, Displacement, chain
from magno.runtime.units import CodecFrame, MagnoError

CLIP = Path("tests/clips/car-detection.mp4")
CLIP_PICTURE = 60
PICTURES = 9  # a key picture and a window of eight
NOISES = {"clean": 0, "noisy": 3}  # of the sensor: luma levels, one standard deviation
PANS_PX = ((0.0, 0.0), (0.25, 0.25), (0.75, 0.6), (2.0, 1.0), (5.3, -3.1), (16.0, 0.0))
EDGE_BLOCKS = 3  # at a picture's border, where content comes from outside
WINDOW_EDGE_BLOCKS = 18
PICTURE_PX = 128
X264_CRF = 23  # its own default
TRIED = {
    **{
        preset: Settings(preset, X264_CRF)
        for preset in ("ultrafast", "superfast", "veryfast", "faster", "medium")
    },
    "magno": CHOSEN,
}
SLOWEST, OURS = "medium", "magno"
ALLOWED = 1.1  # times the slowest preset's error


class EncoderBenchError(MagnoError):
    """What cannot be measured."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one setting made of the scenes, in the mean over them."""

    error_px: float  # endpoint error of a picture's vectors
    wrong: float  # share of vectors that are over 1 px off
    coverage: float  # share of blocks that have a vector
    window_error_px: (
        float  # of eight pictures' vectors, fused; NaN: no block was followed through all of them
    )
    kilobytes: float  # a predicted picture
    encode_ms: float  # fastest picture, processor time, colour conversion included
    decode_ms: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `measure` reads."""
    parser.add_argument("--size", default="640x480", metavar="WxH", help="of the pictures (default 640x480)")
    parser.add_argument(
        "--clip", type=Path, default=CLIP, help="whose picture is moved (default %(default)s)"
    )


def measure(args: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Every setting over every scene. Raises MagnoError."""
    try:
        width, height = (int(side) for side in args.size.split("x"))
    except ValueError as error:
        raise EncoderBenchError(
            f"A size wants 640x480, say, found {args.size[:40]!r}. Write it so."
        ) from error
    if not (320 <= width <= 4096 and 320 <= height <= 4096):
        raise EncoderBenchError(f"A size wants 320 to 4096 px a side, found {args.size[:40]}. Take another.")
    runs: dict[str, dict[str, list[Seen]]] = {name: {noise: [] for noise in NOISES} for name in TRIED}
    for number, (scene, noise, pictures) in enumerate(_scenes((width, height), args.clip)):
        for name, settings in TRIED.items():
            say(f"scene {number + 1}, {name}")
            runs[name][noise].append(look(scene, pictures, settings))
    means = {
        name: {noise: asdict(_mean(seen)) for noise, seen in by_noise.items()}
        for name, by_noise in runs.items()
    }
    failed = any(
        means[OURS][noise]["error_px"] > ALLOWED * means[SLOWEST][noise]["error_px"] for noise in NOISES
    )
    return {"size": [width, height], "settings": means, "failed": failed}


def look(scene: Scene, pictures: list[np.ndarray], settings: Settings) -> Seen:
    """Encode and decode one scene's pictures, and compare."""
    encoder, decoder = PictureEncoder(settings), Decoder("h264", None, PICTURE_PX)
    frames: list[CodecFrame] = []
    sizes, encode_s, decode_s = [], [], []
    for index, pixels in enumerate(pictures):
        began = time.process_time()
        unit = encoder.encode(pixels, index, index)
        encoded = time.process_time()
        frames += decoder.decode(unit)
        encode_s.append(encoded - began)
        decode_s.append(time.process_time() - encoded)
        sizes.append(len(unit.data))
    errors, covered, fused = [], [], None
    for index, frame in enumerate(frames[1:], 1):
        motion = frame.motion
        assert motion is not None
        fused = chain(fused, motion)
        inside = _inside(KNOWN[motion.mode] > 0, EDGE_BLOCKS)
        off_px = motion.mv_qpel / 4 - scene.displacement_px(index - 1, index, motion.block_px)
        errors.append(_inside(np.hypot(off_px[..., 0], off_px[..., 1]), EDGE_BLOCKS)[inside])
        covered.append(inside.mean())
    every = np.concatenate(errors)
    assert fused is not None
    return Seen(
        float(every.mean()),
        float((every > 1).mean()),
        float(np.mean(covered)),
        _window_error_px(scene, fused),
        float(np.mean(sizes[1:])) / 1e3,
        min(encode_s[1:]) * 1e3,
        min(decode_s[1:]) * 1e3,
    )


def report(figures: dict[str, Any]) -> Table:
    """The figures, for people."""
    size = "x".join(map(str, figures["size"]))
    table = Table(title=f"x264 as motion estimator, {size}")
    table.add_column("setting", no_wrap=True)
    for heading in ("error px", "> 1 px", "blocks", "window px", "kB", "enc ms", "dec ms"):
        table.add_column(heading, justify="right")
    for name, by_noise in figures["settings"].items():
        for noise, seen in by_noise.items():
            table.add_row(
                f"{name}, {noise}",
                f"{seen['error_px']:.3f}",
                f"{seen['wrong']:.1%}",
                f"{seen['coverage']:.1%}",
                f"{seen['window_error_px']:.2f}",
                f"{seen['kilobytes']:.1f}",
                f"{seen['encode_ms']:.1f}",
                f"{seen['decode_ms']:.1f}",
                style="bold" if name == OURS else "",
            )
    table.caption = (
        f"{OURS} is {CHOSEN.preset}, crf {CHOSEN.crf}, {CHOSEN.params}; the others as x264 has them."
    )
    return table


def _scenes(size: tuple[int, int], clip: Path) -> Iterator[tuple[Scene, str, list[np.ndarray]]]:
    motions = [panning(size, velocity, PICTURES) for velocity in PANS_PX]
    motions += [turning(size, 0.7, PICTURES), zooming(size, 1.012, PICTURES)]
    still, rng = _large_picture(size, clip), np.random.default_rng(0)
    for scene in motions:
        shown = [
            [picture(size, warp)[..., 0] for warp in scene.warps],
            [_seen(still, size, w) for w in scene.warps],
        ]
        for pictures in shown:
            for noise, levels in NOISES.items():
                grey = (pixels + rng.normal(0, levels, pixels.shape) for pixels in pictures)
                rounded = (np.rint(np.clip(pixels, 0, 255)).astype(np.uint8) for pixels in grey)
                yield scene, noise, [np.repeat(pixels[..., None], 3, axis=2) for pixels in rounded]


def _large_picture(size: tuple[int, int], clip: Path) -> np.ndarray:
    """A clip's picture, twice as large as needed, so that what is read between its pixels is nearly exact."""
    try:
        with av.open(str(clip.absolute()), options={"protocol_whitelist": "file"}) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index == CLIP_PICTURE:
                    large = frame.reformat(2 * size[0], 2 * size[1], "gray", interpolation="BICUBIC")
                    return large.to_ndarray().astype(np.float32)
    except (av.FFmpegError, IndexError, ValueError, OSError) as error:
        raise EncoderBenchError(
            f"This bench wants a clip, found none at {clip} ({error}). Give --clip."
        ) from error
    raise EncoderBenchError(
        f"This bench wants over {CLIP_PICTURE} pictures in {clip}, found fewer. Take another."
    )


def _seen(still: np.ndarray, size: tuple[int, int], warp: Affine) -> np.ndarray:
    """(H, W) float32: the large picture seen through a warp, tiled and mirrored beyond its border."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float64)
    at_x, at_y = warp(x, y)
    rows, columns = _mirrored(2 * at_y, still.shape[0]), _mirrored(2 * at_x, still.shape[1])
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    down, across = rows - top, columns - left
    upper = still[top, left] * (1 - across) + still[top, left + 1] * across
    lower = still[top + 1, left] * (1 - across) + still[top + 1, left + 1] * across
    return upper * (1 - down) + lower * down


def _mirrored(at: np.ndarray, side: int) -> np.ndarray:
    last = side - 1.001
    return last - np.abs(np.mod(at, 2 * last) - last)


def _inside(blocks: np.ndarray, edge: int) -> np.ndarray:
    return blocks[edge:-edge, edge:-edge]


def _window_error_px(scene: Scene, fused: Displacement) -> float:
    truth = scene.displacement_px(0, fused.pictures, fused.block_px)
    off_px = _inside(np.hypot(*np.moveaxis(fused.px - truth, -1, 0)), WINDOW_EDGE_BLOCKS)
    known = off_px[_inside(fused.valid > 0, WINDOW_EDGE_BLOCKS)]
    return float(known.mean()) if known.size else math.nan


def _mean(seen: list[Seen]) -> Seen:
    return Seen(*(float(np.nanmean([getattr(one, field.name) for one in seen])) for field in fields(Seen)))
