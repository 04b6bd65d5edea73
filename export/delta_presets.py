"""Sizes of the Δ-encoder in front of a full-size model.

CoPE-VideoLM (section 3.2 and its appendix) says two things of its Δ-encoder that cannot both hold: d = 1152 with
4 layers and 9 heads in each branch, and fewer than 15 million parameters in all. Both readings are here.
"""

from __future__ import annotations

from dataclasses import dataclass

from magno.export.model import DeltaConfig
from magno.runtime.spec import CodecSpec
from magno.runtime.units import ResidualKind

RESNET_CHANNELS = (64, 128, 256, 512)  # ResNet-18's stages
SIGLIP_CODEC = CodecSpec(
    image_px=384,
    patch_px=16,
    motion_grid=96,
    motion_scale_px=4.0,
    motion_clip=8.0,
    residual_scale=64.0,
    window_pictures=8,
    windows_per_gop=4,
    residual_kinds=(ResidualKind.PIXEL_MC,),
)
QWEN2_7B_DIM = 3584


@dataclass(frozen=True, slots=True)
class Preset:
    """A Δ-encoder in front of a language model of this embedding size."""

    delta: DeltaConfig
    codec: CodecSpec
    embed_dim: int
    reading: str


PAPER = {
    "paper-wide": Preset(
        DeltaConfig(1152, 4, 9, 4, 4, RESNET_CHANNELS),
        SIGLIP_CODEC,
        QWEN2_7B_DIM,
        "d = 1152, 4 layers and 9 heads a branch, as written",
    ),
    "paper-small": Preset(
        DeltaConfig(192, 4, 6, 4, 4, RESNET_CHANNELS),
        SIGLIP_CODEC,
        1152,
        "under 15 million in all, as written: a narrow inner width, projected to 1152",
    ),
}
