"""The first checkpoint's world, with exact truth: one object moves, others stand still. Knows no codec.

Deterministic by seed. Shapes are signed distance functions, so that edges are anti-aliased and motion is exact
to a fraction of a pixel. Lengths are pixels of the rendered picture, +x right, +y down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from magno.training.phrases import COLOURS, DIRECTIONS, SHAPES
from magno.training.scenes.shapes import OUTLINES

RGB = {
    "red": (205, 35, 35),
    "green": (40, 160, 60),
    "blue": (40, 70, 205),
    "yellow": (230, 210, 40),
    "orange": (240, 135, 25),
    "purple": (140, 50, 165),
    "white": (238, 238, 238),
    "black": (22, 22, 22),
}
STEP = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}
SIZES = ((256, 256), (256, 192), (320, 240), (320, 180), (240, 320), (384, 216))
SLOWEST, FASTEST = 0.0025, 0.02  # of the picture's side, a picture
GRAIN_ROOM_PX = 192  # far beyond what a motion search covers
DIRECTION_JITTER_RAD = 0.26  # an answer names the nearest of four ways


@dataclass(frozen=True, slots=True)
class Thing:
    """A coloured shape."""

    colour: str
    shape: str
    radius: float
    tint: tuple[float, float, float]  # the colour as drawn
    waves: np.ndarray  # (n, 4) float32: its texture; x and y in waves a radius, phase, share of the tint


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of straight, steady motion."""

    pictures: int
    direction: str
    velocity: tuple[float, float]  # pixels a picture


@dataclass(frozen=True, slots=True)
class Scene:
    size: tuple[int, int]  # width, height
    background: np.ndarray  # (H, W, 3) float32 0..255, with the things that stand still
    mover: Thing
    start: tuple[float, float]
    legs: tuple[Leg, ...]
    noise: float  # deviation of the sensor's noise, in levels

    @property
    def pictures(self) -> int:
        return sum(leg.pictures for leg in self.legs)

    def directions(self) -> list[str]:
        """The mover's direction from each picture's predecessor to it."""
        return [leg.direction for leg in self.legs for _ in range(leg.pictures)]


def random_scene(seed: int, pictures: int, photographs: list[np.ndarray] | None = None) -> Scene:
    """A scene from a seed. `photographs` (H, W, 3) uint8 serve as some of the backgrounds."""
    rng = np.random.default_rng(seed)
    size = SIZES[rng.integers(len(SIZES))]
    background = _background(rng, size, photographs or [])
    mover = _thing(rng, size, _mean_colour(background))
    for _ in range(rng.integers(0, 3)):
        still = _thing(rng, size, _mean_colour(background))
        centre = (rng.uniform(0, size[0]), rng.uniform(0, size[1]))
        _draw(background, still, centre)
    legs = _legs(rng, pictures, size)
    return Scene(
        size,
        background,
        mover,
        _start(rng, size, legs, mover.radius),
        legs,
        float(rng.choice([0, 0, 1.5, 3.0])),
    )


def render(scene: Scene, seed: int = 0) -> Iterator[np.ndarray]:
    """The scene's pictures, (H, W, 3) uint8 RGB."""
    rng = np.random.default_rng(seed)
    grain = _grain(rng, scene) if scene.noise else None
    x, y = scene.start
    for leg in scene.legs:
        for _ in range(leg.pictures):
            x, y = x + leg.velocity[0], y + leg.velocity[1]
            picture = scene.background.copy()
            _draw(picture, scene.mover, (x, y))
            if grain is not None:
                picture += _cut(rng, grain, picture.shape)
            yield np.clip(picture, 0, 255).astype(np.uint8)


def _grain(rng: np.random.Generator, scene: Scene) -> np.ndarray:
    height, width, channels = scene.background.shape
    shape = (height + GRAIN_ROOM_PX, width + GRAIN_ROOM_PX, channels)
    return rng.normal(0, scene.noise, shape).astype(np.float32)


def _cut(rng: np.random.Generator, grain: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Another piece of the grain for each picture, mirrored at random: were it to shift by a little, as one
    sheet, an encoder would find that motion and code it."""
    top, left = rng.integers(0, GRAIN_ROOM_PX, 2)
    piece = grain[top : top + shape[0], left : left + shape[1]]
    return piece[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))]


def _legs(rng: np.random.Generator, pictures: int, size: tuple[int, int]) -> tuple[Leg, ...]:
    cuts = [] if rng.random() < 0.5 else [int(rng.integers(8, pictures - 8))]
    lengths = np.diff([0, *cuts, pictures])
    legs = []
    for length in lengths:
        direction = str(rng.choice([way for way in DIRECTIONS if not legs or way != legs[-1].direction]))
        side = size[0] if direction in ("left", "right") else size[1]
        speed = side * float(np.exp(rng.uniform(np.log(SLOWEST), np.log(FASTEST))))
        speed = min(speed, 0.8 * side / length)  # stays in view
        turn = rng.uniform(-DIRECTION_JITTER_RAD, DIRECTION_JITTER_RAD)
        dx, dy = STEP[direction]
        velocity = (
            speed * (dx * np.cos(turn) - dy * np.sin(turn)),
            speed * (dx * np.sin(turn) + dy * np.cos(turn)),
        )
        legs.append(Leg(int(length), direction, (float(velocity[0]), float(velocity[1]))))
    return tuple(legs)


def _start(
    rng: np.random.Generator, size: tuple[int, int], legs: tuple[Leg, ...], margin: float
) -> tuple[float, float]:
    """A place from which the whole path stays inside the picture, or nearly."""
    path = np.cumsum([(0.0, 0.0), *(np.multiply(leg.velocity, leg.pictures) for leg in legs)], axis=0)
    start = []
    for axis in (0, 1):
        low, high = margin - path[:, axis].min(), size[axis] - margin - path[:, axis].max()
        start.append(float(rng.uniform(low, high)) if low < high else float((low + high) / 2))
    return start[0], start[1]


def _thing(rng: np.random.Generator, size: tuple[int, int], behind: np.ndarray) -> Thing:
    """A thing whose colour stands out from the mean of what is behind it."""
    while True:
        colour = str(rng.choice(COLOURS))
        if np.abs(np.array(RGB[colour]) - behind).max() > 60:
            break
    tint = np.clip(np.array(RGB[colour]) + rng.uniform(-14, 14, 3), 0, 255)
    radius = min(size) * float(rng.uniform(0.05, 0.16))
    # A flat thing on a flat ground has vectors only at its edges, and along a slanted edge they may slide. Few real
    # things are flat.
    waves = rng.uniform((-2, -2, 0, 0.03), (2, 2, 2 * np.pi, 0.09), (0 if rng.random() < 0.2 else 4, 4))
    tones = (float(tint[0]), float(tint[1]), float(tint[2]))
    return Thing(colour, str(rng.choice(SHAPES)), radius, tones, waves.astype(np.float32))


def _mean_colour(background: np.ndarray) -> np.ndarray:
    return np.asarray(background.mean(axis=(0, 1)))


def _background(rng: np.random.Generator, size: tuple[int, int], photographs: list[np.ndarray]) -> np.ndarray:
    width, height = size
    kind = rng.choice(
        ["plain", "gradient", "texture", "photograph"] if photographs else ["plain", "gradient", "texture"]
    )
    base = rng.uniform(20, 235, 3)
    if kind == "photograph":
        photograph = photographs[rng.integers(len(photographs))]
        top = rng.integers(0, photograph.shape[0] - height + 1)
        left = rng.integers(0, photograph.shape[1] - width + 1)
        return photograph[top : top + height, left : left + width].astype(np.float32)
    if kind == "plain":
        return np.broadcast_to(base, (height, width, 3)).astype(np.float32)
    if kind == "gradient":
        other = rng.uniform(20, 235, 3)
        along = (
            np.linspace(0, 1, width)[None, :, None] * rng.random() + np.linspace(0, 1, height)[:, None, None]
        )
        return (base + (other - base) * along / 2).astype(np.float32)
    cell = int(rng.choice([4, 8, 16, 32]))
    coarse = rng.uniform(-1, 1, (height // cell + 1, width // cell + 1, 1)) * rng.uniform(8, 45)
    return (base + np.kron(coarse, np.ones((cell, cell, 1)))[:height, :width]).astype(np.float32)


def _draw(picture: np.ndarray, thing: Thing, centre: tuple[float, float]) -> None:
    """Blend a thing into (H, W, 3) float32, in place."""
    reach = int(thing.radius * 1.5) + 2
    left, top = max(int(centre[0]) - reach, 0), max(int(centre[1]) - reach, 0)
    right, bottom = (
        min(int(centre[0]) + reach + 1, picture.shape[1]),
        min(int(centre[1]) + reach + 1, picture.shape[0]),
    )
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    x, y = (x + 0.5 - centre[0]) / thing.radius, (y + 0.5 - centre[1]) / thing.radius
    cover = np.clip(0.5 - OUTLINES[thing.shape](x, y) * thing.radius, 0, 1)[..., None]
    shade = np.ones_like(x)
    for across, down, phase, share in thing.waves:
        shade += share * np.sin(2 * np.pi * (across * x + down * y) + phase)
    tint = np.array(thing.tint, np.float32) * shade[..., None]
    if thing.shape == "car":  # darker windows, so that it is no mere rectangle
        panes = np.maximum(np.abs(np.abs(x) - 0.42) - 0.14, np.abs(y) - 0.32)
        tint = tint * (1 - 0.6 * np.clip(0.5 - panes * thing.radius, 0, 1))[..., None]
    region = picture[top:bottom, left:right]
    region += (tint - region) * cover
