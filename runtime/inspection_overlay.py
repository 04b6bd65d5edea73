"""A picture with its motion drawn over it, as PNG. Pure numpy; what is drawn is what the runtime works with.

An arrow points where the content of a macroblock went, and ends in it. Blocks without a vector are tinted: red
where they were coded without reference, blue where nothing is known.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from magno.runtime.fusion import KNOWN, bilinear
from magno.runtime.units import BlockMode, CodecFrame, MotionField

CELL_PX = 16  # one arrow a macroblock
WIDTH_PX = 1280  # smaller pictures are enlarged to about so much
ARROW_CELLS = 1.5  # so long is a long arrow (the 95th percentile of those that move)
MAX_STRETCH = 8.0
BARB_PX = 5.0
YELLOW, BLACK = (255, 235, 40), (0, 0, 0)
TINTS = {BlockMode.INTRA: (255, 40, 40), BlockMode.MISSING: (60, 60, 255)}
TINT_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class Overlay:
    """An RGB picture with arrows, and how much longer than the motion they are drawn."""

    picture: np.ndarray  # (H, W, 3) uint8
    stretch: float


def draw_motion(frame: CodecFrame) -> Overlay:
    """Draw a frame's motion over its picture, at its visible size or enlarged by a whole number.

    Raises ValueError when the frame has no motion.
    """
    if frame.motion is None:
        raise ValueError("An overlay wants a frame with motion, found one without.")
    zoom = max(1, round(WIDTH_PX / frame.size[0]))
    picture = _resized(frame.picture, frame.size[0] * zoom, frame.size[1] * zoom)
    _tint(picture, frame.motion, zoom)
    heads, moved = _arrows(frame.motion, frame.size)
    lengths = np.hypot(moved[:, 0], moved[:, 1])
    some = lengths[lengths > 0]
    stretch = min(MAX_STRETCH, ARROW_CELLS * CELL_PX / float(np.percentile(some, 95))) if len(some) else 1.0
    moving = lengths * stretch * zoom >= 2
    heads, moved = heads[moving] * zoom, moved[moving] * (stretch * zoom)
    segments = _segments(heads, moved)
    for radius, colour in ((1, BLACK), (0, YELLOW)):
        _draw(picture, segments, radius, colour)
    return Overlay(picture, stretch)


def _resized(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """The model's square picture, stretched back to (height, width, 3) uint8."""
    side = picture.shape[0]
    row = np.clip((np.arange(height, dtype=np.float32) + 0.5) * side / height - 0.5, 0, side - 1)
    column = np.clip((np.arange(width, dtype=np.float32) + 0.5) * side / width - 0.5, 0, side - 1)
    rows, columns = np.meshgrid(row, column, indexing="ij")
    return np.asarray(bilinear(picture.astype(np.float32), rows, columns) + 0.5).astype(np.uint8)


def _tint(picture: np.ndarray, motion: MotionField, zoom: int) -> None:
    side = motion.block_px * zoom
    mode = np.repeat(np.repeat(motion.mode, side, 0), side, 1)[: picture.shape[0], : picture.shape[1]]
    for kind, colour in TINTS.items():
        under = picture[mode == kind].astype(np.float32)
        picture[mode == kind] = under * (1 - TINT_SHARE) + np.array(colour, np.float32) * TINT_SHARE


def _arrows(motion: MotionField, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where arrows end, and how far the content came: (n, 2) float32 each, x and y in luma pixels."""
    blocks = max(1, CELL_PX // motion.block_px)
    rows, columns = (side // blocks for side in motion.mode.shape)
    known = KNOWN[motion.mode[: rows * blocks, : columns * blocks]]
    moved = motion.mv_qpel[: rows * blocks, : columns * blocks].astype(np.float32) / 4 * known[..., None]
    count = known.reshape(rows, blocks, columns, blocks).sum((1, 3))
    mean = moved.reshape(rows, blocks, columns, blocks, 2).sum((1, 3)) / np.maximum(count, 1)[..., None]
    row, column = np.nonzero(count)
    cell_px = blocks * motion.block_px
    heads = (np.stack([column, row], -1).astype(np.float32) + 0.5) * cell_px
    visible = (heads[:, 0] < size[0]) & (heads[:, 1] < size[1])
    return heads[visible], mean[row, column][visible]


def _segments(heads: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(3n, 2, 2) float32: shafts and the two barbs of each arrow, as start and end points."""
    length = np.hypot(moved[:, 0], moved[:, 1])[:, None]
    back = -moved / np.maximum(length, 1e-6) * np.minimum(length * 0.5, BARB_PX)
    across = np.stack([-back[:, 1], back[:, 0]], -1) * 0.6
    ends = [heads - moved, heads + back + across, heads + back - across]
    return np.concatenate([np.stack([end, heads], 1) for end in ends])


def _draw(picture: np.ndarray, segments: np.ndarray, radius: int, colour: tuple[int, int, int]) -> None:
    if not len(segments):
        return
    longest = float(np.abs(segments[:, 1] - segments[:, 0]).max())
    along = np.linspace(0, 1, int(min(longest, max(picture.shape))) + 2, dtype=np.float32)[:, None, None]
    points = (
        np.rint(segments[:, 0] + (segments[:, 1] - segments[:, 0]) * along).astype(np.intp).reshape(-1, 2)
    )
    height, width = picture.shape[:2]
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            column, row = points[:, 0] + right, points[:, 1] + down
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            picture[row[inside], column[inside]] = colour


def png_from_rgb(picture: np.ndarray) -> bytes:
    """(H, W, 3) uint8 -> a PNG file (RFC 2083): 8 bits a sample, no filter."""
    height, width = picture.shape[:2]
    lines = np.zeros((height, 1 + width * 3), np.uint8)
    lines[:, 1:] = picture.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
