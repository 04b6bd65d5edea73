"""Backgrounds: plain, gradient, noise, texture, photograph. A table of kinds; each fills a given size. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from magno.training.scenes.nouns import Ground
from magno.training.scenes.photographs import Stock
from magno.training.scenes.sampling import planar, sample
from magno.training.scenes.textures import FAMILIES, HELD_OUT_FAMILIES, Texture

LIVELY_DEVIATION = 7.0  # of luma: with less, only an edge or two would tell that the camera moves


@dataclass(frozen=True, slots=True)
class Paint:
    """What one side of the split may paint with."""

    stock: Stock
    textures: tuple[Texture, ...]


def paint_of(stock: Stock, held_out: bool) -> Paint:
    return Paint(stock, tuple((HELD_OUT_FAMILIES if held_out else FAMILIES).values()))


def _tone(rng: np.random.Generator) -> np.ndarray:
    """A muted colour, so that things stand out by theirs."""
    return np.asarray(rng.uniform(45, 205) + rng.uniform(-28, 28, 3))


def _plain(rng: np.random.Generator, height: int, width: int, paint: Paint) -> np.ndarray:
    flat = np.broadcast_to(_tone(rng), (height, width, 3)).astype(np.float32)
    if rng.random() < 0.15:
        return flat
    return flat + _texture(rng, height, width, paint) * float(rng.uniform(1.0, 4.0))


def _gradient(rng: np.random.Generator, height: int, width: int, paint: Paint) -> np.ndarray:
    one, other = _tone(rng), _tone(rng)
    slope = rng.uniform(0, 2 * np.pi)
    x, y = np.linspace(-0.5, 0.5, width), np.linspace(-0.5, 0.5, height)
    along = (0.5 + 0.7 * (x[None] * np.cos(slope) + y[:, None] * np.sin(slope)))[..., None]
    shaded = one + (other - one) * np.clip(along, 0, 1)
    return shaded.astype(np.float32) + _texture(rng, height, width, paint) * float(rng.uniform(0.5, 3.0))


def _noise(rng: np.random.Generator, height: int, width: int, paint: Paint) -> np.ndarray:
    grain = rng.standard_normal((height, width, 1)).astype(np.float32) * float(rng.uniform(6, 18))
    return (_tone(rng) + grain).astype(np.float32)


def _textured(rng: np.random.Generator, height: int, width: int, paint: Paint) -> np.ndarray:
    one = _texture(rng, height, width, paint) * float(rng.uniform(10, 30))
    if rng.random() < 0.5:
        return (_tone(rng) + one).astype(np.float32)
    other = _texture(rng, height, width, paint) * float(rng.uniform(3, 10))
    tints = rng.uniform(-1, 1, 3)
    return (_tone(rng) + one + other * tints).astype(np.float32)


def _photograph(rng: np.random.Generator, height: int, width: int, paint: Paint) -> np.ndarray:
    photographs = paint.stock.photographs
    picture = planar(photographs[rng.integers(len(photographs))][:, :: rng.choice((-1, 1))])
    _, rows, columns = picture.shape
    least = max(height / rows, width / columns)
    zoom = max(float(rng.uniform(0.7, 1.4)), least * 1.001)
    top = float(rng.uniform(0, rows - height / zoom))
    left = float(rng.uniform(0, columns - width / zoom))
    shown = sample(picture, left + np.arange(width) / zoom, top + np.arange(height) / zoom)
    gains = rng.uniform(0.75, 1.15) * rng.uniform(0.9, 1.1, 3)
    return np.asarray(shown.transpose(1, 2, 0) * gains.astype(np.float32), dtype=np.float32)


GROUNDS: dict[str, Callable[[np.random.Generator, int, int, Paint], np.ndarray]] = {
    "plain": _plain,
    "gradient": _gradient,
    "noise": _noise,
    "texture": _textured,
    "photograph": _photograph,
}


def ground(
    rng: np.random.Generator, kind: str, box: tuple[float, float, float, float], paint: Paint
) -> Ground:
    """A background that covers `box` (left, top, right, bottom in the world), and a little more."""
    left, top = int(np.floor(box[0])) - 3, int(np.floor(box[1])) - 3
    width, height = int(np.ceil(box[2])) + 3 - left, int(np.ceil(box[3])) + 3 - top
    image = planar(GROUNDS[kind](rng, height, width, paint))
    luma = image.mean(0)
    tile = luma[: height // 32 * 32, : width // 32 * 32].reshape(height // 32, 32, width // 32, 32)
    # Most of its parts must have structure of their own, not one edge somewhere.
    lively = bool(np.median(tile.std((1, 3))) > LIVELY_DEVIATION)
    return Ground(kind, image, (float(left), float(top)), lively)


def _texture(rng: np.random.Generator, height: int, width: int, paint: Paint) -> np.ndarray:
    texture = paint.textures[rng.integers(len(paint.textures))]
    return np.asarray(texture(rng, height, width)[..., None], dtype=np.float32)
