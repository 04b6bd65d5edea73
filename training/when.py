"""Where in its row shows what a question asks of, when it happened: a start, a stop, an arrival, a cut. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from magno.training.facts import SEEN
from magno.training.rows import Row
from magno.training.shards import Lesson, Shard

KEYFRAME, WINDOW = 0, 1
# What happened is told by one window of many: the first or the last in which the thing moved.
BEGAN, ENDED, ARRIVED, CHANGED = ("first", "start"), ("stop", "since_stopped"), "since_appeared", "changed"
TIMED = (*BEGAN, *ENDED, ARRIVED)  # what is told by when it happened, beside when it is
TWO = "first"  # of two things
MOVES = 0.01  # of the picture, over a window


class Moment(NamedTuple):
    """Of one question. Columns are those of its row."""

    arrived: tuple[
        int, ...
    ] = ()  # of what appeared: the window's tokens that first show it, or the keyframe's
    newest: tuple[int, ...] = ()  # tokens of the newest item, which tell when it is
    ago_s: float = math.nan  # how long before that it happened; NaN: not said
    cuts: tuple[int, ...] = ()  # the text before each keyframe of another scene


NOTHING = Moment()


def moment(row: Row, shard: Shard, lesson: Lesson, turn: int, tokens: tuple[int, int]) -> Moment:
    """`turn`: the window in which its thing began or ceased to move, counted among the row's; `tokens` of a keyframe
    and of a window."""
    seen = [number for number, item in enumerate(row.items) if item <= lesson.item]
    if lesson.family == CHANGED:
        return Moment(cuts=_cuts(row, shard, seen))
    if lesson.family not in TIMED:
        return NOTHING
    columns = [range(place, place + tokens[kind]) for place, kind in zip(row.places, row.kinds, strict=True)]
    newest = tuple(columns[seen[-1]])
    if lesson.family == ARRIVED:
        number = _arrival(row, shard, lesson, seen)
        arrived = () if number < 0 else tuple(columns[number])
    else:
        windows = [number for number in seen if row.kinds[number] == WINDOW]
        number, arrived = (windows[turn] if turn >= 0 else -1), ()
    ago_s = row.times_s[seen[-1]] - row.times_s[number] if number >= 0 and lesson.family != TWO else math.nan
    return Moment(arrived, newest, ago_s)


def turn(row: Row, shard: Shard, lesson: Lesson, thing: int) -> int:
    """The window in which it began or ceased to move, counted among the row's; -1: none that the row shows."""
    if thing < 0:
        return -1
    shown = zip(row.items, row.kinds, strict=True)
    windows = [item for item, kind in shown if kind == WINDOW and item <= lesson.item]
    moving = moving_windows(shard.places(lesson.clip)[:, thing].astype(np.float32), windows)
    if not moving:
        return -1
    return moving[0] if lesson.family in BEGAN else moving[-1]


def moving_windows(places: np.ndarray, windows: list[int]) -> list[int]:
    """Which of these windows, counted from 0, a thing moved in; `places` (items, 6) as shards have them. No clip
    begins with a window."""
    return [
        number
        for number, item in enumerate(windows)
        if min(places[item - 1 : item + 1, 5]) >= SEEN
        and np.hypot(*(places[item, :2] - places[item - 1, :2])) > MOVES
    ]


def _arrival(row: Row, shard: Shard, lesson: Lesson, seen: list[int]) -> int:
    """The item of the row that is the first to show the thing; -1: it was there before."""
    visible = shard.places(lesson.clip)[:, lesson.thing, 5]
    there = [number for number in seen if visible[row.items[number]] >= SEEN]
    return there[0] if there and there[0] > seen[0] else -1


def _cuts(row: Row, shard: Shard, seen: list[int]) -> tuple[int, ...]:
    keyframes = (number for number in seen if row.kinds[number] == KEYFRAME)
    cuts = shard.arrays.cuts
    return tuple(
        row.places[number] - 1 for number in keyframes if cuts[shard.keyframe(row.clip, row.items[number])]
    )
