"""Qwen3: heads of a size of their own, each query and key head normalised."""

from __future__ import annotations

from typing import Any

from magno.export.language_part import Shapes, decoder_shapes


def configuration(values: dict[str, Any]) -> Any:
    """transformers' configuration of config.json's values."""
    from transformers import Qwen3Config  # since transformers 4.51

    return Qwen3Config(**values)


def shapes(config: Any) -> Shapes:
    """Every tensor that the model has."""
    biased = ("q_proj", "k_proj", "v_proj", "o_proj") if config.attention_bias else ()
    return decoder_shapes(config, biased=biased, head_norms=True)
