"""magno's own checkpoints, of any size: everything in one folder. A Δ-encoder alone has a folder of its own kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import Qwen2Config

from magno.export.config import config_from_dict, model_spec
from magno.export.errors import CheckpointError
from magno.export.families.qwen2 import shapes
from magno.export.model import CheckpointConfig, DeltaConfig, DeltaEncoder, VisionEncoder
from magno.export.source import EncoderSource, LanguageSource, Source
from magno.export.torch_modules import build, check_encoder, encoder_shapes
from magno.export.weights.tensors import Tensors, check_no_others, check_tensors, open_tensors, within
from magno.runtime.spec import CodecSpec, SpecError, from_dict

DELTA_TYPE = "magno_delta"


@dataclass(frozen=True)
class DeltaPart:
    """A Δ-encoder, and what it wants to be fed."""

    encoder: EncoderSource
    codec: CodecSpec
    window_tokens: int
    embed_dim: int


@dataclass(frozen=True, slots=True)
class _DeltaFile:
    """All of a Δ-encoder folder's config.json."""

    model_type: str
    name: str
    embed_dim: int  # of the language model that reads its tokens
    delta_config: DeltaConfig
    codec: CodecSpec


def open_source(folder: Path, values: dict[str, Any], image_px: int | None) -> Source:
    """A whole checkpoint. Raises CheckpointError or SpecError."""
    config = config_from_dict(values, str(folder / "config.json"))
    if image_px not in (None, config.codec.image_px):
        raise CheckpointError(
            f"{folder} wants pictures of {config.codec.image_px} px, for which its Δ-encoder was trained, "
            f"found --image-size {image_px}: leave it out."
        )
    tensors = open_tensors(folder)
    vision = EncoderSource(
        lambda: VisionEncoder(config.vision, _embed_dim(config)), within(tensors, "vision.")
    )
    delta = EncoderSource(
        lambda: DeltaEncoder(config.delta, config.codec, _embed_dim(config)), within(tensors, "delta.")
    )
    language = _language(folder, config, within(tensors, "language."))
    parts = {
        "vision.": encoder_shapes(vision.build),
        "delta.": encoder_shapes(delta.build),
        "language.": shapes(language.config),
    }
    wanted = {prefix + name: shape for prefix, part in parts.items() for name, shape in part.items()}
    check_no_others(tensors, wanted, folder)
    check_tensors(tensors, wanted, folder)
    return Source(model_spec(config), vision, delta, language, (folder,))


def open_delta(folder: Path, values: dict[str, Any]) -> DeltaPart:
    """The Δ-encoder of a folder of its own, or of a whole checkpoint. Raises CheckpointError or SpecError."""
    where = str(folder / "config.json")
    if values.get("model_type") == "magno":
        whole = config_from_dict(values, where)
        config, codec, embed_dim = whole.delta, whole.codec, _embed_dim(whole)
        tensors: Tensors = within(open_tensors(folder), "delta.")
    elif values.get("model_type") == DELTA_TYPE:
        file = from_dict(_DeltaFile, values, where)
        config, codec, embed_dim = file.delta_config, file.codec, file.embed_dim
        tensors = open_tensors(folder)
    else:
        raise CheckpointError(
            f"{where} wants model_type 'magno' or {DELTA_TYPE!r} for a Δ-encoder, "
            f"found {str(values.get('model_type'))[:80]!r}."
        )
    encoder = EncoderSource(lambda: DeltaEncoder(config, codec, embed_dim), tensors)
    check_encoder(encoder, folder)
    return DeltaPart(encoder, codec, config.motion_queries + config.residual_queries, embed_dim)


def _language(folder: Path, config: CheckpointConfig, tensors: Tensors) -> LanguageSource:
    found: list[Any] = []
    build(lambda: found.append(Qwen2Config(**config.text)))
    return LanguageSource("qwen2", found[0], tensors, folder, config.name)


def _embed_dim(config: CheckpointConfig) -> int:
    if type(config.text.get("hidden_size")) is not int:
        raise SpecError("config.json: text_config.hidden_size wants an integer.")
    return int(config.text["hidden_size"])
