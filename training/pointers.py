"""What a question calls its thing, and where in its row that thing shows: what attention is guided to. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.training.facts import SEEN, look, patch_facts
from magno.training.questions.words import COLOURS, NOUNS, SHAPES
from magno.training.rows import Row
from magno.training.shards import Lesson, Shard
from magno.training.symmetry import Symmetry

KEYFRAME, WINDOW = 0, 1
ANYTHING = SHAPES + NOUNS[:-1]  # "the red object" tells nothing of its shape
# What happened is told by one window of many: the first or the last in which the thing moved.
BEGAN, ENDED = ("first", "start"), ("stop", "since_stopped")
OF_LOOKS = ("where", "colour", "shape", "presence")
MOVES = 0.01  # of the picture, over a window

Look = tuple[int, int]  # facts' numbers of a colour and a shape; 0: any


@dataclass(frozen=True, slots=True)
class Pointer:
    """Of one question."""

    column: int  # of its row: the token that the answer follows
    sought: tuple[Look, ...]  # the one or two things that it names; else the one that it is about
    named: bool  # it names one thing, so that its own words tell which
    window: int  # of the row's windows the one that tells how it moves now; -1: a keyframe is newer
    turn: int  # and the one that tells when it began or ceased to move; -1: none, or nobody asks
    turned: Look  # of what then moved
    patches: tuple[int, ...]  # columns of the newest keyframe's tokens that those things lie on


def pointers(row: Row, shard: Shard, symmetry: Symmetry, patches: int) -> list[Pointer]:
    """One for each question of a row, in order."""
    return [
        _pointer(row, shard, symmetry, patches, (lesson, column))
        for lesson, column in zip(row.lessons, row.answers, strict=True)
    ]


def _pointer(
    row: Row, shard: Shard, symmetry: Symmetry, patches: int, question: tuple[Lesson, int]
) -> Pointer:
    lesson, answer = question
    names = tuple(called(slot) for slot in lesson.slots if slot)
    sought = names or ((look(shard, lesson.clip, lesson.thing),) if lesson.thing >= 0 else ())
    seen = [number for number, item in enumerate(row.items) if item <= lesson.item]
    newest = seen[-1]
    last = row.kinds[: newest + 1].count(WINDOW) - 1
    window = last if row.kinds[newest] == WINDOW else -1
    keyframe = max(number for number in seen if row.kinds[number] == KEYFRAME)
    colours, shapes = patch_facts(shard, lesson.clip, row.items[keyframe], patches, symmetry)
    on = np.flatnonzero(sum((matches(colours, shapes, one) for one in sought), np.zeros(len(colours), bool)))
    columns = tuple(row.places[keyframe] + int(patch) for patch in on)
    turn = _turn(row, shard, lesson)
    turned = look(shard, lesson.clip, lesson.thing) if turn >= 0 else (0, 0)
    return Pointer(answer - 1, sought, len(names) == 1, window, turn, turned, columns)


def _turn(row: Row, shard: Shard, lesson: Lesson) -> int:
    if lesson.thing < 0 or lesson.family not in BEGAN + ENDED:
        return -1
    shown = zip(row.items, row.kinds, strict=True)
    windows = [item for item, kind in shown if kind == WINDOW and item <= lesson.item]
    moving = moving_windows(shard.places(lesson.clip)[:, lesson.thing].astype(np.float32), windows)
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


def matches(colours: np.ndarray, shapes: np.ndarray, sought: Look) -> np.ndarray:
    """Where there is a thing of this look."""
    colour, shape = sought
    found: np.ndarray = (
        (shapes > 0) & ((colour == 0) | (colours == colour)) & ((shape == 0) | (shapes == shape))
    )
    return found


def called(slot: str) -> Look:
    """What a question's words say of a thing: "the red square" -> (1, 1)."""
    words = slot.split()
    return _number(words, COLOURS), _number(words, ANYTHING)


def _number(words: list[str], known: tuple[str, ...]) -> int:
    return next((known.index(word) + 1 for word in words if word in known), 0)
