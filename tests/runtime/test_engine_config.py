"""What a configuration decides, on a real engine; and what none can be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from magno.runtime.camera.request import CameraError
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine, EngineError
from magno.runtime.memory import usual_budget
from magno.runtime.spec import SpecError
from magno.runtime.units import Outcome, Query

ASK = Query("Which way is the car moving?", deadline_ms=30_000.0, max_tokens=8)
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def config(tiny_bundle: Path) -> EngineConfig:
    return EngineConfig(str(tiny_bundle), threads=1, context_tokens=1024, budget_tokens=120)


def test_a_configuration_that_cannot_work_is_refused() -> None:
    with pytest.raises(SpecError, match="bundle"):
        EngineConfig("")
    with pytest.raises(SpecError, match="threads"):
        EngineConfig("somewhere", threads=0)
    with pytest.raises(SpecError, match="context_tokens"):
        EngineConfig("somewhere", context_tokens=256, budget_tokens=320)


def test_no_more_cameras_than_configured(config: EngineConfig, clips: Path) -> None:
    with Engine.open(dataclasses.replace(config, max_cameras=1)) as engine:
        engine.watch("one", str(clips / "car-detection.mp4"), pace="fast", until_s=0.5)
        with pytest.raises(EngineError, match="max_cameras"):
            engine.watch("two", str(clips / "car-detection.mp4"))


def test_an_engine_that_is_told_no_sizes_finds_its_own(tiny_bundle: Path, clips: Path) -> None:
    with Engine.open(EngineConfig(str(tiny_bundle), threads=1, max_cameras=1)) as engine:
        assert engine.config.budget_tokens == usual_budget(engine.spec)
        engine.watch("park", str(clips / "car-detection.mp4"), pace="fast")
        assert engine.wait_ended("park", PATIENCE_S)
        assert 0 < engine.status()["park"].cached_tokens <= usual_budget(engine.spec)
        assert (
            engine.ask(Query("Is anything moving?", "park", deadline_ms=20_000)).outcome is Outcome.COMPLETE
        )


@pytest.mark.parametrize("budget_tokens", [20, 100_000])
def test_a_budget_that_no_stream_can_live_on_is_refused(tiny_bundle: Path, budget_tokens: int) -> None:
    with pytest.raises(EngineError, match="budget_tokens wants"):
        Engine.open(EngineConfig(str(tiny_bundle), context_tokens=500_000, budget_tokens=budget_tokens))


def test_windows_are_as_configured(config: EngineConfig, clips: Path) -> None:
    """An empty car park: adaptive windows run on, so what is seen takes fewer tokens."""
    tokens = {}
    for windows in ("fixed", "adaptive"):
        with Engine.open(dataclasses.replace(config, windows=windows)) as engine:
            engine.watch("park", str(clips / "car-detection.mp4"), pace="fast", until_s=2.5)
            assert engine.wait_ended("park", PATIENCE_S)
            tokens[windows] = engine.ask(ASK).visual_tokens
    assert 0 < tokens["adaptive"] < tokens["fixed"]


def test_b_pictures_are_refused_as_configured(config: EngineConfig, clips: Path) -> None:
    """On opening it, or after: the first of them may come late."""
    with (
        Engine.open(dataclasses.replace(config, b_frames="refuse")) as engine,
        pytest.raises(CameraError, match="B-pictures"),
    ):
        engine.watch("bottles", str(clips / "bottle-detection.mp4"), pace="fast", until_s=1.0)
        engine.wait_ended("bottles", PATIENCE_S)
