"""How the camera moves during a shot: still, shaken, panned, tilted, zoomed, driven forward or backward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.training.scenes.acts import Stage
from magno.training.scenes.nouns import CameraPath

PAN = (0.05, 0.3)  # of the side, a second
ZOOM = (0.12, 0.45)  # of the logarithm of the scale, a second
DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}


@dataclass(frozen=True, slots=True)
class CameraMove:
    path: CameraPath
    depth: float  # how much nearer than the background the things are; see nouns.Thing


def still(stage: Stage) -> CameraMove:
    return CameraMove(CameraPath(np.zeros((stage.pictures, 2)), np.ones(stage.pictures)), 1.0)


def shaken(stage: Stage) -> CameraMove:
    """A hand's tremble: a second or third of the side a hundredth, about one place."""
    at = np.arange(stage.pictures) / stage.fps
    reach = float(stage.rng.uniform(0.003, 0.012)) * stage.side
    waves = stage.rng.uniform((1.0, 0.0), (5.0, 2 * np.pi), (2, 3, 2))
    path = [sum(np.sin(2 * np.pi * hertz * at + phase) for hertz, phase in waves[axis]) for axis in (0, 1)]
    centre = reach * np.stack([np.asarray(each) for each in path], 1) / 1.5
    return CameraMove(CameraPath(centre, np.ones(stage.pictures), shaken=True), 1.0)


def panned(stage: Stage) -> CameraMove:
    """Left, right, up or down; now and then only from or until some moment."""
    way = DIRECTIONS[str(stage.rng.choice(list(DIRECTIONS)))]
    angle = np.arctan2(way[1], way[0]) + stage.rng.uniform(-0.2, 0.2)
    step = min(stage.rng.uniform(*PAN) * stage.side / stage.fps, 1.2 * stage.side / stage.pictures)
    steps = np.tile(np.array([np.cos(angle), np.sin(angle)]) * step, (stage.pictures, 1))
    return CameraMove(CameraPath(np.cumsum(steps * _while(stage)[:, None], 0), np.ones(stage.pictures)), 1.0)


def zoomed(stage: Stage) -> CameraMove:
    """In or out; half of the time a drive forward or backward, which near things feel more."""
    rate = float(stage.rng.uniform(*ZOOM)) / stage.fps
    rate = min(rate, 0.75 / stage.pictures) * stage.rng.choice((-1, 1))
    logarithm = np.cumsum(rate * _while(stage))
    middle = (logarithm.min() + logarithm.max()) / 2
    depth = float(stage.rng.uniform(1.0, 1.3)) if stage.rng.random() < 0.5 else 1.0
    scale = np.exp(logarithm - middle)
    return CameraMove(CameraPath(np.zeros((stage.pictures, 2)), scale), depth)


def random_move(stage: Stage) -> CameraMove:
    return (panned if stage.rng.random() < 0.62 else zoomed)(stage)


def _while(stage: Stage) -> np.ndarray:
    """1 at the pictures during which it moves: all, or those after or before some moment."""
    at, kind = np.arange(stage.pictures), stage.rng.random()
    if kind < 0.7:
        return np.ones(stage.pictures)
    moment = stage.moment(0.3, 0.7)
    return np.asarray(at > moment if kind < 0.85 else at <= moment, dtype=np.float64)
