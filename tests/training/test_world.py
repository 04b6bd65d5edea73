"""The synthetic world says the truth, and the same truth every time."""

from __future__ import annotations

import numpy as np
import pytest

from magno.training.phrases import DIRECTIONS, SHAPES, corpus
from magno.training.world import OUTLINES, STEP, random_scene, render

PICTURES = 50


def test_a_scene_is_its_seed() -> None:
    first, again, other = (list(render(random_scene(seed, 20), 3)) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].shape != other[0].shape or not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("seed", range(12))
def test_the_truth_is_how_the_content_moves(seed: int) -> None:
    scene = random_scene(seed, PICTURES)
    pictures = np.stack(list(render(scene, seed))).astype(np.float32)
    assert len(pictures) == len(scene.directions()) == PICTURES
    first = 0
    for leg in scene.legs:
        last = first + leg.pictures - 1
        # What differs from the background is the mover (its grain aside).
        before, after = (_centre(pictures[at], scene.background, scene.noise) for at in (first, last))
        first += leg.pictures
        if before is None or after is None:
            continue
        moved = after - before
        assert moved @ STEP[leg.direction] > 0
        assert abs(moved @ STEP[leg.direction]) >= np.abs(moved).max() - 6


def test_every_shape_has_an_outline() -> None:
    assert set(OUTLINES) == set(SHAPES)
    y, x = np.mgrid[-1.5:1.5:61j, -1.5:1.5:61j]
    for shape, outline in OUTLINES.items():
        inside = outline(x, y) < 0
        assert 0.05 < inside.mean() < 0.6, shape
        assert not inside[0].any() and not inside[:, 0].any(), shape


def test_the_corpus_has_the_canonical_question() -> None:
    assert "Which way is the red square moving?" in corpus()
    assert set(DIRECTIONS) <= set(corpus())


def _centre(picture: np.ndarray, background: np.ndarray, noise: float) -> np.ndarray | None:
    rows, columns = np.nonzero(np.abs(picture - background).max(-1) > 25 + 5 * noise)
    return np.array([columns.mean(), rows.mean()]) if len(rows) > 30 else None
