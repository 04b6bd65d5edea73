"""How a clip is encoded, and what may be lost of it: settings, and random ones. Knows no codec library."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

FPS = 15
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium")
GOPS = (5, 10, 20, 30, 60, 120, 250)
REFERENCES = (1, 2, 3)
B_PICTURES = (0, 1, 2)
LOST_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class CodecSettings:
    codec: str = "libx264"  # or "mpeg4", for which `crf` is the quantiser
    preset: str = "veryfast"
    crf: int = 23
    gop: int = 250
    fps: int = FPS
    references: int = 1
    b_pictures: int = 0
    scene_cuts: bool = False  # hardware encoders of cameras have no scene cut detection
    lost: float = 0.0  # share of access units that never arrive
    coarse: bool = False  # vectors as hardware has them: one for 16x16 pixels, integers


def random_settings(rng: np.random.Generator) -> CodecSettings:
    """What most cameras send: mostly H.264, no B-pictures, one reference."""
    if rng.random() < 0.1:
        return CodecSettings("mpeg4", crf=int(rng.integers(2, 9)), gop=int(rng.choice([30, 250])))
    preset = str(
        rng.choice(["ultrafast", "superfast", "veryfast", "faster", "medium"], p=[0.2, 0.25, 0.35, 0.1, 0.1])
    )
    return CodecSettings("libx264", preset, int(rng.integers(18, 35)), int(rng.choice([20, 60, 250])))


def any_settings(rng: np.random.Generator, fps: int) -> CodecSettings:
    """Whatever may be met; most of it as cameras send."""
    damage = {"lost": LOST_SHARE if rng.random() < 0.05 else 0.0, "coarse": bool(rng.random() < 0.12)}
    if rng.random() < 0.12:
        gop = int(rng.choice([12, 30, 120, 250]))
        return CodecSettings("mpeg4", crf=int(rng.integers(2, 11)), gop=gop, fps=fps, **damage)
    return CodecSettings(
        "libx264",
        str(rng.choice(PRESETS, p=[0.2, 0.2, 0.25, 0.1, 0.1, 0.15])),
        int(rng.integers(18, 41)),
        int(rng.choice(GOPS, p=[0.05, 0.07, 0.1, 0.16, 0.2, 0.12, 0.3])),
        fps,
        int(rng.choice(REFERENCES, p=[0.72, 0.14, 0.14])),
        int(rng.choice(B_PICTURES, p=[0.8, 0.08, 0.12])),
        scene_cuts=bool(rng.random() < 0.15),
        **damage,
    )


def clean_settings(rng: np.random.Generator, fps: int) -> CodecSettings:
    """Any that a sound camera would send: nothing lost, not starved of bits."""
    settings = replace(any_settings(rng, fps), lost=0.0, coarse=False)
    return replace(settings, crf=min(settings.crf, 8 if settings.codec == "mpeg4" else 32))


def degraded_settings(rng: np.random.Generator, fps: int) -> CodecSettings:
    """As few bits as the issue goes, and packets lost."""
    settings = replace(any_settings(rng, fps), coarse=False, lost=LOST_SHARE)
    return replace(settings, crf=14 if settings.codec == "mpeg4" else 40)
