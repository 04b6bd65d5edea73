"""What a question calls its thing, and where in its row that thing shows: what attention is guided to. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from magno.training.facts import NO_COLOUR, SEEN, Look, look, patch_facts, thing_patches
from magno.training.questions.words import COLOURS, NOUNS, SHAPES
from magno.training.rows import Row
from magno.training.shards import Lesson, Shard
from magno.training.symmetry import Symmetry
from magno.training.when import (
    ARRIVED,
    BEGAN,
    ENDED,
    KEYFRAME,
    NOTHING,
    WINDOW,
    Moment,
    arrival,
    moment,
    turn,
)

ANYTHING = SHAPES + NOUNS[:-1]  # "the red object" tells nothing of its shape
NAMING = ("what", "first", "faster")  # their answers name a thing: each word of a name is read off that thing
OF_TWO_WORDS = ("direction", "where")  # their phrases' answers may go on: "up", "up left"
OF_LOOKS = ("where", "colour", "shape", "presence")
COUNTING = "count"


@dataclass(frozen=True, slots=True)
class Pointer:
    """Of one question, or of a word of its answer."""

    column: int  # of its row: the token that the answer, or its next word, follows
    sought: tuple[Look, ...]  # the thing that it names first; else the one that it is about
    named: bool  # by its own words
    second: Look  # the other thing that it names; (0, 0): none
    window: int  # of the row's windows the one that tells of it; -1: none, or a newer keyframe does
    turn: int  # the window that tells of the other thing, or when the one began or ceased to move; -1: none
    turned: Look  # of what is seen there; with a turn of -1: what would be, had it happened
    patches: tuple[int, ...]  # columns of the newest keyframe's tokens that the thing lies on
    counted: tuple[int, ...] = ()  # of "how many": those that a thing's middle lies in
    when: Moment = NOTHING  # of what is told by when it happened


def pointers(row: Row, shard: Shard, symmetry: Symmetry, patches: int) -> list[tuple[Lesson, Pointer]]:
    """One for each question of a row, in order, and after it one for each word that its answer's name goes on with, or
    might: the second word of two wants what the first wanted, or it is guessed."""
    found = []
    for lesson, answer in zip(row.lessons, row.answers, strict=True):
        asked = _pointer(row, shard, symmetry, patches, (lesson, answer))
        found.append((lesson, asked))
        if lesson.phrase in OF_TWO_WORDS and lesson.thing >= 0:
            found.append((lesson, replace(asked, column=answer)))
        if lesson.family in NAMING and lesson.thing >= 0:
            named = look(shard, lesson.clip, lesson.thing)
            window = turn(row, shard, lesson, lesson.thing) if lesson.family in BEGAN else asked.window
            words = range(answer, answer + (2 if named[0] != NO_COLOUR else 1))
            at_words = replace(
                asked,
                sought=(named,),
                named=False,
                second=(0, 0),
                window=window,
                turn=-1,
                turned=(0, 0),
                patches=(),
            )
            found += [(lesson, replace(at_words, column=column)) for column in words]
    return found


def _pointer(
    row: Row,
    shard: Shard,
    symmetry: Symmetry,
    patches: int,
    question: tuple[Lesson, int],
) -> Pointer:
    """Of the question itself."""
    lesson, answer = question
    names = tuple(called(slot) for slot in lesson.slots if slot)
    sought = names or ((look(shard, lesson.clip, lesson.thing),) if lesson.thing >= 0 else ())
    seen = [number for number, item in enumerate(row.items) if item <= lesson.item]
    newest = seen[-1]
    last = row.kinds[: newest + 1].count(WINDOW) - 1
    window = last if row.kinds[newest] == WINDOW or lesson.family not in OF_LOOKS else -1
    turned_at, turned = -1, (0, 0)
    if len(names) > 1:
        sought, turned, turned_at = names[:1], names[1], window
        if lesson.family in BEGAN:
            window, turned_at = (turn(row, shard, lesson, _thing(shard, lesson, name)) for name in names[:2])
    elif lesson.family in BEGAN + ENDED and (thing := _thing(shard, lesson, names[0])) >= 0:
        turned_at, turned = turn(row, shard, lesson, thing), look(shard, lesson.clip, thing)
    keyframe = max(number for number in seen if row.kinds[number] == KEYFRAME)
    colours, shapes, middles = patch_facts(shard, lesson.clip, row.items[keyframe], patches, symmetry)
    on = sum((matches(colours, shapes, one) for one in sought), np.zeros(len(colours), bool))

    def columns(patches: np.ndarray) -> tuple[int, ...]:
        return tuple(row.places[keyframe] + int(patch) for patch in np.flatnonzero(patches))

    second = names[1] if len(names) > 1 else (0, 0)
    counted = columns(middles) if lesson.family == COUNTING else ()
    when = moment(row, shard, lesson, turned_at, _first_shown(row, shard, lesson, symmetry, patches))
    return Pointer(
        answer - 1, sought, bool(names), second, window, turned_at, turned, columns(on), counted, when
    )


def _first_shown(row: Row, shard: Shard, lesson: Lesson, symmetry: Symmetry, patches: int) -> tuple[int, ...]:
    """Columns of the patches that a thing which appeared lies on in the first keyframe that shows it."""
    number = arrival(row, shard, lesson, KEYFRAME) if lesson.family == ARRIVED else -1
    if number < 0:
        return ()
    things = np.array([lesson.thing])
    on = thing_patches(shard, lesson.clip, row.items[number], things, patches, symmetry)
    return tuple(row.places[number] + int(patch) for patch in np.flatnonzero(on))


def _thing(shard: Shard, lesson: Lesson, name: Look) -> int:
    """Number of the thing that is called so and in view; -1: none."""
    seen = np.flatnonzero(shard.places(lesson.clip)[lesson.item, :, 5] >= SEEN)
    looks = ((int(thing), look(shard, lesson.clip, int(thing))) for thing in seen)
    return next((thing for thing, found in looks if _is_called(found, name)), -1)


def matches(colours: np.ndarray, shapes: np.ndarray, sought: Look) -> np.ndarray:
    """Where there is a thing of this look."""
    colour, shape = sought
    found: np.ndarray = (
        (shapes > 0) & ((colour == 0) | (colours == colour)) & ((shape == 0) | (shapes == shape))
    )
    return found


def _is_called(found: Look, name: Look) -> bool:
    return all(told in (0, own) for told, own in zip(name, found, strict=True))


def called(slot: str) -> Look:
    """What a question's words say of a thing: "the red square" -> (1, 1)."""
    words = slot.split()
    return _number(words, COLOURS), _number(words, ANYTHING)


def _number(words: list[str], known: tuple[str, ...]) -> int:
    return next((known.index(word) + 1 for word in words if word in known), 0)
