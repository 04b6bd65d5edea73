"""How things look: an outline filled with a textured colour, a piece of a photograph, a real thing cut out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from magno.training.questions.words import COLOURS
from magno.training.scenes.nouns import SPRITE_REACH, Sprite
from magno.training.scenes.photographs import CutOut
from magno.training.scenes.sampling import planar, sample
from magno.training.scenes.shapes import OUTLINES
from magno.training.scenes.textures import Texture

RGB = dict(
    zip(
        COLOURS,
        (
            (205, 35, 35),
            (40, 160, 60),
            (40, 70, 205),
            (230, 210, 40),
            (240, 130, 25),
            (140, 50, 165),
            (238, 238, 238),
            (22, 22, 22),
        ),
        strict=True,
    )
)
FLAT_SHARE = 0.08  # flat things on flat ground have vectors at their edges alone, and those may slide
LEAST_PX = 12  # of a sprite's last level


def shape_sprite(
    rng: np.random.Generator, colour: str, shape: str, radius: float, textures: Sequence[Texture]
) -> Sprite:
    """A coloured outline; `radius` is the largest it will have."""
    pixels = _pixels(radius)
    y, x = (np.mgrid[0:pixels, 0:pixels].astype(np.float32) + 0.5) / pixels * (
        2 * SPRITE_REACH
    ) - SPRITE_REACH
    if shape == "car":
        x, y = (x, y) if rng.random() < 0.5 else (y, x)
    else:
        tilt = float(rng.uniform(-0.2, 0.2))
        x, y = x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)
    cover = np.clip(0.5 - OUTLINES[shape](x, y) * pixels / (2 * SPRITE_REACH), 0, 1)
    tint = np.array(RGB[colour]) + rng.uniform(-14, 14, 3)
    shade = np.zeros((pixels, pixels), np.float32)
    if rng.random() > FLAT_SHARE:
        texture = textures[rng.integers(len(textures))]
        shade = np.clip(texture(rng, pixels, pixels), -2, 2) * float(rng.uniform(9, 24))
    painted = np.clip(tint + shade[..., None], 0, 255)
    if shape == "car":  # darker windows, so that it is no mere rectangle
        panes = np.maximum(np.abs(np.abs(x) - 0.42) - 0.14, np.abs(y) - 0.32) * pixels / 2
        painted = painted * (1 - 0.6 * np.clip(0.5 - panes, 0, 1))[..., None]
    return _levels(painted, cover)


def piece_sprite(rng: np.random.Generator, photograph: np.ndarray, radius: float) -> Sprite:
    """A blob cut out of a photograph at random."""
    pixels = _pixels(radius)
    y, x = (np.mgrid[0:pixels, 0:pixels].astype(np.float32) + 0.5) / pixels * (
        2 * SPRITE_REACH
    ) - SPRITE_REACH
    angle, power = np.arctan2(y, x), float(rng.uniform(1.6, 4.0))
    bulge = 0.78 + 0.1 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.06 * np.sin(3 * angle + rng.uniform(0, 6))
    distance = (np.abs(x) ** power + np.abs(y) ** power) ** (1 / power)
    cover = np.clip(0.5 - (distance - bulge) * pixels / (2 * SPRITE_REACH), 0, 1)
    top = int(rng.integers(0, max(photograph.shape[0] - pixels, 1)))
    left = int(rng.integers(0, max(photograph.shape[1] - pixels, 1)))
    rows, columns = np.arange(pixels) + top, np.arange(pixels) + left
    return _levels(sample(planar(photograph), columns, rows).transpose(1, 2, 0), cover)


def cut_out_sprite(cut: CutOut, radius: float, turned: bool) -> Sprite:
    """A real thing; its longer side is two radii long. `turned`: by a quarter."""
    rgba = cut.rgba.transpose(0, 2, 1)[:, :, ::-1] if turned else cut.rgba
    pixels = _pixels(radius)
    longest = max(rgba.shape[1:])
    step = longest * SPRITE_REACH / pixels
    away = (np.arange(pixels) + 0.5 - pixels / 2) * step
    margin = 6  # of nothing: samples outside are clamped to it, and blurring moves what is inside
    padded = np.pad(rgba, ((0, 0), (margin, margin), (margin, margin)))
    blurs = int(np.clip(np.log2(max(step, 1)) * 2, 0, 3))
    for _ in range(blurs):  # it will be shown smaller than it was filmed
        padded = (
            padded + np.roll(padded, 1, 1) + np.roll(padded, 1, 2) + np.roll(padded, (1, 1), (1, 2))
        ) / 4
    centre = (padded.shape[2] / 2 - 0.5 + blurs / 2, padded.shape[1] / 2 - 0.5 + blurs / 2)
    shown = sample(padded.astype(np.float32), away + centre[0], away + centre[1])
    return _halved(shown)


def fitted(radius: float) -> float:
    """The nearest radius at which a sprite's pixels are a picture's: moving it is then a mere shift."""
    return max(round(2 * SPRITE_REACH * radius / 4) * 4, LEAST_PX) / (2 * SPRITE_REACH)


def _pixels(radius: float) -> int:
    return max(int(np.ceil(2 * SPRITE_REACH * radius / 4 - 1e-6)) * 4, LEAST_PX)


def _levels(painted: np.ndarray, cover: np.ndarray) -> Sprite:
    soft = cover[..., None].astype(np.float32)
    return _halved(planar(np.concatenate([painted.astype(np.float32) * soft, soft], axis=-1)))


def _halved(rgba: np.ndarray) -> Sprite:
    rgba[:, [0, -1]] = 0  # samples beyond the edge are clamped to it
    rgba[:, :, [0, -1]] = 0
    levels = [rgba]
    while levels[-1].shape[1] >= 2 * LEAST_PX and levels[-1].shape[1] % 2 == 0:
        n = levels[-1].shape[1] // 2
        levels.append(levels[-1].reshape(4, n, 2, n, 2).mean((2, 4)))
    return Sprite(tuple(levels), float(rgba[3].mean()))
