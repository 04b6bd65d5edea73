"""Textured pictures whose motion is known exactly, at any fraction of a pixel. Pure numpy.

The texture is a sum of sinusoids, so it has a value at every position, and nothing is resampled. All motions are
affine: then each sinusoid is an outer product of one along x and one along y, which makes a picture a small matrix
product.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

WAVES = 36
WAVELENGTHS_PX = (9, 60)
CONTRAST = 22  # luma levels of each wave
GREY = 128


@dataclass(frozen=True, slots=True)
class Affine:
    """A position in a picture -> the position in the texture that is seen there."""

    xx: float = 1.0
    xy: float = 0.0
    x0: float = 0.0
    yx: float = 0.0
    yy: float = 1.0
    y0: float = 0.0

    def __call__(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.xx * x + self.xy * y + self.x0, self.yx * x + self.yy * y + self.y0

    def inverse(self) -> Affine:
        scale = 1 / (self.xx * self.yy - self.xy * self.yx)
        xx, xy, yx, yy = self.yy * scale, -self.xy * scale, -self.yx * scale, self.xx * scale
        return Affine(xx, xy, -xx * self.x0 - xy * self.y0, yx, yy, -yx * self.x0 - yy * self.y0)


STILL = Affine()


def pan(dx: float, dy: float) -> Affine:
    """Content that has moved by (dx, dy) px."""
    return Affine(x0=-dx, y0=-dy)


def rotation(degrees: float, size: tuple[int, int], zoom: float = 1.0) -> Affine:
    """Content turned clockwise (y points down) about the middle and enlarged."""
    angle, middle_x, middle_y = np.deg2rad(degrees), (size[0] - 1) / 2, (size[1] - 1) / 2
    cos, sin = float(np.cos(angle)) / zoom, float(np.sin(angle)) / zoom
    return Affine(
        cos,
        sin,
        middle_x - cos * middle_x - sin * middle_y,
        -sin,
        cos,
        middle_y + sin * middle_x - cos * middle_y,
    )


@lru_cache(maxsize=16)
def _waves(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each wave: radians a px along x and along y, and its phase."""
    rng = np.random.default_rng(seed)
    # Drawn in this order, wave by wave, since every seed is a texture that measurements were made on.
    drawn = [
        (rng.uniform(*WAVELENGTHS_PX), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)) for _ in range(WAVES)
    ]
    wavelength, angle, phase = np.array(drawn).T
    return 2 * np.pi * np.cos(angle) / wavelength, 2 * np.pi * np.sin(angle) / wavelength, phase


def picture(size: tuple[int, int], warp: Affine = STILL, seed: int = 7) -> np.ndarray:
    """(H, W, 3) uint8 grey RGB of the texture, seen through a warp."""
    along_x, along_y, phase = _waves(seed)
    start = phase + along_x * warp.x0 + along_y * warp.y0
    right = np.outer(along_x * warp.xx + along_y * warp.yx, np.arange(size[0])) + start[:, None]
    down = np.outer(np.arange(size[1]), along_x * warp.xy + along_y * warp.yy)
    # sin(a + b) of every row and column: two matrix products.
    waves = np.sin(down) @ np.cos(right) + np.cos(down) @ np.sin(right)
    grey = np.rint(np.clip(GREY + CONTRAST * waves, 0, 255)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


@dataclass(frozen=True, slots=True)
class Scene:
    """Pictures of one texture under a motion, and what is true of them."""

    size: tuple[int, int]  # width, height in px
    warps: tuple[Affine, ...]  # one a picture
    seed: int = 7

    def pictures(self) -> list[np.ndarray]:
        return [picture(self.size, warp, self.seed) for warp in self.warps]

    def displacement_px(self, before: int, now: int, block_px: int) -> np.ndarray:
        """(Hb, Wb, 2): how far the content at each block's centre came from picture `before` to picture `now`."""
        columns, rows = (-(-(-(-side // 16) * 16) // block_px) for side in self.size)
        y, x = np.mgrid[0:rows, 0:columns] * float(block_px) + (block_px - 1) / 2
        from_x, from_y = self.warps[before].inverse()(*self.warps[now](x, y))
        return np.stack([x - from_x, y - from_y], -1)


def moving(size: tuple[int, int], warp_at: Callable[[int], Affine], pictures: int) -> Scene:
    """A scene whose picture t is seen through `warp_at(t)`."""
    return Scene(size, tuple(warp_at(t) for t in range(pictures)))


def panning(size: tuple[int, int], velocity_px: tuple[float, float], pictures: int) -> Scene:
    """Content that moves by `velocity_px` a picture."""
    return moving(size, lambda t: pan(velocity_px[0] * t, velocity_px[1] * t), pictures)


def turning(size: tuple[int, int], degrees: float, pictures: int) -> Scene:
    """Content that turns by so much a picture."""
    return moving(size, lambda t: rotation(degrees * t, size), pictures)


def zooming(size: tuple[int, int], factor: float, pictures: int) -> Scene:
    """Content that grows by `factor` a picture."""
    return moving(size, lambda t: rotation(0, size, factor**t), pictures)
