"""The reference model in torch: vision tower, Δ-encoder, projectors, language model. Knows no file format.

The Δ-encoder has the paper's shape (CoPE-VideoLM, arXiv 2602.13191, section 3.2): a motion branch (patch MLP
and a transformer read by 4 queries) and a residual branch (a truncated ResNet-18 and a transformer read by 4
queries); its 8 outputs are projected into the language model's embedding space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Qwen2Config, Qwen2ForCausalLM, SiglipVisionConfig, SiglipVisionModel

from magno.runtime.spec import CodecSpec, SpecError, TokenLayout

# Modules are made of these to learn their shapes, before any weight says whether they are true.
STAGES_LIMIT = 12
SIZE_LIMITS = {
    "width": 1 << 14,
    "layers": 64,
    "heads": 256,
    "motion_queries": 4096,
    "residual_queries": 4096,
    "stem_channels": 1 << 14,
}


@dataclass(frozen=True)
class DeltaConfig:
    """Size of the Δ-encoder; both branches share width, depth and heads."""

    width: int
    layers: int
    heads: int
    motion_queries: int
    residual_queries: int
    stem_channels: tuple[int, ...]  # of the residual branch: one stage each, every stage halves the size

    def __post_init__(self) -> None:
        if not 1 <= len(self.stem_channels) <= STAGES_LIMIT:
            raise SpecError(
                f"stem_channels wants 1 to {STAGES_LIMIT} stages, found {len(self.stem_channels)}."
            )
        for name, most in SIZE_LIMITS.items():
            found = getattr(self, name)
            if not all(1 <= size <= most for size in (found if isinstance(found, tuple) else (found,))):
                raise SpecError(f"{name} wants 1 to {most}, found {str(found)[:80]}.")


@dataclass(frozen=True)
class CheckpointConfig:
    """All of config.json: what the model is, and what it wants to be fed."""

    name: str
    vision: dict[str, Any]  # SiglipVisionConfig
    text: dict[str, Any]  # Qwen2Config
    delta: DeltaConfig
    codec: CodecSpec
    layout: TokenLayout


class QueryReader(nn.Module):
    """Learned queries read a grid of patches through a transformer; only the queries come out."""

    def __init__(self, config: DeltaConfig, patches: int, queries: int) -> None:
        super().__init__()
        self.position = nn.Parameter(_places(patches, config.width))
        self.queries = nn.Parameter(torch.randn(1, queries, config.width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            config.width,
            config.heads,
            4 * config.width,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.layers = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(config.width)

    def forward(self, patches: Tensor) -> Tensor:
        """(N, P, width) -> (N, queries, width)."""
        queries = self.queries.expand(patches.shape[0], -1, -1)
        mixed = self.layers(torch.cat([queries, patches + self.position], dim=1))
        return self.norm(mixed[:, : queries.shape[1]])


def _places(patches: int, width: int) -> Tensor:
    """(1, patches, width): sines and cosines of a square grid's rows and columns, to begin from. As strong as what
    stands in the patches: from small random numbers, tokens learned how things move long before where."""
    side = math.isqrt(patches)
    rates = 2.5 * side ** -torch.linspace(0, 1, width // 4)  # from neighbours apart to the whole side apart
    angles = torch.arange(side)[:, None] * rates
    waves = torch.cat([angles.sin(), angles.cos()], dim=1) * 0.7  # (side, width / 2)
    rows, columns = waves[:, None].expand(-1, side, -1), waves[None].expand(side, -1, -1)
    whole = torch.cat([rows, columns], dim=2).reshape(1, side * side, -1)
    return nn.functional.pad(whole, (0, width - whole.shape[2], 0, patches - side * side))


class ResidualBlock(nn.Module):
    """ResNet-18's basic block, with GroupNorm since batches of one must behave as batches of many."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.GroupNorm(8, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.GroupNorm(8, outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(inner)) + self.shortcut(x))


class DeltaEncoder(nn.Module):
    """Fused motion and residual of one window -> motion and residual tokens of the language model."""

    def __init__(self, config: DeltaConfig, codec: CodecSpec, embed_dim: int) -> None:
        super().__init__()
        patches = codec.patches**2
        self.motion_patch = nn.Sequential(
            nn.Linear(codec.motion_width, config.width), nn.GELU(), nn.Linear(config.width, config.width)
        )
        self.motion_reader = QueryReader(config, patches, config.motion_queries)
        first = config.stem_channels[0]
        stages: list[nn.Module] = [
            nn.Conv2d(1, first, 7, 2, 3, bias=False),
            nn.GroupNorm(8, first),
            nn.ReLU(),
        ]
        for inputs, outputs in zip(config.stem_channels, config.stem_channels[1:], strict=False):
            stages.append(ResidualBlock(inputs, outputs, 2))
        self.stem = nn.Sequential(*stages)
        side = codec.image_px // 2 ** len(config.stem_channels)
        if side != codec.patches:
            raise ValueError(
                f"The residual stem ends at {side} cells a side; it wants {codec.patches}: "
                "one stem stage halves the size once."
            )
        self.residual_patch = nn.Linear(config.stem_channels[-1], config.width)
        self.residual_reader = QueryReader(config, patches, config.residual_queries)
        self.projector = Projector(config.width, embed_dim)

    def forward(self, motion: Tensor, residual: Tensor) -> Tensor:
        """motion (N, P*P, motion_width), residual (N, 1, S, S) -> (N, 8, embed_dim), motion tokens first."""
        moved = self.motion_reader(self.motion_patch(motion))
        changed = self.residual_reader(self.residual_patch(self.stem(residual).flatten(2).transpose(1, 2)))
        return self.projector(torch.cat([moved, changed], dim=1))


class Projector(nn.Module):
    """Two layers from an encoder's width to the language model's (LLaVA's mlp2x_gelu)."""

    def __init__(self, width: int, embed_dim: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, embed_dim)
        self.outer = nn.Linear(embed_dim, embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(nn.functional.gelu(self.inner(x)))


class VisionEncoder(nn.Module):
    """SigLIP tower and projector: one picture -> its keyframe tokens."""

    def __init__(self, config: dict[str, Any], embed_dim: int) -> None:
        super().__init__()
        self.tower = SiglipVisionModel(SiglipVisionConfig(**config))
        position = self.tower.embeddings.position_embedding.weight
        position.data.copy_(_places(*position.shape)[0])  # to begin from, as the Δ-encoder does
        self.projector = Projector(config["hidden_size"], embed_dim)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) in [-1, 1] -> (N, M, embed_dim)."""
        return self.projector(self.tower(pixel_values=pixels).last_hidden_state)


class MagnoModel(nn.Module):
    """The whole checkpoint; the runtime runs its three parts apart."""

    def __init__(self, config: CheckpointConfig) -> None:
        super().__init__()
        self.config = config
        text = Qwen2Config(**config.text)
        self.vision = VisionEncoder(config.vision, text.hidden_size)
        self.delta = DeltaEncoder(config.delta, config.codec, text.hidden_size)
        self.language = Qwen2ForCausalLM(text)
