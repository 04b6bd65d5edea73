"""A decoder-only language model of one of the families: its configuration, checked, and its tensors, named.

Knows what Qwen and Llama have in common; `families/` holds in what they differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magno.export.errors import CheckpointError
from magno.export.families import language_family, read_config
from magno.export.source import LanguageSource
from magno.export.weights.json_file import short
from magno.export.weights.tensors import Tensors, check_no_others, check_tensors, open_tensors

Shapes = dict[str, tuple[int, ...]]
SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "max_position_embeddings",
)
SIZE_LIMIT, LAYERS_LIMIT = 1 << 24, 512  # a configuration lists its layers, so they are counted first
BUFFERS = (".rotary_emb.inv_freq", ".masked_bias")  # made anew by whoever runs the model


def open_language(folder: Path) -> LanguageSource:
    """The language model of a folder of its own. Raises CheckpointError."""
    values = read_config(folder)
    language_family(values, folder)  # an unknown one is told before its weights are looked for
    return language_source(folder, values, open_tensors(folder))


def language_source(
    folder: Path, values: dict[str, Any], tensors: Tensors, *, where: str = ""
) -> LanguageSource:
    """The language model of `folder`: `values` of its configuration, `tensors` by transformers' names.

    Raises CheckpointError: an unknown family, sizes that make no model, a tensor missing, left over or misshapen.
    """
    config = configuration_of(values, where or f"{folder / 'config.json'}")
    tensors = {name: tensor for name, tensor in tensors.items() if not name.endswith(BUFFERS)}
    wanted = shapes_of(config, values)
    if config.tie_word_embeddings:  # some store the table a second time
        tensors.pop("lm_head.weight", None)
    check_tensors(tensors, wanted, folder)
    check_no_others(tensors, wanted, folder)
    name = str(values.get("_name_or_path") or folder.resolve().name)
    return LanguageSource(values["model_type"], config, tensors, folder, Path(name).name)


def decoder_shapes(config: Any, *, biased: tuple[str, ...] = (), head_norms: bool = False) -> Shapes:
    """Every tensor of a decoder, by transformers' names. `biased`: the projections that have a bias."""
    width, inner = config.hidden_size, config.intermediate_size
    head = getattr(config, "head_dim", None) or width // config.num_attention_heads
    queries, keys = config.num_attention_heads * head, config.num_key_value_heads * head
    matrices = {
        "self_attn.q_proj": (queries, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.o_proj": (width, queries),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    layer: Shapes = {f"{name}.weight": shape for name, shape in matrices.items()}
    layer |= {f"{name}.bias": shape[:1] for name, shape in matrices.items() if name.split(".")[1] in biased}
    layer |= {f"{name}.weight": (width,) for name in ("input_layernorm", "post_attention_layernorm")}
    if head_norms:
        layer |= {f"self_attn.{name}.weight": (head,) for name in ("q_norm", "k_norm")}
    shapes: Shapes = {"model.embed_tokens.weight": (config.vocab_size, width), "model.norm.weight": (width,)}
    for number in range(config.num_hidden_layers):
        shapes |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    if not config.tie_word_embeddings:
        shapes["lm_head.weight"] = (config.vocab_size, width)
    return shapes


def configuration_of(values: dict[str, Any], where: str) -> Any:
    """transformers' configuration, its sizes checked. Raises CheckpointError."""
    family = language_family(values, where)
    if values.get("quantization_config"):
        raise CheckpointError(
            f"{where} wants plain weights, found quantised ones: name the original checkpoint."
        )
    for name in SIZES:
        found, most = values.get(name), LAYERS_LIMIT if name == "num_hidden_layers" else SIZE_LIMIT
        if type(found) is not int or not 1 <= found <= most:
            raise CheckpointError(
                f"{where}: {name} wants an integer of 1 to {most}, found {str(found)[:80]!r}."
            )
    try:
        # Only what a configuration has by itself: keys for code of the checkpoint's own have no place in it.
        known = family.configuration({}).to_dict().keys() | {"rope_theta", "rope_scaling"}
        return family.configuration({key: value for key, value in values.items() if key in known})
    except Exception as error:  # transformers checks values with many kinds of exception
        raise CheckpointError(f"{where} wants a model's configuration, found: {short(error)}.") from error


def shapes_of(config: Any, values: dict[str, Any]) -> Shapes:
    """Every tensor of a configuration of the family that `values` names, by transformers' names."""
    shapes: Shapes = language_family(values, "config.json").shapes(config)
    return shapes
