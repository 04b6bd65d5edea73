"""Layers of an engine: the inspector's JSON in each of its forms, weights from the graph, files that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magno.calibration.profiling.layers import GraphProfile
from magno.calibration.profiling.onnx_graph import Node, OnnxGraph, Weight, read_graph
from magno.calibration.profiling.settings import ProfileError, Settings
from magno.calibration.profiling.tensorrt_layers import layers_of, profile_graph, read_layers

GRAPH = OnnxGraph(
    {"mlp.fc1/MatMul_1": Node("mlp.fc1/MatMul_1", "MatMul", ("x", "w"), ("y",))},
    {"w": Weight((32, 64), 4096)},
)
PRODUCT = {
    "Name": "__myl_gemm_7",  # the library's own
    "LayerType": "MATRIX_MULTIPLY",
    "Inputs": [{"Name": "x", "Dimensions": [1, 16, 32], "Format/Datatype": "Row major linear FP16"}],
    "Outputs": [{"Name": "y", "Dimensions": [1, 16, 64], "Format/Datatype": "FLOAT"}],
    "Metadata": "[ONNX Layer: mlp.fc1/MatMul_1]\x1e[ONNX Layer: mlp.fc1/linear_1]",
}


def test_a_fused_layer_is_told_by_its_metadata() -> None:
    (layer,) = layers_of([PRODUCT], GRAPH, {})
    assert (layer.module, layer.operator) == ("mlp.fc1", "MATRIX_MULTIPLY")
    assert layer.flops == 2 * 16 * 32 * 64 and layer.weight_bytes == 4096
    assert layer.activation_bytes == 16 * 32 * 2 + 16 * 64 * 4


def test_times_go_to_their_layers_and_what_has_none_stays() -> None:
    layers = layers_of([PRODUCT, {"Name": "idle"}], GRAPH, {"__myl_gemm_7": (0.5, 0.7), "copy 0": (0.1, 0.1)})
    assert [(layer.name, layer.times_ms) for layer in layers] == [
        ("__myl_gemm_7", (0.5, 0.7)),
        ("idle", ()),
        ("copy 0", (0.1, 0.1)),
    ]


def test_names_alone_are_layers_too(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"Layers": ["mlp.fc1/MatMul_1", "Reformat 0"]}))
    layers = layers_of(read_layers(tmp_path / "x.json"), GRAPH, {})
    assert [(layer.name, layer.module, layer.flops) for layer in layers] == [
        ("mlp.fc1/MatMul_1", "mlp.fc1", 0),
        ("Reformat 0", "", 0),
    ]


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["Name", "LayerType", "Inputs", "Outputs", "Metadata"]),
            st.recursive(
                st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.just([PRODUCT])
            ),
        )
    )
)
def test_whatever_an_inspector_says_is_read(told: list[dict[str, Any]]) -> None:
    assert len(layers_of(told, GRAPH, {})) == len(told)


@pytest.mark.parametrize("text", ["", "[]", '{"Layers": 5}', "{}", "[" * 100_000])
def test_a_file_that_holds_no_layers_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ProfileError, match="Build the engine again"):
        read_layers(tmp_path / "x.json")


def test_without_an_engine_the_command_to_build_one_is_told(tiny_bundle: Path) -> None:
    settings = Settings(backend="tensorrt")
    with pytest.raises(ProfileError, match=r"magno build .* --engine tensorrt"):
        profile_graph(tiny_bundle / "vision.onnx", {"pixels": np.zeros((1, 1), np.float32)}, settings, print)


def test_layers_without_times_are_ordered_by_what_they_compute(tiny_bundle: Path) -> None:
    nodes = read_graph(tiny_bundle / "vision.onnx")
    told = [{"Name": "small", "LayerType": "x"}, PRODUCT]
    graph = GraphProfile("vision.onnx", 1, 0, (), tuple(layers_of(told, nodes, {})))
    assert [layer.name for layer in graph.slowest(1)] == ["__myl_gemm_7"] and graph.total_ms == 0
