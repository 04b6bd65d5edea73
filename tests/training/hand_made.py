"""Truths made by hand: things on straight ways, no pixels."""

from __future__ import annotations

import numpy as np

from magno.training.scenes.truth import Truth

SIDE = 200
FPS = 20


def truth_of(
    *ways: np.ndarray,
    names: tuple[tuple[str, str], ...] = (("red", "square"), ("blue", "circle"), ("green", "star")),
    pan: np.ndarray | None = None,
    zoom: np.ndarray | None = None,
    radius: np.ndarray | None = None,
    visible: np.ndarray | None = None,
    cut_at: int | None = None,
) -> Truth:
    """`ways` (T, 2): each thing's centre. The camera's `pan` (T, 2) and `zoom` (T,) are told of, not applied."""
    pictures = len(ways[0]) if ways else len(pan)  # type: ignore[arg-type]
    centre = np.stack(ways, 1).astype(np.float32) if ways else np.zeros((pictures, 0, 2), np.float32)
    own = np.zeros_like(centre)
    own[1:] = np.diff(centre, axis=0)
    count = centre.shape[1]
    shot = np.zeros(pictures, np.int16)
    if cut_at is not None:
        shot[cut_at:] = 1
    return Truth(
        (SIDE, SIDE),
        FPS,
        tuple(colour for colour, _ in names[:count]),
        tuple(shape for _, shape in names[:count]),
        centre,
        np.full((pictures, count), 20.0, np.float32) if radius is None else radius.astype(np.float32),
        np.ones((pictures, count), np.float32) if visible is None else visible.astype(np.float32),
        own,
        shot,
        np.zeros((pictures, 2), np.float32) if pan is None else pan.astype(np.float32),
        np.zeros(pictures, np.float32) if zoom is None else zoom.astype(np.float32),
        np.zeros(pictures, bool),
        np.ones(pictures, np.float32),
        ("plain",) * (shot[-1] + 1),
        (True,) * (shot[-1] + 1),
    )


def straight(
    pictures: int, angle_deg: float, speed: float, start: tuple[float, float] = (100, 100)
) -> np.ndarray:
    """(T, 2): `speed` is shares of the side a second, 0 degrees is right and 90 is down."""
    step = speed * SIDE / FPS
    unit = np.array([np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))])
    return np.asarray(start + np.arange(pictures)[:, None] * step * unit)
