"""FFmpeg's motion vectors -> a MotionField: canonical sign, quarter-pel, one cell a block. Pure numpy.

Facts of `libavutil/motion_vector.h`: `dst_x, dst_y` is the block's centre, the vector is src - dst in units of
1/motion_scale pixel, `source` is negative for a past reference. The integer `src_x` drops the fraction and is
never read. Intra blocks are absent from the list.
"""

from __future__ import annotations

import numpy as np

from magno.runtime.units import BlockMode, Link, MotionField

BLOCK_PX = 8  # the finest block FFmpeg exports: smaller partitions are collapsed
QPEL = 4


def motion_field(
    vectors: np.ndarray | None, coded_size: tuple[int, int], *, intact: bool, link: Link
) -> MotionField:
    """Paint exported vectors on the block grid.

    `vectors` is PyAV's structured array (None: the picture has none) and `coded_size` is width, height. Blocks
    without a vector are INTRA when the picture arrived `intact`, else MISSING. A block that was predicted from
    both sides keeps its past vector and is BI; one predicted from the future alone has no past: MISSING.
    """
    columns, rows = (-(-side // BLOCK_PX) for side in coded_size)
    # A row and a column to spare, so that a partition of 16 px cannot reach past the arrays. A vector's two
    # numbers travel packed as one: half the writes.
    packed = np.zeros((rows + 1, columns + 1), np.int32)
    mode = np.full(packed.shape, BlockMode.INTRA if intact else BlockMode.MISSING, np.uint8)
    if vectors is not None and len(vectors):
        usable = _usable(vectors, rows, columns)
        if not usable.all():
            vectors = vectors[usable]
        future = vectors["source"] > 0
        if not future.any():
            _paint_past(vectors, packed, mode)
        else:
            _paint_past(vectors[~future], packed, mode)
            blocks = _blocks(vectors[future], columns + 1)[0]
            was_inter = mode.reshape(-1)[blocks] == BlockMode.INTER
            mode.reshape(-1)[blocks] = np.where(was_inter, BlockMode.BI, BlockMode.MISSING)
    field = np.ascontiguousarray(packed[:rows, :columns]).view(np.int16).reshape(rows, columns, 2)
    return MotionField(field, np.ascontiguousarray(mode[:rows, :columns]), BLOCK_PX, coded_size, link)


def _usable(vectors: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(n,) bool: of a size that is known, and begins inside the picture. Damaged streams have others."""
    width, height = vectors["w"], vectors["h"]
    left, top = _first(vectors["dst_x"], width), _first(vectors["dst_y"], height)
    known = ((width == 8) | (width == 16)) & ((height == 8) | (height == 16))
    return np.asarray(known & (left >= 0) & (left < columns) & (top >= 0) & (top < rows))


def _first(centre: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Index of the first block under a partition, along one axis."""
    return np.asarray((centre.astype(np.intp) - (side >> 1)) // BLOCK_PX)


def _blocks(vectors: np.ndarray, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat index of every block under the vectors' partitions, and which vector each belongs to."""
    place = _first(vectors["dst_y"], vectors["h"]) * stride + _first(vectors["dst_x"], vectors["w"])
    wide, tall = np.flatnonzero(vectors["w"] == 16), np.flatnonzero(vectors["h"] == 16)
    both = wide[vectors["h"][wide] == 16]
    blocks = np.concatenate([place, place[wide] + 1, place[tall] + stride, place[both] + stride + 1])
    return blocks, np.concatenate([np.arange(len(place)), wide, tall, both])


def _paint_past(vectors: np.ndarray, packed: np.ndarray, mode: np.ndarray) -> None:
    blocks, owner = _blocks(vectors, packed.shape[1])
    packed.reshape(-1)[blocks] = _displacement(vectors)[owner]
    mode.reshape(-1)[blocks] = BlockMode.INTER


def _displacement(vectors: np.ndarray) -> np.ndarray:
    """(n,) int32: x and y in quarter pixels, as two int16, packed."""
    scale = np.maximum(vectors["motion_scale"], 1)
    limit = np.iinfo(np.int16)
    pair = np.empty((len(vectors), 2), np.int16)
    for axis, name in enumerate(("motion_x", "motion_y")):
        quarters = np.rint(-QPEL * vectors[name].astype(np.float64) / scale)
        pair[:, axis] = np.clip(quarters, limit.min, limit.max)
    return pair.view(np.int32)[:, 0]
