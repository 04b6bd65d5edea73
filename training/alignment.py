"""The Δ-encoder against the vision encoder: from the picture before a window and its Δ-tokens, predict what the
vision encoder says of the picture after it, patch by patch (CoPE-VideoLM, section 3.3, equations 7 to 10).

A reference transformer lets the Δ-tokens look at the picture before; a warped transformer lets that picture's
patches look at those tokens, and gives the patches after. Both are thrown away after training.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from magno.export.model import MagnoModel
from magno.runtime.spec import CodecSpec
from magno.training.samples import pixels_of
from magno.training.shards import Shard
from magno.training.symmetry import AS_IT_IS, drop_vectors, random_symmetry

LAYERS, HEADS = 2, 4
RANKS = (1, 2, 5)


class Pairs(NamedTuple):
    """Windows with the pictures around them."""

    clip: Tensor  # (W,) int64: a number of each window's clip
    before: Tensor  # (W, 3, S, S)
    after: Tensor  # (W, 3, S, S)
    motion: Tensor  # (W, P*P, motion_width)
    residual: Tensor  # (W, 1, S, S)


class Alignment(nn.Module):
    """Patches before and Δ-tokens -> patches after."""

    def __init__(self, width: int, patches: int) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(1, patches, width) * 0.02)
        self.reference, self.warped = _transformer(width), _transformer(width)
        self.told = nn.Linear(width, width)
        nn.init.zeros_(self.told.weight)  # begin by saying that nothing changes
        nn.init.zeros_(self.told.bias)

    def forward(self, patches: Tensor, deltas: Tensor) -> Tensor:
        """(W, P*P, width) and (W, 8, width) -> (W, P*P, width)."""
        placed, count = patches + self.position, deltas.shape[1]
        aware = self.reference(torch.cat([deltas, placed], dim=1))[:, :count]
        return patches + self.told(self.warped(torch.cat([aware, placed], dim=1))[:, count:])

    def loss(self, model: MagnoModel, pairs: Pairs) -> Tensor:
        """Mean squared error of the patches, in units of what changed in all of them."""
        with torch.no_grad():
            before, after = patches_of(model, pairs.before), patches_of(model, pairs.after)
            scale = (after - before).square().mean().clamp(min=1e-6)
        predicted = self(before, model.delta(pairs.motion, pairs.residual))
        return (predicted - after).square().mean() / scale


def patches_of(model: MagnoModel, pixels: Tensor) -> Tensor:
    """What the vision encoder says, each patch normed so that none outweighs another."""
    return torch.nn.functional.layer_norm(model.vision(pixels), (model.language.config.hidden_size,))


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How often the picture after a window is among the nearest to what was predicted of it, of all pictures of its
    clip but the one before; `plain`: to that picture itself. By rank."""

    told: dict[int, float]
    plain: dict[int, float]
    windows: int
    candidates: float  # for each, on average


def retrieval(model: MagnoModel, alignment: Alignment, all_pairs: Iterator[Pairs]) -> Retrieval:
    """Next-picture retrieval within each clip, by the cosine of patches. Windows of a clip come in their order."""
    told, plain, wanted, clips = [], [], [], []
    with torch.no_grad():
        for pairs in all_pairs:
            before, after = patches_of(model, pairs.before), patches_of(model, pairs.after)
            predicted = alignment(before, model.delta(pairs.motion, pairs.residual))
            for into, patches in ((told, predicted), (plain, before), (wanted, after)):
                into.append(torch.nn.functional.normalize(patches.flatten(1), dim=1))
            clips.append(pairs.clip)
    clip, found = torch.cat(clips), torch.cat(wanted)
    others = clip[:, None] == clip[None, :]
    others[torch.arange(1, len(clip)), torch.arange(len(clip) - 1)] = (
        False  # the picture before is no candidate
    )
    return Retrieval(
        _recalls(torch.cat(told), found, others),
        _recalls(torch.cat(plain), found, others),
        len(clip),
        float(others.sum(1).float().mean()),
    )


def _recalls(queries: Tensor, found: Tensor, candidates: Tensor) -> dict[int, float]:
    near = queries @ found.T
    better = ((near > near.diagonal()[:, None]) & candidates).sum(1)
    return {rank: float((better < rank).float().mean()) for rank in RANKS}


class PairSource:
    """Windows of shards that keep the pictures after them."""

    def __init__(self, shards: list[Shard], codec: CodecSpec) -> None:
        self._codec = codec
        self._all = [
            (shard, clip, item)
            for shard in shards
            if len(shard.arrays.ends)
            for clip in range(shard.clips)
            for item in np.flatnonzero(shard.kinds(clip))
        ]

    def __len__(self) -> int:
        return len(self._all)

    def random(self, size: int, rng: np.random.Generator) -> Pairs:
        chosen = [self._all[i] for i in rng.integers(0, len(self._all), size)]
        return self._pairs(chosen, rng)

    def some(self, limit: int, size: int = 64) -> Iterator[Pairs]:
        """The first `limit` windows, as they are, clip after clip."""
        chosen = self._all[:limit]
        for start in range(0, len(chosen), size):
            yield self._pairs(chosen[start : start + size], None)

    def _pairs(self, chosen: list[tuple[Shard, int, int]], rng: np.random.Generator | None) -> Pairs:
        before, after, motion, residual, numbers = [], [], [], [], []
        for shard, clip, item in chosen:
            arrays, symmetry = shard.arrays, random_symmetry(rng) if rng is not None else AS_IT_IS
            window = shard.window(clip, item)
            follows = shard.kinds(clip)[item - 1]
            came_from = (
                arrays.ends[window - 1] if follows else arrays.keyframes[shard.keyframe(clip, item) - 1]
            )
            numbers.append(int(shard.clips_told[clip]["seed"]))
            before.append(symmetry.picture(came_from))
            after.append(symmetry.picture(arrays.ends[window]))
            moved = symmetry.motion(arrays.motion[window].astype(np.float32), self._codec)
            motion.append(moved if rng is None else drop_vectors(moved, self._codec, rng))
            residual.append(symmetry.residual(shard.residual(window, self._codec.residual_scale)))
        arrays_of = (torch.from_numpy(np.stack(part)) for part in (motion, residual))
        return Pairs(torch.tensor(numbers), pixels_of(before), pixels_of(after), *arrays_of)


def _transformer(width: int) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(
        width, HEADS, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
