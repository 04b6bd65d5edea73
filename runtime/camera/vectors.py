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
    without a vector are INTRA when the picture arrived `intact`, else MISSING.
    """
    columns, rows = (-(-side // BLOCK_PX) for side in coded_size)
    field = np.zeros((rows, columns, 2), np.int16)
    mode = np.full((rows, columns), BlockMode.INTRA if intact else BlockMode.MISSING, np.uint8)
    if vectors is not None and len(vectors):
        _paint(vectors, field, mode)
    return MotionField(field, mode, BLOCK_PX, coded_size, link)


def _paint(vectors: np.ndarray, field: np.ndarray, mode: np.ndarray) -> None:
    scale = np.maximum(vectors["motion_scale"].astype(np.int32), 1)
    x = np.rint(-QPEL * vectors["motion_x"].astype(np.int32) / scale)
    y = np.rint(-QPEL * vectors["motion_y"].astype(np.int32) / scale)
    limit = np.iinfo(np.int16)
    displacement = np.clip(np.stack([x, y], 1), limit.min, limit.max).astype(np.int16)
    future = vectors["source"] > 0
    # Past references last, so that of a block predicted from both sides the past vector stays.
    for kind, chosen in ((BlockMode.BI, future), (BlockMode.INTER, ~future)):
        for width, height in ((16, 16), (16, 8), (8, 16), (8, 8)):
            group = chosen & (vectors["w"] == width) & (vectors["h"] == height)
            if not group.any():
                continue
            left = (vectors["dst_x"][group].astype(np.int32) - width // 2) // BLOCK_PX
            top = (vectors["dst_y"][group].astype(np.int32) - height // 2) // BLOCK_PX
            for row in range(height // BLOCK_PX):
                for column in range(width // BLOCK_PX):
                    _put(field, mode, top + row, left + column, displacement[group], kind)


def _put(
    field: np.ndarray,
    mode: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    values: np.ndarray,
    kind: BlockMode,
) -> None:
    inside = (rows >= 0) & (rows < mode.shape[0]) & (columns >= 0) & (columns < mode.shape[1])
    rows, columns = rows[inside], columns[inside]
    if kind is BlockMode.INTER:
        both = mode[rows, columns] == BlockMode.BI
        mode[rows, columns] = np.where(both, BlockMode.BI, BlockMode.INTER)
    else:
        mode[rows, columns] = kind
    field[rows, columns] = values[inside]
