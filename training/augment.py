"""Augmentation that keeps truth true: the square's symmetries, and vectors that go missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.runtime.spec import CodecSpec
from magno.training.phrases import DIRECTIONS

STEPS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True, slots=True)
class Symmetry:
    """Transpose first, then mirror in x and in y."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def picture(self, picture: np.ndarray) -> np.ndarray:
        """(S, S, 3) -> the same."""
        turned = picture.transpose(1, 0, 2) if self.transpose else picture
        return turned[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]

    def residual(self, residual: np.ndarray) -> np.ndarray:
        """(1, S, S) -> the same."""
        return self.picture(residual[0][..., None])[None, ..., 0]

    def motion(self, motion: np.ndarray, codec: CodecSpec) -> np.ndarray:
        """(P*P, motion_width) -> the same, vectors turned with their places."""
        patches, cells, grid = codec.patches, codec.cells, codec.motion_grid
        field = (
            motion.reshape(patches, patches, cells, cells, 3).transpose(0, 2, 1, 3, 4).reshape(grid, grid, 3)
        )
        field = self.picture(field).copy()
        if self.transpose:
            field[..., :2] = field[..., 1::-1]
        field[..., 0] *= -1 if self.mirror_x else 1
        field[..., 1] *= -1 if self.mirror_y else 1
        cut = field.reshape(patches, cells, patches, cells, 3).transpose(0, 2, 1, 3, 4)
        return cut.reshape(patches * patches, codec.motion_width)

    def direction(self, direction: int) -> int:
        x, y = STEPS[DIRECTIONS[direction]]
        x, y = (y, x) if self.transpose else (x, y)
        turned = (-x if self.mirror_x else x, -y if self.mirror_y else y)
        return next(i for i, way in enumerate(DIRECTIONS) if STEPS[way] == turned)


def random_symmetry(rng: np.random.Generator) -> Symmetry:
    return Symmetry(*(bool(coin) for coin in rng.random(3) < 0.5))


def drop_vectors(motion: np.ndarray, codec: CodecSpec, rng: np.random.Generator) -> np.ndarray:
    """Now and then some cells lose their vectors, as where an encoder chose intra blocks."""
    if rng.random() < 0.6:
        return motion
    cells = motion.reshape(motion.shape[0], codec.cells**2, 3)
    kept = rng.random(cells.shape[:2]) > rng.uniform(0, 0.4)
    return np.asarray((cells * kept[..., None]).reshape(motion.shape), dtype=np.float32)
