"""The bench of questions at once, with small numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magno.cli import main


def test_the_bench_prints_both_ways_and_one_json_line_last(
    tiny_bundle: Path, clips: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magno.calibration.loads.concurrency.QUIET_S", 0.1)
    clip = str(clips / "car-detection.mp4")
    words = ["bench", "concurrency", "--bundle", str(tiny_bundle), "--clip", clip, "--questions", "3"]
    assert main([*words, "--answer-tokens", "0", "4", "--repeats", "2", "--threads", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    result = json.loads(printed[-1])
    assert "ratio" in "".join(printed[:-1])
    assert [row["answer_tokens"] for row in result["rows"]] == [0, 4]
    for row in result["rows"]:
        assert row["ratio"] == pytest.approx(row["at_once"]["total_ms"] / row["in_sequence"]["total_ms"])
        assert row["incomplete"] == 0
    assert result["stream"]["window_ms"] > 0
    assert not result["failed"]


def test_what_cannot_be_measured_is_said(tiny_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "concurrency", "--bundle", str(tiny_bundle), "--questions", "0"]) == 2
    assert "wants a question" in capsys.readouterr().err
