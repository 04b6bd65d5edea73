"""The bench of ROS, run for a moment: every question, goal and picture is counted. No figure is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from magno.calibration.footprint import Footprint
from magno_ros.bench import main, report
from magno_ros.bench_node import BenchError, percentiles
from magno_ros.bench_soak import held
from magno_ros.bench_storm import became

NOTHING = ["--seconds", "0", "--pictures", "0", "--goals-seconds", "0", "--long", "0"]


def run(capsys: pytest.CaptureFixture[str], bundle: Path, clips: Path, *words: str) -> dict:
    given = ["--bundle", str(bundle), "--clip", str(clips / "car-detection.mp4"), "--json", *NOTHING]
    assert main([*given, *words]) == 0
    told: dict = json.loads(capsys.readouterr().out)
    assert report(told).row_count
    return told


def test_it_tells_figures_of_every_question_and_picture(
    tiny_bundle: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run(capsys, tiny_bundle, clips, "--clients", "2", "--seconds", "1", "--pictures", "20")
    (queries,) = told["queries"]
    assert queries["clients"] == 2 and sum(queries["outcomes"].values()) >= 2
    assert queries["p50_ms"] <= queries["p99_ms"] <= queries["max_ms"]
    assert queries["floor"]["p50_ms"] > 0
    assert 0 < told["packets"]["arrived"] <= told["packets"]["pictures"] == 20
    assert 0 < told["packets"]["p50_ms"] <= told["packets"]["max_ms"]
    assert not {"long", "storm", "soak"} & set(told)


def test_every_goal_of_a_storm_is_accounted_for(
    tiny_bundle: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storm = run(capsys, tiny_bundle, clips, "--goals-seconds", "1", "--goals-rate", "100")["storm"]
    assert storm["sent"] == sum(storm["outcomes"].values()) > 0
    assert storm["unanswered"] == storm["twice"] == 0
    assert storm["sent"] == storm["refused_at_once"] + storm["admitted"]
    assert storm["decision"] is None or 0 < storm["decision"]["p50_ms"] <= storm["refusal"]["max_ms"]


def test_long_questions_and_a_soak_of_a_few(
    tiny_bundle: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = run(capsys, tiny_bundle, clips, "--long", "1", "--soak", "12")
    assert told["long"]["query"]["outcomes"] == told["long"]["ask"]["outcomes"] == ["FAILED"]
    assert told["long"]["query"]["floor"]["p50_ms"] > 0 and told["long"]["ask"]["floor"]["p50_ms"] > 0
    soak = told["soak"]
    assert soak["asked"] == sum(soak["outcomes"].values()) == 12
    assert soak["unanswered"] == soak["twice"] == 0
    assert soak["start"]["rss_kib"] > 0 and soak["end"]["threads"] > 0


def test_what_cannot_be_measured_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", str(tmp_path / "none"), "--clients", "1"]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("The node did not configure") and "none" in told
    with pytest.raises(BenchError, match="found none"):
        percentiles([])


def test_percentiles_are_of_what_was_measured() -> None:
    figures = percentiles([float(number) for number in range(101)])
    assert figures == {"p50_ms": 50.0, "p99_ms": 99.0, "max_ms": 100.0}


def test_a_storm_is_counted_by_what_each_goal_came_to() -> None:
    ends = [
        (0, 1.0, 0.5),  # rejected
        (3, 4.0, 0.1),  # refused at once, with its reason
        (3, 700.0, 600.0),  # refused after it had been admitted
        (1, 300.0, 290.0),  # in time
        (2, 900.0, 500.0),  # in time in the node, not here
    ]
    told = became({"ends": ends, "seconds": 0.5, "sent": 6, "unanswered": 1, "twice": 0, "lag_ms": 0.0})
    assert told["outcomes"] == {"COMPLETE": 1, "PARTIAL": 1, "REFUSED": 2, "REJECTED": 1}
    assert (told["refused_at_once"], told["refusal"]["max_ms"]) == (2, 4.0)
    assert told["decision"]["max_ms"] == 0.5
    assert (told["admitted"], told["in_time"], told["in_time_by_the_node"]) == (3, 1, 2)
    assert told["offered_per_s"] == 12.0


def test_a_soak_tells_the_slope_of_the_settled_memory() -> None:
    seen = [Footprint(5000 if each < 25 else 10_000 + each, 20, 30) for each in range(100)]
    told = held(seen, asked=1000)
    assert told["start"]["rss_kib"] == 5000 and told["warm"]["rss_kib"] == 10_025
    assert told["slope_kib_per_1000"] == pytest.approx(100.0)  # 1 KiB each of 100 looks at 1000 questions
