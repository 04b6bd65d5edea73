"""Half precision where it is enough: what runs in it, what does not, and what that costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from magno.export.errors import CheckpointError
from magno.export.graphs.graph_file import GraphFile, precision_of
from magno.export.graphs.half import bfloat16_bits
from magno.export.graphs.precision import PRECISIONS, at_precision
from magno.export.graphs.widened import widen
from magno.export.verify.parity import example_inputs
from magno.export.verify.tolerance import compare
from magno.runtime.bundle import open_bundle
from magno.runtime.encoder import delta_graph, vision_graph

EXACT = {"Softmax", "LayerNormalization", "InstanceNormalization", "Gelu"}
FLOATS = set(PRECISIONS.values())
HALVES = ("fp16", "bf16")
ENCODERS = ("vision.onnx", "delta.onnx")


def halved(folder: Path, name: str, precision: str) -> ModelProto:
    model = onnx.load(folder / name)
    at_precision(model, precision)
    return model


def types(model: ModelProto) -> dict[str, int]:
    """The type of each floating-point value, as ONNX infers it."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    told = {
        info.name: info.type.tensor_type.elem_type
        for info in (*graph.input, *graph.value_info, *graph.output)
    }
    told |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    return {name: kind for name, kind in told.items() if kind in FLOATS}


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("name", ENCODERS)
def test_each_node_sees_one_type_and_what_needs_float32_has_it(
    tiny_bundle: Path, name: str, precision: str
) -> None:
    model = halved(tiny_bundle, name, precision)
    onnx.checker.check_model(model, full_check=True)
    known = types(model)
    for node in model.graph.node:
        found = {known[value] for value in node.input if value in known}
        assert len(found) <= 1, f"{node.name} mixes types"
        if node.op_type in EXACT:
            assert found == {TensorProto.FLOAT}, node.name
        if node.op_type in ("MatMul", "Gemm"):
            assert found == {PRECISIONS[precision]}, node.name
    for port in (*model.graph.input, *model.graph.output):
        assert port.type.tensor_type.elem_type == TensorProto.FLOAT
    assert precision_of(model) == precision


@pytest.mark.parametrize("precision", HALVES)
def test_half_precision_stays_within_its_gate(tiny_bundle: Path, tmp_path: Path, precision: str) -> None:
    spec = open_bundle(tiny_bundle).spec
    pixels, motion, residual = example_inputs(spec, 2)
    for name, graph, batch in (
        ("vision.onnx", vision_graph(spec), {"pixels": pixels}),
        ("delta.onnx", delta_graph(spec), {"motion": motion, "residual": residual}),
    ):
        onnx.save(halved(tiny_bundle, name, precision), tmp_path / name)
        exact = GraphFile(tiny_bundle / name, graph, "fp32").run([batch])
        found = GraphFile(tmp_path / name, graph, precision).run([batch])
        assert 0.999 <= compare(exact, found).min_cosine < 1.0
        assert (tmp_path / name).stat().st_size < 0.8 * (tiny_bundle / name).stat().st_size


def test_float32_changes_nothing_and_other_words_are_refused(tiny_bundle: Path) -> None:
    model = onnx.load(tiny_bundle / "vision.onnx")
    before = model.SerializeToString(deterministic=True)
    at_precision(model, "fp32")
    assert model.SerializeToString(deterministic=True) == before
    with pytest.raises(CheckpointError, match="wants one of fp32, fp16, bf16, found 'int3'"):
        at_precision(model, "int3")


def test_a_weight_that_fp16_cannot_hold_is_named(tiny_bundle: Path) -> None:
    model = onnx.load(tiny_bundle / "vision.onnx")
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == "projector.outer.bias")
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1e5, bias.name))
    with pytest.raises(CheckpointError, match=r"projector\.outer\.bias wants weights of at most 65504"):
        at_precision(model, "fp16")


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=1))
def test_bfloat16_is_rounded_as_torch_rounds_it(numbers: list[float]) -> None:
    exact = np.array(numbers, np.float32)
    wanted = torch.from_numpy(exact).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    np.testing.assert_array_equal(bfloat16_bits(exact), wanted)


def test_a_widened_graph_rounds_every_result(tmp_path: Path) -> None:
    """1.001 is 1 in bfloat16, and so is the sum of its products."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "xy"]
    weight = numpy_helper.from_array(np.eye(2, dtype=np.float32) * np.float32(1.001), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    model = helper.make_model(
        helper.make_graph([node], "g", ports[:1], ports[1:], [weight]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    at_precision(model, "bf16")
    widen(model)
    from magno.export.graphs.graph_file import values

    found = values(model, ["y"], {"x": np.array([[1.001, 3.01]], np.float32)})["y"]
    np.testing.assert_array_equal(found, [[1.0, 3.015625]])


@pytest.mark.parametrize("precision", HALVES)
def test_a_strongly_typed_tensorrt_network_takes_it_as_it_stands(tiny_bundle: Path, precision: str) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is not installed")
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    for name in ENCODERS:
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = trt.OnnxParser(network, trt.Logger(trt.Logger.ERROR))
        model = halved(tiny_bundle, name, precision)
        assert parser.parse(model.SerializeToString()), [
            str(parser.get_error(n)) for n in range(parser.num_errors)
        ]
        assert network.get_output(0).dtype == trt.float32
