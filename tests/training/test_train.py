"""A training that is cut short goes on where it was, and ends in a checkpoint the exporter reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from magno.export.checkpoint import load_checkpoint
from magno.training import train
from magno.training.curves import draw, read_log
from magno.training.run import Run, Stage, rate
from magno.training.score import wilson
from magno.training.trainee import Losses


def test_the_rate_warms_up_and_falls() -> None:
    assert rate(0.0, 1.0) == 0.0
    assert rate(0.03, 1.0) == pytest.approx(1.0)
    assert rate(1.0, 1.0) == pytest.approx(0.01)


def test_wilson_intervals_hold_the_share() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(90, 100)
    assert low == pytest.approx(0.826, abs=0.001) and high == pytest.approx(0.945, abs=0.001)


def test_moments_go_on_from_stage_to_stage_and_over_a_resumption(tmp_path: Path) -> None:
    torch.manual_seed(0)

    def steps_after(name: str) -> float:
        module = torch.nn.Linear(2, 1)
        run = Run(tmp_path, module)  # type: ignore[arg-type]  # of a trainee it wants parameters alone
        pictures = torch.ones(1, 2)

        def losses() -> Losses:
            return Losses({"answers": module(pictures).square().mean()})

        run.stage(Stage(name, 1e-6, 1e-3, list(module.parameters()), losses, dict))
        return float(torch.load(tmp_path / "state.pt", weights_only=True)["moments"]["weight"]["step"])

    assert steps_after("first") == 1
    assert steps_after("second") == 2


def test_a_training_resumes_and_saves(
    tmp_path: Path, shard_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ("KEYFRAMES_A_BATCH", "WINDOWS_A_BATCH", "PAIRS_A_BATCH", "DRAWINGS", "EXAM_SAMPLES", "RETRIEVED")
    for size in sizes:
        monkeypatch.setattr(train, size, 20)
    folders = ["--data", str(shard_folder), "--run", str(tmp_path / "run"), "--out", str(tmp_path / "out")]

    def run(token_minutes: str, minutes: str, *more: str) -> list[dict[str, float | str]]:
        stages = ["--token-minutes", token_minutes, "--minutes", minutes, "--whole-minutes", minutes]
        words = ["train", *folders, "--batch", "2", *stages, *more]
        monkeypatch.setattr("sys.argv", words)
        train.main()
        lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    first = run("0.0001", "0")
    assert [line["stage"] for line in first] == ["tokens"]
    second = run("0.0001", "0.0001")
    assert [line["stage"] for line in second] == ["tokens", "answers", "whole"]
    assert second[0] == first[0]  # not trained again
    assert {"held_patches", "held_motion", "recall_1", "plain_1"} <= set(first[0])
    assert all(0.0 <= float(line["mean"]) <= 1.0 for line in second[1:])
    draw(read_log(tmp_path / "run"), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    checkpoint = load_checkpoint(tmp_path / "out")
    assert checkpoint.config.name == "pocket"

    # From that checkpoint on: heads that were thrown away come first.
    folders[3:4] = [str(tmp_path / "more")]
    begun = run("0.0001", "0.0001", "--begin", str(tmp_path / "out"), "--head-minutes", "0.0001")
    assert [line["stage"] for line in begun] == ["tokens", "answers", "whole"]
    tokenizer = tmp_path / "out" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace("<|cut|>", "<|new|>"))
    with pytest.raises(SystemExit) as ended:
        run("0", "0", "--begin", str(tmp_path / "out"))
    assert ended.value.code == 2 and "wants this training's tokenizer" in capsys.readouterr().err
