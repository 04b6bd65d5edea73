"""A bundle's source from parts: a vision tower, a language model, a projector, and perhaps a Δ-encoder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from magno.export.chat import chat_of
from magno.export.errors import CheckpointError
from magno.export.families import open_vision, read_config
from magno.export.families.magno import open_delta
from magno.export.language_part import open_language
from magno.export.source import Source
from magno.export.video_source import folders_of, projector_tensors, read_layers, video_source
from magno.export.video_vision import VideoVisionConfig
from magno.export.vision_part import resized
from magno.export.weights.tensors import Tensors, open_file, within

PREFIXES = ("model.mm_projector.", "mm_projector.", "")
NEWLINES = ("model.image_newline", "image_newline")
LLAVA_LAYER = -2


@dataclass(frozen=True, slots=True)
class Parts:
    """Where each part is."""

    vision: Path  # a SigLIP folder
    llm: Path  # a Qwen2, Qwen3 or Llama folder
    projector: Path  # safetensors with LLaVA's mlp2x_gelu; with image_newline in it: pooled, rows ended by it
    delta: Path | None = None  # a Δ-encoder's folder; None: keyframes only
    layer: int = LLAVA_LAYER  # of the tower, that the projector was trained on; -1: the last, with its norm


def open_parts(parts: Parts, image_px: int | None = None) -> Source:
    """Name all of a bundle, reading no weight. Raises CheckpointError or SpecError, one sentence."""
    vision = resized(open_vision(parts.vision), image_px)
    language = open_language(parts.llm)
    delta = open_delta(parts.delta, read_config(parts.delta)) if parts.delta else None
    if not parts.projector.is_file():
        raise CheckpointError(f"{parts.projector} wants to be the projector's safetensors file, found none.")
    tensors = open_file(parts.projector)
    newline = next((tensors[name] for name in NEWLINES if name in tensors), None)
    config = VideoVisionConfig(
        tower=read_layers(vision, parts.layer, "--vision-layer"),
        embed_dim=language.config.hidden_size,
        final_norm=parts.layer == -1,
        pooling="bilinear" if newline else "",
        newline="row" if newline else "",
    )
    projector = projector_tensors(dict(_linear(tensors, parts.projector)))
    if newline:
        projector["newline"] = newline
    source = video_source(vision, config, projector, language, chat_of(parts.llm), delta)
    named = folders_of(parts.vision, parts.llm, parts.projector, *([parts.delta] if parts.delta else []))
    return replace(source, folders=named)


def _linear(tensors: Tensors, path: Path) -> Tensors:
    """The projector's two layers, by LLaVA's names without their prefix."""
    for prefix in PREFIXES:
        found = within(tensors, prefix)
        if "0.weight" in found and "2.weight" in found:
            return found
    raise CheckpointError(
        f"{path} wants LLaVA's mlp2x_gelu (mm_projector.0.weight, mm_projector.2.weight, and biases), found "
        f"{', '.join(sorted(tensors))[:160] or 'nothing'}."
    )
