"""Training data: what a shard holds fits together, and is the same from the same seeds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from magno.training.baseline import text_shares
from magno.training.films import EVENTFUL, PLOTS, SCARCE
from magno.training.make_data import NAMES, Job, make_shard
from magno.training.pocket import CODEC
from magno.training.questions.words import COLOURS, PHRASINGS, WAYS_4
from magno.training.shards import Shard, open_shard, small_residual
from magno.training.true_motion import motion_map
from tests.training.conftest import SHARD_CLIPS
from tests.training.hand_made import FPS, SIDE, straight, truth_of


def test_a_shard_is_whole(shard: Shard) -> None:
    a = shard.arrays
    assert shard.clips == SHARD_CLIPS
    assert a.item_at[-1] == len(a.kinds) == len(a.first) == len(a.last) == len(a.camera)
    assert a.keyframe_at[-1] == len(a.keyframes) == (a.kinds == 0).sum()
    assert a.window_at[-1] == len(a.motion) == len(a.residual) == len(a.motion_map) == len(a.ends)
    assert a.thing_at[-1] == len(a.colour) == len(a.shape) and a.place_at[-1] == len(a.places)
    assert a.colour.max() < len(COLOURS) and a.shape.max() < len(NAMES)
    for clip in range(SHARD_CLIPS):
        items = a.item_at[clip + 1] - a.item_at[clip]
        assert shard.places(clip).shape == (items, a.thing_at[clip + 1] - a.thing_at[clip], 6)


def test_lessons_see_what_they_need(shard: Shard) -> None:
    assert len(shard.lessons) > 10 * SHARD_CLIPS
    for lesson in shard.lessons:
        start, stop = shard.arrays.item_at[lesson.clip : lesson.clip + 2]
        assert 0 <= lesson.needs <= lesson.item < stop - start
        assert lesson.phrase in PHRASINGS and lesson.answers
        assert lesson.thing < shard.arrays.thing_at[lesson.clip + 1] - shard.arrays.thing_at[lesson.clip]


def test_lessons_of_direction_agree_with_the_kept_truth(shard: Shard) -> None:
    told = 0
    for lesson in shard.lessons:
        if lesson.thing >= 0 and lesson.answers[0] in WAYS_4 and lesson.family.startswith("direction"):
            velocity = shard.places(lesson.clip)[lesson.item, lesson.thing, 3:5].astype(float)
            axis = 0 if lesson.answers[0] in ("left", "right") else 1
            assert (velocity[axis] > 0) == (lesson.answers[0] in ("right", "down"))
            told += 1
    assert told


def test_the_same_seeds_give_the_same_shard(shard: Shard, clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "train-000000"
    make_shard(Job(folder, 0, 1, clips, False))
    again = open_shard(folder)
    stop = shard.arrays.window_at[1]
    assert np.array_equal(again.arrays.motion, shard.arrays.motion[:stop])
    assert np.array_equal(again.arrays.residual, shard.arrays.residual[:stop])
    assert again.lessons == tuple(each for each in shard.lessons if each.clip == 0)
    assert len(again.arrays.ends) == 0


@pytest.mark.parametrize("kind", [EVENTFUL, SCARCE])
def test_a_shard_of_a_kind_shows_its_plots_alone(clips: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "train-004000"
    make_shard(Job(folder, 4000, 3, clips, with_ends=False, kind=kind))
    told = [json.loads(line) for line in (folder / "clips.jsonl").read_text().splitlines()]
    assert [each["seed"] for each in told] == [4000, 4001, 4002]
    assert {each["plot"] for each in told} <= set(PLOTS[kind])


def test_text_of_lessons_gives_little_away(shard: Shard) -> None:
    found = text_shares([(lesson.clip % 2, lesson) for lesson in shard.lessons])
    assert set(found) == {lesson.family for lesson in shard.lessons}


def test_a_residual_is_kept_to_a_level() -> None:
    residual = np.linspace(-3, 3, 101).astype(np.float32)
    kept = small_residual(residual, CODEC.residual_scale).astype(np.float32) * 2.0 / CODEC.residual_scale
    assert np.abs(kept - residual).max() <= 1.01 / CODEC.residual_scale


def test_a_motion_map_tells_things_from_the_ground() -> None:
    pan = np.tile([1.0, 0.0], (9, 1))
    truth = truth_of(straight(9, 90, 8 * FPS / SIDE / 8, (50, 100)), pan=pan, radius=np.full((9, 1), 30.0))
    moved = motion_map(truth, 0, 8, 8, SIDE)
    assert np.allclose(moved[4, 2], (0, 8), atol=0.6)  # the thing's cell
    assert np.allclose(moved[0, 7], (-8, 0), atol=0.01)  # a camera that goes right moves the ground left
    assert np.isnan(motion_map(truth_of(straight(9, 0, 0.1), cut_at=5), 0, 8, 8, SIDE)).all()
