"""Pictures of scenes that no clip shows: what the vision tower learns shapes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from magno.training.make_data import STILLS_SEED, Job, make_shard
from magno.training.pocket import CODEC
from magno.training.samples import Samples
from magno.training.scenes.compose import Recipe, compose
from magno.training.scenes.excerpt import excerpt
from magno.training.scenes.film import film
from magno.training.scenes.grounds import Paint
from magno.training.scenes.textures import FAMILIES, HELD_OUT_FAMILIES
from magno.training.shards import STILL, open_shard
from magno.training.suites import HELD_OUT_SEED


@pytest.mark.parametrize("plot", ["two", "cut"])
def test_an_excerpt_shows_what_the_film_shows(paint: Paint, plot: str) -> None:
    scene = compose(3, Recipe(plot), paint)
    whole, told = film(scene)
    at = scene.pictures - 5
    pictures, truth = film(excerpt(scene, at, at + 3))
    assert truth.pictures == 3 and np.array_equal(truth.light, told.light[at : at + 3])
    own = slice(told.centre.shape[1] - truth.centre.shape[1], None)  # of the last shot alone
    for name in ("centre", "radius", "visible"):
        found, wanted = getattr(truth, name), getattr(told, name)[at : at + 3, own]
        # Beyond its first picture, whose shutter opens with it.
        assert found[1:] == pytest.approx(wanted[1:], abs=1e-3)
    assert np.abs(pictures[1:].astype(int) - whole[at + 1 : at + 3]).mean() < 12  # but for another grain


def test_an_excerpt_lies_in_one_shot(paint: Paint) -> None:
    scene = compose(3, Recipe("cut"), paint)
    cut = scene.shots[0].pictures
    with pytest.raises(ValueError, match="of one shot"):
        excerpt(scene, cut - 1, cut + 1)


def test_a_shard_of_stills_tells_what_lies_where(clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / f"{STILL}-000000"
    make_shard(Job(folder, STILLS_SEED, 6, clips, False, stills=True))
    shard = open_shard(folder)
    assert shard.clips == len(shard.arrays.keyframes) == 6 and not shard.lessons
    assert not shard.arrays.cuts.any() and len(shard.arrays.motion) == 0
    keyframes = Samples([shard], CODEC).keyframes(40, np.random.default_rng(0))
    assert keyframes.pixels.shape == (40, 3, CODEC.image_px, CODEC.image_px) and bool(keyframes.shapes.any())


def test_no_still_is_held_out() -> None:
    assert STILLS_SEED < HELD_OUT_SEED and not set(FAMILIES) & set(HELD_OUT_FAMILIES)


@pytest.mark.parametrize("name", [*FAMILIES, *HELD_OUT_FAMILIES])
def test_textures_are_grey_levelled_and_of_their_size(name: str) -> None:
    texture = (FAMILIES | HELD_OUT_FAMILIES)[name]
    for height, width in ((40, 40), (37, 80)):
        drawn = texture(np.random.default_rng(height), height, width)
        assert drawn.shape == (height, width) and drawn.dtype == np.float32 and np.isfinite(drawn).all()
        assert abs(float(drawn.mean())) < 0.1
