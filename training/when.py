"""Where in its row shows what a question asks of, when it happened: a start, a stop, an arrival, a cut. Pure."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from magno.training.facts import SEEN, Look, look, thing_patches
from magno.training.questions.moment import GONE
from magno.training.rows import Row
from magno.training.shards import Lesson, Shard
from magno.training.symmetry import Symmetry

KEYFRAME, WINDOW = 0, 1
# What happened is told by one window of many: the first or the last in which the thing moved.
BEGAN, ENDED, ARRIVED, CHANGED = ("first", "start"), ("stop", "since_stopped"), "since_appeared", "changed"
TIMED = (*BEGAN, *ENDED, ARRIVED)  # what is told by when it happened, beside when it is
TWO = "first"  # of two things
TELLS_STOPS = 4  # of a window's tokens the one that tells what stopped: the first that sees all its movers
TELLS_ARRIVALS = 5  # the one that tells whether something came: the next
NOBODY, SEVERAL = (0, 0), (-1, -1)
MOVES = 0.01  # of the picture, over a window


class Stop(NamedTuple):
    """What has ceased to move since the window before, of a row's windows each but the first."""

    column: int  # of the token that is to tell it
    seen: Look  # of the thing; NOBODY: nothing has; SEVERAL
    window: int  # counted among the row's


class Moment(NamedTuple):
    """Of one question. Columns are those of its row."""

    told_by: tuple[
        int, ...
    ] = ()  # beside its movers: the patches that first show it, or what tells of its stop
    newest: tuple[int, ...] = ()  # tokens of the newest item that tell when it is (pocket.LAYOUT.time_lags)
    ago_s: float = math.nan  # how long before that it happened; NaN: not said
    cuts: tuple[int, ...] = ()  # the text before each keyframe of another scene


NOTHING = Moment()


def moment(row: Row, shard: Shard, lesson: Lesson, turned_at: int, first_shown: tuple[int, ...]) -> Moment:
    """`turned_at`: the window in which its thing began or ceased to move, counted among the row's; `first_shown`:
    columns of the patches that first show what appeared."""
    seen = [number for number, item in enumerate(row.items) if item <= lesson.item]
    if lesson.family == CHANGED:
        return Moment(cuts=_cuts(row, shard, seen))
    if lesson.family not in TIMED:
        return NOTHING
    windows = [number for number in seen if row.kinds[number] == WINDOW]
    number, told_by = (windows[turned_at] if turned_at >= 0 else -1), ()
    if lesson.family == ARRIVED:
        number = arrival(row, shard, lesson)
        by_window = number >= 0 and row.kinds[number] == WINDOW
        told_by = (row.places[number] + TELLS_ARRIVALS,) if by_window else first_shown
    elif lesson.family in ENDED and 0 <= turned_at < len(windows) - 1:
        told_by = (row.places[windows[turned_at + 1]] + TELLS_STOPS,)
    at_s = _middle_s(row, number) if number >= 0 and lesson.family != TWO else math.nan
    return Moment(told_by, _of_now(row, seen[-1]), row.times_s[seen[-1]] - at_s)


def _of_now(row: Row, number: int) -> tuple[int, ...]:
    """Columns of an item's tokens that tell of its end."""
    of_past = (TELLS_STOPS, TELLS_ARRIVALS) if row.kinds[number] == WINDOW else ()
    return tuple(column for at, column in enumerate(row.columns(number)) if at not in of_past)


def _middle_s(row: Row, number: int) -> float:
    """Of a window, since what it tells happened at any moment of it; of a keyframe its own moment."""
    if row.kinds[number] == KEYFRAME:
        return row.times_s[number]
    return (row.times_s[number - 1] + row.times_s[number]) / 2  # no row begins with a window


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


def arrival(row: Row, shard: Shard, lesson: Lesson, kind: int | None = None) -> int:
    """The item of the row that first shows the thing, or the first of a kind; -1: it was there at first."""
    visible = shard.places(lesson.clip)[:, lesson.thing, 5]
    shown = [number for number, item in enumerate(row.items) if item <= lesson.item and visible[item] >= SEEN]
    if not shown or shown[0] == 0:
        return -1
    return next((number for number in shown if kind in (None, row.kinds[number])), -1)


def stops(row: Row, shard: Shard) -> list[Stop]:
    shown = [number for number, kind in enumerate(row.kinds) if kind == WINDOW]
    items = [row.items[number] for number in shown]
    places = shard.places(row.clip).astype(np.float32)
    moved = [set(moving_windows(places[:, thing], items)) for thing in range(places.shape[1])]
    told = []
    for at, number in enumerate(shown[1:], start=1):
        visible = places[items[at], :, 5] >= SEEN
        ceased = [thing for thing, windows in enumerate(moved) if at - 1 in windows and at not in windows]
        ceased = [thing for thing in ceased if visible[thing]]
        seen = look(shard, row.clip, ceased[0]) if len(ceased) == 1 else SEVERAL if ceased else NOBODY
        told.append(Stop(row.places[number] + TELLS_STOPS, seen, at))
    return told


def arrivals(row: Row, shard: Shard, symmetry: Symmetry, patches: int) -> list[tuple[int, bool]]:
    """Of each patch of each keyframe but the first: its column, and whether what lies there was not in view in the
    keyframe before."""
    shown = [number for number, kind in enumerate(row.kinds) if kind == KEYFRAME]
    visible = shard.places(row.clip)[:, :, 5] >= SEEN
    told = []
    for before, number in pairwise(shown):
        came = visible[row.items[number]] & ~visible[row.items[before]]
        new = np.zeros(patches * patches, bool)
        if came.any():
            new = thing_patches(shard, row.clip, row.items[number], np.flatnonzero(came), patches, symmetry)
        told += list(zip(row.columns(number), new.tolist(), strict=True))
    return told


def newcomers(row: Row, shard: Shard) -> list[tuple[int, bool]]:
    """Of each window: the column of the token that is to tell it, and whether something came of a sudden."""
    visible = shard.places(row.clip)[:, :, 5]
    told = []
    for number, item in enumerate(row.items):
        if row.kinds[number] == WINDOW:
            came = (visible[item] >= SEEN) & (visible[item - 1] <= GONE)
            told.append((row.places[number] + TELLS_ARRIVALS, bool(came.any())))
    return told


def _cuts(row: Row, shard: Shard, seen: list[int]) -> tuple[int, ...]:
    keyframes = (number for number in seen if row.kinds[number] == KEYFRAME)
    cuts = shard.arrays.cuts
    return tuple(
        row.places[number] - 1 for number in keyframes if cuts[shard.keyframe(row.clip, row.items[number])]
    )
