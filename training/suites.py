"""What each evaluation set is made of: kinds of scenes, codec settings, families. A table; knows no file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from magno.training.codec_settings import (
    GOPS,
    PRESETS,
    CodecSettings,
    any_settings,
    clean_settings,
    degraded_settings,
)
from magno.training.questions.families import FAMILIES
from magno.training.scenes.compose import Recipe

HELD_OUT_SEED = 10_000_000  # seeds from here on are never trained on
DIRECTIONS = ("direction", "direction_two", "direction_three", "direction_background")


@dataclass(frozen=True, slots=True)
class Part:
    """Scenes and settings of one kind, and what is asked of them."""

    name: str  # is put behind a family's name, with an @; empty: nothing is
    recipe: Recipe
    settings: Callable[[np.random.Generator, int], CodecSettings]
    families: tuple[str, ...] = tuple(FAMILIES)
    share: float = 1.0  # of the questions a family


def _world() -> list[Part]:
    return [Part("", Recipe(), clean_settings)]


def _degraded() -> list[Part]:
    return [Part("", Recipe(degraded=True), degraded_settings)]


def _codec() -> list[Part]:
    """One thing held fixed in each part, the others at random."""

    def fixed(**held: object) -> Callable[[np.random.Generator, int], CodecSettings]:
        def settings(rng: np.random.Generator, fps: int) -> CodecSettings:
            drawn = clean_settings(rng, fps)
            while drawn.codec != "libx264":
                drawn = clean_settings(rng, fps)
            return replace(drawn, **held)  # type: ignore[arg-type]

        return settings

    def mpeg4(rng: np.random.Generator, fps: int) -> CodecSettings:
        return CodecSettings(
            "mpeg4", crf=int(rng.integers(2, 9)), gop=int(rng.choice([12, 30, 250])), fps=fps
        )

    held: dict[str, Callable[[np.random.Generator, int], CodecSettings]] = {"mpeg4": mpeg4}
    held |= {f"preset={preset}": fixed(preset=preset) for preset in PRESETS}
    held |= {f"gop={gop}": fixed(gop=gop) for gop in GOPS}
    held |= {f"crf={crf}": fixed(crf=crf) for crf in (18, 28, 36, 40)}
    held |= {f"references={count}": fixed(references=count) for count in (1, 3)}
    held |= {f"b_pictures={count}": fixed(b_pictures=count) for count in (0, 2)}
    recipe = Recipe(plot="one", kinds=("plain", "gradient", "noise", "texture"), real=0.0)
    return [Part(name, recipe, settings, ("direction",), 0.25) for name, settings in held.items()]


def _ablation() -> list[Part]:
    return [Part("", Recipe(), clean_settings, DIRECTIONS)]


def _real() -> list[Part]:
    """Windows panned across real pictures, and real things moved over them; 300 questions at the usual 400."""
    photographs = ("photograph",)
    panned = Part(
        "panned", Recipe(plot="camera", kinds=photographs, real=1.0), any_settings, ("camera",), 0.25
    )
    moved = ("direction_background", "direction_two", "direction_8", "direction_still", "anything")
    return [
        panned,
        Part("cut out", Recipe(plot="one", kinds=photographs, real=1.0), any_settings, moved[:1], 0.25),
        Part("cut out", Recipe(plot="diagonal", kinds=photographs, real=1.0), any_settings, moved[2:4], 0.07),
        Part("cut out", Recipe(plot="two", kinds=photographs, real=1.0), any_settings, moved[1:2], 0.11),
    ]


SUITES: dict[str, Callable[[], list[Part]]] = {
    "world": _world,
    "degraded": _degraded,
    "codec": _codec,
    "ablation": _ablation,
    "real": _real,
}
