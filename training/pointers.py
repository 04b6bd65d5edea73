"""What a question calls its thing, and where in its row that thing shows: what attention is guided to. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.training.facts import look, patch_facts
from magno.training.questions.words import COLOURS, NOUNS, SHAPES
from magno.training.rows import Row
from magno.training.shards import Lesson, Shard
from magno.training.symmetry import Symmetry

KEYFRAME, WINDOW = 0, 1
ANYTHING = SHAPES + NOUNS[:-1]  # "the red object" tells nothing of its shape
# Whether and since when something moves is told by several windows; how it moves, by the newest.
OF_TIME = ("first", "start", "stop", "since_appeared", "since_stopped")
OF_LOOKS = ("where", "colour", "shape", "presence")
NONE = (0, -1)

Look = tuple[int, int]  # facts' numbers of a colour and a shape; 0: any


@dataclass(frozen=True, slots=True)
class Pointer:
    """Of one question."""

    column: int  # of its row: the token that the answer follows
    sought: tuple[Look, ...]  # the one or two things that it names; else the one that it is about
    named: bool  # it names one thing, so that its own words tell which
    windows: tuple[int, int]  # first and last of the row's windows that tell of it; NONE: a keyframe is newer
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
    windows = (0, last) if lesson.family in OF_TIME else (last, last) if row.kinds[newest] == WINDOW else NONE
    keyframe = max(number for number in seen if row.kinds[number] == KEYFRAME)
    colours, shapes = patch_facts(shard, lesson.clip, row.items[keyframe], patches, symmetry)
    on = np.flatnonzero(sum((matches(colours, shapes, one) for one in sought), np.zeros(len(colours), bool)))
    columns = tuple(row.places[keyframe] + int(patch) for patch in on)
    return Pointer(answer - 1, sought, len(names) == 1, windows, columns)


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
