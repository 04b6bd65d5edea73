"""The true motion of a window as a coarse map, in model pixels: what an auxiliary loss may ask for. Pure."""

from __future__ import annotations

import numpy as np

from magno.training.scenes.truth import Truth

SAMPLES = 4  # points a side in each cell
BODY = 0.8  # of a thing's radius: it is taken for a disc


def motion_map(truth: Truth, first: int, last: int, cells: int, image_px: int) -> np.ndarray:
    """(cells, cells, 2) float32: how far the content came from picture `first` to `last`; NaN across a cut."""
    if truth.shot[first] != truth.shot[last]:
        return np.full((cells, cells, 2), np.nan, np.float32)
    size = np.array(truth.size, np.float32)
    step = (np.arange(cells * SAMPLES, dtype=np.float32) + 0.5) / (cells * SAMPLES)
    points = np.stack(np.meshgrid(step * size[0], step * size[1]), axis=-1)
    steps = slice(first + 1, last + 1)
    shrunk = 1 - np.exp(-truth.zoom[steps].sum())
    moved = (points - size / 2) * shrunk - truth.pan[steps].sum(0)
    for i in range(len(truth.colour)):  # back to front
        if truth.visible[last, i] <= 0 or truth.visible[first, i] <= 0:
            continue
        away = points - truth.centre[last, i]
        here = np.hypot(away[..., 0], away[..., 1]) < BODY * truth.radius[last, i]
        grown = 1 - truth.radius[first, i] / truth.radius[last, i]
        moved[here] = (truth.centre[last, i] - truth.centre[first, i] + away * grown)[here]
    mean = moved.reshape(cells, SAMPLES, cells, SAMPLES, 2).mean((1, 3))
    return np.asarray(mean * (image_px / size), dtype=np.float32)


def places(truth: Truth, picture: int) -> np.ndarray:
    """(N, 6) float32 of each thing: x, y (0 to 1), radius (of the side), velocity in x and y (of the width and the
    height, a second), visible share."""
    back = velocity_start(truth, picture)
    seconds = max(picture - back, 1) / truth.fps
    size = np.array(truth.size, np.float32)
    velocity = (truth.centre[picture] - truth.centre[back]) / size / seconds
    centre, radius = truth.centre[picture] / size, truth.radius[picture][:, None] / truth.side
    return np.concatenate([centre, radius, velocity, truth.visible[picture][:, None]], axis=1)


def camera(truth: Truth, picture: int) -> np.ndarray:
    """(3,) float32: the camera's own motion in x and y (of the width and the height, a second), and its zoom."""
    back = velocity_start(truth, picture)
    steps, seconds = slice(back + 1, picture + 1), max(picture - back, 1) / truth.fps
    pan = truth.pan[steps].sum(0) / np.array(truth.size, np.float32) / seconds
    return np.array([*pan, truth.zoom[steps].sum() / seconds], np.float32)


def velocity_start(truth: Truth, picture: int, look: int = 6) -> int:
    """The picture that velocities are measured from: a few back, of the same shot."""
    shot_start = int(np.flatnonzero(truth.shot == truth.shot[picture])[0])
    return max(picture - look, shot_start)
