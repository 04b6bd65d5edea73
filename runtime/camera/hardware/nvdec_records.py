"""NVDEC's decode statistics -> vectors. Pure numpy; the bytes come from a driver and are checked all the same.

As read from PyNvVideoCodec 2.2 (the layout is in no public header): 32 bytes, of which the first says whether the rest
is valid and whether second vectors are there, and a count at byte 4; then 12 bytes for each 16x16 cell of the picture,
row by row, whatever the codec's own blocks are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from magno.runtime.camera.hardware.calibrated import VectorConvention
from magno.runtime.camera.hardware.hardware_vectors import coded_size, grid_of, to_quarter_pel
from magno.runtime.camera.request import CameraError
from magno.runtime.units import BlockMode, Link, MotionField

BLOCK_PX = 16
HEADER_BYTES, COUNT_AT = 32, 4
VALID, SECOND = 1, 2  # bits of the header's first byte
RECORD = np.dtype([("qp", "u1"), ("kind", "u1"), ("unread", "<u2"), ("mv0", "<i2", 2), ("mv1", "<i2", 2)])
KIND_SHIFT, KIND_MASK = 1, 7  # of the record's second byte
INTRA, INTER, SKIP, PCM, INVALID = 0, 1, 2, 3, 7
# PCM is coded without reference, too. Kinds that are not documented say nothing.
MODES = np.full(KIND_MASK + 1, BlockMode.MISSING, np.uint8)
MODES[[INTRA, PCM]] = BlockMode.INTRA
MODES[INTER], MODES[SKIP] = BlockMode.INTER, BlockMode.SKIP
LISTS = ("cu_type", "mv0_x", "mv0_y", "mv1_x", "mv1_y")


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the decoder told of one picture, in the device's own sign and unit."""

    kind: np.ndarray  # (Hb, Wb) uint8: INTRA to INVALID
    mv0: np.ndarray  # (Hb, Wb, 2) int16 x, y
    mv1: np.ndarray | None  # likewise; None: the picture has no second vectors

    @property
    def is_intra(self) -> bool:
        """Nothing in the picture refers to another."""
        return bool(np.isin(self.kind, (INTRA, PCM)).all())

    @property
    def is_damaged(self) -> bool:
        """Some of it could not be decoded."""
        return bool((self.kind == INVALID).any())


def parse_statistics(data: bytes, size: tuple[int, int]) -> Statistics | None:
    """The statistics of a picture of width, height; None: the decoder says that they are not valid.

    Raises CameraError for bytes that cannot be those of such a picture. Padding behind the records is allowed.
    """
    if len(data) < HEADER_BYTES:
        raise _unfit(f"{HEADER_BYTES} bytes of header", f"{len(data)} bytes")
    if not data[0] & VALID:
        return None
    rows, columns = grid_of(size, BLOCK_PX)
    count = int.from_bytes(data[COUNT_AT : COUNT_AT + 4], "little")
    if count != rows * columns:
        raise _unfit(f"{rows * columns} cells of a {size[0]}x{size[1]} picture", f"{count}")
    if len(data) < HEADER_BYTES + count * RECORD.itemsize:
        raise _unfit(f"{count} records of {RECORD.itemsize} bytes", f"{len(data) - HEADER_BYTES} bytes")
    records = np.frombuffer(data, RECORD, count, HEADER_BYTES).reshape(rows, columns)
    kind = (records["kind"] >> KIND_SHIFT) & KIND_MASK
    return Statistics(kind, records["mv0"], records["mv1"] if data[0] & SECOND else None)


def from_lists(lists: Mapping[str, Sequence[int]], size: tuple[int, int]) -> Statistics | None:
    """The same from the lists that PyNvVideoCodec parses statistics into; None: they are empty. Raises CameraError.

    They do not say whether second vectors are there: they are, when one of them is not zero.
    """
    grid = grid_of(size, BLOCK_PX)
    count = grid[0] * grid[1]
    found = {name: len(lists.get(name, ())) for name in LISTS}
    if not found["cu_type"]:
        return None
    if any(length not in ((count,) if name in LISTS[:3] else (0, count)) for name, length in found.items()):
        raise _unfit(f"{count} cells of a {size[0]}x{size[1]} picture", f"lists of {tuple(found.values())}")
    try:
        told = np.asarray(lists["cu_type"], np.int64)
        vectors = {name: np.asarray(lists.get(name) or [0] * count, np.int64) for name in LISTS[1:]}
    except (TypeError, ValueError, OverflowError) as error:
        raise _unfit("lists of numbers", str(error)[:100]) from error
    limit = np.iinfo(np.int16)
    if any(((axis < limit.min) | (axis > limit.max)).any() for axis in vectors.values()):
        raise _unfit("vectors of 16 bits", "longer ones")
    mv0, mv1 = (
        np.stack([vectors[f"{name}_x"], vectors[f"{name}_y"]], -1).astype(np.int16).reshape(*grid, 2)
        for name in ("mv0", "mv1")
    )
    kind = np.where((told < 0) | (told > KIND_MASK), INVALID, told).astype(np.uint8).reshape(grid)
    return Statistics(kind, mv0, mv1 if mv1.any() else None)


def motion_field(
    statistics: Statistics | None, size: tuple[int, int], convention: VectorConvention, link: Link
) -> MotionField:
    """Content displacement of every cell; all MISSING without statistics.

    A cell with both vectors is BI and keeps its first. One with a second vector alone may be predicted from the
    future alone, or from both sides with nothing moved since the past: which is not told, so it is MISSING.
    """
    grid = grid_of(size, BLOCK_PX)
    if statistics is None:
        mode = np.full(grid, BlockMode.MISSING, np.uint8)
        return MotionField(np.zeros((*grid, 2), np.int16), mode, BLOCK_PX, coded_size(size), link)
    mv_qpel, possible = to_quarter_pel(statistics.mv0, convention)
    mode = MODES[statistics.kind]
    predicted = (mode == BlockMode.INTER) | (mode == BlockMode.SKIP)
    if statistics.mv1 is not None:
        first, second = statistics.mv0.any(axis=-1), statistics.mv1.any(axis=-1)
        mode[predicted & second] = BlockMode.MISSING
        mode[predicted & second & first] = BlockMode.BI
    mode[predicted & ~possible] = BlockMode.MISSING
    mv_qpel[(mode == BlockMode.INTRA) | (mode == BlockMode.MISSING)] = 0
    return MotionField(mv_qpel, mode, BLOCK_PX, coded_size(size), link)


def _unfit(wanted: str, found: str) -> CameraError:
    return CameraError(
        f"NVDEC's statistics want {wanted}, found {found}. Use a PyNvVideoCodec of version 2.2, or --decoder ffmpeg."
    )
