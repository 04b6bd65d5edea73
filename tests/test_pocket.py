"""The reference checkpoint, exported and run as a robot would: it must really tell which way things move."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from magno.export.bundle_from_checkpoint import bundle_from_checkpoint
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import Query
from magno.training.ablations import ablated
from magno.training.clips import CodecSettings, write_clip
from magno.training.examine import examine
from magno.training.questions.families import all_questions
from magno.training.questions_file import Question, read_questions
from magno.training.scenes.compose import Recipe, compose
from magno.training.scenes.film import film
from magno.training.scenes.grounds import Paint, paint_of
from magno.training.scenes.photographs import stock
from magno.training.score import is_right
from magno.training.suite import write_suite
from magno.training.suites import HELD_OUT_SEED

CHECKPOINT = Path(__file__).parents[1] / "models" / "pocket"
A_FAMILY = 10  # questions


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundle_from_checkpoint(CHECKPOINT, tmp_path_factory.mktemp("pocket") / "bundle")


@pytest.fixture(scope="module")
def unseen(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Question]:
    """Directions of one, two and three movers, on grounds of all kinds: scenes that were never trained on."""
    return read_questions(write_suite("ablation", tmp_path_factory.mktemp("unseen"), A_FAMILY, clips))


def right_of(bundle: Path, questions: list[Question], ablation: str = "none") -> list[bool]:
    with ablated(ablation) as backend:
        told = examine(EngineConfig(str(bundle), backend=backend), questions).told
    return [is_right(text, question.answers) for text, question in zip(told, questions, strict=True)]


def test_directions_in_unseen_scenes_are_mostly_right(bundle: Path, unseen: list[Question]) -> None:
    """Chance is a quarter; 40 questions."""
    right = right_of(bundle, unseen)
    assert sum(right) >= 30
    one = [hit for hit, question in zip(right, unseen, strict=True) if question.family == "direction"]
    assert sum(one) >= 8


def test_the_delta_tokens_are_what_answers(bundle: Path, unseen: list[Question]) -> None:
    assert sum(right_of(bundle, unseen, "no-delta")) <= len(unseen) // 2


def test_late_in_a_long_stream(bundle: Path, clips: Path, tmp_path: Path) -> None:
    """After many pictures of other scenes, the first GOPs evicted, in one stream."""
    paint = paint_of(stock(clips, True), True)
    questions = []
    for number in range(4):
        pictures, asked = _long_clip(paint, HELD_OUT_SEED + 5_000 + 100 * number)
        clip = tmp_path / f"{number}.mp4"
        write_clip(clip, pictures, CodecSettings())
        questions.append(replace(asked, clip=clip))
    assert sum(right_of(bundle, questions)) >= 3


def _long_clip(paint: Paint, first_seed: int) -> tuple[np.ndarray, Question]:
    """Several scenes of one size one behind the other, and a question of direction at the end of the last."""
    shown: list[np.ndarray] = []
    for seed in range(first_seed, first_seed + 100):
        scene = compose(seed, Recipe(plot="one"), paint)
        if scene.size != (256, 192):
            continue
        pictures, truth = film(scene)
        shown.append(pictures)
        asked = [
            each for each in all_questions(truth, [len(pictures) - 1], seed) if each.family == "direction"
        ]
        if len(shown) >= 5 and asked:
            clip = np.concatenate(shown)
            return clip, Question(Path(), None, asked[0].question(), asked[0].answers, "direction")
    raise AssertionError("no scene of this size asks for a direction")


def test_real_pixels(bundle: Path, clips: Path) -> None:
    """A white car drives up through a real car park between seconds 5 and 8."""
    with Engine.open(EngineConfig(str(bundle))) as engine:
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=6.5)
        assert engine.wait_ended("park", 120.0)
        answer = engine.ask(Query("Which way is the white car moving?", "park", deadline_ms=60_000.0))
    assert answer.text == "up"
