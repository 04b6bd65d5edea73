"""Vectors as hardware encoders have them: one for each 16x16 block, in whole pixels. Pure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from magno.runtime.fusion import KNOWN
from magno.runtime.units import BlockMode, CodecFrame, MotionField

BLOCK_PX = 16


def coarsened(field: MotionField) -> MotionField:
    """Each 16x16 block has the mean of the vectors in it, rounded to whole pixels; none where it has none."""
    group = BLOCK_PX // field.block_px
    if group <= 1:
        return field
    rows, columns = -(-field.mode.shape[0] // group), -(-field.mode.shape[1] // group)
    more = ((0, rows * group - field.mode.shape[0]), (0, columns * group - field.mode.shape[1]))
    mode = np.pad(field.mode, more, constant_values=BlockMode.MISSING)
    blocks = mode.reshape(rows, group, columns, group).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
    vectors = np.pad(field.mv_qpel, (*more, (0, 0))).astype(np.float32)
    vectors = vectors.reshape(rows, group, columns, group, 2).transpose(0, 2, 1, 3, 4)
    known = KNOWN[blocks]
    total = (vectors.reshape(rows, columns, -1, 2) * known[..., None]).sum(2)
    mean = total / np.maximum(known.sum(2), 1)[..., None]
    whole = np.where(known.any(2), BlockMode.INTER, blocks[..., 0]).astype(np.uint8)
    return replace(
        field,
        mv_qpel=(np.rint(mean / 4) * 4).astype(np.int16),
        mode=whole,
        block_px=BLOCK_PX,
        reference=None if field.reference is None else _first(field.reference, (rows, columns), group),
    )


def coarse_frame(frame: CodecFrame) -> CodecFrame:
    return frame if frame.motion is None else replace(frame, motion=coarsened(frame.motion))


def _first(reference: np.ndarray, shape: tuple[int, int], group: int) -> np.ndarray:
    return np.ascontiguousarray(reference[::group, ::group][: shape[0], : shape[1]])
