"""FFmpeg's motion vectors -> a MotionField: canonical sign, quarter-pel, one cell a block. Pure numpy.

Facts of `libavutil/motion_vector.h`: `dst_x, dst_y` is the block's centre, the vector is src - dst in units of
1/motion_scale pixel, `source` is negative for a past reference. The integer `src_x` drops the fraction and is
never read. Intra blocks are absent from the list.

Facts of libavcodec, which makes the list from whole macroblocks, whatever the stream says: partitions are 16 or 8 px
a side and lie in their macroblock, and every vector was kept as int16.

A decoder leaves the caches cold, so a call of numpy costs more than its numbers: macroblocks are painted first, all
at once, and what is smaller over them.
"""

from __future__ import annotations

import numpy as np

from magno.runtime.units import BlockMode, Link, MotionField

BLOCK_PX = 8  # the finest block FFmpeg exports: smaller partitions are collapsed
QPEL = 4
SCALES = (1, 2, 4)  # steps a pixel
NOTHING = np.int32(-(2**31))  # a cell without a vector; packed, no vector of a stream comes near it
TWICE = np.uint64(0x1_0000_0001)  # an int32 times this is that int32 two times
INTER = np.uint8(BlockMode.INTER)


def motion_field(
    vectors: np.ndarray | None, coded_size: tuple[int, int], *, intact: bool, link: Link
) -> MotionField:
    """Paint exported vectors on the block grid.

    `vectors` is PyAV's structured array (None: the picture has none) and `coded_size` is width, height. Blocks
    without a vector are INTRA when the picture arrived `intact`, else MISSING. A block that was predicted from
    both sides keeps its past vector and is BI; one predicted from the future alone has no past: MISSING.
    """
    columns, rows = (-(-side // BLOCK_PX) for side in coded_size)
    mode = np.full((rows, columns), BlockMode.INTRA if intact else BlockMode.MISSING, np.uint8)
    if vectors is None or not len(vectors):
        return MotionField(np.zeros((rows, columns, 2), np.int16), mode, BLOCK_PX, coded_size, link)
    future = vectors["source"] > 0
    if not future.any():
        packed = _painted(vectors, rows, columns)
        known = packed != NOTHING
        np.copyto(mode, INTER, where=known)
    else:
        packed = _painted(_chosen(vectors, ~future), rows, columns)
        known = packed != NOTHING
        ahead = _painted(_chosen(vectors, future), rows, columns) != NOTHING
        mode[known] = BlockMode.INTER
        mode[ahead] = np.where(known[ahead], BlockMode.BI, BlockMode.MISSING)
    field = (packed * known).view(np.int16).reshape(rows, columns, 2)
    return MotionField(field, mode, BLOCK_PX, coded_size, link)


def _painted(vectors: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(rows, columns) int32: the vector of each block, x and y packed as two int16, or NOTHING."""
    high, wide = -(-rows // 2), -(-columns // 2)  # in macroblocks
    x, y = vectors["dst_x"] >> 4, vectors["dst_y"] >> 4
    # A picture that is cropped by more than a macroblock has vectors outside.
    inside = (x.view(np.uint16) < wide) & (y.view(np.uint16) < high)
    if not inside.all():
        vectors, x, y = _chosen(vectors, inside), x[inside], y[inside]
    packed = _packed(vectors)
    macroblocks = np.full(high * wide, NOTHING, np.int32)
    macroblock = np.multiply(y, wide, dtype=np.intp) + x
    macroblocks[macroblock] = packed
    parts = np.flatnonzero(vectors["w"] + vectors["h"] != 32)
    macroblocks[macroblock[parts]] = NOTHING
    twice = macroblocks.view(np.uint32) * TWICE
    pairs = np.empty((high, 2, wide), np.uint64)
    pairs[:] = twice.reshape(high, 1, wide)
    grid = pairs.view(np.int32).reshape(high * 2, wide * 2)
    if len(parts):
        _paint_parts(grid, _chosen(vectors, parts), packed[parts])
    return np.ascontiguousarray(grid[:rows, :columns])


def _paint_parts(grid: np.ndarray, vectors: np.ndarray, packed: np.ndarray) -> None:
    """Partitions of less than a macroblock: the block right below the centre, and its neighbour, or itself again."""
    stride, cells = np.intp(grid.shape[1]), grid.reshape(-1)
    block = (vectors["dst_y"] >> 3) * stride + (vectors["dst_x"] >> 3)
    cells[block] = packed
    cells[block - (vectors["w"] == 16) - (vectors["h"] == 16) * stride] = packed


def _packed(vectors: np.ndarray) -> np.ndarray:
    """(n,) int32: content displacement in quarter pixels, x and y as two int16."""
    scale = int(vectors["motion_scale"][0]) if len(vectors) else QPEL  # one codec, one scale
    factor = -QPEL // scale if scale in SCALES else 0
    x = vectors["motion_x"] * np.int32(factor) & 0xFFFF
    return np.asarray(x | vectors["motion_y"] * np.int32(factor << 16))


def _chosen(vectors: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Some of the vectors. Copied as bytes: numpy takes twenty times as long over structures."""
    rows = np.ascontiguousarray(vectors).view(np.uint8).reshape(len(vectors), vectors.itemsize)[which]
    return np.asarray(rows.view(vectors.dtype)[:, 0])
