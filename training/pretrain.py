"""Stage 1: the Δ-encoder alone, until its projected motion tokens tell a window's direction. Knows no language.

The paper pre-trains its Δ-encoder against the vision encoder; with one question to answer, the direction itself is
the target. A window costs a quarter of what it costs with the language model behind it, so most of what there
is to learn about vectors is learned here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from magno.runtime.spec import CodecSpec
from magno.training.augment import drop_vectors, random_symmetry
from magno.training.dataset import AMBIGUOUS, Shard, load_shard
from magno.training.phrases import DIRECTIONS


class DirectionHead(nn.Module):
    """A window's direction, read linearly off the mean of its projected motion tokens; thrown away after training
    ("Which Way Did It Move?", DeltaDirect)."""

    def __init__(self, embed_dim: int, motion_queries: int) -> None:
        super().__init__()
        self.motion_queries = motion_queries
        self.linear = nn.Linear(embed_dim, len(DIRECTIONS))

    def forward(self, deltas: Tensor) -> Tensor:
        """Δ-tokens (W, 8, embed_dim) -> logits (W, 4)."""
        return self.linear(deltas[:, : self.motion_queries].mean(1))


class Windows:
    """Labelled windows of all shards there are, drawn at random; new shards are picked up as they come."""

    def __init__(self, data: Path, pattern: str, codec: CodecSpec) -> None:
        self._data, self._pattern, self._codec = data, pattern, codec
        self._shards: dict[Path, Shard] = {}
        self._labelled: list[tuple[Shard, int, int]] = []
        self.refresh()

    def refresh(self) -> None:
        for path in sorted(self._data.glob(self._pattern)):
            if path not in self._shards:
                shard = self._shards[path] = load_shard(path)
                labels = shard.direction[shard.kinds == 1]
                self._labelled += [
                    (shard, int(i), int(labels[i])) for i in np.flatnonzero(labels != AMBIGUOUS)
                ]

    def random(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """motion, residual and direction of `size` augmented windows."""
        return self._batch([self._labelled[i] for i in rng.integers(0, len(self._labelled), size)], rng)

    def all(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Every window once, as it is."""
        for first in range(0, len(self._labelled), size):
            yield self._batch(self._labelled[first : first + size], None)

    def _batch(
        self, chosen: list[tuple[Shard, int, int]], rng: np.random.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        motion, residual, directions = [], [], []
        for shard, window, direction in chosen:
            moved, changed = (
                shard.motion[window].astype(np.float32),
                shard.residual[window].astype(np.float32),
            )
            if rng is not None:
                symmetry = random_symmetry(rng)
                moved = drop_vectors(symmetry.motion(moved, self._codec), self._codec, rng)
                changed, direction = symmetry.residual(changed), symmetry.direction(direction)
            motion.append(moved)
            residual.append(changed)
            directions.append(direction)
        arrays = (np.stack(motion), np.ascontiguousarray(np.stack(residual)))
        return torch.from_numpy(arrays[0]), torch.from_numpy(arrays[1]), torch.tensor(directions)


def direction_accuracy(delta: nn.Module, head: DirectionHead, windows: Windows) -> float:
    """Share of windows whose direction the head tells."""
    right = asked = 0
    with torch.no_grad():
        for motion, residual, direction in windows.all(64):
            told = head(delta(motion, residual)).argmax(-1)
            right, asked = right + int((told == direction).sum()), asked + len(direction)
    return right / max(asked, 1)
