"""Which of several reference pictures a block was predicted from, as the decoded pictures tell. Pure numpy.

What was predicted from the right one looks almost like it, at the place that its vector says: so for each partition the
one is taken that differs least over some points, between pixels by bilinear interpolation.
"""

from __future__ import annotations

import numpy as np

from magno.runtime.camera.decoding.luma_runs import POINTS, Luma, Spot
from magno.runtime.units import BlockMode, MotionField

MACROBLOCK_PX = 16
# Where the runs of a block of 8 px, and of a macroblock, begin: right, down. Twice as many find 1 % more in flat
# content, and no more elsewhere.
BLOCK_RUNS = np.array([(0, 1), (0, 5)], np.intp)
MACROBLOCK_RUNS = np.array([(1, 4), (8, 11)], np.intp)
# References that differ from a partition by so little more than the best one do as well: it may be noise.
NOISE, NOISE_SHARE = 0.15, 0.1  # levels of luma, and share of the best difference
SAME_SPEED_QPEL = 1.0  # a picture: which of two references it is then matters little
UNCLEAR = 0  # no number of a reference
POOR, POOR_SHARE, POOR_LIMIT = (
    3.0,
    4.0,
    8.0,
)  # no match: worse than so much and so often the usual, or than a limit
AROUND, NEIGHBOURS = 2, 4  # macroblocks every way that are asked, and how many blocks have to know
AGREES_QPEL = 2.0  # a picture, from their mean
PREDICTED = np.zeros(256, bool)
PREDICTED[[BlockMode.INTER, BlockMode.SKIP, BlockMode.BI]] = True


def which(field: MotionField, luma: Luma, kept: list[Luma], *, others: bool = False) -> np.ndarray:
    """(Hb, Wb) uint8: which of `kept`, 1 the first, each vector points into, or UNCLEAR; 1 where there is no vector.

    The field is of whole macroblocks in blocks of 8 or 16 px, and `luma` its own picture; all pictures are of one
    size.
    `others`: vectors may point into pictures that are not kept.
    """
    rows, columns = field.mode.shape
    reference = np.ones(rows * columns, np.uint8)
    could = np.zeros(rows * columns, np.uint8)  # bit by bit: the references that a block may point into
    vectors = np.ascontiguousarray(field.mv_qpel).view(np.int32)[..., 0]
    predicted = PREDICTED[field.mode]
    parts: list[tuple[np.ndarray, np.ndarray, int]] = [(predicted, MACROBLOCK_RUNS, 1)]
    if field.block_px < MACROBLOCK_PX:
        whole = _whole_macroblocks(vectors, predicted)
        single = predicted & ~np.repeat(np.repeat(whole, 2, 0), 2, 1)
        parts = [(whole, MACROBLOCK_RUNS, 2), (single, BLOCK_RUNS, 1)]
    for blocks, runs, across in parts:
        row, column = (place * across for place in np.nonzero(blocks))
        if len(row):
            mv = field.mv_qpel[row, column]
            places = np.stack([column, row], 1)[None] * field.block_px + runs[:, None]
            differences = _differences(places, mv, luma, kept)
            best, as_good = _best(differences, mv)
            if others:
                best[_poor(differences)] = as_good[_poor(differences)] = UNCLEAR
            first = row * columns + column
            for block in (0, 1, columns, columns + 1)[: across * across]:
                reference[first + block], could[first + block] = best, as_good
    reference, could = reference.reshape(rows, columns), could.reshape(rows, columns)
    _ask_neighbours(field, reference, could, predicted)
    return reference


def _whole_macroblocks(vectors: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(Hb / 2, Wb / 2) bool: macroblocks whose four blocks all have the same vector."""
    first = vectors[::2, ::2]
    same = predicted[::2, ::2].copy()
    for down, right in ((0, 1), (1, 0), (1, 1)):
        same &= (vectors[down::2, right::2] == first) & predicted[down::2, right::2]
    return np.asarray(same)


def _differences(places: np.ndarray, mv_qpel: np.ndarray, luma: Luma, kept: list[Luma]) -> np.ndarray:
    """(K, n) float32: mean difference of each partition from each reference at its vector, in levels of luma.

    `places` is (r, n, 2): where its runs begin, x and y; `mv_qpel` is (n, 2).
    """
    here, there = Spot.at(places, luma), Spot.at(places, luma, -mv_qpel)
    current = luma.sample(here)
    found = np.stack([reference.differences(there, current) for reference in kept])
    return found.astype(np.float32) / (POINTS * len(places))


def _best(differences: np.ndarray, mv_qpel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) uint8: the number of the reference, from 1; UNCLEAR where others do as well and would mean another speed.
    And which do as well, bit by bit. `differences` is (K, n), `mv_qpel` (n, 2).

    The newest is taken where it does as well as the best: it is the usual one.
    """
    least = np.minimum.reduce(differences)
    as_good = differences <= least * np.float32(1 + NOISE_SHARE) + np.float32(NOISE)
    best = np.ones(len(least), np.float32)
    for number in range(2, len(differences) + 1):
        best[~as_good[0] & (differences[number - 1] == least)] = number
    length = np.abs(mv_qpel.astype(np.float32)).max(1)
    speed = length / best
    unclear = np.zeros(len(best), bool)
    for number, rival in enumerate(as_good, 1):
        unclear |= rival & (np.abs(length / np.float32(number) - speed) > SAME_SPEED_QPEL)
    return np.where(unclear, UNCLEAR, best).astype(np.uint8), np.packbits(as_good, 0, bitorder="little")[0]


def _poor(differences: np.ndarray) -> np.ndarray:
    """(n,) bool: partitions that look like none of the references."""
    least = differences.min(0)
    return np.asarray(least > min(POOR_LIMIT, POOR + POOR_SHARE * float(np.median(least))))


def _ask_neighbours(
    field: MotionField, reference: np.ndarray, could: np.ndarray, predicted: np.ndarray
) -> None:
    """Of flat content several references do as well: take the one that moves it as fast as what is clear around."""
    row, column = np.nonzero(reference == UNCLEAR)
    if not len(row):
        return
    clear = (predicted & (reference != UNCLEAR)).astype(np.float32)
    share = clear / np.maximum(reference, 1)
    layers = np.stack([field.mv_qpel[..., 0] * share, field.mv_qpel[..., 1] * share, clear])
    side = max(1, MACROBLOCK_PX // field.block_px)
    x, y, known = _around(layers, side)[:, row // side, column // side]
    usual = np.stack([x, y], 1) / np.maximum(known, 1)[:, None]
    mv, possible = field.mv_qpel[row, column].astype(np.float32), could[row, column]
    best, found = np.full(len(row), UNCLEAR, np.uint8), np.full(len(row), AGREES_QPEL, np.float32)
    for number in range(1, 1 + int(possible.max()).bit_length()):
        apart = np.abs(mv / number - usual).max(1)
        better = (possible >> (number - 1) & 1 > 0) & (apart < found) & (known >= NEIGHBOURS)
        best[better], found[better] = number, apart[better]
    reference[row, column] = best


def _around(layers: np.ndarray, side: int) -> np.ndarray:
    """(C, Hb / side, Wb / side): of (C, Hb, Wb), the sum over each macroblock of `side` blocks a side and AROUND others
    every way."""
    total = np.add.reduce(
        [layers[:, down::side, right::side] for down in range(side) for right in range(side)]
    )
    count, rows, columns = total.shape
    shifts = range(2 * AROUND + 1)
    tall = np.zeros((count, rows + 2 * AROUND, columns), total.dtype)
    tall[:, AROUND : AROUND + rows] = total
    wide = np.zeros((count, rows, columns + 2 * AROUND), total.dtype)
    wide[..., AROUND : AROUND + columns] = np.add.reduce([tall[:, at : at + rows] for at in shifts])
    return np.asarray(np.add.reduce([wide[..., at : at + columns] for at in shifts]))
