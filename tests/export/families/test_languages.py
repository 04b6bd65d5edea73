"""Language models of other people: named as transformers names them, and refused by the name of what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from magno.export.chat import chat_of
from magno.export.errors import CheckpointError
from magno.export.language_part import open_language
from magno.export.torch_modules import torch_language
from magno.export.weights.tensors import WEIGHTS

LANGUAGES = ("qwen2-0.5b", "qwen3-0.6b", "llama-3.2-1b")


@pytest.fixture
def folder(zoo: Path, tmp_path: Path) -> Path:
    """A language model that a test may damage."""
    return Path(shutil.copytree(zoo / "qwen2-0.5b", tmp_path / "llm"))


def configure(folder: Path, **changes: Any) -> None:
    values = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(values))


@pytest.mark.parametrize("name", LANGUAGES)
def test_it_is_the_model_that_transformers_reads(zoo: Path, name: str) -> None:
    tokens = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    wanted = AutoModelForCausalLM.from_pretrained(zoo / name, dtype=torch.float32)
    source = open_language(zoo / name)
    assert (source.architecture, source.name) == (wanted.config.model_type, name)
    with torch.no_grad():
        assert torch.equal(torch_language(source)(tokens).logits, wanted(tokens).logits)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"model_type": "mamba"},
            r"wants model_type 'qwen2', 'qwen3', 'llama' for a language model, found 'mamba'",
        ),
        ({"model_type": ["qwen2"]}, "wants model_type"),
        ({"quantization_config": {"bits": 4}}, "wants plain weights, found quantised ones"),
        ({"hidden_size": "64"}, "hidden_size wants an integer of 1 to 16777216, found '64'"),
        ({"num_hidden_layers": 1 << 20}, "num_hidden_layers wants an integer of 1 to 512"),
        ({"num_hidden_layers": 3}, r"lacks the tensor 'model.layers.2.self_attn.q_proj.weight'"),
        ({"num_hidden_layers": 1}, r"has the tensor 'model.layers.1.input_layernorm.weight'"),
        (
            {"intermediate_size": 1 << 20},
            r"gate_proj.weight wants \(1048576, 64\) F16, BF16 or F32, found \(128, 64\)",
        ),
        ({"num_attention_heads": 5}, "wants"),
        ({"tie_word_embeddings": False}, "lacks the tensor 'lm_head.weight'"),
    ],
)
def test_a_faulty_configuration_is_refused(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    configure(folder, **changes)
    with pytest.raises(CheckpointError, match=sentence):
        open_language(folder)


def test_a_table_that_is_stored_twice_is_read_once(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS) if (folder / WEIGHTS).exists() else {}
    for path in folder.glob("*.safetensors"):
        tensors |= load_file(path)
        path.unlink()
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    save_file(tensors, folder / WEIGHTS)
    assert "lm_head.weight" not in open_language(folder).tensors


def test_code_of_the_checkpoints_own_is_never_heard_of(folder: Path) -> None:
    configure(folder, auto_map={"AutoModelForCausalLM": "evil.Model"}, to_dict="no method")
    assert not hasattr(open_language(folder).config, "auto_map")


def test_texts_follow_the_tokenizers_special_tokens(zoo: Path, tmp_path: Path) -> None:
    assert chat_of(zoo / "qwen2-0.5b").stop == "<|im_end|>"
    assert chat_of(zoo / "qwen3-0.6b").question_suffix.endswith("<think>\n\n</think>\n\n")
    assert chat_of(zoo / "llama-3.2-1b").system.startswith("<|begin_of_text|><|start_header_id|>system")
    for text in ("{}", "[]", '{"added_tokens": [3]}'):
        (tmp_path / "tokenizer.json").write_text(text)
        with pytest.raises(CheckpointError, match="wants the special tokens of a chat"):
            chat_of(tmp_path)
