"""A seed and a recipe -> a Scene: who is in it, where, before what, under which light. Deterministic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.training.questions.words import COLOURS, SHAPES
from magno.training.scenes import cameras
from magno.training.scenes.acts import Act, Stage
from magno.training.scenes.grounds import Paint, ground
from magno.training.scenes.nouns import CameraPath, Scene, Sensor, Shot, Sprite, Thing
from magno.training.scenes.places import Placed, place
from magno.training.scenes.plots import CUT, CUT_SHOTS, LONG, PLOTS, SECONDS, Plot, random_plot
from magno.training.scenes.sprites import RGB, cut_out_sprite, fitted, piece_sprite, shape_sprite

SIZES = ((256, 256), (256, 192), (320, 240), (320, 180), (240, 320), (384, 216))
RATES = (15, 15, 20, 24, 25, 30)
LONG_RATES = (15, 15, 15, 15, 20, 25)
RADII = (0.075, 0.15)  # of the side: less than a tenth across is nothing to a model that sees 128 pixels
LARGEST, SMALLEST = 0.3, 0.06  # of what grows and shrinks
KINDS = {"plain": 0.16, "gradient": 0.12, "noise": 0.1, "texture": 0.34, "photograph": 0.28}
LIVELY_KINDS = ("noise", "texture", "photograph")
CONTRAST = 75  # levels, in some channel, between a thing and the mean of what is behind it


@dataclass(frozen=True, slots=True)
class Recipe:
    """What kind of scenes are wanted."""

    plot: str = ""  # a key of plots.PLOTS, or "cut"; empty: any
    kinds: tuple[str, ...] = ()  # of backgrounds; empty: any
    pictures: tuple[int, int] = (40, 68)  # fewest and most
    real: float = 0.07  # share of things that are real pixels
    degraded: bool = False  # blur, noise, low light


def compose(seed: int, recipe: Recipe, paint: Paint) -> Scene:
    """The scene of this seed, painted with one side of the split."""
    rng = np.random.default_rng((seed, 0))
    size = SIZES[rng.integers(len(SIZES))]
    plot = recipe.plot or random_plot(rng)
    fps = (LONG_RATES if plot in LONG else RATES)[rng.integers(len(RATES))]
    pictures = int(rng.integers(recipe.pictures[0], recipe.pictures[1] + 1))
    if plot in LONG:
        pictures = max(pictures, int(rng.uniform(*SECONDS) * fps))
    lengths, plots = [pictures], [plot]
    if plot == CUT:
        first = int(pictures * rng.uniform(0.3, 0.75))
        lengths, plots = [first, pictures - first], [str(name) for name in rng.choice(CUT_SHOTS, 2)]
    side = float(np.sqrt(size[0] * size[1]))
    stages = [Stage(rng, length, fps, side) for length in lengths]
    shots = tuple(
        _shot(stage, PLOTS[name](stage), size, recipe, paint)
        for stage, name in zip(stages, plots, strict=True)
    )
    return Scene(seed, size, fps, shots, _sensor(rng, pictures, recipe.degraded), plot)


def _shot(stage: Stage, plot: Plot, size: tuple[int, int], recipe: Recipe, paint: Paint) -> Shot:
    rng = stage.rng
    luck, trembles = rng.random(), plot.camera_moves + plot.camera_shakes
    if luck < plot.camera_moves:
        move = cameras.random_move(stage)
    else:
        move = cameras.shaken(stage) if luck < trembles else cameras.still(stage)
    kind = _kind(rng, recipe, lively=luck < trembles)
    behind = ground(rng, kind, _seen(move.path, size), paint)
    looks = _Looks(stage, recipe, paint, behind.image.mean((1, 2)), plot.twins)
    things: list[Thing] = []
    placed: list[Placed] = []
    for act in plot.acts:
        radius, growth = _radius(stage, act)
        colour, shape, sprite = looks.next(radius * growth.max() * move.path.scale.max() ** move.depth)
        spot = place(rng, act, radius * growth, move, (size, placed))
        placed.append(spot)
        things.append(Thing(colour, shape, sprite, spot.path, radius * growth, act.present, move.depth))
    in_front = rng.permutation(len(things))
    return Shot(stage.pictures, behind, tuple(things[i] for i in in_front), move.path)


def _kind(rng: np.random.Generator, recipe: Recipe, lively: bool) -> str:
    kinds = [kind for kind in recipe.kinds or KINDS if not lively or kind in LIVELY_KINDS] or list(
        LIVELY_KINDS
    )
    weights = np.array([KINDS[kind] for kind in kinds])
    return kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]


def _seen(camera: CameraPath, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """All that the camera ever sees: left, top, right, bottom in the world."""
    half = np.array(size) / 2 / camera.scale[:, None]
    low, high = (camera.centre - half).min(0), (camera.centre + half).max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _radius(stage: Stage, act: Act) -> tuple[float, np.ndarray]:
    """A thing's first radius, and what it is multiplied with at each picture."""
    growth = np.exp(np.cumsum(act.growth))
    radius = float(stage.rng.uniform(*RADII)) * stage.side
    low, high = SMALLEST * stage.side / growth.min(), LARGEST * stage.side / growth.max()
    return fitted(
        float(np.clip(radius, min(low, high), max(low, high))) * growth.max()
    ) / growth.max(), growth


class _Looks:
    """Names and looks for the things of one shot: no two have the same name."""

    def __init__(self, stage: Stage, recipe: Recipe, paint: Paint, behind: np.ndarray, twins: bool) -> None:
        self._rng, self._recipe, self._paint, self._twins = stage.rng, recipe, paint, twins
        self._behind = behind
        self._colours = [c for c in COLOURS if np.abs(np.array(RGB[c]) - behind).max() > CONTRAST]
        self._taken: list[tuple[str, str]] = []

    def next(self, radius: float) -> tuple[str, str, Sprite]:
        if self._rng.random() < self._recipe.real:
            real = self._real(radius)
            if real is not None:
                return real
        colour, shape = self._name()
        self._taken.append((colour, shape))
        sprite = shape_sprite(self._rng, colour, shape, radius, self._paint.textures)
        return colour, shape, sprite

    def _name(self) -> tuple[str, str]:
        rng = self._rng
        colours, shapes = list(self._colours), [*SHAPES, *(("car",) if rng.random() < 0.3 else ())]
        if self._twins and self._taken and rng.random() < 0.5:
            colour, shape = self._taken[rng.integers(len(self._taken))]
            if rng.random() < 0.5 and colour:
                colours = [colour]
            elif shape in SHAPES:
                shapes = [shape]
        elif not self._twins:
            colours = [c for c in colours if c not in {taken[0] for taken in self._taken}] or colours
            shapes = [s for s in shapes if s not in {taken[1] for taken in self._taken}] or shapes
        free = [(c, s) for c in colours for s in shapes if (c, s) not in self._taken]
        free = free or [(c, s) for c in self._colours for s in SHAPES if (c, s) not in self._taken]
        return free[int(rng.integers(len(free)))]

    def _real(self, radius: float) -> tuple[str, str, Sprite] | None:
        """A real thing cut out, or a piece of a photograph; None when its name is taken."""
        rng, stock = self._rng, self._paint.stock
        nouns = {taken[1] for taken in self._taken}
        if rng.random() < 0.6:
            cut = stock.cut_outs[rng.integers(len(stock.cut_outs))]
            if cut.noun in nouns:
                return None
            self._taken.append((cut.colour, cut.noun))
            return cut.colour, cut.noun, cut_out_sprite(cut, radius, bool(rng.random() < 0.5))
        sprite = piece_sprite(rng, stock.photographs[rng.integers(len(stock.photographs))], radius)
        if "object" in nouns or np.abs(sprite.mean_colour - self._behind).max() < CONTRAST:
            return None
        self._taken.append(("", "object"))
        return "", "object", sprite


def _sensor(rng: np.random.Generator, pictures: int, degraded: bool) -> Sensor:
    light = np.ones(pictures, np.float32)
    kind = rng.random()
    at = np.arange(pictures)
    if kind < 0.15:  # drifts
        light += rng.uniform(0.05, 0.2) * np.sin(2 * np.pi * at / rng.uniform(40, 120) + rng.uniform(0, 6))
    elif kind < 0.22:  # a lamp is switched
        light[at > pictures * rng.uniform(0.2, 0.8)] *= rng.uniform(0.7, 1.2)
    elif kind < (0.5 if degraded else 0.28):
        light *= rng.uniform(0.4, 0.6)
    if degraded:
        noise, softness = float(rng.uniform(2.0, 7.0)), int(rng.integers(0, 5))
        return Sensor(light, noise, 0.6 if rng.random() < 0.5 else 0.0, softness)
    noise = float(rng.choice([0.0, rng.uniform(0.7, 3.0), rng.uniform(3.0, 6.0)], p=[0.45, 0.47, 0.08]))
    return Sensor(light, noise, 0.5 if rng.random() < 0.1 else 0.0, int(rng.random() < 0.1))
