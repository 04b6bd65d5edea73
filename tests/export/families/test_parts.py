"""A model put together of parts: they fit, or the one that does not is named."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import SiglipVisionModel

from magno.export.errors import CheckpointError
from magno.export.families import open_source, open_vision
from magno.export.parts import Parts, open_parts
from magno.export.random_checkpoint import write_random
from magno.export.random_models.models import Choice
from magno.export.torch_modules import torch_encoder
from magno.export.vision_part import POSITIONS, resized
from magno.runtime.units import MagnoError

PIXELS = torch.linspace(-1, 1, 2 * 3 * 64 * 64).reshape(2, 3, 64, 64).sin()


@pytest.fixture
def parts(zoo: Path) -> Parts:
    return Parts(zoo / "siglip-base-16-224", zoo / "qwen2-0.5b", zoo / "projector" / "model.safetensors")


def test_without_a_delta_encoder_there_are_keyframes_only(parts: Parts) -> None:
    source = open_parts(parts)
    assert source.delta is None
    assert (source.spec.layout.keyframe_tokens, source.spec.layout.window_tokens) == (25, 0)
    assert source.folders == (parts.vision, parts.llm, parts.projector)


def test_a_delta_encoder_brings_its_windows(zoo: Path, parts: Parts) -> None:
    source = open_parts(dataclasses.replace(parts, delta=zoo / "delta-paper-small"))
    assert source.delta is not None
    assert source.spec.layout.window_tokens == 8
    codec = source.spec.codec
    with torch.no_grad():
        motion, residual = torch.zeros(2, codec.patches**2, codec.motion_width), torch.zeros(2, 1, 64, 64)
        assert torch_encoder(source.delta)(motion, residual).shape == (2, 8, 64)


def test_a_whole_magno_checkpoint_can_lend_its_delta_encoder(tiny_folder: Path, parts: Parts) -> None:
    source, whole = open_parts(dataclasses.replace(parts, delta=tiny_folder)), open_source(tiny_folder)
    assert source.spec.codec == whole.spec.codec


@pytest.mark.parametrize("layer", [-1, -2])
def test_the_projector_reads_the_layer_it_was_trained_on(parts: Parts, layer: int) -> None:
    reference = SiglipVisionModel.from_pretrained(parts.vision, dtype=torch.float32)
    encoder = torch_encoder(open_parts(dataclasses.replace(parts, layer=layer)).vision)
    with torch.no_grad():
        out = reference(PIXELS, output_hidden_states=True)
        rows = out.last_hidden_state if layer == -1 else out.hidden_states[-2]
        torch.testing.assert_close(encoder(PIXELS), encoder.projector(rows), rtol=1e-4, atol=1e-5)


def test_a_newline_in_the_projectors_file_means_pooled_rows(zoo: Path, parts: Parts) -> None:
    source = open_parts(dataclasses.replace(parts, projector=zoo / "projector-newline" / "model.safetensors"))
    assert source.spec.layout.keyframe_tokens == 3 * 3 + 3


def test_positions_are_resized_as_siglip_does_it(parts: Parts) -> None:
    pixels = torch.nn.functional.interpolate(PIXELS, size=(96, 96))
    reference = SiglipVisionModel.from_pretrained(parts.vision, dtype=torch.float32)
    encoder = torch_encoder(open_parts(dataclasses.replace(parts, layer=-1), image_px=96).vision)
    with torch.no_grad():
        rows = reference(pixels, interpolate_pos_encoding=True).last_hidden_state
        found = encoder(pixels)
        torch.testing.assert_close(found, encoder.projector(rows), rtol=1e-4, atol=1e-5)
    assert found.shape[1] == 64
    tower = open_vision(parts.vision)
    assert resized(tower, 64) is tower
    assert resized(tower, 96).tensors[POSITIONS].shape == (64, 32)


@pytest.mark.parametrize("image_px", [0, -4, 5, 1 << 40])
def test_a_size_that_is_none_is_refused(parts: Parts, image_px: int) -> None:
    with pytest.raises(CheckpointError, match=r"--image-size wants 12 .* to 4096 px, found"):
        open_parts(parts, image_px)


def test_magnos_own_keeps_the_size_of_its_delta_encoder(tiny_folder: Path) -> None:
    with pytest.raises(CheckpointError, match="wants pictures of 64 px, for which its Δ-encoder was trained"):
        open_source(tiny_folder, 96)


def test_parts_that_do_not_fit_are_named(zoo: Path, parts: Parts, tmp_path: Path) -> None:
    write_random("projector", tmp_path / "projector", Choice(tiny=True, embed_dim=48))
    write_random("delta-paper-small", tmp_path / "delta", Choice(tiny=True, embed_dim=48))
    for changed, sentence in (
        (
            {"projector": tmp_path / "projector" / "model.safetensors"},
            r"projector.inner.weight wants \(64, 32\)",
        ),
        ({"delta": tmp_path / "delta"}, "wants a language model with embeddings of 48 numbers, found 64"),
        ({"delta": parts.llm}, "wants model_type 'magno' or 'magno_delta' for a Δ-encoder, found 'qwen2'"),
        (
            {"vision": parts.llm},
            "wants model_type 'siglip', 'siglip_vision_model' for a vision tower, found 'qwen2'",
        ),
        ({"llm": parts.vision}, "for a language model, found 'siglip'"),
        ({"projector": tmp_path / "none"}, "wants to be the projector's safetensors file, found none"),
        ({"llm": tmp_path / "none"}, "wants to be a checkpoint folder, found none"),
        ({"layer": -9}, "--vision-layer wants a hidden layer of the 3 that the tower has, found -9"),
    ):
        with pytest.raises(MagnoError, match=sentence):
            open_parts(dataclasses.replace(parts, **changed))
    with pytest.raises(
        CheckpointError, match=r"wants pictures of 64 px, found a tower for 96: add --image-size 64"
    ):
        open_parts(dataclasses.replace(parts, delta=zoo / "delta-paper-small"), 96)


def test_a_projector_of_another_kind_is_refused(parts: Parts, tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2, 2)}, tmp_path / "p.safetensors")
    with pytest.raises(CheckpointError, match=r"wants LLaVA's mlp2x_gelu .* found weight"):
        open_parts(dataclasses.replace(parts, projector=tmp_path / "p.safetensors"))


def test_a_faulty_delta_folder_is_refused(zoo: Path, parts: Parts, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(zoo / "delta-paper-small", tmp_path / "delta"))
    values = json.loads((folder / "config.json").read_text())
    for change, sentence in (
        ({"extra": 1}, "has an unknown key 'extra'"),
        ({"delta_config": values["delta_config"] | {"layers": 2}}, "lacks the tensor"),
        ({"delta_config": values["delta_config"] | {"layers": 1 << 40}}, "layers wants 1 to 64"),
        ({"delta_config": values["delta_config"] | {"width": 30}}, "wants"),
    ):
        (folder / "config.json").write_text(json.dumps(values | change))
        with pytest.raises(MagnoError, match=sentence):
            open_parts(dataclasses.replace(parts, delta=folder))
