"""Random checkpoints: real sizes, the same every time, whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magno.export.errors import CheckpointError
from magno.export.random_checkpoint import main, parameters, write_random
from magno.export.random_models.models import MODELS, Choice, random_model
from magno.export.weights.tensors import INDEX, WEIGHTS


def millions(name: str) -> float:
    return sum(parameters(random_model(name, Choice())).values()) / 1e6


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("siglip-so400m-14-384", 428.2),  # its vision tower, pooling head included
        ("siglip-base-16-224", 92.9),
        ("siglip2-base", 92.9),
        ("qwen2-0.5b", 494.0),
        ("qwen2-7b-4-layers", 2022.2),  # both tables, 4 of 28 layers
        ("qwen3-0.6b", 596.0),
        ("llama-3.2-1b", 1235.8),
        ("delta-paper-wide", 152.6),
        ("delta-paper-small", 10.3),
    ],
)
def test_sizes_are_the_real_ones(name: str, wanted: float) -> None:
    assert millions(name) == pytest.approx(wanted, abs=0.1)


@pytest.mark.parametrize("name", MODELS)
def test_every_name_has_a_narrow_version(name: str) -> None:
    assert 0 < sum(parameters(random_model(name, Choice(tiny=True))).values()) < 1_000_000


def test_it_is_the_same_every_time_and_other_with_another_seed(tmp_path: Path) -> None:
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_random("llava-video", tmp_path / folder, Choice(tiny=True), seed=seed)
    a, b, c = ((tmp_path / name / WEIGHTS).read_bytes() for name in "abc")
    assert a == b != c


def test_the_command_writes_shards_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "llm"
    assert main(["qwen2-0.5b", "--scale", "tiny", "--out", str(out), "--shard-mb", "0", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["total"] == sum(found["parameters"].values()) == 107_072
    assert not (out / INDEX).exists()  # all of it is below one MB
    assert main(["qwen2-0.5b", "--out", str(out)]) == 2
    assert "wants to be new or an empty folder" in capsys.readouterr().err
    assert main(["gpt-5", "--out", str(tmp_path / "x")]) == 2
    assert "wants one of siglip-so400m-14-384" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(CheckpointError, match="found 'x'"):
        random_model("x", Choice())
