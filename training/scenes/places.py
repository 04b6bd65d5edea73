"""Where an act is played: mostly in view and clear of the others, now and then across its edge or behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.training.scenes.acts import Act
from magno.training.scenes.cameras import CameraMove

TRIES = 10
CARELESS = 0.08  # share of things that are put anywhere
CLEARANCE = 1.15  # of the sum of two radii


@dataclass(frozen=True, slots=True)
class Placed:
    path: np.ndarray  # (T, 2) float64 in the world
    centre: np.ndarray  # (T, 2) float64 in the picture
    radius: np.ndarray  # (T,) float64 in the picture
    present: np.ndarray  # (T,) bool


def place(
    rng: np.random.Generator,
    act: Act,
    radius: np.ndarray,
    move: CameraMove,
    around: tuple[tuple[int, int], list[Placed]],
) -> Placed:
    """The best of a few random places, in a picture of this size with these others."""
    size, others = around
    tries = 1 if act.hidden or rng.random() < CARELESS else TRIES
    found = [_somewhere(rng, act, radius, move, size) for _ in range(tries)]
    return min(found, key=lambda each: _fault(each, size, others))


def _somewhere(
    rng: np.random.Generator, act: Act, radius: np.ndarray, move: CameraMove, size: tuple[int, int]
) -> Placed:
    scale = move.path.scale**move.depth
    there = np.flatnonzero(act.present)
    travelled = np.cumsum(act.velocity, 0)
    middle = np.array(size) / 2
    # How it moves in the picture, up to where it begins.
    wander = (travelled - move.path.centre) * scale[:, None]
    shown = radius * scale
    start = np.empty(2)
    low, high = (
        (shown[there, None] - wander[there]).max(0),
        (np.array(size) - shown[there, None] - wander[there]).min(0),
    )
    at = int(there[rng.integers(len(there))])
    for axis in (0, 1):
        if low[axis] < high[axis] and np.ptp(scale) == 0:  # all of its way fits
            start[axis] = rng.uniform(low[axis], high[axis])
        else:  # in view at some moment
            margin = min(float(shown[at]), size[axis] / 3)
            start[axis] = rng.uniform(margin, size[axis] - margin) - wander[at, axis]
    base = move.path.centre[at] + (start + wander[at] - middle) / scale[at]
    path = base + travelled - travelled[at]
    return Placed(path, middle + (path - move.path.centre) * scale[:, None], shown, act.present)


def _fault(place: Placed, size: tuple[int, int], others: list[Placed]) -> float:
    """0 is faultless: out of view, or in touch with others, for so many pictures' share."""
    inside = ((place.centre > 0) & (place.centre < np.array(size))).all(1)
    fault = float((~inside & place.present).mean())
    for other in others:
        apart = np.hypot(*(place.centre - other.centre).T)
        touching = apart < CLEARANCE * (place.radius + other.radius)
        fault += float((touching & place.present & other.present).mean())
    return fault
