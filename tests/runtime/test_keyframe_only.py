"""A bundle without a Δ-encoder, made of a LLaVA-Video folder: exported, watched, asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from magno.export.bundle_from_checkpoint import bundle_from_source
from magno.export.families import open_source
from magno.export.random_checkpoint import write_random
from magno.export.random_models.models import Choice
from magno.export.video_source import KEYFRAME_PICTURES
from magno.runtime.bundle import open_bundle
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import Outcome, Query

ASK = Query("What is there?", deadline_ms=30_000.0, max_tokens=4)
TOKENS = 3 * 3 + 3  # pooled, each row ended


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llava")
    write_random("llava-video", folder / "checkpoint", Choice(tiny=True))
    return bundle_from_source(open_source(folder / "checkpoint"), folder / "bundle")


def test_the_manifest_says_that_there_are_no_windows(bundle: Path) -> None:
    opened = open_bundle(bundle)
    assert opened.delta is None
    assert set(opened.manifest.files) == {"vision.onnx", "llm.gguf"}
    assert (opened.spec.layout.keyframe_tokens, opened.spec.layout.window_tokens) == (TOKENS, 0)


def test_an_answer_says_which_keyframe_it_saw(bundle: Path, clips: Path) -> None:
    config = EngineConfig(str(bundle), threads=1, budget_tokens=256, max_cameras=1)
    with Engine.open(config) as engine:
        engine.watch("film", str(clips / "bunny_h264.mp4"), pace="fast", until_s=4.0)
        assert engine.wait_ended("film", 60.0)
        answer = engine.ask(ASK)
    assert answer.outcome is Outcome.COMPLETE
    keyframes = answer.visual_tokens // TOKENS
    assert answer.visual_tokens == keyframes * TOKENS
    assert keyframes == 101 // (KEYFRAME_PICTURES + 1) + 1  # pictures of 4 s at 25 a second
    assert answer.frame_pts_ns == (keyframes - 1) * (KEYFRAME_PICTURES + 1) * 40_000_000
