"""Stage 2: the picture after a window, predicted from the one before and its Δ-tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from magno.training.alignment import Alignment, PairSource, retrieval
from magno.training.pocket import CODEC
from magno.training.shards import Shard
from magno.training.train import new_model


def test_pairs_are_the_pictures_around_a_window(shard: Shard) -> None:
    source = PairSource([shard], CODEC)
    assert len(source) == len(shard.arrays.motion)
    pairs = next(source.some(len(source), len(source)))
    after = (pairs.after.numpy().transpose(0, 2, 3, 1) + 1) * 127.5
    assert np.allclose(after, shard.arrays.ends, atol=0.01)
    same_clip = shard.arrays.kinds[1:] * shard.arrays.kinds[:-1]  # a window right behind another
    first = int(np.flatnonzero(same_clip)[0]) + 1
    window = int(np.count_nonzero(shard.arrays.kinds[:first]))
    assert torch.equal(pairs.before[window], pairs.after[window - 1])


def test_what_moves_is_learned(shard: Shard) -> None:
    """On a handful of windows the loss falls below 1, which is that of saying that nothing changes."""
    torch.manual_seed(0)
    model = new_model()[0]
    alignment = Alignment(model.language.config.hidden_size, CODEC.patches**2)
    pairs = PairSource([shard], CODEC).random(4, np.random.default_rng(0))
    optimiser = torch.optim.Adam([*alignment.parameters(), *model.delta.parameters()], 5e-4)
    losses = []
    for _ in range(16):
        optimiser.zero_grad()
        loss = alignment.loss(model, pairs)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(1.0, abs=1e-4) and min(losses) < 0.9
    assert all(parameter.grad is None for parameter in model.vision.parameters())


def test_the_same_picture_is_found_first(shard: Shard) -> None:
    model = new_model()[0]
    alignment = Alignment(model.language.config.hidden_size, CODEC.patches**2)  # says that nothing changes
    source = PairSource([shard], CODEC)
    still = (pairs._replace(before=pairs.after) for pairs in source.some(20))
    found = retrieval(model, alignment, still)
    assert found.windows == 20 and found.told == found.plain == {1: 1.0, 2: 1.0, 5: 1.0}


def test_candidates_are_of_the_same_clip_and_not_the_picture_before(shard: Shard) -> None:
    model = new_model()[0]
    alignment = Alignment(model.language.config.hidden_size, CODEC.patches**2)
    windows = np.diff(shard.arrays.window_at)
    found = retrieval(model, alignment, PairSource([shard], CODEC).some(len(shard.arrays.motion)))
    assert found.candidates == pytest.approx(
        (windows * windows - (windows - 1)).sum() / windows.sum(), abs=0.05
    )
