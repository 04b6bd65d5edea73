"""The Δ-encoder's presets, the paper's two readings among them, and how many parameters each has.

python -m magno.training.presets
"""

from __future__ import annotations

import torch
from rich.table import Table

from magno.export.delta_presets import PAPER, Preset
from magno.export.model import DeltaEncoder
from magno.runtime.commands.tables import stdout_console
from magno.training.pocket import CODEC, DELTA, EMBED_DIM

PRESETS = {"pocket": Preset(DELTA, CODEC, EMBED_DIM, "what models/pocket has")} | PAPER


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
    stdout_console().print(table)


if __name__ == "__main__":
    main()
