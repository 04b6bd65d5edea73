"""The world's truth against its pixels, and the same scene from the same seed every time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from magno.runtime.features import pool_motion
from magno.runtime.window import FusedWindow, Windower
from magno.training.clips import encode
from magno.training.codec_settings import CodecSettings
from magno.training.pocket import CODEC
from magno.training.scenes.compose import Recipe, compose
from magno.training.scenes.film import film
from magno.training.scenes.grounds import GROUNDS, Paint
from magno.training.scenes.nouns import Scene
from magno.training.scenes.photographs import stock
from magno.training.scenes.plots import CUT, PLOTS
from magno.training.scenes.sampling import sample
from magno.training.scenes.shapes import OUTLINES
from magno.training.scenes.sprites import RGB, shape_sprite
from magno.training.scenes.textures import FAMILIES, HELD_OUT_FAMILIES, grit, leaves, octaves, tiles
from magno.training.true_motion import motion_map
from tests.synthetic import decode

FEW = (24, 30)


def one_thing(scene: Scene, number: int) -> Scene:
    """The same scene with all other things gone, its light even and its sensor perfect."""
    shots = tuple(
        replace(
            shot,
            things=tuple(replace(t, present=t.present & (i == number)) for i, t in enumerate(shot.things)),
        )
        for shot in scene.shots
    )
    light = np.ones(scene.pictures, np.float32)
    return replace(
        scene, shots=shots, sensor=replace(scene.sensor, light=light, noise=0, shutter=0, softness=0)
    )


@pytest.mark.parametrize("plot", [*PLOTS, CUT])
def test_a_scene_is_its_seed(paint: Paint, plot: str) -> None:
    recipe = Recipe(plot, pictures=(12, 12))
    (one, truth), (again, _), (other, _) = (film(compose(seed, recipe, paint)) for seed in (3, 3, 4))
    assert np.array_equal(one, again)
    assert one.shape != other.shape or not np.array_equal(one, other)
    assert len(one) == truth.pictures == len(truth.visible)
    assert one.dtype == np.uint8 and ((truth.visible >= 0) & (truth.visible <= 1)).all()


@pytest.mark.parametrize("seed", range(14))
def test_things_are_where_the_truth_says(paint: Paint, seed: int) -> None:
    """What differs from the empty scene is the thing: its middle, its size and what is seen of it are the truth's."""
    plot = list(PLOTS)[seed % len(PLOTS)]
    scene = compose(seed, Recipe(plot, pictures=FEW, real=0.0), paint)
    if not scene.shots[0].things:
        return
    pictures, truth = film(one_thing(scene, 0))
    empty, _ = film(one_thing(scene, -1))
    for at in (5, truth.pictures - 1):
        differs = np.abs(pictures[at].astype(int) - empty[at]).max(-1) > 12
        if truth.visible[at, 0] < 0.98 or truth.shape[0] in (
            "triangle",
            "star",
        ):  # their middle is not their centre
            continue
        rows, columns = np.nonzero(differs)
        box = np.array([(columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2])
        assert np.abs(box - truth.centre[at, 0]).max() < 0.08 * truth.side
        widest = max(np.ptp(columns), np.ptp(rows)) + 1
        assert 1.4 * truth.radius[at, 0] < widest < 2.4 * truth.radius[at, 0]
    gone = truth.visible[:, 0] == 0
    assert np.array_equal(pictures[gone], empty[gone])


@pytest.mark.parametrize("plot", ["one", "camera", "three"])
def test_codec_vectors_agree_with_the_true_motion(paint: Paint, plot: str) -> None:
    """An encoder at high quality finds the motion that the truth tells of, on most of what it can see. Stripes and
    checks look the same elsewhere, and sheen everywhere: their motion no search can find, so none is in view."""
    paint = replace(paint, textures=(octaves, tiles, leaves, grit))
    agreed, wanted = 0, 0
    for seed in range(3):
        recipe = Recipe(plot, kinds=("texture",), pictures=FEW, real=0.0)
        scene = compose(seed, recipe, paint)
        scene = replace(
            scene, sensor=replace(scene.sensor, noise=0.0, shutter=0.0, light=np.ones(scene.pictures))
        )
        pictures, truth = film(scene)
        settings = CodecSettings(preset="medium", crf=18, fps=scene.fps)
        windower = Windower(8, 4)
        items = [item for frame in decode(encode(pictures, settings)) for item in windower.step(frame)]
        window = [item for item in items if isinstance(item, FusedWindow)][1]
        seen = pool_motion(window.displacement, window.frame.size, CODEC)
        cells = seen.reshape(8, 4, 8, 4, 3)
        share = cells[..., 2:].sum((1, 3))
        mean = (cells[..., :2] * cells[..., 2:]).sum((1, 3)) / np.maximum(share, 1e-6)
        truly = motion_map(truth, 8, 16, 8, CODEC.image_px)
        known = share[..., 0] > 12
        agreed += int((np.abs(mean - truly).max(-1) < 1.0)[known].sum())
        wanted += int(known.sum())
    assert wanted > 100 and agreed > 0.85 * wanted


def test_what_lies_in_front_hides_what_is_behind(paint: Paint) -> None:
    scene = compose(0, Recipe("two", pictures=FEW, real=0.0), paint)
    back, front = scene.shots[0].things[:2]
    over = replace(
        front, path=back.path.copy(), radius=back.radius * 1.6, present=np.ones_like(front.present)
    )
    hidden = replace(scene, shots=(replace(scene.shots[0], things=(back, over)),))
    _, truth = film(hidden)
    _, alone = film(one_thing(hidden, 0))
    assert truth.visible[5, 0] < alone.visible[5, 0] or alone.visible[5, 0] == 0
    assert (truth.visible[:, 0] <= alone.visible[:, 0] + 1e-6).all()


def test_samples_between_pixels_are_exact_on_a_slope() -> None:
    y, x = np.mgrid[0:12, 0:16].astype(np.float32)
    slope = np.stack([x, y, 2 * x - y])
    columns, rows = np.linspace(1.3, 13.1, 9), np.linspace(0.7, 9.2, 5)
    found = sample(slope, columns, rows)
    assert np.allclose(found[0], columns[None], atol=1e-4) and np.allclose(found[1], rows[:, None], atol=1e-4)
    assert np.allclose(sample(slope, np.arange(3, 8) + 0.25, np.arange(2, 6))[0], np.arange(3, 8) + 0.25)


@pytest.mark.parametrize("name", [*FAMILIES, *HELD_OUT_FAMILIES])
def test_textures_are_level(name: str) -> None:
    texture = {**FAMILIES, **HELD_OUT_FAMILIES}[name](np.random.default_rng(1), 50, 70)
    assert texture.shape == (50, 70)
    assert abs(texture.mean()) < 0.01 and 0.9 < texture.std() < 1.1


def test_sides_of_the_split_share_nothing(clips: Path) -> None:
    trained, held_out = (stock(clips, held_out) for held_out in (False, True))
    assert not set(FAMILIES) & set(HELD_OUT_FAMILIES)
    ours = {picture.tobytes() for picture in trained.photographs}
    assert not any(picture.tobytes() in ours for picture in held_out.photographs)
    assert {cut.noun for cut in trained.cut_outs} == {"bottle"} and {
        cut.noun for cut in held_out.cut_outs
    } == {"car"}


@pytest.mark.parametrize("colour", RGB)
def test_colours_stay_in_their_class(colour: str) -> None:
    """Whatever its texture, a thing's mean colour is nearest to the one it is called by."""
    for shape in OUTLINES:
        if shape == "car":  # has dark windows
            continue
        sprite = shape_sprite(np.random.default_rng(2), colour, shape, 20.0, tuple(FAMILIES.values()))
        nearest = min(RGB, key=lambda name: float(np.abs(np.array(RGB[name]) - sprite.mean_colour).sum()))
        assert nearest == colour


def test_every_kind_of_ground_can_be_had(paint: Paint) -> None:
    for kind in GROUNDS:
        scene = compose(5, Recipe("quiet", kinds=(kind,), pictures=(4, 4)), paint)
        assert scene.shots[0].ground.kind == kind or scene.shots[0].camera.shaken
