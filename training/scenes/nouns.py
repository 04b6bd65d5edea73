"""The nouns of the world: sprites, things, cameras, shots, scenes. Frozen; they do nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

SPRITE_REACH = 1.15  # a sprite's picture covers so many radii around its thing's centre


@dataclass(frozen=True, slots=True)
class Sprite:
    """How a thing looks: premultiplied colour and cover, at its largest size and at halves of that."""

    levels: tuple[np.ndarray, ...]  # (4, n, n) float32 each: red, green, blue 0..255 times cover, cover 0..1
    share: float  # of the square that the thing covers

    @property
    def mean_colour(self) -> np.ndarray:
        """(3,) in levels."""
        level = self.levels[-1]
        return np.asarray(level[:3].sum((1, 2)) / max(float(level[3].sum()), 1e-6))


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with a name, on its way. T is its shot's length in pictures."""

    colour: str  # one of words.COLOURS; empty: nothing that one word names
    shape: str  # one of words.SHAPES or words.NOUNS
    sprite: Sprite
    path: np.ndarray  # (T, 2) float64: its centre in the world
    radius: np.ndarray  # (T,) float64, pixels at camera scale 1
    present: np.ndarray  # (T,) bool
    depth: float = 1.0  # power of the camera's scale: above 1 it is nearer than the background


@dataclass(frozen=True, slots=True)
class CameraPath:
    """Where the camera looks, and how large it shows the world."""

    centre: np.ndarray  # (T, 2) float64: the world point in the middle of the picture
    scale: np.ndarray  # (T,) float64: picture pixels a world pixel
    shaken: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """A background, larger than the picture where the camera moves."""

    kind: str  # a key of grounds.GROUNDS
    image: np.ndarray  # (3, H, W) float32 0..255
    origin: tuple[float, float]  # the world point at its top left corner
    lively: bool  # enough texture to tell that the camera moves


@dataclass(frozen=True, slots=True)
class Shot:
    """Pictures between two cuts."""

    pictures: int
    ground: Ground
    things: tuple[Thing, ...]  # back to front
    camera: CameraPath


@dataclass(frozen=True, slots=True)
class Sensor:
    """What lies between the light and the encoder."""

    light: np.ndarray  # (pictures,) float32: gain
    noise: float = 0.0  # deviation, in levels
    shutter: float = 0.0  # share of a picture's time that it is open: motion blur
    softness: int = 0  # passes of a 3 tap blur


@dataclass(frozen=True, slots=True)
class Scene:
    seed: int
    size: tuple[int, int]  # width, height
    fps: int
    shots: tuple[Shot, ...]
    sensor: Sensor
    plot: str = field(default="")  # which story it was composed from

    @property
    def pictures(self) -> int:
        return sum(shot.pictures for shot in self.shots)

    @property
    def side(self) -> float:
        """The length that speeds and sizes are shares of."""
        return float(np.sqrt(self.size[0] * self.size[1]))
