"""LLaVA-Video and LLaVA-OneVision on Qwen2, in LLaVA's own layout: everything in one folder, config.json of LLaVA.

The tower's configuration is not in it, but for its name; LLaVA cuts SigLIP's last layer, its norm and its head away.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from magno.export.chat import chat_of
from magno.export.errors import CheckpointError
from magno.export.language_part import language_source
from magno.export.source import Source
from magno.export.video_source import projector_tensors, read_layers, video_source
from magno.export.video_vision import VideoVisionConfig
from magno.export.vision_part import VisionPart, resized, tower, vision_config
from magno.export.weights.tensors import Tensors, open_tensors, within

LANGUAGE, ARCHITECTURE = "qwen2", "LlavaQwenForCausalLM"
TOWER, PROJECTOR, NEWLINE = (
    "model.vision_tower.vision_tower.vision_model.",
    "model.mm_projector.",
    "model.image_newline",
)
# What these models may have otherwise, and is not understood.
PLAIN = {"mm_projector_type": "mlp2x_gelu", "mm_vision_select_feature": "patch", "add_faster_video": False}
# Real sizes by the name that mm_vision_tower has.
TOWERS = {
    "siglip-so400m-patch14-384": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 384,
        "patch_size": 14,
    },
}
# mm_newline_position -> where the newline stands. A stream has no end to put "one_token" at: each picture is a video
# of one picture, which LLaVA ends with it.
NEWLINES = {"grid": "row", "frame": "picture", "one_token": "picture", "no_token": ""}


def open_source(folder: Path, values: dict[str, Any], image_px: int | None) -> Source:
    """A keyframe-only bundle's source. Raises CheckpointError."""
    where = folder / "config.json"
    if values.get("architectures") != [ARCHITECTURE]:
        raise CheckpointError(
            f"{where} wants LLaVA on Qwen2 (architectures [{ARCHITECTURE!r}]), found another."
        )
    for key, wanted in PLAIN.items():
        if values.get(key, wanted) != wanted:
            raise CheckpointError(f"{where}: {key} wants {wanted!r}, found {str(values[key])[:80]!r}.")
    tensors = open_tensors(folder)
    part = resized(VisionPart(folder, _tower_config(values, where), tower(within(tensors, TOWER))), image_px)
    text = {
        name: tensor for name, tensor in tensors.items() if not name.startswith((TOWER, PROJECTOR, NEWLINE))
    }
    language = language_source(folder, values | {"model_type": LANGUAGE}, text)
    config = VideoVisionConfig(
        tower=read_layers(part, _layer(values, where), where),
        embed_dim=language.config.hidden_size,
        pooling=_pooling(values, where),
        newline=_newline(values, tensors, where),
    )
    projector = projector_tensors(dict(within(tensors, PROJECTOR)))
    if config.newline:
        projector["newline"] = tensors[NEWLINE]
    return video_source(part, config, projector, language, chat_of(folder))


def _tower_config(values: dict[str, Any], where: Path) -> dict[str, Any]:
    named = re.split(r"[/\\]", str(values.get("mm_vision_tower", "")))[-1]
    if isinstance(values.get("vision_config"), dict):
        return vision_config(values["vision_config"], where)
    if named not in TOWERS:
        raise CheckpointError(
            f"{where}: mm_vision_tower wants {', '.join(TOWERS)} (or a vision_config beside it), found {named[:80]!r}."
        )
    return vision_config(TOWERS[named], where)


def _layer(values: dict[str, Any], where: Path) -> int:
    found = values.get("mm_vision_select_layer", -2)
    # LLaVA-NeXT's SigLIP tower takes the last layer but one, whatever the configuration says besides.
    if found not in (-1, -2) or isinstance(found, bool):
        raise CheckpointError(f"{where}: mm_vision_select_layer wants -2, found {str(found)[:80]!r}.")
    return -2


def _pooling(values: dict[str, Any], where: Path) -> str:
    mode, stride = values.get("mm_spatial_pool_mode") or "bilinear", values.get("mm_spatial_pool_stride") or 2
    if mode not in ("bilinear", "average") or stride not in (1, 2):
        raise CheckpointError(
            f"{where} wants mm_spatial_pool_mode bilinear or average with a stride of 1 or 2, found "
            f"{str(mode)[:40]!r} and {str(stride)[:40]}."
        )
    return mode if stride == 2 else ""


def _newline(values: dict[str, Any], tensors: Tensors, where: Path) -> str:
    position = values.get("mm_newline_position") or "grid"
    if not isinstance(position, str) or position not in NEWLINES:
        raise CheckpointError(
            f"{where}: mm_newline_position wants one of {', '.join(NEWLINES)}, found {str(position)[:80]!r}."
        )
    if NEWLINES[position] and NEWLINE not in tensors:
        raise CheckpointError(
            f"{where.parent} lacks the tensor {NEWLINE!r}, which mm_newline_position wants."
        )
    return NEWLINES[position]
