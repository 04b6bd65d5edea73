"""Both ways of asking see the same and say the same while nothing was evicted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magno.calibration.ttft import BenchError, compare, prefill_at_query
from magno.cli import main
from magno.runtime.units import MagnoError


def test_prefilled_while_watching_answers_as_prefilled_when_asked(tiny_bundle: Path, clips: Path) -> None:
    row = compare(
        tiny_bundle, str(clips / "car-detection.mp4"), 4.0, "Which way is the car moving?", repeats=3
    )
    assert row.streaming_text == row.at_query_text
    assert row.at_query_tokens > row.streaming_tokens > 0  # the question's own tokens apart
    assert row.dense_tokens > row.at_query_tokens  # every picture whole
    assert row.repeats == 3
    assert row.ratio == pytest.approx(row.at_query_ms / row.streaming_ms)


def test_what_cannot_be_watched_is_said(tiny_bundle: Path) -> None:
    with pytest.raises(MagnoError, match="no such file"):
        prefill_at_query(tiny_bundle, "nowhere.mp4", None, "Which way?")


def test_the_bench_prints_one_json_line_last(
    tiny_bundle: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "ttft", "--bundle", str(tiny_bundle), "--clip", str(clips / "car-detection.mp4")]
    assert main([*words, "--at", "2", "--alone-at", "3", "--repeats", "5", "--patience", "0"]) == 0
    printed = capsys.readouterr().out.splitlines()
    result = json.loads(printed[-1])
    assert "ratio" in "".join(printed[:-1])
    assert result["rows"][0]["at_s"] == 2.0 and result["rows"][0]["repeats"] == 1
    ours = result["rows"][1]  # asked alone
    assert ours["at_s"] == 3.0 and ours["repeats"] == 5 and ours["streaming_ms"] > 0 and ours["ratio"] is None
    assert result["device"]["versions"]["llama-cpp-python"]


@pytest.mark.parametrize(("repeats", "patience_s"), [(0, 1.0), (1, float("nan")), (1, -1.0)])
def test_what_cannot_be_asked_is_said(tiny_bundle: Path, repeats: int, patience_s: float) -> None:
    with pytest.raises(BenchError, match="wants"):
        compare(tiny_bundle, "nowhere.mp4", 4.0, "Which way?", repeats, patience_s)
