"""LLaVA-Video's and LLaVA-OneVision's folders give the tokens that their own code gives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import gelu, interpolate, linear
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    Qwen2Config,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from magno.export.errors import CheckpointError
from magno.export.families import open_source
from magno.export.random_models.sizes import TINY_LANGUAGE, TINY_VISION
from magno.export.random_models.tokenizer import random_tokenizer
from magno.export.torch_modules import named_tensors, torch_encoder, torch_language
from magno.export.weights.tensors import open_tensors

PIXELS = torch.linspace(-1, 1, 2 * 3 * 64 * 64).reshape(2, 3, 64, 64).sin()


@pytest.fixture
def folder(zoo: Path, tmp_path: Path) -> Path:
    """A LLaVA-Video folder that a test may change."""
    return Path(shutil.copytree(zoo / "llava-video", tmp_path / "llava"))


def configure(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(values))


def test_a_picture_is_projected_pooled_and_its_rows_ended(folder: Path) -> None:
    """By hand, as llava_arch.py has it: 5 a side become 3, each row ended by image_newline."""
    stored = {name: torch.from_numpy(tensor.read()) for name, tensor in open_tensors(folder).items()}
    tower = SiglipVisionModel(
        SiglipVisionConfig(**TINY_VISION | {"num_hidden_layers": 2}, vision_use_head=False)
    )
    prefix = "model.vision_tower.vision_tower.vision_model."
    with torch.no_grad():
        for name, tensor in named_tensors(tower).items():
            tensor.copy_(stored[prefix + name.removeprefix("vision_model.")])
        rows = tower(PIXELS, output_hidden_states=True).hidden_states[-1]
        for layer, last in (("0", False), ("2", True)):
            name = f"model.mm_projector.{layer}"
            rows = linear(rows, stored[f"{name}.weight"], stored[f"{name}.bias"])
            rows = rows if last else gelu(rows)
        grid = interpolate(rows.transpose(1, 2).reshape(2, -1, 5, 5), size=(3, 3), mode="bilinear").permute(
            0, 2, 3, 1
        )
        newline = stored["model.image_newline"].expand(2, 3, 1, -1)
        wanted = torch.cat([grid, newline], 2).reshape(2, 12, -1)
        source = open_source(folder)
        found = torch_encoder(source.vision)(PIXELS)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert (source.spec.layout.keyframe_tokens, source.spec.layout.window_tokens, source.delta) == (
        12,
        0,
        None,
    )
    assert source.spec.codec.image_px == 64
    assert source.language.architecture == "qwen2"


@pytest.mark.parametrize("names", ["now", "before transformers 4.52"])
def test_transformers_layout_gives_what_transformers_gives(tmp_path: Path, names: str) -> None:
    torch.manual_seed(1)
    vision = SiglipVisionConfig(**TINY_VISION, vision_use_head=False)
    config = LlavaOnevisionConfig(
        vision_config=vision.to_dict(),
        text_config=Qwen2Config(**TINY_LANGUAGE, tie_word_embeddings=False).to_dict(),
        tie_word_embeddings=False,
        image_token_index=7,
        video_token_index=8,
    )
    model = LlavaOnevisionForConditionalGeneration(config).eval()
    with torch.no_grad():
        model.model.image_newline.normal_()
        tokens = torch.tensor([[3, 1, 4, 1, 5]])
        wanted_logits = model(tokens).logits
        wanted = torch.cat(
            [model.model.get_video_features(picture[None, None]).pooler_output for picture in PIXELS]
        )
    if names == "now":
        model.save_pretrained(tmp_path)
    else:
        _save_as_before(model, tmp_path)
    (tmp_path / "tokenizer.json").write_text(random_tokenizer("qwen2"))
    source = open_source(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(torch_encoder(source.vision)(PIXELS), wanted, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(torch_language(source.language)(tokens).logits, wanted_logits)
    assert source.spec.layout.keyframe_tokens == 3 * 3 + 1


def _save_as_before(model: Any, folder: Path) -> None:
    """As llava-hf's own files name their tensors."""
    from safetensors.torch import save_file

    tensors = {}
    for name, tensor in model.state_dict().items():
        name = name.removeprefix("model.").replace("language_model.", "language_model.model.", 1)
        name = "language_model.lm_head.weight" if name == "lm_head.weight" else name
        if not name.startswith("vision_tower.vision_model."):
            name = name.replace("vision_tower.", "vision_tower.vision_model.", 1)
        tensors[name] = tensor.clone()
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(model.config.to_dict()))


@pytest.mark.parametrize(
    ("changes", "tokens"),
    [
        ({"mm_newline_position": "one_token"}, 10),
        ({"mm_newline_position": "no_token"}, 9),
        ({"mm_spatial_pool_mode": "average"}, 6),
        ({"mm_spatial_pool_stride": 1}, 30),
    ],
)
def test_pooling_and_newlines_follow_the_configuration(
    folder: Path, changes: dict[str, Any], tokens: int
) -> None:
    configure(folder, **changes)
    source = open_source(folder)
    assert source.spec.layout.keyframe_tokens == tokens
    with torch.no_grad():
        assert torch_encoder(source.vision)(PIXELS).shape == (2, tokens, 64)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"architectures": ["LlavaLlamaForCausalLM"]}, "wants LLaVA on Qwen2"),
        ({"architectures": 3}, "wants LLaVA on Qwen2"),
        ({"mm_projector_type": "linear"}, "mm_projector_type wants 'mlp2x_gelu', found 'linear'"),
        ({"mm_spatial_pool_mode": "max"}, "wants mm_spatial_pool_mode bilinear or average"),
        ({"mm_newline_position": "moon"}, "mm_newline_position wants one of grid, frame"),
        ({"add_faster_video": True}, "add_faster_video wants False"),
        ({"vision_config": None, "mm_vision_tower": "openai/clip"}, "mm_vision_tower wants siglip-so400m"),
        ({"vision_config": {"patch_size": 0}}, "vision_config.patch_size wants an integer of 1 to 65536"),
        ({"vision_config": TINY_VISION | {"hidden_size": 33}}, "wants sizes that make a model"),
        (
            {"vision_config": TINY_VISION | {"num_hidden_layers": 9}},
            "lacks the tensor 'tower.encoder.layers.2",
        ),
        ({"model_type": "llava_next"}, "wants model_type 'magno', 'llava'.* found 'llava_next'"),
        ({"model_type": "siglip"}, "a SigLIP folder wants --vision"),
    ],
)
def test_what_is_not_understood_is_refused(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    configure(folder, **changes)
    with pytest.raises(CheckpointError, match=sentence):
        open_source(folder)
