"""Keyframes and windows of shards, with what is true of them, as tensors: for rows, and by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from magno.runtime.spec import CodecSpec
from magno.training.facts import WindowFacts, patch_facts, window_facts
from magno.training.shards import Shard
from magno.training.symmetry import AS_IT_IS, Symmetry, drop_vectors, random_symmetry

NO_RESIDUAL_SHARE = 0.12  # some hardware gives vectors only


class Keyframes(NamedTuple):
    pixels: Tensor  # (K, 3, S, S)
    colours: Tensor  # (K, P*P) int64: facts.patch_facts
    shapes: Tensor  # (K, P*P) int64
    middles: Tensor  # (K, P*P) bool


class Windows(NamedTuple):
    motion: Tensor  # (W, P*P, motion_width)
    residual: Tensor  # (W, 1, S, S)
    known: Tensor  # (W,) bool; this and the others: facts.WindowFacts, stacked
    field: Tensor  # (W, CELLS, CELLS, 2)
    ground: Tensor  # (W, 3)
    mover: Tensor  # (W, MOVERS) bool
    start: Tensor  # (W, MOVERS, 2)
    end: Tensor  # (W, MOVERS, 2)
    moved: Tensor  # (W, MOVERS, 3)
    colour: Tensor  # (W, MOVERS) int64
    shape: Tensor  # (W, MOVERS) int64


@dataclass(frozen=True, slots=True)
class Place:
    """An item of a clip, as it is to be seen."""

    shard: Shard
    clip: int
    item: int
    symmetry: Symmetry = AS_IT_IS
    blind: bool = False  # to the residual


def keyframes_of(places: Sequence[Place], codec: CodecSpec) -> Keyframes:
    pictures = [
        at.symmetry.picture(at.shard.arrays.keyframes[at.shard.keyframe(at.clip, at.item)]) for at in places
    ]
    facts = [patch_facts(at.shard, at.clip, at.item, codec.patches, at.symmetry) for at in places]
    return Keyframes(
        pixels_of(pictures), *(torch.from_numpy(np.stack(part)) for part in zip(*facts, strict=True))
    )


def windows_of(places: Sequence[Place], codec: CodecSpec, rng: np.random.Generator | None) -> Windows:
    """`rng` loses vectors now and then."""
    motion, residual, facts = [], [], []
    for at in places:
        window = at.shard.window(at.clip, at.item)
        moved = at.symmetry.motion(at.shard.arrays.motion[window].astype(np.float32), codec)
        changed = at.symmetry.residual(at.shard.residual(window, codec.residual_scale))
        motion.append(moved if rng is None else drop_vectors(moved, codec, rng))
        residual.append(np.zeros_like(changed) if at.blind else changed)
        facts.append(window_facts(at.shard, at.clip, at.item, codec.image_px, at.symmetry))
    truth = [np.stack([np.asarray(getattr(each, name)) for each in facts]) for name in WindowFacts.__slots__]
    return Windows(*(torch.from_numpy(part) for part in (np.stack(motion), np.stack(residual), *truth)))


def pixels_of(pictures: Sequence[np.ndarray]) -> Tensor:
    """(S, S, 3) uint8 each -> (K, 3, S, S) in [-1, 1]."""
    scaled = np.stack(pictures).astype(np.float32) / 127.5 - 1.0
    return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2)))


class Samples:
    """Random keyframes and windows of all clips, turned at random: cheaper by far than whole rows."""

    def __init__(self, shards: Sequence[Shard], codec: CodecSpec) -> None:
        self._codec = codec
        self._items: tuple[list[tuple[Shard, int, int]], ...] = ([], [])  # by kind
        for shard in shards:
            for clip in range(shard.clips):
                for item, kind in enumerate(shard.kinds(clip)):
                    self._items[kind].append((shard, clip, item))

    def keyframes(self, size: int, rng: np.random.Generator) -> Keyframes:
        return keyframes_of(self._places(0, size, rng), self._codec)

    def windows(self, size: int, rng: np.random.Generator) -> Windows:
        return windows_of(self._places(1, size, rng), self._codec, rng)

    def _places(self, kind: int, size: int, rng: np.random.Generator) -> list[Place]:
        items = self._items[kind]
        return [
            Place(*items[i], random_symmetry(rng), bool(rng.random() < NO_RESIDUAL_SHARE))
            for i in rng.integers(0, len(items), size)
        ]
