"""Qwen2 and Qwen2.5: biases on queries, keys and values."""

from __future__ import annotations

from typing import Any

from magno.export.language_part import Shapes, decoder_shapes


def configuration(values: dict[str, Any]) -> Any:
    """transformers' configuration of config.json's values."""
    from transformers import Qwen2Config

    return Qwen2Config(**values)


def shapes(config: Any) -> Shapes:
    """Every tensor that the model has."""
    return decoder_shapes(config, biased=("q_proj", "k_proj", "v_proj"))
