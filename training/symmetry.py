"""Augmentation that keeps truth true: the square's symmetries, and vectors that go missing. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.runtime.spec import CodecSpec
from magno.training.questions.words import PLACES

AXES = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
WAYS = {
    **AXES,
    **{f"{y} {x}": (AXES[x][0], AXES[y][1]) for y in ("up", "down") for x in ("left", "right")},
}
SPOTS = {place: (x - 1, y - 1) for y, row in enumerate(PLACES) for x, place in enumerate(row)}
WORDS = {"direction": WAYS, "camera": WAYS, "where": SPOTS}  # by phrase: answers that turn with the picture


@dataclass(frozen=True, slots=True)
class Symmetry:
    """Transpose first, then mirror in x and in y."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def picture(self, picture: np.ndarray) -> np.ndarray:
        """(S, S, C) -> the same."""
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
        field[..., :2] = self.vectors(field[..., :2])
        cut = field.reshape(patches, cells, patches, cells, 3).transpose(0, 2, 1, 3, 4)
        return cut.reshape(patches * patches, codec.motion_width)

    def vectors(self, vectors: np.ndarray) -> np.ndarray:
        """(..., 2) x and y of displacements -> the same."""
        turned = vectors[..., ::-1] if self.transpose else vectors
        return turned * np.array([-1 if self.mirror_x else 1, -1 if self.mirror_y else 1], turned.dtype)

    def points(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) x and y, 0 to 1 -> the same."""
        return self.vectors(points - np.float32(0.5)) + np.float32(0.5)

    def answer(self, phrase: str, answer: str) -> str:
        """What is right of the turned picture, asked with this phrase."""
        table = WORDS.get(phrase, {})
        if answer not in table:
            return answer
        x, y = table[answer]
        x, y = (y, x) if self.transpose else (x, y)
        turned = (-x if self.mirror_x else x, -y if self.mirror_y else y)
        return next(word for word, way in table.items() if way == turned)


AS_IT_IS = Symmetry()


def random_symmetry(rng: np.random.Generator) -> Symmetry:
    return Symmetry(*(bool(coin) for coin in rng.random(3) < 0.5))


def drop_vectors(motion: np.ndarray, codec: CodecSpec, rng: np.random.Generator) -> np.ndarray:
    """Now and then some cells lose their vectors, as where an encoder chose intra blocks."""
    if rng.random() < 0.7:
        return motion
    cells = motion.reshape(motion.shape[0], codec.cells**2, 3)
    kept = rng.random(cells.shape[:2]) > rng.uniform(0, 0.4)
    return np.asarray((cells * kept[..., None]).reshape(motion.shape), dtype=np.float32)
