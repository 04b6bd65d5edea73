"""The reference checkpoint, exported and run as a robot would: it must really tell which way things move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from magno.export.bundle_from_checkpoint import bundle_from_checkpoint
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import Answer, Outcome, Query
from magno.training.clips import CodecSettings, photographs, write_clip
from magno.training.evaluate import FIRST_SEED, ask_about, long_clip
from magno.training.world import STEP, Leg, Scene, Thing, render

CHECKPOINT = Path(__file__).parents[1] / "models" / "pocket"
CLIPS = 24
BAR = 20  # at 90 % this many of 24 are right in 98 of 100 draws; by chance never


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    bundle = bundle_from_checkpoint(CHECKPOINT, tmp_path_factory.mktemp("pocket") / "bundle")
    with Engine.open(EngineConfig(str(bundle))) as engine:
        yield engine


def ask_at_end(engine: Engine, clip: Path, question: str) -> Answer:
    engine.watch("clip", str(clip), pace="fast")
    try:
        assert engine.wait_ended("clip", 120.0)
        return engine.ask(Query(question, "clip", deadline_ms=60_000.0, max_tokens=8))
    finally:
        engine.unwatch("clip")


@pytest.mark.parametrize("direction", STEP)
def test_a_plain_case_is_right(engine: Engine, tmp_path: Path, direction: str) -> None:
    velocity = (STEP[direction][0] * 1.5, STEP[direction][1] * 1.5)
    square = Thing("red", "square", 26.0, (205.0, 35.0, 35.0), np.array([[1.0, 0.7, 0.0, 0.06]], np.float32))
    ground = np.full((256, 256, 3), 128.0, np.float32)
    scene = Scene((256, 256), ground, square, (128.0, 128.0), (Leg(42, direction, velocity),), 0.0)
    clip = tmp_path / "clip.mp4"
    write_clip(clip, render(scene), CodecSettings())
    answer = ask_at_end(engine, clip, "Which way is the red square moving?")
    assert (answer.text, answer.outcome) == (direction, Outcome.COMPLETE)


@pytest.mark.parametrize("before", [0, 250], ids=["alone", "late in a long stream"])
def test_unseen_scenes_are_mostly_right(engine: Engine, clips: Path, tmp_path: Path, before: int) -> None:
    backgrounds = photographs(clips)
    right = 0
    for seed in range(FIRST_SEED, FIRST_SEED + CLIPS):
        pictures, scene = long_clip(seed, before, backgrounds)
        truth, told = ask_about(engine, pictures, scene, seed, tmp_path / "clip.mp4")
        right += truth == told
    assert right >= BAR


def test_real_pixels(engine: Engine, clips: Path) -> None:
    """A white car drives up through a real car park between seconds 5 and 8."""
    engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=6.5)
    assert engine.wait_ended("park", 120.0)
    answer = engine.ask(Query("Which way is the white car moving?", "park", deadline_ms=60_000.0))
    engine.unwatch("park")
    assert answer.text == "up"
