"""Still pictures of many clean things, drawn as they are wanted: what shapes look like, told before films show them
small, blurred and half hidden. A tower that sees both has learned shapes after half the pictures. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from magno.runtime.spec import CodecSpec
from magno.training.facts import PatchFacts, covered, middle
from magno.training.questions.words import SHAPES
from magno.training.samples import Keyframes, pixels_of
from magno.training.scenes.shapes import OUTLINES
from magno.training.scenes.sprites import RGB
from magno.training.scenes.textures import FAMILIES, octaves
from magno.training.symmetry import random_symmetry

THINGS = 7  # at most; fewer where there is no room
TRIES = 30
RADII = (0.07, 0.165)  # of the side
GRAIN = 8.0  # of the ground, in levels
SHADE = 20.0  # of a thing, in levels
TEXTURES = tuple(FAMILIES.values())
REDRAWN = 0.06  # for each picture taken from a pool

Drawing = tuple[np.ndarray, PatchFacts]  # (S, S, 3) uint8, and (P, P) each


class Drawings:
    """A pool of drawn pictures that fills as it is used; taken from at random and turned, a few redrawn each time:
    to draw one costs as much as to learn from it."""

    def __init__(self, size: int, codec: CodecSpec) -> None:
        self._size, self._codec = size, codec
        self._pool: list[Drawing] = []

    def some(self, count: int, rng: np.random.Generator) -> Keyframes:
        missing = min(count, self._size - len(self._pool))
        self._pool += [_picture(self._codec, rng) for _ in range(missing)]
        for i in rng.integers(0, len(self._pool), round((count - missing) * REDRAWN)):
            self._pool[i] = _picture(self._codec, rng)
        return _keyframes([_turned(self._pool[i], rng) for i in rng.integers(0, len(self._pool), count)])


def _keyframes(drawings: Sequence[Drawing]) -> Keyframes:
    pictures, told = zip(*drawings, strict=True)
    parts = zip(*told, strict=True)
    return Keyframes(pixels_of(pictures), *(torch.from_numpy(np.stack(part)).flatten(1) for part in parts))


def _turned(drawing: Drawing, rng: np.random.Generator) -> Drawing:
    picture, told = drawing
    symmetry = random_symmetry(rng)
    turned = PatchFacts(*(np.ascontiguousarray(symmetry.picture(part[..., None])[..., 0]) for part in told))
    return symmetry.picture(picture), turned


def _picture(codec: CodecSpec, rng: np.random.Generator) -> Drawing:
    side = codec.image_px
    picture = _ground(side, rng)
    colours, shapes = (np.zeros((codec.patches, codec.patches), np.int64) for _ in range(2))
    middles = np.zeros((codec.patches, codec.patches), bool)
    for x, y, radius in _spots(rng):
        colour, shape = int(rng.integers(len(RGB))), int(rng.integers(len(SHAPES)))
        _draw(picture, (x * side, y * side, radius * side), (colour, shape), rng)
        patches = covered((x, y), (radius, radius), codec.patches)
        colours[patches], shapes[patches] = colour + 1, shape + 1
        middles[middle((x, y), codec.patches)] = True
    return np.clip(picture, 0, 255).astype(np.uint8), PatchFacts(colours, shapes, middles)


def _ground(side: int, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) float32: a slope, grain, and now and then clouds."""
    slope = rng.normal(0, 60, (2, 3))
    ramp = np.linspace(-0.5, 0.5, side)
    ground = rng.uniform(30, 220, 3) + ramp[:, None, None] * slope[0] + ramp[None, :, None] * slope[1]
    ground += octaves(rng, side, side)[..., None] * rng.uniform(0, 25)
    return np.asarray(ground + rng.normal(0, rng.uniform(0, GRAIN), ground.shape), dtype=np.float32)


def _spots(rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Places and radii of things that lie apart, in sides."""
    found: list[tuple[float, float, float]] = []
    for _ in range(TRIES):
        radius = float(rng.uniform(*RADII))
        x, y = rng.uniform(radius, 1 - radius, 2)
        if len(found) < THINGS and all(np.hypot(x - a, y - b) > 1.1 * (radius + r) for a, b, r in found):
            found.append((float(x), float(y), radius))
    return found


def _draw(
    picture: np.ndarray,
    spot: tuple[float, float, float],
    look: tuple[int, int],
    rng: np.random.Generator,
) -> None:
    """Paint a thing over the picture; `spot` in pixels."""
    x, y, radius = spot
    top, left = max(int(y - 1.5 * radius), 0), max(int(x - 1.5 * radius), 0)
    part = picture[top : int(y + 1.5 * radius) + 1, left : int(x + 1.5 * radius) + 1]
    rows, columns = part.shape[:2]
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float32) + 0.5
    u, v = (u + left - x) / radius, (v + top - y) / radius
    tilt = float(rng.uniform(-0.2, 0.2))
    u, v = u * np.cos(tilt) - v * np.sin(tilt), u * np.sin(tilt) + v * np.cos(tilt)
    cover = np.clip(0.5 - OUTLINES[SHAPES[look[1]]](u, v) * radius, 0, 1)[..., None]
    shade = TEXTURES[rng.integers(len(TEXTURES))](rng, rows, columns)
    tint = np.array(list(RGB.values())[look[0]]) + rng.uniform(-14, 14, 3)
    part += cover * (tint + shade[..., None] * rng.uniform(0, SHADE) - part)
