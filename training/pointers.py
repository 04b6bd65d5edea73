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
# Their answers lie in how several windows follow each other, not in one of them.
OF_TIME = ("first", "start", "stop", "since_appeared", "since_stopped")
OF_LOOKS = ("where", "colour", "shape", "presence")


@dataclass(frozen=True, slots=True)
class Pointer:
    """Of one question; its thing has facts' numbers of colours and shapes, 0 where it is not told."""

    column: int  # of its row: the token that the answer follows
    named: tuple[int, int]  # colour and shape in the question's words
    look: tuple[int, int]  # what the thing is, named or not; (0, 0): it is not in view
    window: int  # which of the row's windows told last how things moved; -1: a keyframe was newer
    patches: tuple[int, ...]  # columns of the newest keyframe's tokens that it lies on


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
    column, named = answer - 1, called(lesson.slots)
    if lesson.thing < 0 or lesson.family in OF_TIME:
        return Pointer(column, named, (0, 0), -1, ())
    seen = [number for number, item in enumerate(row.items) if item <= lesson.item]
    newest = seen[-1]
    window = row.kinds[:newest].count(WINDOW) if row.kinds[newest] == WINDOW else -1
    keyframe = max(number for number in seen if row.kinds[number] == KEYFRAME)
    found = look(shard, lesson.clip, lesson.thing)
    colours, shapes = patch_facts(shard, lesson.clip, row.items[keyframe], patches, symmetry)
    on = np.flatnonzero((colours == found[0]) & (shapes == found[1]))
    return Pointer(column, named, found, window, tuple(row.places[keyframe] + int(patch) for patch in on))


def called(slots: tuple[str, ...]) -> tuple[int, int]:
    """Colour and shape that a question's words give its one thing: ("the red square",) -> (1, 1)."""
    words = slots[0].split() if len(slots) == 1 else []
    return _number(words, COLOURS), _number(words, ANYTHING)


def _number(words: list[str], known: tuple[str, ...]) -> int:
    return next((known.index(word) + 1 for word in words if word in known), 0)
