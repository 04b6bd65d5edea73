"""Names of random checkpoints -> what each is to hold: its config.json, and the name and shape of every tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from transformers import SiglipVisionConfig, SiglipVisionModel

from magno.export.delta_presets import PAPER, Preset
from magno.export.errors import CheckpointError
from magno.export.families.magno import DELTA_TYPE
from magno.export.language_part import Shapes, configuration_of, shapes_of
from magno.export.model import DeltaConfig, DeltaEncoder, Projector
from magno.export.random_models.sizes import (
    LANGUAGE,
    LLAVA,
    SIGLIP,
    TINY_LANGUAGE,
    TINY_VISION,
    language_sizes,
)
from magno.export.torch_modules import encoder_shapes
from magno.runtime.spec import CodecSpec, to_dict
from magno.runtime.units import ResidualKind

LLAVA_LANGUAGE, LLAVA_VISION = (
    "qwen2-0.5b",
    "siglip-so400m-14-384",
)  # as lmms-lab/llava-onevision-qwen2-0.5b-ov
PROJECTOR_NAMES = {"inner": "0", "outer": "2"}  # as LLaVA has them
TINY_DELTA = Preset(
    DeltaConfig(32, 1, 4, 4, 4, (8, 16, 16, 32)),
    CodecSpec(64, 16, 8, 4.0, 8.0, 32.0, 4, 4, (ResidualKind.PIXEL_MC,)),
    TINY_LANGUAGE["hidden_size"],
    "narrow, for tests",
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which sizes a model is to have."""

    tiny: bool = False
    embed_dim: int | None = None  # of the language model that a projector or a Δ-encoder stands before
    vision_dim: int | None = None  # of the tower that a projector stands behind


@dataclass(frozen=True, slots=True)
class RandomModel:
    """A checkpoint to be written."""

    config: dict[str, Any]  # of config.json; empty: there is none
    shapes: Shapes
    dtype: str  # the publisher's: F32, F16, BF16
    tokenizer: str = ""  # which kind; empty: none


def random_model(name: str, choice: Choice) -> RandomModel:
    """What `name` holds. Raises CheckpointError for a name that is none."""
    if name not in MODELS:
        raise CheckpointError(f"A random checkpoint wants one of {', '.join(MODELS)}, found {name[:80]!r}.")
    return MODELS[name](choice)


def _siglip(name: str) -> Callable[[Choice], RandomModel]:
    def make(choice: Choice) -> RandomModel:
        sizes = TINY_VISION if choice.tiny else SIGLIP[name]
        config = {"model_type": "siglip", "architectures": ["SiglipModel"], "vision_config": sizes}
        return RandomModel(config, _tower(sizes, head=True), "F32")

    return make


def _language(name: str) -> Callable[[Choice], RandomModel]:
    def make(choice: Choice) -> RandomModel:
        sizes = language_sizes(name, choice.tiny)
        return RandomModel(
            sizes, shapes_of(configuration_of(sizes, name), sizes), "BF16", sizes["model_type"]
        )

    return make


def _delta(name: str) -> Callable[[Choice], RandomModel]:
    def make(choice: Choice) -> RandomModel:
        preset = TINY_DELTA if choice.tiny else PAPER[name]
        preset = replace(preset, embed_dim=choice.embed_dim or preset.embed_dim)
        shapes = encoder_shapes(lambda: DeltaEncoder(preset.delta, preset.codec, preset.embed_dim))
        config = {
            "model_type": DELTA_TYPE,
            "name": name,
            "embed_dim": preset.embed_dim,
            "delta_config": to_dict(preset.delta),
            "codec": to_dict(preset.codec),
        }
        return RandomModel(config, shapes, "F16")

    return make


def _projector(newline: bool) -> Callable[[Choice], RandomModel]:
    def make(choice: Choice) -> RandomModel:
        vision = TINY_VISION if choice.tiny else SIGLIP[LLAVA_VISION]
        language = language_sizes(LLAVA_LANGUAGE, choice.tiny)
        widths = choice.vision_dim or vision["hidden_size"], choice.embed_dim or language["hidden_size"]
        return RandomModel({}, _projector_shapes(*widths, newline=newline), "F16")

    return make


def _llava(choice: Choice) -> RandomModel:
    vision = TINY_VISION if choice.tiny else SIGLIP[LLAVA_VISION]
    language = language_sizes(LLAVA_LANGUAGE, choice.tiny)
    config = language | LLAVA | {"mm_hidden_size": vision["hidden_size"]}
    if choice.tiny:
        config["vision_config"] = vision
    # LLaVA has cut the last layer and the head away before it saves.
    cut = vision | {"num_hidden_layers": vision["num_hidden_layers"] - 1}
    tower = {
        f"model.vision_tower.vision_tower.{name}": shape for name, shape in _tower(cut, head=False).items()
    }
    projector = _projector_shapes(vision["hidden_size"], language["hidden_size"], newline=True)
    text = shapes_of(configuration_of(language, "llava-video"), language)
    return RandomModel(config, text | tower | projector, "BF16", "qwen2")


def _tower(sizes: dict[str, Any], *, head: bool) -> Shapes:
    config = SiglipVisionConfig(**sizes, vision_use_head=head)
    shapes = encoder_shapes(lambda: SiglipVisionModel(config))
    return {f"vision_model.{name.removeprefix('vision_model.')}": shape for name, shape in shapes.items()}


def _projector_shapes(vision_dim: int, embed_dim: int, *, newline: bool) -> Shapes:
    shapes: Shapes = {}
    for name, shape in encoder_shapes(lambda: Projector(vision_dim, embed_dim)).items():
        layer, kind = name.split(".")
        shapes[f"model.mm_projector.{PROJECTOR_NAMES[layer]}.{kind}"] = shape
    return shapes | ({"model.image_newline": (embed_dim,)} if newline else {})


MODELS: dict[str, Callable[[Choice], RandomModel]] = {
    **{name: _siglip(name) for name in SIGLIP},
    **{name: _language(name) for name in LANGUAGE},
    **{f"delta-{name}": _delta(name) for name in PAPER},
    "projector": _projector(newline=False),
    "projector-newline": _projector(newline=True),
    "llava-video": _llava,
}
