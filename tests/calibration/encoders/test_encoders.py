"""`magno bench encoders`: each engine beside torch, with what it costs and how far it is off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magno.cli import main
from magno.export.errors import CheckpointError
from magno.export.graphs.int8 import first_nodes, int8_onnx
from magno.export.verify.parity import example_inputs
from magno.runtime.bundle import open_bundle


def bench(*words: str) -> int:
    return main(["bench", "encoders", "--threads", "1", "--repeats", "1", *words])


def test_every_engine_is_measured_and_compared(
    tiny_folder: Path, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--checkpoint", str(tiny_folder), "--clip", str(clips / "car-detection.mp4"), "--fp16"]
    assert bench(*words) == 0
    printed = capsys.readouterr().out.splitlines()
    figures = json.loads(printed[-1])
    rows = {(row["encoder"], row["engine"]): row for row in figures["rows"]}
    assert len(rows) == 8 and all(row["ms"] > 0 and row["cpu_ms"] >= 0 for row in rows.values())
    for encoder in ("keyframe", "window"):
        assert rows[encoder, "onnx fp32"]["cosine"] >= 0.9999
        assert rows[encoder, "onnx fp16"]["cosine"] >= 0.999
        assert rows[encoder, "onnx int8"]["megabytes"] < rows[encoder, "onnx fp32"]["megabytes"]
    assert rows["keyframe", "onnx int8"]["cosine"] >= 0.99
    assert set(figures["ratios"]) == set(figures["goals"])
    assert "int8 to torch" in "".join(printed[:-1])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--size", "siglip-huge"], "--size wants one of siglip-so400m-14-384"),
        (["--checkpoint", "nowhere"], "wants to be a checkpoint folder"),
        (["--repeats", "0"], "wants 1 repeat and 1 thread or more"),
    ],
)
def test_what_cannot_be_measured_is_said(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(*words) == 2
    assert says in capsys.readouterr().err


def test_int8_is_not_calibrated_on_nothing(tiny_bundle: Path, tmp_path: Path) -> None:
    pixels, _, _ = example_inputs(open_bundle(tiny_bundle).spec, 1)
    for batches in ([], [{"pixels": pixels}] * 3):
        with pytest.raises(CheckpointError, match=f"wants 8 real pictures or more .* found {len(batches)}"):
            int8_onnx(tiny_bundle / "vision.onnx", tmp_path / "out.onnx", batches)
    assert not any(tmp_path.iterdir())


def test_what_reads_the_inputs_stays_in_float32(tiny_bundle: Path) -> None:
    assert "motion_patch.0/MatMul_4" in first_nodes(tiny_bundle / "delta.onnx")
