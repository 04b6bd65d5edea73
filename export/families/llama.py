"""Llama 2 and 3, and what has their shape."""

from __future__ import annotations

from typing import Any

from magno.export.language_part import Shapes, decoder_shapes


def configuration(values: dict[str, Any]) -> Any:
    """transformers' configuration of config.json's values."""
    from transformers import LlamaConfig

    return LlamaConfig(**values)


def shapes(config: Any) -> Shapes:
    """Every tensor that the model has."""
    biased = ("q_proj", "k_proj", "v_proj", "o_proj") if config.attention_bias else ()
    if config.mlp_bias:
        biased = (*biased, "gate_proj", "up_proj", "down_proj")
    return decoder_shapes(config, biased=biased)
