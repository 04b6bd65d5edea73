"""config.json of a checkpoint <-> `CheckpointConfig`, strictly. Knows no tensor and writes no file."""

from __future__ import annotations

from typing import Any

from magno.export.errors import CheckpointError
from magno.export.model import CheckpointConfig, DeltaConfig
from magno.runtime.spec import CodecSpec, ModelSpec, SpecError, TokenLayout, from_dict, to_dict

MODEL_TYPE = "magno"
LAYERS_LIMIT = 512  # modules are made for each layer, on no device, to learn their shapes
# Keys of config.json, and the field of CheckpointConfig each one fills.
KEYS = {
    "name": "name",
    "vision_config": "vision",
    "text_config": "text",
    "delta_config": "delta",
    "codec": "codec",
    "layout": "layout",
}


def config_to_dict(config: CheckpointConfig) -> dict[str, Any]:
    """The JSON values of config.json."""
    return {"model_type": MODEL_TYPE} | {key: to_dict(getattr(config, name)) for key, name in KEYS.items()}


def config_from_dict(values: object, where: str = "config.json") -> CheckpointConfig:
    """Read config.json's values. Raises SpecError (a key) or CheckpointError (parts that do not fit)."""
    if not isinstance(values, dict):
        raise SpecError(f"{where} wants an object, found {type(values).__name__}.")
    if values.get("model_type") != MODEL_TYPE:
        raise SpecError(
            f"{where} wants model_type {MODEL_TYPE!r}, found {str(values.get('model_type'))[:80]!r}: "
            "name the folder of a magno checkpoint."
        )
    for key in values:
        if key != "model_type" and key not in KEYS:
            raise SpecError(f"{where} has an unknown key {str(key)[:80]!r}. Known: {', '.join(KEYS)}.")
    for key in KEYS:
        if key not in values:
            raise SpecError(f"{where} lacks the key {key!r}.")
    if not isinstance(values["name"], str):
        raise SpecError(f"{where}.name wants str, found {str(values['name'])[:80]!r}.")
    for key in ("vision_config", "text_config"):
        if not isinstance(values[key], dict):
            raise SpecError(f"{where}.{key} wants an object, found {type(values[key]).__name__}.")
    config = CheckpointConfig(
        name=values["name"],
        vision=values["vision_config"],
        text=values["text_config"],
        delta=from_dict(DeltaConfig, values["delta_config"], f"{where}.delta_config"),
        codec=from_dict(CodecSpec, values["codec"], f"{where}.codec"),
        layout=from_dict(TokenLayout, values["layout"], f"{where}.layout"),
    )
    check_config(config)
    return config


def check_config(config: CheckpointConfig) -> None:
    """The parts must fit each other: the runtime feeds the encoders by `codec` and `layout` alone."""
    for where, values, keys in (
        ("vision_config", config.vision, ("hidden_size", "image_size", "patch_size")),
        ("text_config", config.text, ("hidden_size", "vocab_size", "max_position_embeddings")),
    ):
        layers = values.get("num_hidden_layers", 1)
        if type(layers) is not int or not 1 <= layers <= LAYERS_LIMIT:
            raise CheckpointError(
                f"config.json: {where}.num_hidden_layers wants 1 to {LAYERS_LIMIT}, found {str(layers)[:80]!r}."
            )
        for key in keys:
            found = values.get(key)
            if type(found) is not int or found < 1:
                raise CheckpointError(
                    f"config.json: {where}.{key} wants an integer above 0, found {str(found)[:80]!r}."
                )
    codec, delta, layout = config.codec, config.delta, config.layout
    patches = config.vision["image_size"] // config.vision["patch_size"]
    for name, size, other in (
        ("vision_config.image_size", codec.image_px, config.vision["image_size"]),
        ("layout.keyframe_tokens", patches**2, layout.keyframe_tokens),
        ("layout.window_tokens", delta.motion_queries + delta.residual_queries, layout.window_tokens),
    ):
        if size != other:
            raise CheckpointError(f"config.json: {name} wants {size} to fit the other parts, found {other}.")


def model_spec(config: CheckpointConfig) -> ModelSpec:
    """What the runtime must know of a checkpoint: the manifest's `model`."""
    return ModelSpec(
        name=config.name,
        embed_dim=config.text["hidden_size"],
        trained_context=config.text["max_position_embeddings"],
        codec=config.codec,
        layout=config.layout,
    )
