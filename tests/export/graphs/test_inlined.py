"""Weights that go into a file one by one: the bytes are those of the whole model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from magno.export.errors import CheckpointError
from magno.export.graphs import inlined
from magno.export.graphs.inlined import is_outside, write_inlined
from magno.export.graphs.precision import PRECISIONS, at_precision

ENCODERS = ("vision.onnx", "delta.onnx")


def with_weights_outside(model: ModelProto, folder: Path) -> ModelProto:
    """The same model, its weights in a file of `folder`."""
    onnx.save(model, folder / "aside.onnx", save_as_external_data=True, location="weights", size_threshold=64)
    return onnx.load(folder / "aside.onnx", load_external_data=False)


def product(weights: np.ndarray) -> ModelProto:
    """x @ weights."""
    ports = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None]) for name in "xy")
    x, y = ports
    node = helper.make_node("MatMul", ["x", "weights"], ["y"], name="product")
    graph = helper.make_graph([node], "graph", [x], [y], [numpy_helper.from_array(weights, "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", ENCODERS)
def test_the_bytes_are_those_of_the_whole_model(
    tiny_bundle: Path, tmp_path: Path, name: str, precision: str
) -> None:
    whole = onnx.load(tiny_bundle / name)
    outside = with_weights_outside(onnx.load(tiny_bundle / name), tmp_path)
    for model in (whole, outside):
        at_precision(model, precision)
    assert sum(is_outside(tensor) for tensor in outside.graph.initializer) > 5
    write_inlined(outside, tmp_path, tmp_path / "out.onnx")
    written = (tmp_path / "out.onnx").read_bytes()
    assert written == whole.SerializeToString(deterministic=True)
    assert not any(is_outside(tensor) for tensor in onnx.load_from_string(written).graph.initializer)


def test_a_weight_beyond_half_precision_is_named(tmp_path: Path) -> None:
    weights = np.ones((8, 8), np.float32)
    weights[3, 3] = 1e5
    model = with_weights_outside(product(weights), tmp_path)
    at_precision(model, "fp16")
    with pytest.raises(
        CheckpointError, match="of at most 65504 for fp16, found 100000: use --precision bf16"
    ):
        write_inlined(model, tmp_path, tmp_path / "out.onnx")


def test_what_no_single_file_can_hold_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inlined, "MOST_BYTES", 1000)
    model = with_weights_outside(product(np.ones((16, 16), np.float32)), tmp_path)
    with pytest.raises(CheckpointError, match=r"in one file, found 0\.00: use --precision fp16 or bf16"):
        write_inlined(model, tmp_path, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
