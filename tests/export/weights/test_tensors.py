"""Weights come back from one file or many; shards and indexes that lie are refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from magno.export.errors import CheckpointError
from magno.export.random_models.weights import random_blocks
from magno.export.random_models.writer import Sharding, write_weights
from magno.export.weights.tensors import INDEX, WEIGHTS, check_tensors, open_tensors, within

SHAPES = {"a.weight": (6, 50), "a.bias": (6,), "b.weight": (40, 8, 3), "c": ()}


def blocks(name: str, shape: tuple[int, ...]) -> Any:
    return random_blocks(name, shape, seed=3)


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """Three shards and their index."""
    assert len(write_weights(tmp_path, SHAPES, blocks, Sharding("F32", 1300))) == 3
    return tmp_path


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("limit_bytes", [700, 1 << 30])
def test_weights_are_those_that_the_library_reads(tmp_path: Path, dtype: str, limit_bytes: int) -> None:
    files = write_weights(tmp_path, SHAPES, blocks, Sharding(dtype, limit_bytes))
    wanted = {name: tensor.float().numpy() for path in files for name, tensor in load_file(path).items()}
    found = open_tensors(tmp_path)
    assert found.keys() == wanted.keys() == SHAPES.keys()
    for name, tensor in found.items():
        assert (tensor.shape, tensor.dtype) == (SHAPES[name], dtype)
        np.testing.assert_array_equal(tensor.read(), wanted[name])


def test_a_large_tensor_comes_in_blocks_of_whole_rows(sharded: Path) -> None:
    tensor = open_tensors(sharded)["b.weight"]
    found = list(tensor.blocks(limit_bytes=4 * 24 * 7))
    assert [len(block) for block in found] == [7, 7, 7, 7, 7, 5]
    np.testing.assert_array_equal(np.concatenate(found), tensor.read())
    assert [block.shape for block in tensor.blocks(limit_bytes=1)] == [(1, 8, 3)] * 40


def test_names_within_a_part_keep_the_full_one_for_messages(sharded: Path) -> None:
    part = within(open_tensors(sharded), "a.")
    assert part.keys() == {"weight", "bias"}
    assert part["bias"].name == "a.bias"


@pytest.mark.parametrize("fault", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path: Path, fault: float) -> None:
    save_file({"a": torch.tensor([1.0, fault])}, tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match="a wants finite weights, found infinity or NaN"):
        open_tensors(tmp_path)["a"].read()


def test_a_type_that_is_none_of_weights_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2, dtype=torch.int32)}, tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"a wants \(2,\) F16, BF16 or F32, found \(2,\) I32"):
        check_tensors(open_tensors(tmp_path), {"a": (2,)}, "it")
    with pytest.raises(CheckpointError, match="a wants one of F16, BF16, F32, found I32"):
        open_tensors(tmp_path)["a"].read()


def _edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        values = json.loads((folder / INDEX).read_text())
        change(values)
        (folder / INDEX).write_text(json.dumps(values))

    return edit


def _cut(folder: Path) -> None:
    path = folder / "model-00002-of-00003.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / INDEX).unlink(), rf"lacks {WEIGHTS} \(or {INDEX}\)"),
        (lambda folder: (folder / INDEX).write_text("{"), "wants JSON"),
        (lambda folder: (folder / "model-00002-of-00003.safetensors").unlink(), "lacks model-00002-of-00003"),
        (_cut, "the file wants .* bytes"),
        (_edit(lambda values: values.pop("weight_map")), "wants a weight_map"),
        (_edit(lambda values: values["weight_map"].update(a=3)), "wants plain names of safetensors files"),
        (_edit(lambda values: values["weight_map"].update(a="../secret.safetensors")), "wants plain names"),
        (_edit(lambda values: values["weight_map"].update(a="/etc/passwd")), "wants plain names"),
        (_edit(lambda values: values["weight_map"].update(a="weights.bin")), "wants plain names"),
        (
            _edit(
                lambda values: values["weight_map"].update({"a.weight": "model-00002-of-00003.safetensors"})
            ),
            r"has the tensor 'a.weight' against what .* says",
        ),
        (
            _edit(lambda values: values["weight_map"].update(extra="model-00001-of-00003.safetensors")),
            r"lacks the tensor 'extra' against what .* says",
        ),
    ],
)
def test_shards_that_lie_are_refused(sharded: Path, damage: Callable[[Path], object], sentence: str) -> None:
    damage(sharded)
    with pytest.raises(CheckpointError, match=sentence):
        open_tensors(sharded)
