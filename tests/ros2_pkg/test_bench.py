"""The bench of what ROS costs, run for a moment: every question and picture is counted. No figure is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from magno_ros.bench import BenchError, main, percentiles, report


def test_it_tells_figures_of_every_question_and_picture(
    tiny_bundle: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--bundle", str(tiny_bundle), "--clip", str(clips / "car-detection.mp4"), "--json"]
    assert main([*words, "--clients", "5", "--seconds", "1", "--pictures", "30"]) == 0
    told = json.loads(capsys.readouterr().out)
    (queries,) = told["queries"]
    assert queries["clients"] == 5 and sum(queries["outcomes"].values()) >= 5
    assert queries["p50_ms"] <= queries["p99_ms"] <= queries["max_ms"]
    assert 0 < told["packets"]["arrived"] <= told["packets"]["pictures"] == 30
    assert 0 < told["packets"]["p50_ms"] <= told["packets"]["max_ms"]
    assert report(told).row_count == 2


def test_what_cannot_be_measured_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", str(tmp_path / "none"), "--clients", "1"]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("bench: The node did not configure") and "none" in told
    with pytest.raises(BenchError, match="found none"):
        percentiles([])


def test_percentiles_are_of_what_was_measured() -> None:
    figures = percentiles([float(number) for number in range(101)])
    assert figures == {"p50_ms": 50.0, "p99_ms": 99.0, "max_ms": 100.0}
