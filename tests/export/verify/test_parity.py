"""What is exported is the torch model, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from magno.export.checkpoint import load_checkpoint
from magno.export.graphs.onnx_from_torch import OPSET
from magno.export.verify.parity import check_graph, check_language
from magno.export.verify.tolerance import ParityError, check, compare
from magno.runtime.bundle import open_bundle
from magno.runtime.encoder import delta_graph, vision_graph


def test_both_graphs_are_the_torch_model(tiny_folder: Path, tiny_bundle: Path) -> None:
    model, bundle = load_checkpoint(tiny_folder).model, open_bundle(tiny_bundle)
    assert bundle.delta is not None
    check_graph(model.vision, bundle.vision, vision_graph(bundle.spec))
    check_graph(model.delta, bundle.delta, delta_graph(bundle.spec))


def test_a_graph_of_other_weights_is_named(tiny_folder: Path, tiny_bundle: Path) -> None:
    model = load_checkpoint(tiny_folder).model
    with torch.no_grad():
        model.delta.projector.outer.bias += 0.01
    with pytest.raises(ParityError, match=r"delta\.onnx \(onnx fp32\) wants an error of at most 0\.0001"):
        check_graph(model.delta, tiny_bundle / "delta.onnx", delta_graph(open_bundle(tiny_bundle).spec))


def test_a_language_model_of_other_weights_is_named(tiny_folder: Path, tiny_bundle: Path) -> None:
    checkpoint = load_checkpoint(tiny_folder)
    language, bundle = checkpoint.model.language, open_bundle(tiny_bundle)
    assert check_language(language, checkpoint.tokenizer_json, bundle, "f32") is not None
    with torch.no_grad():
        language.model.norm.weight *= 1.01
    with pytest.raises(ParityError, match=r"llm\.gguf \(gguf f32\) wants an error"):
        check_language(language, checkpoint.tokenizer_json, bundle, "f32")


@pytest.mark.parametrize("name", ["vision.onnx", "delta.onnx"])
def test_a_graph_is_plain_onnx(tiny_bundle: Path, name: str) -> None:
    model = onnx.load(tiny_bundle / name)
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]
    assert not model.functions
    assert all(tensor.data_type in (1, 7) for tensor in model.graph.initializer)  # float32, int64


@pytest.mark.parametrize("name", ["vision.onnx", "delta.onnx"])
def test_a_graph_tells_nothing_of_the_machine_it_was_made_on(tiny_bundle: Path, name: str) -> None:
    data = (tiny_bundle / name).read_bytes()
    for word in (str(Path.cwd()), str(Path.home()) + "/", "stack_trace", "site-packages"):
        assert word.encode() not in data


def test_a_comparison_measures_error_and_angle() -> None:
    ones = np.ones((2, 4), np.float32)
    same = compare(ones, ones)
    assert (same.max_error, same.min_cosine) == (0.0, pytest.approx(1.0))
    off = compare(ones * 2, np.float32([[2, 2, 2, 2], [2, 2, 2, -2]]))
    assert (off.max_error, off.min_cosine) == (pytest.approx(2.0), pytest.approx(0.5))


def test_a_comparison_of_nothing_or_of_nan_is_refused() -> None:
    ones = np.ones((2, 4), np.float32)
    for wrong in (ones[:1], ones * np.float32("nan")):
        with pytest.raises(ParityError, match="A comparison wants"):
            check("it", "onnx fp32", ones, wrong)
    with pytest.raises(ParityError, match="A comparison wants"):
        compare(ones[:0], ones[:0])
