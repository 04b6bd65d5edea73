"""A made world for `magno bench recall`: scenes one after another, in which each question has one right answer,
whenever it is asked; and a last clip, in which nothing that is asked about is in view.

So that no question of it can be answered from what is seen last, but by chance: of "where is the red square" nothing is
known there, and "is there a red square" is wrongly "no". Things of one name are in one scene alone; what is said of
them holds through all of it, since what is recalled by meaning is some moment of it, not one that is told.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magno.runtime.whole import whole_file
from magno.training.clips import write_clip
from magno.training.codec_settings import clean_settings
from magno.training.questions.families import FAMILIES, Asked, all_questions
from magno.training.questions.words import NO
from magno.training.scenes.compose import Recipe, compose
from magno.training.scenes.film import film
from magno.training.scenes.grounds import Paint, paint_of
from magno.training.scenes.nouns import Scene
from magno.training.scenes.photographs import stock
from magno.training.scenes.truth import Truth
from magno.training.suites import HELD_OUT_SEED

QUESTIONS_FILE, AFTER_FILE = "questions.jsonl", "after.mp4"
FIRST_SEED = HELD_OUT_SEED + 9_000_000  # no suite begins there
PLOTS = ("one", "two", "diagonal", "three")
ASKED = (
    "direction",
    "direction_two",
    "direction_three",
    "direction_background",
    "direction_8",
    "direction_still",
    "where",
    "presence",
    "colour",
    "shape",
    "faster",
)
SCENES, PATIENCE = (
    24,
    400,
)  # as many as there are names for, about; scenes in a row whose names were all taken
MOMENTS = 6  # of a scene, at which an answer has to be the same
A_SCENE = 6  # questions at most, and of one family:
A_FAMILY = 2
EARLIEST_S = 0.8

Name = tuple[str, str]  # colour, shape


@dataclass(frozen=True, slots=True)
class _Filmed:
    scene: Scene
    pictures: np.ndarray
    truth: Truth

    @property
    def clip(self) -> str:
        return f"{self.scene.seed}.mp4"


def write_world(folder: Path, clips_folder: Path, scenes: int = SCENES) -> Path:
    """Clips and questions; the questions' file is written last, so a folder that has it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    paint = paint_of(stock(clips_folder, True), True)
    composed = _scenes(paint, scenes + 1)
    after, shown = _filmed(next(composed)), [_filmed(scene) for scene in composed]
    _write(folder / AFTER_FILE, after)
    names = [_names(each.scene) for each in (after, *shown)]
    lines = []
    for number, each in enumerate(shown, start=1):
        elsewhere = [name for other, found in enumerate(names) if other != number for name in found]
        chosen = _chosen(each.truth, each.scene.seed, elsewhere)
        if chosen:
            _write(folder / each.clip, each)
            lines += [_line(each, asked) for asked in chosen]
    with whole_file(folder / QUESTIONS_FILE) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / QUESTIONS_FILE


def fits(named: str, name: Name) -> bool:
    """Whether a thing of this name may be meant by "the red square", "the square" or "the red object"."""
    colour, shape = name
    words = named.removeprefix("the ").split()
    return all(word in (colour, shape, "object") for word in words)


def steady(askings: list[list[Asked]]) -> list[Asked]:
    """Of what may be asked at some moments, oldest first, what has the same answer at each at which it may be; once."""
    told: dict[tuple[str, tuple[str, ...]], list[Asked]] = defaultdict(list)
    for asked in (each for moment in askings for each in moment):
        told[asked.phrase, tuple(sorted(asked.slots))].append(asked)
    return [same[-1] for same in told.values() if len({each.answers for each in same}) == 1]


def _scenes(paint: Paint, most: int) -> Iterator[Scene]:
    """Scenes that have no thing of the same name."""
    taken: set[Name] = set()
    seed, idle = FIRST_SEED, 0
    while most and idle < PATIENCE:
        scene = compose(seed, Recipe(plot=PLOTS[seed % len(PLOTS)], real=0.0), paint)
        names = _names(scene)
        seed, idle = seed + 1, idle + 1
        if names and not taken & set(names):
            taken |= set(names)
            most, idle = most - 1, 0
            yield scene


def _chosen(truth: Truth, seed: int, elsewhere: list[Name]) -> list[Asked]:
    """What is asked about one scene: of what is only there, family by family in turn."""
    earliest = min(int(EARLIEST_S * truth.fps), truth.pictures - 1)
    moments = np.unique(np.linspace(earliest, truth.pictures - 1, MOMENTS).astype(int))
    by_family: dict[str, list[Asked]] = defaultdict(list)
    for asked in steady([all_questions(truth, [int(moment)], seed) for moment in moments]):
        own = all(slot and not any(fits(slot, name) for name in elsewhere) for slot in asked.slots)
        if asked.family in ASKED and own and asked.answers[0] != NO:
            by_family[asked.family].append(asked)
    turns = itertools.zip_longest(*(each[:A_FAMILY] for each in by_family.values()))
    return [asked for turn in turns for asked in turn if asked is not None][:A_SCENE]


def _write(path: Path, filmed: _Filmed) -> None:
    scene = filmed.scene
    settings = clean_settings(np.random.default_rng((scene.seed, 4)), scene.fps)
    write_clip(path, filmed.pictures, settings, scene.seed)


def _line(filmed: _Filmed, asked: Asked) -> str:
    return json.dumps(
        {
            "clip": filmed.clip,
            "at_s": round((asked.picture + 0.4) / filmed.scene.fps, 3),  # between this picture and the next
            "question": asked.question(),
            "answers": list(asked.answers),
            "family": asked.family,
            "choices": FAMILIES[asked.family].choices,
        }
    )


def _filmed(scene: Scene) -> _Filmed:
    return _Filmed(scene, *film(scene))


def _names(scene: Scene) -> list[Name]:
    return [(thing.colour, thing.shape) for shot in scene.shots for thing in shot.things]
