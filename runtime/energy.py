"""How much moved: the energy of a window's motion, from vectors that the video encoder had computed anyway. Pure."""

from __future__ import annotations

import numpy as np

from magno.runtime.clock import NS_PER_S
from magno.runtime.fusion import Displacement


def motion_energy(came: Displacement, size: tuple[int, int], lasted_ns: int) -> float:
    """Mean square speed of the blocks that were traced, in sides of the picture a second, squared. `size` is the
    stream's visible width, height; a window without a traced block, or that took no time, has none.

    In sides, so that it is the same at any resolution, and stretched as the model sees it. Squared, because noise is
    many small vectors and what matters a few large ones: in car-detection.mp4 a car has ten thousand times the energy
    of the empty park (0.1 against 0.00001), and thirty times its mean speed.
    """
    traced = came.valid > 0
    if lasted_ns <= 0 or not traced.any():
        return 0.0
    moved = came.px[traced] / np.array(size, np.float32)  # in sides
    return float(np.mean(np.sum(moved * moved, axis=1))) / (lasted_ns / NS_PER_S) ** 2
