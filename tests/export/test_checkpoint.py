"""A checkpoint comes back as it was saved, and a faulty one is refused by the name of its fault."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from magno.export.checkpoint import (
    CONFIG,
    TOKENIZER,
    WEIGHTS,
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
)
from magno.export.config import config_from_dict, config_to_dict, model_spec
from magno.runtime.spec import to_dict
from magno.runtime.units import MagnoError
from tests.tiny import TINY, tiny_model

NAME = "delta.projector.outer.bias"


@pytest.fixture
def folder(tiny_folder: Path, tmp_path: Path) -> Path:
    """A checkpoint that a test may damage."""
    return Path(shutil.copytree(tiny_folder, tmp_path / "checkpoint"))


def edit_tensors(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)


def test_a_checkpoint_comes_back_to_half_precision(tiny_folder: Path) -> None:
    saved, loaded = tiny_model().state_dict(), load_checkpoint(tiny_folder)
    assert loaded.config == TINY
    for name, tensor in loaded.model.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, saved[name].half().float()), name


def test_a_tied_output_matrix_is_stored_once(tiny_folder: Path) -> None:
    assert "language.lm_head.weight" not in load_file(tiny_folder / WEIGHTS)
    language = load_checkpoint(tiny_folder).model.language
    assert language.lm_head.weight is language.model.embed_tokens.weight


def test_an_untied_output_matrix_is_stored_too(tmp_path: Path) -> None:
    model = tiny_model(dataclasses.replace(TINY, text=TINY.text | {"tie_word_embeddings": False}))
    save_checkpoint(tmp_path, model, "{}")
    found = load_checkpoint(tmp_path).model.language.lm_head.weight
    assert torch.equal(found, model.language.lm_head.weight.half().float())


def test_saving_leaves_other_files_and_no_halves(folder: Path) -> None:
    (folder / "MODEL_CARD.md").write_text("card")
    save_checkpoint(folder, tiny_model(), "{}")
    assert {path.name for path in folder.iterdir()} == {CONFIG, WEIGHTS, TOKENIZER, "MODEL_CARD.md"}


def test_a_weight_beyond_half_precision_is_not_saved(tmp_path: Path) -> None:
    model = tiny_model()
    with torch.no_grad():
        model.get_parameter(NAME)[0] = 1e6
    with pytest.raises(CheckpointError, match=rf"{NAME} wants finite weights"):
        save_checkpoint(tmp_path / "new", model, "{}")
    assert list((tmp_path / "new").iterdir()) == []


def _wrong_shape(tensors: dict[str, Tensor]) -> None:
    tensors[NAME] = torch.zeros(3, dtype=torch.float16)


def _wrong_type(tensors: dict[str, Tensor]) -> None:
    tensors[NAME] = tensors[NAME].to(torch.int32)


def _not_a_number(tensors: dict[str, Tensor]) -> None:
    tensors[NAME][0] = float("nan")


def _extra(tensors: dict[str, Tensor]) -> None:
    tensors["stranger"] = torch.zeros(1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tensors: tensors.pop(NAME), rf"lacks the tensor '{NAME}'"),
        (_extra, "has the tensor 'stranger', which config.json does not want"),
        (_wrong_shape, rf"{NAME} wants \(64,\) F16, BF16 or F32, found \(3,\) F16"),
        (_wrong_type, rf"{NAME} wants .* found \(64,\) I32"),
        (_not_a_number, rf"{NAME} wants finite weights, found infinity or NaN"),
    ],
)
def test_a_faulty_tensor_is_named(folder: Path, change: Callable[[Any], object], sentence: str) -> None:
    edit_tensors(folder, change)
    with pytest.raises(CheckpointError, match=sentence):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, TOKENIZER])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=rf"lacks {name}"):
        load_checkpoint(folder)


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere wants to be a checkpoint folder"):
        load_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a pickle", b"\xff" * 64])
def test_weights_that_are_no_safetensors_are_refused(folder: Path, data: bytes) -> None:
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(CheckpointError, match="wants to be a safetensors file"):
        load_checkpoint(folder)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\udcff"])
def test_a_config_that_is_no_json_is_refused(folder: Path, text: str) -> None:
    (folder / CONFIG).write_text(text, errors="surrogateescape")
    with pytest.raises(CheckpointError, match=r"config\.json wants"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_type": "llava"}, "wants model_type 'magno', found 'llava'"),
        ({"auto_map": {}}, "unknown key 'auto_map'"),
        ({"name": 3}, r"name wants str"),
        ({"codec": None}, r"codec wants an object"),
        ({"text_config": []}, "text_config wants an object"),
        ({"text_config": {}}, "text_config.hidden_size wants an integer above 0, found 'None'"),
        ({"vision_config": TINY.vision | {"image_size": 32}}, "vision_config.image_size wants 64"),
        ({"text_config": TINY.text | {"num_attention_heads": 0}}, "wants sizes that make a model"),
        (
            {"text_config": TINY.text | {"num_hidden_layers": "2"}},
            "num_hidden_layers wants 1 to 512, found '2'",
        ),
        ({"vision_config": TINY.vision | {"num_hidden_layers": 1 << 40}}, "num_hidden_layers wants 1 to 512"),
        ({"delta_config": to_dict(TINY.delta) | {"layers": 1 << 40}}, "layers wants 1 to 64"),
        (
            {"delta_config": to_dict(TINY.delta) | {"stem_channels": [8] * 40}},
            "stem_channels wants 1 to 12 stages",
        ),
    ],
)
def test_a_faulty_config_is_refused_in_words(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    values = json.loads((folder / CONFIG).read_text()) | changes
    (folder / CONFIG).write_text(json.dumps(values))
    with pytest.raises(MagnoError, match=sentence):
        load_checkpoint(folder)


def test_sizes_that_no_weights_fill_take_no_memory(folder: Path) -> None:
    values = json.loads((folder / CONFIG).read_text())
    values["text_config"]["intermediate_size"] = 1 << 32
    (folder / CONFIG).write_text(json.dumps(values))
    with pytest.raises(CheckpointError, match=r"gate_proj\.weight wants"):
        load_checkpoint(folder)


def test_a_config_survives_its_dictionary() -> None:
    assert config_from_dict(json.loads(json.dumps(config_to_dict(TINY)))) == TINY
    assert model_spec(TINY).embed_dim == 64
