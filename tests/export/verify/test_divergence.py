"""The first layer at which two ways of running a model part is found without reading every layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, numpy_helper

from magno.export.verify.divergence import WIDTH, between_graphs, first_below, from_torch, module_results
from magno.export.verify.parity import example_inputs
from magno.runtime.bundle import open_bundle
from tests.tiny import tiny_model


@given(st.integers(1, 3000), st.data())
def test_the_first_point_below_the_gate_is_found_in_few_readings(count: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, count - 1))
    readings: list[int] = []

    def probe(names: Sequence[str]) -> dict[str, float]:
        readings.append(len(names))
        return {name: 0.5 if int(name) >= first else 1.0 for name in names}

    found = first_below([str(place) for place in range(count)], 0.9, probe)
    assert found is not None and (found.layer, found.cosine) == (str(first), 0.5)
    assert max(readings) <= WIDTH and len(readings) <= 4


def test_nothing_below_the_gate_is_nothing_and_what_cannot_be_compared_is_passed_over() -> None:
    assert first_below(["a", "b"], 0.9, lambda names: dict.fromkeys(names, 0.95)) is None
    found = first_below(["a", "b", "c"], 0.9, lambda names: {name: 0.1 for name in names if name != "b"})
    assert found is not None and found.layer == "a"
    assert first_below(["a"], 0.9, lambda names: {"a": float("nan")}) is not None


def changed(folder: Path, weight: str) -> ModelProto:
    model = onnx.load(folder / "vision.onnx")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == weight)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + 1, weight))
    return model


@pytest.mark.parametrize(
    ("weight", "module"),
    [
        ("tower.encoder.layers.1.mlp.fc1.bias", "tower.encoder.layers.1.mlp.fc1"),
        ("tower.embeddings.patch_embedding.bias", "tower.embeddings.patch_embedding"),
        ("projector.outer.bias", "projector.outer"),
    ],
)
def test_a_changed_weight_is_traced_to_its_module(tiny_bundle: Path, weight: str, module: str) -> None:
    pixels, _, _ = example_inputs(open_bundle(tiny_bundle).spec, 1)
    model, batch = changed(tiny_bundle, weight), {"pixels": pixels}
    found = from_torch(tiny_model_as_stored().vision, model, batch, 0.9999)
    assert found is not None and found.layer == module
    found = between_graphs(onnx.load(tiny_bundle / "vision.onnx"), model, batch, 0.9999)
    assert found is not None and found.layer.startswith(f"{module}/")


def tiny_model_as_stored() -> torch.nn.Module:
    """Its weights as the checkpoint has them, in float16."""
    return tiny_model().half().float()


def test_every_module_that_computes_has_its_last_value(tiny_bundle: Path) -> None:
    results = list(module_results(onnx.load(tiny_bundle / "vision.onnx")))
    assert results.index("tower.encoder.layers.0.mlp.fc2") < results.index("tower.encoder.layers.0.mlp")
    assert results.index("tower.encoder.layers.0") < results.index("tower.encoder.layers.1")
    assert set(results) <= dict(tiny_model().vision.named_modules()).keys()
