"""Each language model that is understood runs in stock llama.cpp as it does in transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import LlamaConfig, Qwen2Config, Qwen3Config
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from magno.export.errors import CheckpointError
from magno.export.gguf_from_checkpoint import gguf_from_language
from magno.export.language.architectures import architecture_of
from magno.export.language.rope import frequency_factors, rope_scaling
from magno.export.language.weights import paired
from magno.export.torch_modules import torch_language
from magno.export.verify.language_parity import language_parity
from magno.export.verify.tolerance import TOLERANCES
from tests.export.language.tiny import SIZES, STOP, tiny_language

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
YARN = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 512}


def stretched(kind: type, rope: dict[str, Any], **others: Any) -> Any:
    """A configuration with a stretched rotary embedding; transformers before 5 names it otherwise."""
    try:
        return kind(**SIZES, **others, rope_parameters=rope)
    except TypeError:
        theta = rope["rope_theta"]
        return kind(**SIZES, **others, rope_theta=theta, rope_scaling=rope)


CONFIGS = {
    "qwen2, tied": lambda: Qwen2Config(**SIZES, tie_word_embeddings=True),
    "qwen2, untied": lambda: Qwen2Config(**SIZES, tie_word_embeddings=False),
    "qwen2, yarn": lambda: stretched(Qwen2Config, YARN | {"attention_factor": 1.3}),
    "qwen2, linear": lambda: stretched(
        Qwen2Config, {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}
    ),
    "qwen3": lambda: Qwen3Config(**SIZES, head_dim=32, tie_word_embeddings=True),
    "llama": lambda: LlamaConfig(**SIZES, tie_word_embeddings=False),
    "llama, biases": lambda: LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True),
    "llama 3": lambda: stretched(LlamaConfig, LLAMA3, head_dim=32, tie_word_embeddings=True),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_logits_and_tokens_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    source = tiny_language(tmp_path, CONFIGS[name]())
    gguf_from_language(source, tmp_path / "llm.gguf", "f32", STOP)
    found = language_parity(
        torch_language(source), (tmp_path / "tokenizer.json").read_text(), tmp_path / "llm.gguf"
    )
    wanted = TOLERANCES["gguf f32"]
    assert found.max_error < wanted.max_error and found.min_cosine > wanted.min_cosine
    assert found.top1_agreement + found.top1_ties > 0.99
    assert found.mean_kl < 1e-5
    assert found.tokenizer.differing == found.tokenizer.not_restored == 0, found.tokenizer.examples


def test_other_weights_are_noticed(tmp_path: Path) -> None:
    source = tiny_language(tmp_path, CONFIGS["llama"]())
    gguf_from_language(source, tmp_path / "llm.gguf", "f32", STOP)
    module = torch_language(source)
    module.model.layers[1].self_attn.k_proj.weight.data *= -1.0
    found = language_parity(module, (tmp_path / "tokenizer.json").read_text(), tmp_path / "llm.gguf")
    assert found.min_cosine < 0.999 and found.top1_agreement < 0.99 and found.mean_kl > 1e-4


@pytest.mark.parametrize(
    ("name", "config", "sentence"),
    [
        ("gemma", Qwen2Config(**SIZES), "wants to be one of qwen2, qwen3, llama, found 'gemma'"),
        ("qwen2", Qwen2Config(**SIZES, hidden_act="gelu"), "hidden_act wants 'silu'"),
        (
            "qwen2",
            Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=64, max_window_layers=0),
            "sliding",
        ),
        ("qwen3", Qwen3Config(**SIZES, attention_bias=True), "attention_bias wants False"),
        ("llama", LlamaConfig(**SIZES | {"num_key_value_heads": 3}), "num_key_value_heads wants a divisor"),
    ],
)
def test_what_llama_cpp_would_run_otherwise_is_refused(name: str, config: Any, sentence: str) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        architecture_of(name, config)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rope_type": "dynamic", "factor": 2.0}, "rope_type wants one of default, linear, yarn, llama3"),
        ({"rope_type": "longrope"}, "rope_type wants one of"),
        ({"rope_type": "linear", "factor": -1.0}, "factor wants a number above 0, found '-1.0'"),
        ({"rope_type": "yarn", "factor": "4"}, "factor wants a number"),
        ({"rope_type": "yarn", "factor": 4.0, "mscale": 1.0}, "mscale wants to be absent"),
        ({"rope_type": "yarn", "factor": 4.0, "truncate": False}, "truncate wants true"),
    ],
)
def test_a_stretch_that_llama_cpp_lacks_is_refused(settings: dict[str, Any], sentence: str) -> None:
    config = Qwen2Config(**SIZES)
    config.rope_parameters = settings
    with pytest.raises(CheckpointError, match=sentence):
        rope_scaling(config)


def test_llama_3s_factors_are_those_of_transformers() -> None:
    config = stretched(LlamaConfig, LLAMA3)
    found = frequency_factors(config, 16)
    assert found is not None
    usual = 10_000.0 ** (-np.arange(0, 16, 2) / 16)
    wanted, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    np.testing.assert_allclose(usual / found, wanted.numpy(), rtol=1e-5)


def test_rows_of_a_head_alternate_between_its_halves() -> None:
    rows = np.arange(8, dtype=np.float32)
    assert paired(rows, heads=2).tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    matrix = np.stack([rows, rows + 10], axis=1)
    assert paired(matrix, heads=1)[:, 1].tolist() == [10, 14, 11, 15, 12, 16, 13, 17]
