"""LLaVA-OneVision on Qwen2 in transformers' layout: vision_config and text_config, other names for the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magno.export.chat import chat_of
from magno.export.errors import CheckpointError
from magno.export.language_part import language_source
from magno.export.source import Source
from magno.export.video_source import projector_tensors, read_layers, video_source
from magno.export.video_vision import VideoVisionConfig
from magno.export.vision_part import VisionPart, resized, tower, vision_config
from magno.export.weights.tensors import StoredTensor, open_tensors, within

LINEAR = {"linear_1.": "0.", "linear_2.": "2."}  # LLaVA's own names for them


def open_source(folder: Path, values: dict[str, Any], image_px: int | None) -> Source:
    """A keyframe-only bundle's source. Raises CheckpointError."""
    where = folder / "config.json"
    for key in ("vision_config", "text_config"):
        if not isinstance(values.get(key), dict):
            raise CheckpointError(f"{where}: {key} wants an object, found {str(values.get(key))[:80]!r}.")
    layer = values.get("vision_feature_layer", -1)
    if type(layer) is not int:
        raise CheckpointError(f"{where}: vision_feature_layer wants one layer, found {str(layer)[:80]!r}.")
    tensors = {_plain(name): tensor for name, tensor in open_tensors(folder).items()}
    own = vision_config(values["vision_config"], where)
    part = resized(VisionPart(folder, own, tower(within(tensors, "vision_tower.vision_model."))), image_px)
    text = within(tensors, "language_model.")
    language = language_source(
        folder, {"tie_word_embeddings": False} | values["text_config"], text, where=f"{where}: text_config"
    )
    config = VideoVisionConfig(
        tower=read_layers(part, layer, where),
        embed_dim=language.config.hidden_size,
        pooling="bilinear",
        newline="picture",
    )
    return video_source(part, config, _projector(tensors, folder), language, chat_of(folder))


def _plain(name: str) -> str:
    """A tensor's name as transformers 4.45 wrote it; later ones have everything but the head under `model.`"""
    if name == "lm_head.weight":
        return "language_model.lm_head.weight"
    if name.startswith("model.language_model."):
        return f"language_model.model.{name.removeprefix('model.language_model.')}"
    name = name.removeprefix("model.")
    if name.startswith("vision_tower.") and not name.startswith("vision_tower.vision_model."):
        return name.replace("vision_tower.", "vision_tower.vision_model.", 1)
    return name


def _projector(tensors: dict[str, StoredTensor], folder: Path) -> dict[str, Any]:
    held = within(tensors, "multi_modal_projector.")
    named = {theirs + name[len(ours) :]: held[name] for name in held for ours, theirs in LINEAR.items()
             if name.startswith(ours)}  # fmt: skip
    if "image_newline" not in tensors:
        raise CheckpointError(f"{folder} lacks the tensor 'image_newline', which config.json wants.")
    return projector_tensors(dict(named)) | {"newline": tensors["image_newline"]}
