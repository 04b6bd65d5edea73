"""When what a question asks of happened: as its clip shows it, and as its row tells it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from magno.runtime.capture_time import columns
from magno.runtime.clock import NS_PER_S
from magno.training.batches import Batcher
from magno.training.facts import look
from magno.training.guide import _happened, _mover_columns
from magno.training.make_data import Job, make_shard
from magno.training.pocket import CODEC, LAYOUT
from magno.training.pointers import Pointer, pointers
from magno.training.rows import Row, Span
from magno.training.shards import Lesson, Shard, open_shard
from magno.training.symmetry import AS_IT_IS
from magno.training.tokenizer import build_tokenizer
from magno.training.when import (
    KEYFRAME,
    NOBODY,
    TELLS_ARRIVALS,
    TELLS_STOPS,
    WINDOW,
    arrival,
    arrivals,
    moving_windows,
    newcomers,
    stops,
)
from tests.training.row_makers import rows_of

TOKENS = LAYOUT.keyframe_tokens, LAYOUT.window_tokens
SEEDS = {"since_stopped": 66, "since_appeared": 12}  # of scenes in which something stops, or appears
WITHIN_S = 0.6  # half a window, and what a question rounds
WHOLE = Span(10_000, gaps=False)


@pytest.fixture(scope="module", params=SEEDS)
def scene(
    request: pytest.FixtureRequest, clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Shard]:
    family: str = request.param
    folder = tmp_path_factory.mktemp("when") / "train-000000"
    make_shard(Job(folder, SEEDS[family], 1, clips, False))
    return family, open_shard(folder)


def asked(shard: Shard, family: str) -> list[tuple[Row, Lesson, Pointer]]:
    """Each question of the family in a row of its own."""
    rows = rows_of(1)
    found = []
    for lesson in (lesson for lesson in shard.lessons if lesson.family == family):
        row = rows.row(shard, 0, [lesson], AS_IT_IS, np.random.default_rng(0), WHOLE)
        found += [(row, *told) for told in pointers(row, shard, AS_IT_IS, CODEC.patches)]
    return found


def test_a_question_of_how_long_ago_points_to_then_and_to_now(scene: tuple[str, Shard]) -> None:
    family, shard = scene
    found = asked(shard, family)
    assert len(found) == 2
    for row, lesson, pointer in found:
        when = pointer.when
        assert abs(when.ago_s - int(lesson.answers[0])) < WITHIN_S
        last = row.items.index(lesson.item)
        lags = LAYOUT.time_lags if row.kinds[last] == WINDOW else (0.0,) * TOKENS[KEYFRAME]
        assert when.newest == tuple(
            column for column, lag in zip(row.columns(last), lags, strict=True) if not lag
        )
        assert (pointer.turn >= 0) == (family == "since_stopped")
        kinds = {
            kind for number, kind in enumerate(row.kinds) if set(row.columns(number)) & set(when.told_by)
        }
        assert kinds == {WINDOW}
        assert max(when.told_by) < row.fork_at[pointer.column]


def test_what_stops_is_told_once_and_by_name(scene: tuple[str, Shard]) -> None:
    family, shard = scene
    found = asked(shard, family)
    told = {stop.column: stop.seen for row, *_ in found for stop in stops(row, shard)}
    for _, lesson, pointer in found if family == "since_stopped" else []:
        (at,) = pointer.when.told_by
        assert told[at] == look(shard, 0, lesson.thing)
    assert sum(seen != NOBODY for seen in told.values()) < len(told) / 2


def test_what_appears_is_told_by_its_window_and_by_patches_of_the_next_keyframe(
    scene: tuple[str, Shard],
) -> None:
    family, shard = scene
    for row, lesson, pointer in asked(shard, family) if family == "since_appeared" else []:
        windows = dict(newcomers(row, shard))
        assert [at for at, came in windows.items() if came] == list(pointer.when.told_by)
        patches = dict(arrivals(row, shard, AS_IT_IS, CODEC.patches))
        keyframe = row.items.index(arrival_item(row, shard, lesson))
        assert {at for at, new in patches.items() if new} <= set(row.columns(keyframe))
        assert 0 < sum(patches.values()) < len(patches) / 4


def test_what_is_told_by_a_token_of_its_own_is_looked_for_there_alone(scene: tuple[str, Shard]) -> None:
    _, shard = scene
    batcher = Batcher(build_tokenizer(768), CODEC, LAYOUT, train=False, questions=40)
    batch = batcher.batch([(shard, 0)], np.random.default_rng(0))
    mover = batch.windows.mover
    told = torch.arange(mover.shape[1]).expand(mover.shape), mover  # each token tells of a mover
    shown = _happened(batch, _mover_columns(batch, mover.shape[1]), told)
    by_token = batch.asked.told_by.any(1)
    assert by_token.any() and torch.equal(shown[by_token], batch.asked.told_by[by_token])


def test_what_a_window_tells_happened_in_the_middle_of_it(scene: tuple[str, Shard]) -> None:
    family, shard = scene
    for row, lesson, pointer in asked(shard, family):
        windows = [number for number, kind in enumerate(row.kinds) if kind == WINDOW]
        stopped = pointer.turn >= 0
        number = windows[pointer.turn] if stopped else arrival(row, shard, lesson)
        middle_s = (row.times_s[number - 1] + row.times_s[number]) / 2
        now_s = row.times_s[row.items.index(lesson.item)]
        assert pointer.when.ago_s == pytest.approx(now_s - middle_s)


def test_the_token_that_tells_of_it_tells_that_time_too(scene: tuple[str, Shard]) -> None:
    """Of an even cadence; and no token that tells an earlier time tells when it is now."""
    family, shard = scene
    for row, _, pointer in asked(shard, family):
        if len(pointer.when.told_by) != 1:
            continue  # a keyframe's patches
        column = pointer.when.told_by[0]
        number = next(at for at in range(len(row.items)) if column in row.columns(at))
        lag = LAYOUT.time_lags[column - row.places[number]]
        told_s = row.times_s[number] - lag * (row.times_s[number] - row.times_s[number - 1])
        now_s = row.times_s[
            max(at for at in range(len(row.items)) if row.columns(at)[0] in pointer.when.newest)
        ]
        assert told_s == pytest.approx(now_s - pointer.when.ago_s, abs=1.5 / shard.clips_told[0]["fps"])
    lagging = np.flatnonzero(LAYOUT.time_lags)
    assert set(lagging) == {TELLS_STOPS, TELLS_ARRIVALS}


def test_of_times_since_the_longer_are_asked_more_often(scene: tuple[str, Shard]) -> None:
    family, shard = scene
    lesson = next(lesson for lesson in shard.lessons if lesson.family == family)
    lessons = [replace(lesson, answers=(seconds,)) for seconds in ("1", "3")]
    rows = rows_of(1, train=True)
    rng = np.random.default_rng(0)
    told = Counter(
        row.lessons[0].answers[0]
        for row in (rows.row(shard, 0, lessons, AS_IT_IS, rng, WHOLE) for _ in range(300))
        if row.lessons
    )
    assert 1.4 < told["3"] / told["1"] < 2.9  # twice as often


def arrival_item(row: Row, shard: Shard, lesson: Lesson) -> int:
    return row.items[arrival(row, shard, lesson, KEYFRAME)]


def test_a_batch_tells_the_time_of_every_item(scene: tuple[str, Shard]) -> None:
    _, shard = scene
    batch = Batcher(build_tokenizer(768), CODEC, LAYOUT, train=False).batch(
        [(shard, 0)], np.random.default_rng(0)
    )
    kinds = shard.kinds(0)
    ends = [round(shard.shown_s(0, item) * NS_PER_S) for item in range(len(kinds))]
    for kind, told in ((KEYFRAME, batch.keyframe_times), (WINDOW, batch.window_times)):
        item = int(np.flatnonzero(kinds == kind)[-1])
        lags = LAYOUT.lags_ns(ends[item] - ends[item - 1]) if kind == WINDOW else (0,)
        times = [ends[item] - lag for lag in lags]
        np.testing.assert_array_equal(told[-1], columns(times, LAYOUT.time_periods_s))
    assert {len(batch.keyframe_times), len(batch.window_times)} == {
        len(batch.keyframe_rows) // TOKENS[0],
        len(batch.window_rows) // TOKENS[1],
    }


def test_a_thing_moved_in_the_windows_between_whose_ends_it_went_on() -> None:
    across = np.array([0.1, 0.1, 0.2, 0.3, 0.3, 0.3])
    places = np.stack([across, *np.zeros((4, 6)), np.array([1, 1, 1, 1, 1, 0])], 1)
    assert moving_windows(places, [1, 2, 4, 5]) == [1]  # items 2 and 3 moved, and 3 is a keyframe
    assert moving_windows(places, [1, 2, 3]) == [1, 2]
