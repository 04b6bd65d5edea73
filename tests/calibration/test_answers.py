"""The same words both ways: a small run of the bench, and how two answers are held against each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from magno.calibration import answers
from magno.calibration.at_query import TEXT_TOKENS, Shown
from magno.calibration.sameness import Asked, Said, compared, spaced, that_fit
from magno.cli import main
from magno.runtime.units import CodecFrame
from magno.runtime.window import Keyframe
from tests.tiny import LAYOUT, TINY

FRAME = CodecFrame(0, 0, 0, "I", None, np.zeros((4, 4, 3), np.uint8), (4, 4))
KEYFRAMES = [Shown(Keyframe(FRAME, gop), gop * 10**9) for gop in range(10)]
LOGITS = np.array([0.0, 3.0, 1.0], np.float32)
SAID = Said("left", LOGITS, 100)


def test_both_ways_say_the_same_of_a_real_clip(
    tiny_bundle: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "answers", "--bundle", str(tiny_bundle), "--clips", str(clips / "car-detection.mp4")]
    assert main([*words, "--questions", "18"]) == 0
    printed = capsys.readouterr().out.splitlines()
    result = json.loads(printed[-1])
    assert "same text" in "".join(printed[:-1])
    assert result["questions"] == 18 and result["same_texts"] == 1.0 and not result["differences"]
    assert result["logits"]["worst"] <= result["tolerance"]["logits"]
    assert result["kl_nats"]["worst"] <= result["tolerance"]["kl_nats"]
    assert result["past_tokens"][0] < result["past_tokens"][1] and result["different_answers"] > 1


def test_no_question_is_no_bench(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "answers", "--bundle", str(tiny_bundle), "--questions", "0"]) == 2
    assert "wants 1 question" in capsys.readouterr().err


def test_pasts_that_differ_are_not_compared() -> None:
    with pytest.raises(answers.AnswersError, match="100 tokens while watching and 108"):
        answers._check_same_past(Path("clip.mp4"), Asked(0, "?"), SAID, replace(SAID, past_tokens=108))


@pytest.mark.parametrize(
    ("ours", "failed"),
    [
        (SAID, False),
        (replace(SAID, text="right"), True),
        (replace(SAID, logits=LOGITS + np.array([0, 0, 1.01 * answers.MOST_LOGITS], np.float32)), True),
        (replace(SAID, logits=LOGITS + np.array([0, 0.9 * answers.MOST_LOGITS, 0], np.float32)), True),  # KL
        (replace(SAID, logits=LOGITS + np.array([0.01, 0, 0], np.float32)), False),
    ],
)
def test_what_passes_as_the_same(ours: Said, failed: bool) -> None:
    found = compared("clip", Asked(0, "?"), ours, SAID)
    assert answers._figures([found], 1)["failed"] is failed
    assert found.margin == pytest.approx(2.0)


def test_fewer_questions_than_wanted_fail() -> None:
    assert answers._figures([compared("clip", Asked(0, "?"), SAID, SAID)], 2)["failed"]


def test_only_what_is_never_evicted_is_asked_about() -> None:
    gop = LAYOUT.keyframe_tokens + TEXT_TOKENS
    system = len(LAYOUT.system_text.encode())
    assert len(that_fit(KEYFRAMES, TINY, system + 3 * gop)) == 3  # type: ignore[arg-type]
    assert len(that_fit(KEYFRAMES, TINY, 10**6)) == 9  # type: ignore[arg-type]  # a picture must follow
    assert not that_fit([], TINY, 10**6)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "moments"), [(1, [8]), (4, [3, 8]), (5, [2, 5, 8]), (100, list(range(9)))]
)
def test_questions_are_spread_over_a_clip(wanted: int, moments: list[int]) -> None:
    asked = spaced(KEYFRAMES[:9], ("a?", "b?"), wanted)
    assert len(asked) == min(wanted, 18)
    assert sorted({one.at_ns // 10**9 for one in asked}) == moments
