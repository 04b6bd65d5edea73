"""Which encoders a bench measures: a checkpoint's, or real sizes with random weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from magno.export.delta_presets import PAPER
from magno.export.errors import CheckpointError
from magno.export.families import open_source
from magno.export.model import DeltaEncoder, VisionEncoder
from magno.export.random_models.sizes import LANGUAGE, SIGLIP
from magno.export.torch_modules import torch_encoder
from magno.runtime.backends import Graph, Port
from magno.runtime.encoder import delta_graph, vision_graph
from magno.runtime.spec import CodecSpec

EMBED_DIM = LANGUAGE["qwen2-0.5b"]["hidden_size"]
CELL_PX = 4  # of motion, as the paper's


@dataclass(frozen=True)
class Subject:
    """One encoder as torch runs it, and the graph that it becomes."""

    file: str  # vision.onnx or delta.onnx
    module: nn.Module
    graph: Graph

    @property
    def parameters(self) -> int:
        return sum(tensor.numel() for tensor in self.module.parameters())


def of_checkpoint(folder: Path) -> tuple[CodecSpec, list[Subject]]:
    """Both encoders of a checkpoint. Raises CheckpointError or SpecError."""
    source = open_source(folder)
    subjects = [Subject("vision.onnx", torch_encoder(source.vision), vision_graph(source.spec))]
    if source.delta is not None:
        subjects.append(Subject("delta.onnx", torch_encoder(source.delta), delta_graph(source.spec)))
    return source.spec.codec, subjects


def of_size(name: str, delta: str) -> tuple[CodecSpec, list[Subject]]:
    """A SigLIP tower with a projector and one of the paper's Δ-encoders. Raises CheckpointError."""
    if name not in SIGLIP:
        raise CheckpointError(f"--size wants one of {', '.join(SIGLIP)}, found {name[:80]!r}.")
    sizes = SIGLIP[name]
    image_px, side = sizes["image_size"], sizes["image_size"] // sizes["patch_size"]
    codec = replace(PAPER[delta].codec, image_px=image_px, motion_grid=image_px // CELL_PX)
    torch.manual_seed(0)
    vision = VisionEncoder(sizes | {"vision_use_head": False}, EMBED_DIM).eval()
    window = DeltaEncoder(PAPER[delta].delta, codec, EMBED_DIM).eval()
    patches, pixels = codec.patches**2, Port("pixels", (3, image_px, image_px))
    motion = Port("motion", (patches, codec.motion_width))
    residual = Port("residual", (1, image_px, image_px))
    tokens = PAPER[delta].delta.motion_queries + PAPER[delta].delta.residual_queries
    return codec, [
        Subject("vision.onnx", vision, Graph((pixels,), Port("tokens", (side * side, EMBED_DIM)))),
        Subject("delta.onnx", window, Graph((motion, residual), Port("tokens", (tokens, EMBED_DIM)))),
    ]
