"""A tower, a projector, a language model and perhaps a Δ-encoder -> the source of a bundle, its parts held together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from magno.export.chat import Chat
from magno.export.errors import CheckpointError
from magno.export.families.magno import DeltaPart
from magno.export.source import EncoderSource, LanguageSource, Source
from magno.export.torch_modules import check_encoder
from magno.export.video_vision import VideoVision, VideoVisionConfig
from magno.export.vision_part import VisionPart
from magno.export.weights.tensors import Weight
from magno.runtime.spec import CodecSpec, ModelSpec, TokenLayout

KEYFRAME_PICTURES = 32  # between two keyframes of a keyframe-only bundle: about one a second
# LLaVA's projector is a torch Sequential: linear, GELU, linear.
PROJECTOR = {"0": "inner", "2": "outer"}


def video_source(
    part: VisionPart,
    config: VideoVisionConfig,
    projector: dict[str, Weight],
    language: LanguageSource,
    chat: Chat,
    delta: DeltaPart | None = None,
) -> Source:
    """Everything of a bundle. `projector` by VideoVision's own names. Raises CheckpointError where parts do not fit."""
    image_px = int(config.tower["image_size"])
    tensors = {f"tower.{name}": tensor for name, tensor in _cut(part, config).items()} | projector
    vision = EncoderSource(lambda: VideoVision(config), tensors)
    check_encoder(vision, part.folder)
    if delta is not None:
        _check_delta(delta, image_px, config.embed_dim)
    layout = TokenLayout(
        system_text=chat.system,
        keyframe_text="",
        keyframe_tokens=config.tokens,
        window_tokens=delta.window_tokens if delta else 0,
        question_prefix=chat.question_prefix,
        question_suffix=chat.question_suffix,
        stop_text=chat.stop,
        turn_prefix=chat.turn_prefix,
    )
    spec = ModelSpec(
        name=language.name,
        embed_dim=config.embed_dim,
        trained_context=language.config.max_position_embeddings,
        codec=delta.codec if delta else CodecSpec.keyframes_only(image_px, KEYFRAME_PICTURES),
        layout=layout,
    )
    folders = dict.fromkeys((part.folder, language.folder))
    return Source(spec, vision, delta.encoder if delta else None, language, tuple(folders))


def read_layers(part: VisionPart, layer: int, where: object) -> dict[str, Any]:
    """The tower's configuration, cut to the layers that `layer` reads: -1 all, -2 all but the last, and so on."""
    layers = int(part.config["num_hidden_layers"])
    kept = layers + 1 + layer if layer < 0 else layer
    if not 1 <= kept <= layers:
        raise CheckpointError(
            f"{where} wants a hidden layer of the {layers} that the tower has, found {layer}."
        )
    return part.config | {"num_hidden_layers": kept}


def projector_tensors(tensors: dict[str, Weight]) -> dict[str, Weight]:
    """LLaVA's names ("0.weight", ...) -> VideoVision's ("projector.inner.weight", ...)."""
    return {
        f"projector.{inner}.{kind}": tensors[f"{outer}.{kind}"]
        for outer, inner in PROJECTOR.items()
        for kind in ("weight", "bias")
        if f"{outer}.{kind}" in tensors
    }


def _cut(part: VisionPart, config: VideoVisionConfig) -> dict[str, Weight]:
    """The tower's tensors that are read, in the shape they are read in."""
    layers = range(int(config.tower["num_hidden_layers"]))
    kept = ["embeddings.", *(f"encoder.layers.{number}." for number in layers)]
    if config.final_norm:
        kept.append("post_layernorm.")
    return {name: tensor for name, tensor in part.tensors.items() if name.startswith(tuple(kept))}


def _check_delta(delta: DeltaPart, image_px: int, embed_dim: int) -> None:
    if delta.embed_dim != embed_dim:
        raise CheckpointError(
            f"The Δ-encoder wants a language model with embeddings of {delta.embed_dim} numbers, found {embed_dim}: "
            "name the one it was trained with."
        )
    if delta.codec.image_px != image_px:
        raise CheckpointError(
            f"The Δ-encoder wants pictures of {delta.codec.image_px} px, found a tower for {image_px}: "
            f"add --image-size {delta.codec.image_px}."
        )


def folders_of(*folders: Path) -> tuple[Path, ...]:
    """Without those that stand twice."""
    return tuple(dict.fromkeys(folders))
