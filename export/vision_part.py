"""A SigLIP tower of its own: named, and resized where another input size is wanted.

Position embeddings are resized as SigLIP's own code does for other picture sizes: bicubic, corners not aligned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from magno.export.errors import CheckpointError
from magno.export.weights.tensors import StoredTensor, Tensors, Weight

POSITIONS = "embeddings.position_embedding.weight"
# What SiglipVisionConfig takes by itself: so400m's folder says little more than where it differs.
DEFAULTS: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 16,
    "num_channels": 3,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}
SIZE_LIMIT, LAYERS_LIMIT = (
    1 << 16,
    256,
)  # modules are made for each layer, on no device, to learn their shapes


@dataclass(frozen=True, slots=True)
class VisionPart:
    """A tower: its configuration, and its tensors by the tower's own names (embeddings..., encoder.layers...)."""

    folder: Path
    config: dict[str, Any]  # SiglipVisionConfig
    tensors: dict[str, Weight]

    @property
    def side(self) -> int:
        """Patches a side; what a picture has beyond whole patches is not seen (384 px at 14: 27)."""
        return int(self.config["image_size"]) // int(self.config["patch_size"])


@dataclass(frozen=True, slots=True)
class ResizedPositions:
    """Position embeddings of another grid, made of the stored ones when they are read."""

    stored: StoredTensor
    side: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.side**2, self.stored.shape[1])

    @property
    def dtype(self) -> str:
        return self.stored.dtype

    def read(self) -> NDArray[np.float32]:
        before = math.isqrt(self.stored.shape[0])
        grid = torch.from_numpy(self.stored.read()).reshape(1, before, before, -1).permute(0, 3, 1, 2)
        resized = torch.nn.functional.interpolate(
            grid, size=(self.side, self.side), mode="bicubic", align_corners=False
        )
        return np.ascontiguousarray(resized.permute(0, 2, 3, 1).reshape(self.shape).numpy())


def vision_config(values: dict[str, Any], where: object) -> dict[str, Any]:
    """The tower's configuration, defaults filled in, nothing else. Raises CheckpointError."""
    config = DEFAULTS | {key: values[key] for key in DEFAULTS if key in values} | {"vision_use_head": False}
    for key, default in DEFAULTS.items():
        most = LAYERS_LIMIT if key == "num_hidden_layers" else SIZE_LIMIT
        if isinstance(default, int) and (type(config[key]) is not int or not 1 <= config[key] <= most):
            raise CheckpointError(
                f"{where}: vision_config.{key} wants an integer of 1 to {most}, found {str(config[key])[:80]!r}."
            )
    for key, wanted in (("hidden_act", DEFAULTS["hidden_act"]), ("num_channels", 3)):
        if config[key] != wanted:
            raise CheckpointError(
                f"{where}: vision_config.{key} wants {wanted!r}, found {str(config[key])[:80]!r}."
            )
    return config


def resized(part: VisionPart, image_px: int | None) -> VisionPart:
    """The tower for pictures of `image_px`; None: as trained. Raises CheckpointError."""
    patch = int(part.config["patch_size"])
    if image_px is None or image_px == part.config["image_size"]:
        return part
    if not patch <= image_px <= 4096:
        raise CheckpointError(f"--image-size wants {patch} (one patch) to 4096 px, found {image_px}.")
    stored = part.tensors.get(POSITIONS)
    if not isinstance(stored, StoredTensor) or len(stored.shape) != 2 or stored.shape[0] != part.side**2:
        raise CheckpointError(f"{part.folder} wants {part.side**2} positions in {POSITIONS}, found others.")
    config = part.config | {"image_size": image_px}
    positions: dict[str, Weight] = {POSITIONS: ResizedPositions(stored, image_px // patch)}
    return replace(part, config=config, tensors={**part.tensors, **positions})


def tower(tensors: Tensors) -> dict[str, Weight]:
    """The tensors of a tower without those of its pooling head, which no video model reads."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("head.")}
