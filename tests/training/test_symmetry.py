"""Augmentation keeps truth true: features of a mirrored clip are the mirrored features of the clip."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from magno.runtime.features import motion_patches
from magno.training.pocket import CODEC
from magno.training.questions.words import CAMERA_WAYS, CANNOT_TELL, PLACES, WAYS_8
from magno.training.symmetry import WAYS, Symmetry, drop_vectors

ALL = [Symmetry(*coins) for coins in itertools.product((False, True), repeat=3)]


@pytest.mark.parametrize("symmetry", ALL, ids=str)
def test_a_vector_turns_with_its_place_and_its_name(symmetry: Symmetry) -> None:
    for name, way in WAYS.items():
        grid = np.zeros((CODEC.motion_grid, CODEC.motion_grid, 3), np.float32)
        grid[3, 20] = (*way, 1.0)
        turned = symmetry.motion(motion_patches(grid, CODEC), CODEC)
        place = symmetry.picture(grid[..., 2:])[..., 0]
        expected = np.zeros_like(grid)
        expected[place > 0] = (*WAYS[symmetry.answer("direction", name)], 1.0)
        assert np.allclose(turned, motion_patches(expected, CODEC))
        row, column = np.argwhere(place > 0)[0]
        point = symmetry.points((np.array([20, 3]) + 0.5) / CODEC.motion_grid)
        assert np.allclose(point * CODEC.motion_grid - 0.5, (column, row))


@pytest.mark.parametrize("symmetry", ALL, ids=str)
def test_every_answer_has_its_own_image(symmetry: Symmetry) -> None:
    spots = [spot for row in PLACES for spot in row]
    for phrase, words in (("direction", WAYS_8), ("camera", CAMERA_WAYS), ("where", spots)):
        assert sorted(symmetry.answer(phrase, word) for word in words) == sorted(words)
        assert symmetry.answer(phrase, CANNOT_TELL) == CANNOT_TELL
    assert symmetry.answer("closer", "left") == "left"  # no word of the picture's own


@pytest.mark.parametrize("symmetry", ALL, ids=str)
def test_pictures_and_residuals_turn_alike(symmetry: Symmetry) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)
    residual = picture[None, ..., 0].astype(np.float32)
    assert np.array_equal(symmetry.residual(residual)[0], symmetry.picture(picture)[..., 0])


def test_lost_vectors_are_wholly_lost() -> None:
    rng = np.random.default_rng(1)
    motion = np.ones((CODEC.patches**2, CODEC.motion_width), np.float32)
    seen = [drop_vectors(motion, CODEC, rng) for _ in range(40)]
    assert any(np.array_equal(dropped, motion) for dropped in seen)
    for dropped in seen:
        cells = dropped.reshape(-1, 3)
        assert set(np.unique(cells.sum(1))) <= {0.0, 3.0}
        assert cells.mean() > 0.4
