"""The keyframe encoder of LLaVA's family in torch: SigLIP's last layer but one, projector, pooling, newlines.

As LLaVA-NeXT has it for video (llava/model/llava_arch.py): features are projected, pooled two by two (27 a side
become 14), and each row of the pooled grid, or each picture, ends with one learned token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from magno.export.errors import CheckpointError
from magno.export.model import Projector

POOLINGS = ("", "bilinear", "average")
NEWLINES = ("", "row", "picture")  # none; after each row; once


@dataclass(frozen=True, slots=True)
class VideoVisionConfig:
    """What becomes of a picture between the tower and the language model."""

    tower: dict[str, Any]  # SiglipVisionConfig, cut to the layers that are read
    embed_dim: int
    final_norm: bool = False  # whether the tower's last norm is applied
    pooling: str = ""
    newline: str = ""

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS or self.newline not in NEWLINES:
            raise CheckpointError(
                f"Pooling wants one of {POOLINGS} and newlines one of {NEWLINES}, "
                f"found {self.pooling[:40]!r} and {self.newline[:40]!r}."
            )

    @property
    def side(self) -> int:
        """Tokens a side, after pooling."""
        patches = int(self.tower["image_size"]) // int(self.tower["patch_size"])
        return {"": patches, "bilinear": math.ceil(patches / 2), "average": patches // 2}[self.pooling]

    @property
    def tokens(self) -> int:
        """Tokens a picture, newlines included."""
        return self.side**2 + {"": 0, "row": self.side, "picture": 1}[self.newline]


class VideoVision(nn.Module):
    """One picture -> its keyframe tokens."""

    def __init__(self, config: VideoVisionConfig) -> None:
        super().__init__()
        self.config = config
        self.tower = SiglipVisionModel(SiglipVisionConfig(**config.tower))
        if not config.final_norm:
            getattr(self.tower, "vision_model", self.tower).post_layernorm = nn.Identity()
        self.projector = Projector(config.tower["hidden_size"], config.embed_dim)
        if config.newline:
            self.newline = nn.Parameter(torch.zeros(config.embed_dim))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1] -> (N, M, embed_dim)."""
        rows = self.projector(self.tower(pixel_values=pixels).last_hidden_state)
        side = math.isqrt(rows.shape[1])
        grid = self._pool(rows.transpose(1, 2).reshape(-1, self.config.embed_dim, side, side))
        grid = grid.permute(0, 2, 3, 1)  # (N, side, side, embed_dim)
        if self.config.newline == "row":
            newline = self.newline.expand(grid.shape[0], self.config.side, 1, -1)
            return torch.cat([grid, newline], dim=2).flatten(1, 2)
        rows = grid.flatten(1, 2)
        if self.config.newline == "picture":
            return torch.cat([rows, self.newline.expand(rows.shape[0], 1, -1)], dim=1)
        return rows

    def _pool(self, grid: Tensor) -> Tensor:
        if self.config.pooling == "bilinear":
            size = (self.config.side, self.config.side)
            return nn.functional.interpolate(grid, size=size, mode="bilinear", align_corners=False)
        return nn.functional.avg_pool2d(grid, 2) if self.config.pooling == "average" else grid
