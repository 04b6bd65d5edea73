"""A picture with its motion drawn over it. Pure numpy; what is drawn is what the runtime works with.

An arrow points where the content of a macroblock went, and ends in it. Blocks without a vector are tinted: red
where they were coded without reference, blue where nothing is known.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from magno.runtime.fusion import KNOWN
from magno.runtime.units import BlockMode, CodecFrame, MotionField

CELL_PX = 16  # one arrow a macroblock
WIDTH_PX = 1280  # smaller pictures are enlarged to about so much
ARROW_CELLS = 1.5  # so long is a long arrow (the 95th percentile of those that move)
MAX_STRETCH = 8.0
VIDEO_STRETCH = 2.0  # in every picture of a video the same, so that arrows can be compared
BARB_PX = 5.0
YELLOW, BLACK = (255, 235, 40), (0, 0, 0)
TINTS = {BlockMode.INTRA: (255, 40, 40), BlockMode.MISSING: (60, 60, 255)}
TINT_SHARE = 0.35


def canvas_size(frame: CodecFrame) -> tuple[int, int]:
    """Width and height to draw at: the visible size, or a whole number of times as large."""
    zoom = max(1, round(WIDTH_PX / frame.size[0]))
    return frame.size[0] * zoom, frame.size[1] * zoom


def draw_motion(frame: CodecFrame, picture: np.ndarray, stretch: float | None = None) -> float:
    """Draw a frame's motion into its `picture` (H, W, 3) uint8 RGB of `canvas_size`.

    Arrows are `stretch` times as long as the motion, which is returned; None: as is good for this picture. Raises
    ValueError when the frame has no motion.
    """
    if frame.motion is None:
        raise ValueError("An overlay wants a frame with motion, found one without.")
    zoom = picture.shape[1] // frame.size[0]
    _tint(picture, frame.motion, zoom)
    heads, moved = _arrows(frame.motion, frame.size)
    lengths = np.hypot(moved[:, 0], moved[:, 1])
    if stretch is None:
        some = lengths[lengths > 0]
        stretch = (
            min(MAX_STRETCH, ARROW_CELLS * CELL_PX / float(np.percentile(some, 95))) if len(some) else 1.0
        )
    moving = lengths * stretch * zoom >= 2
    heads, moved = heads[moving] * zoom, moved[moving] * (stretch * zoom)
    lines = _lines(_segments(heads, moved), picture.shape[:2])
    picture[_thickened(lines)] = BLACK
    picture[lines] = YELLOW
    return stretch


def _tint(picture: np.ndarray, motion: MotionField, zoom: int) -> None:
    side = motion.block_px * zoom
    for kind, colour in TINTS.items():
        toward = np.array(colour, np.float32) * TINT_SHARE
        for row, column in np.argwhere(motion.mode == kind):
            under = picture[row * side : (row + 1) * side, column * side : (column + 1) * side]
            under[:] = under * (1 - TINT_SHARE) + toward


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


def _lines(segments: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) bool: the pixels under the segments, each sampled at every pixel of its length."""
    drawn = np.zeros(shape, bool)
    start, step = segments[:, 0], segments[:, 1] - segments[:, 0]
    samples = np.minimum(np.abs(step).max(-1), sum(shape)).astype(np.intp) + 2  # a forged vector is long
    owner = np.repeat(np.arange(len(samples)), samples)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(samples) - samples, samples)
    along = (number / (samples - 1)[owner]).astype(np.float32)[:, None]
    column, row = np.rint(start[owner] + step[owner] * along).astype(np.intp).T
    inside = (column >= 0) & (column < shape[1]) & (row >= 0) & (row < shape[0])
    drawn[row[inside], column[inside]] = True
    return drawn


def _thickened(lines: np.ndarray) -> np.ndarray:
    """Lines with a pixel more on every side."""
    tall: np.ndarray = lines.copy()
    tall[1:] |= lines[:-1]
    tall[:-1] |= lines[1:]
    thick: np.ndarray = tall.copy()
    thick[:, 1:] |= tall[:, :-1]
    thick[:, :-1] |= tall[:, 1:]
    return thick


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
