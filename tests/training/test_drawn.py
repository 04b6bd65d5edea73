"""Drawn pictures show what is said of their patches, and a thing's tokens are pooled with no other's."""

from __future__ import annotations

import numpy as np
import torch

from magno.training.drawn import THINGS, Drawings
from magno.training.heads import NameHead, things_of
from magno.training.pocket import CODEC
from magno.training.questions.words import SHAPES
from magno.training.samples import Keyframes
from magno.training.scenes.sprites import RGB


def drawn(count: int, seed: int) -> Keyframes:
    return Drawings(count, CODEC).some(count, np.random.default_rng(seed))


def test_what_is_said_of_a_patch_is_what_it_shows() -> None:
    """Squares fill the patches they are said to lie on, so their mean is nearest to the colour said."""
    shown = drawn(80, 0)
    pixels = (shown.pixels + 1) * 127.5
    px, side = CODEC.patch_px, CODEC.patches
    patches = pixels.unfold(2, px, px).unfold(3, px, px).mean((-1, -2)).flatten(2)  # (K, 3, P*P)
    palette = torch.tensor(list(RGB.values()), dtype=torch.float32)
    square = shown.shapes == 1 + SHAPES.index("square")
    nearest = torch.cdist(patches.transpose(1, 2)[square], palette).argmin(-1) + 1
    assert int(square.sum()) > 100 and pixels.shape[2] == side * px
    assert float((nearest == shown.colours[square]).float().mean()) > 0.8
    assert float(pixels.min()) >= 0 and float(pixels.max()) <= 255
    assert torch.equal(shown.colours > 0, shown.shapes > 0)


def test_things_are_counted_by_their_middles() -> None:
    shown = drawn(20, 0)
    assert bool((shown.shapes[shown.middles] > 0).all())
    middles = shown.middles.sum(1)
    assert int(middles.min()) >= 2 and int(middles.max()) == THINGS


def test_the_same_seed_draws_the_same() -> None:
    first, again = (drawn(3, 7) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_each_thing_is_the_mean_of_its_own_patches() -> None:
    colours = torch.tensor([[0, 1, 1, 2], [1, 0, 0, 0]])
    shapes = torch.tensor([[0, 3, 3, 3], [3, 0, 0, 0]])
    tokens = torch.arange(8.0).reshape(2, 4, 1)
    pooled, colour, shape = things_of(tokens, Keyframes(torch.empty(0), colours, shapes, shapes > 0))
    assert pooled.flatten().tolist() == [1.5, 3.0, 4.0]
    assert colour.tolist() == [1, 2, 1] and shape.tolist() == [3, 3, 3]


def test_a_picture_without_things_asks_for_nothing() -> None:
    nothing = torch.zeros(2, 4, dtype=torch.int64)
    tokens = torch.randn(2, 4, 8, requires_grad=True)
    loss = NameHead(8).loss(*things_of(tokens, Keyframes(torch.empty(0), nothing, nothing, nothing > 0)))
    assert torch.isfinite(loss)


def test_a_pool_fills_and_then_is_redrawn_a_little() -> None:
    drawings, rng = Drawings(30, CODEC), np.random.default_rng(0)
    for _ in range(2):
        drawings.some(20, rng)
    assert len(drawings._pool) == 30
    before = [id(picture) for picture, *_ in drawings._pool]
    drawings.some(20, rng)
    assert sum(id(picture) != old for (picture, *_), old in zip(drawings._pool, before, strict=True)) == 1
