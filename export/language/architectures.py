"""Which language models llama.cpp runs as transformers does, and the metadata it wants of them.

Knows no tensor and no tokenizer. What llama.cpp would run otherwise is refused by the name of its setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGUFWriter

from magno.export.errors import CheckpointError
from magno.export.language.rope import rope_scaling


@dataclass(frozen=True, slots=True)
class Architecture:
    """One of llama.cpp's graphs, and what of transformers' settings it has no place for."""

    arch: MODEL_ARCH
    # llama.cpp rotates neighbouring rows of a head's query and key, transformers a row and the one half a head away.
    rotates_neighbours: bool
    only: dict[str, object]  # settings that must have this value

    @property
    def name(self) -> str:
        return MODEL_ARCH_NAMES[self.arch]


COMMON = {"hidden_act": "silu", "use_sliding_window": False, "partial_rotary_factor": 1.0}
# transformers' model_type -> what runs it. Qwen2.5 is Qwen2 with other sizes.
ARCHITECTURES = {
    "qwen2": Architecture(MODEL_ARCH.QWEN2, False, COMMON),
    "qwen3": Architecture(MODEL_ARCH.QWEN3, False, COMMON | {"attention_bias": False}),
    "llama": Architecture(MODEL_ARCH.LLAMA, True, COMMON),
}


def architecture_of(name: str, config: Any) -> Architecture:
    """The architecture `name`, once `config` (transformers') asks nothing it lacks. Raises CheckpointError."""
    found = ARCHITECTURES.get(name)
    if found is None:
        raise CheckpointError(
            f"A language model wants to be one of {', '.join(ARCHITECTURES)}, found {name[:80]!r}."
        )
    for key, wanted in found.only.items():
        if (value := getattr(config, key, wanted)) != wanted:
            raise CheckpointError(
                f"config.json: {key} wants {wanted!r} for llama.cpp's {found.name}, found {str(value)[:80]!r}."
            )
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"}:
        raise CheckpointError(
            f"config.json: layer_types wants full_attention for llama.cpp's {found.name}, "
            f"found {', '.join(sorted(map(str, kinds)))[:80]}."
        )
    if found.arch is MODEL_ARCH.QWEN2 and head_dim(config) * config.num_attention_heads != config.hidden_size:
        raise CheckpointError(
            f"config.json: head_dim wants hidden_size / num_attention_heads for llama.cpp's qwen2, "
            f"found {head_dim(config)}."
        )
    if config.num_attention_heads % config.num_key_value_heads:
        raise CheckpointError(
            f"config.json: num_key_value_heads wants a divisor of {config.num_attention_heads} heads, "
            f"found {config.num_key_value_heads}."
        )
    if head_dim(config) % 2:
        raise CheckpointError(f"config.json: head_dim wants an even number, found {head_dim(config)}.")
    return found


def head_dim(config: Any) -> int:
    """Rows of one attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def add_model(writer: GGUFWriter, config: Any, name: str) -> None:
    """Write the sizes and the rotary embedding. Raises CheckpointError for a scaling that llama.cpp lacks."""
    writer.add_name(name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(head_dim(config))
    writer.add_value_length(head_dim(config))
    writer.add_rope_dimension_count(head_dim(config))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    rope = rope_scaling(config)
    writer.add_rope_freq_base(rope.freq_base)
    if rope.kind is not None:
        writer.add_rope_scaling_type(rope.kind)
        writer.add_rope_scaling_factor(rope.factor)
    for add, value in (
        (writer.add_rope_scaling_orig_ctx_len, rope.original_context),
        (writer.add_rope_scaling_attn_factors, rope.attention_factor),
        (writer.add_rope_scaling_yarn_beta_fast, rope.beta_fast),
        (writer.add_rope_scaling_yarn_beta_slow, rope.beta_slow),
    ):
        if value is not None:
            add(value)
