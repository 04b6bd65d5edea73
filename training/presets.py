"""Sizes of the Δ-encoder by name, the paper's among them, and how many parameters each has.

CoPE-VideoLM (section 3.2 and its appendix) says two things of its Δ-encoder that cannot both hold: d = 1152 with
4 layers and 9 heads in each branch, and fewer than 15 million parameters in all. Both readings are here.

python -m magno.training.presets
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table

from magno.export.model import DeltaConfig, DeltaEncoder
from magno.runtime.spec import CodecSpec
from magno.runtime.units import ResidualKind
from magno.training.pocket import CODEC, DELTA, EMBED_DIM

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


PRESETS = {
    "pocket": Preset(DELTA, CODEC, EMBED_DIM, "what models/pocket has"),
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


def parameters(preset: Preset) -> dict[str, int]:
    """Parameters by part; nothing is allocated."""
    with torch.device("meta"):
        encoder = DeltaEncoder(preset.delta, preset.codec, preset.embed_dim)
    parts = {
        "motion branch": (encoder.motion_patch, encoder.motion_reader),
        "residual stem": (encoder.stem, encoder.residual_patch),
        "residual branch": (encoder.residual_reader,),
        "projector": (encoder.projector,),
    }
    return {
        name: sum(tensor.numel() for module in modules for tensor in module.parameters())
        for name, modules in parts.items()
    }


def main() -> None:
    readings = "\n".join(f"{name}: {preset.reading}" for name, preset in PRESETS.items())
    table = Table(title="parameters of the Δ-encoder, in millions", caption=readings, caption_justify="left")
    counts = {name: parameters(preset) for name, preset in PRESETS.items()}
    table.add_column("preset", no_wrap=True)
    for part in (*counts["pocket"], "in all"):
        table.add_column(part, justify="right")
    for name, parts in counts.items():
        numbers = [*parts.values(), sum(parts.values())]
        table.add_row(name, *(f"{number / 1e6:.2f}" for number in numbers))
    Console().print(table)


if __name__ == "__main__":
    main()
