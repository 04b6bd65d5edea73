"""A training that is cut short goes on where it was, and ends in a checkpoint the exporter reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magno.export.checkpoint import load_checkpoint
from magno.training import dataset, train
from magno.training.dataset import HELD_OUT, make_shard
from magno.training.score import wilson
from magno.training.train import rate


def test_the_rate_warms_up_and_falls() -> None:
    assert rate(0.0, 1.0) == 0.0
    assert rate(0.03, 1.0) == pytest.approx(1.0)
    assert rate(1.0, 1.0) == pytest.approx(0.01)


def test_wilson_intervals_hold_the_share() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(90, 100)
    assert low == pytest.approx(0.826, abs=0.001) and high == pytest.approx(0.945, abs=0.001)


def test_a_training_resumes_and_saves(tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "CLIPS_A_SHARD", 3)
    data = tmp_path / "data"
    data.mkdir()
    make_shard(data / "train-00000.npz", 0, clips)
    make_shard(data / "held-00000.npz", HELD_OUT, clips)
    common = [
        "--data",
        str(data),
        "--run",
        str(tmp_path / "run"),
        "--out",
        str(tmp_path / "out"),
        "--batch",
        "2",
    ]

    def run(delta_minutes: str, minutes: str) -> list[dict[str, float | str]]:
        words = ["train", *common, "--delta-minutes", delta_minutes, "--minutes", minutes]
        monkeypatch.setattr("sys.argv", words)
        train.main()
        log: list[dict[str, float | str]] = json.loads((tmp_path / "run" / "log.json").read_text())
        return log

    first = run("0.0001", "0")
    assert [line["stage"] for line in first] == ["delta"]
    second = run("0.0001", "0.0001")
    assert [line["stage"] for line in second] == ["delta", "whole"]
    assert second[0] == first[0]  # not trained again
    checkpoint = load_checkpoint(tmp_path / "out")
    assert checkpoint.config.name == "pocket"
