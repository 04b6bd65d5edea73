"""Short runs of a picture's luma, read at many places at once and compared, between pixels too. Pure numpy.

Eight pixels are one number of 64 bits, so that one look-up reads them and one operation works on four of them: the
pixels in even places stand in four lanes of 16 bits, those in odd places in four others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PAD_PX = 32  # a picture goes on beyond its edges, as its last pixels do
RUN_PX = 8  # pixels of a run
POINTS = 7  # of them that are compared: the last has no right neighbour
QPEL_BITS, QPEL = 2, 4
EVEN = np.uint64(0x00FF00FF00FF00FF)
THREE_LANES, TWO_SUMS = np.uint64(0x0000FFFFFFFFFFFF), np.uint64(0x0000FFFF0000FFFF)
LANE_BITS, PIXEL_BITS = np.uint64(16), np.uint64(8)


@dataclass(frozen=True, slots=True)
class Spot:
    """Places in pictures of one size, to a quarter pixel."""

    first: np.ndarray  # (r, n) intp: index of each run's first pixel
    below: int  # from a pixel to the one below it
    right: np.ndarray  # (n,) uint64: quarters of a pixel beyond it
    down: np.ndarray
    left: np.ndarray  # and what is left of a whole one
    up: np.ndarray

    @classmethod
    def at(cls, places: np.ndarray, luma: Luma, by_qpel: np.ndarray | None = None) -> Spot:
        """`places` is (r, n, 2), x and y of runs inside the picture; all of a partition are moved by (n, 2)."""
        x = np.minimum(places[..., 0], max(0, luma.width - RUN_PX))
        y = np.minimum(places[..., 1], luma.height - 1)
        if by_qpel is None:
            by_qpel = np.zeros(places.shape[1:], np.intp)
        by_qpel = by_qpel.astype(np.intp)
        whole, part = by_qpel >> QPEL_BITS, by_qpel & (QPEL - 1)
        x = np.clip(x + whole[:, 0] + PAD_PX, 0, luma.stride - RUN_PX)
        y = np.clip(y + whole[:, 1] + PAD_PX, 0, luma.height + 2 * PAD_PX - 2)
        right, down = part.T.astype(np.uint64)
        return cls(y * luma.stride + x, luma.stride, right, down, QPEL - right, QPEL - down)


class Luma:
    """One picture's luma with its edges continued."""

    def __init__(self, luma: np.ndarray) -> None:
        """`luma` is (H, W) uint8; it is copied."""
        self.height, self.width = luma.shape
        self.stride = self.width + 2 * PAD_PX
        padded = np.empty((self.height + 2 * PAD_PX, self.stride), np.uint8)
        inner = padded[PAD_PX:-PAD_PX]
        inner[:, PAD_PX:-PAD_PX] = luma
        inner[:, :PAD_PX], inner[:, -PAD_PX:] = luma[:, :1], luma[:, -1:]
        padded[:PAD_PX], padded[-PAD_PX:] = inner[0], inner[-1]
        flat = padded.reshape(-1)
        # A number begins at every byte: the pixels there and the seven that follow, the first in its lowest bits.
        self._runs = np.ndarray((flat.size - RUN_PX + 1,), "<u8", flat, strides=(1,))

    def sample(self, spot: Spot) -> tuple[np.ndarray, np.ndarray]:
        """Two (r, n) uint64: sixteen times the luma of four pixels in even places, and of three in odd ones."""
        upper, lower = self._runs[spot.first], self._runs[spot.first + spot.below]
        even = (upper & EVEN) * spot.up + (lower & EVEN) * spot.down
        odd = (upper >> PIXEL_BITS & EVEN) * spot.up + (lower >> PIXEL_BITS & EVEN) * spot.down
        return (
            even * spot.left + odd * spot.right,
            odd * spot.left + (even >> LANE_BITS) * spot.right & THREE_LANES,
        )

    def differences(self, spot: Spot, current: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """(n,) float32: the sum of what differs in luma between a partition's runs here and those sampled before."""
        apart = [
            np.abs(mine.view(np.int16) - other.view(np.int16)).view(np.uint64)
            for mine, other in zip(self.sample(spot), current, strict=True)
        ]
        lanes = (apart[0] + apart[1]).sum(0)  # at most 2 * 4080 a run: seven runs fit
        sums = (lanes & TWO_SUMS) + (lanes >> LANE_BITS & TWO_SUMS)
        total = (sums & np.uint64(0xFFFFFFFF)) + (sums >> np.uint64(32))
        return np.asarray(total.astype(np.float32) / (QPEL * QPEL))
