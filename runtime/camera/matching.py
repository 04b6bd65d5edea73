"""Which of several reference pictures a block was predicted from, as the decoded pictures tell. Pure numpy.

What was predicted from the right one looks almost like it, at the place that its vector says: so for each partition the
one is taken that differs least over some points, between pixels by bilinear interpolation.
"""

from __future__ import annotations

import numpy as np

from magno.runtime.units import BlockMode, MotionField

PAD_PX = 32  # a reference goes on beyond its edges, as its last pixels do
RUN_PX = 8  # pixels read at once: seven, and one more to interpolate with
# Where the runs of a block of 8 px, and of a macroblock of 16 px, begin: right, down.
BLOCK_RUNS = np.array([(0, 1), (0, 5)], np.intp)
MACROBLOCK_RUNS = np.array([(1, 2), (8, 6), (1, 9), (8, 13)], np.intp)
QPEL = 4
# References that differ from a partition by so little more than the best one do as well: it may be noise.
NOISE, NOISE_SHARE = 0.15, 0.1  # levels of luma, and share of the best difference
SAME_SPEED_QPEL = 1.0  # a picture: which of two references it is then matters little
UNCLEAR = 0  # no number of a reference
POOR, POOR_SHARE, POOR_LIMIT = (
    3.0,
    4.0,
    8.0,
)  # no match: worse than so much and so often the usual, or than a limit
AROUND, NEIGHBOURS = 4, 4  # blocks every way that are asked, and how many have to know
AGREES_QPEL = 2.0  # a picture, from their mean
PREDICTED = np.zeros(256, bool)
PREDICTED[[BlockMode.INTER, BlockMode.SKIP, BlockMode.BI]] = True


class Luma:
    """One picture's luma with its edges continued, as bytes in a row."""

    def __init__(self, luma: np.ndarray) -> None:
        """`luma` is (H, W) uint8, at least 8 px wide; it is copied."""
        self.height, self.width = luma.shape
        self.stride = self.width + 2 * PAD_PX
        padded = np.empty((self.height + 2 * PAD_PX, self.stride), np.uint8)
        inner = padded[PAD_PX:-PAD_PX]
        inner[:, PAD_PX:-PAD_PX] = luma
        inner[:, :PAD_PX], inner[:, -PAD_PX:] = luma[:, :1], luma[:, -1:]
        padded[:PAD_PX], padded[-PAD_PX:] = inner[0], inner[-1]
        flat = padded.reshape(-1)
        # A number at every byte, of it and the seven that follow: one look-up reads a run of pixels.
        self._runs = np.ndarray((flat.size - RUN_PX + 1,), np.uint64, flat, strides=(1,))

    def runs(self, place: np.ndarray) -> np.ndarray:
        """(n, 8) int16: pixels from each place on."""
        return self._runs[place].view(np.uint8).reshape(-1, RUN_PX).astype(np.int16)


def which(field: MotionField, luma: Luma, kept: list[Luma], *, others: bool = False) -> np.ndarray:
    """(Hb, Wb) uint8: which of `kept`, 1 the first, each vector points into, or UNCLEAR; 1 where there is no vector.

    `luma` is the field's own picture; all are of one size. `others`: vectors may point into pictures that are not kept.
    """
    rows, columns = field.mode.shape
    reference = np.ones((rows, columns), np.uint8)
    could = np.zeros((rows, columns), np.uint8)  # bit by bit: the references that a block may point into
    vectors = np.ascontiguousarray(field.mv_qpel).view(np.int32)[..., 0]
    predicted = PREDICTED[field.mode]
    whole = np.zeros((rows, columns), bool)
    if rows % 2 == 0 and columns % 2 == 0:
        whole = _whole_macroblocks(vectors, predicted)
    for blocks, runs, across in ((whole, MACROBLOCK_RUNS, 2), (predicted & ~whole, BLOCK_RUNS, 1)):
        row, column = np.nonzero(blocks[::across, ::across])
        if len(row):
            mv = field.mv_qpel[row * across, column * across]
            corner = np.stack([column, row], 1) * (across * field.block_px)
            differences = _differences(corner[:, None] + runs, mv, luma, kept)
            best, as_good = _best(differences, mv)
            if others:
                best[_poor(differences)] = as_good[_poor(differences)] = UNCLEAR
            for down in range(across):
                for right in range(across):
                    place = row * across + down, column * across + right
                    reference[place], could[place] = best, as_good
    _ask_neighbours(field, reference, could, predicted)
    return reference


def _whole_macroblocks(vectors: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """(Hb, Wb) bool: blocks of macroblocks whose four all have the same vector."""
    first = vectors[::2, ::2]
    same = predicted[::2, ::2].copy()
    for down, right in ((0, 1), (1, 0), (1, 1)):
        same &= (vectors[down::2, right::2] == first) & predicted[down::2, right::2]
    return np.repeat(np.repeat(same, 2, 0), 2, 1)


def _differences(places: np.ndarray, mv_qpel: np.ndarray, luma: Luma, kept: list[Luma]) -> np.ndarray:
    """(K, n) float32: mean difference of each partition from each reference at its vector, in levels of luma.

    `places` is (n, r, 2): where its runs begin, x and y; `mv_qpel` is (n, 2).
    """
    x = np.minimum(places[..., 0], luma.width - RUN_PX + 1)
    y = np.minimum(places[..., 1], luma.height - 1)
    current = luma.runs(((y + PAD_PX) * luma.stride + x + PAD_PX).reshape(-1))[:, :-1] * (QPEL * QPEL)
    whole, part = np.divmod(-mv_qpel.astype(np.intp), QPEL)  # from the block to its reference
    from_x = np.clip(x + whole[:, :1] + PAD_PX, 0, luma.stride - RUN_PX)
    from_y = np.clip(y + whole[:, 1:] + PAD_PX, 0, luma.height + 2 * PAD_PX - 2)
    place = (from_y * luma.stride + from_x).reshape(-1)
    right, down = (np.repeat(part[:, axis].astype(np.int16), places.shape[1])[:, None] for axis in (0, 1))
    found = np.empty((len(kept), len(mv_qpel)), np.float32)
    for number, reference in enumerate(kept):
        upper, lower = reference.runs(place), reference.runs(place + luma.stride)
        rows = upper * (QPEL - down) + lower * down
        mixed = rows[:, :-1] * (QPEL - right) + rows[:, 1:] * right
        total = np.abs(mixed - current).sum(1, dtype=np.int32)
        found[number] = total.reshape(len(mv_qpel), -1).sum(1)
    return found / (QPEL * QPEL * (RUN_PX - 1) * places.shape[1])


def _best(differences: np.ndarray, mv_qpel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) uint8: the number of the reference, from 1; UNCLEAR where others do as well and would mean another speed.
    And which do as well, bit by bit. `differences` is (K, n), `mv_qpel` (n, 2).

    The newest is taken where it does as well as the best: it is the usual one.
    """
    as_good = differences <= differences.min(0) * (1 + NOISE_SHARE) + NOISE
    best = np.where(as_good[0], 1, differences.argmin(0) + 1)
    length = np.abs(mv_qpel).max(1)
    unclear = np.zeros(len(best), bool)
    for number, rival in enumerate(as_good, 1):
        apart = np.abs(length / number - length / best)  # in speed, quarter pixels a picture
        unclear |= rival & (apart > SAME_SPEED_QPEL)
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
    speed = field.mv_qpel * (clear / np.maximum(reference, 1))[..., None]
    around = _box_sums(np.dstack([speed, clear]))[row, column]
    usual = around[:, :2] / np.maximum(around[:, 2:], 1)
    mv = field.mv_qpel[row, column].astype(np.float32)
    best, found = np.full(len(row), UNCLEAR, np.uint8), np.full(len(row), AGREES_QPEL, np.float32)
    for number in range(1, 1 + int(could.max()).bit_length()):
        apart = np.abs(mv / number - usual).max(1)
        better = (could[row, column] >> (number - 1) & 1 > 0) & (apart < found) & (around[:, 2] >= NEIGHBOURS)
        best[better], found[better] = number, apart[better]
    reference[row, column] = best


def _box_sums(image: np.ndarray) -> np.ndarray:
    """(H, W, C): the sum over each place's neighbourhood of AROUND blocks every way."""
    for axis in (0, 1):
        size = image.shape[axis]
        total = np.concatenate([np.zeros_like(image.take([0], axis)), image.cumsum(axis)], axis)
        places = np.arange(size)
        upper = total.take(np.minimum(places + AROUND + 1, size), axis)
        image = upper - total.take(np.maximum(places - AROUND, 0), axis)
    return image
