"""Metadata over which llama.cpp would end the process."""

from __future__ import annotations

import pytest

from magno.runtime.gguf.values import Array, Value, alignment_of, check_values
from magno.runtime.gguf.walk import GgufError

VALUES: dict[str, Value] = {
    "general.architecture": "qwen2",
    "qwen2.block_count": 2,
    "qwen2.embedding_length": 64,
    "qwen2.attention.head_count": 4,
    "qwen2.attention.head_count_kv": 2,
    "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.tokens": Array(8, 512),
    "tokenizer.ggml.token_type": Array(5, 512),
}


def test_a_language_model_passes() -> None:
    check_values(VALUES, "x.gguf")
    check_values(VALUES | {"qwen2.rope.scaling.type": "yarn", "qwen2.rope.dimension_count": 16}, "x.gguf")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("general.architecture", 7, "wants a text, found '7'"),
        ("qwen2.block_count", 0, "wants 1 to 512, found '0'"),
        ("qwen2.block_count", 2**32 - 1, "wants 1 to 512"),
        ("qwen2.block_count", True, "wants 1 to 512"),
        ("qwen2.block_count", Array(4, 3), "wants 1 to 512"),
        ("qwen2.attention.head_count", 0, "wants 1 to 1024"),
        ("qwen2.attention.head_count_kv", 3, "wants a divisor of 4, found '3'"),
        ("qwen2.attention.value_length", 8, "wants 16, as keys have, found '8'"),
        ("qwen2.rope.dimension_count", 8, "wants 16, as keys have, found '8'"),
        ("qwen2.rope.scaling.type", "stretched", "wants none or linear or yarn or longrope"),
        ("qwen2.attention.layer_norm_rms_epsilon", -1.0, "wants a number from 0 to 1"),
        ("qwen2.attention.layer_norm_rms_epsilon", float("nan"), "wants a number from 0 to 1"),
        ("qwen2.expert_count", 8, "wants 0 to 0"),
        ("tokenizer.ggml.model", "none", "wants gpt2, found 'none'"),
        ("tokenizer.ggml.tokens", "a", "wants a list"),
        ("tokenizer.ggml.token_type", Array(5, 511), "wants a list of 512 whole numbers"),
        ("tokenizer.ggml.token_type", Array(0, 512), "wants a list of 512 whole numbers"),
    ],
)
def test_a_value_that_would_end_the_process_is_refused(key: str, value: Value, message: str) -> None:
    with pytest.raises(GgufError, match=f"x.gguf: {key} {message}"):
        check_values(VALUES | {key: value}, "x.gguf")


@pytest.mark.parametrize("found", [0, 48, -32, 1 << 21, "32", True])
def test_an_alignment_is_a_power_of_two(found: Value) -> None:
    assert alignment_of({}, "x.gguf") == 32
    assert alignment_of({"general.alignment": 64}, "x.gguf") == 64
    with pytest.raises(GgufError, match="wants a power of two"):
        alignment_of({"general.alignment": found}, "x.gguf")
