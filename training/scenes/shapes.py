"""Outlines as signed distances: below 0 inside, in radii. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) - 0.85


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    angle = np.arctan2(x, -y)
    fifth = 2 * np.pi / 5
    folded = np.abs((angle + fifth / 2) % fifth - fifth / 2)
    distance = np.hypot(x, y)
    px, py = distance * np.sin(folded), distance * np.cos(folded)
    # The edge from the tip (0, 1) to the notch at 36 degrees.
    notch = (0.42 * np.sin(fifth / 2), 0.42 * np.cos(fifth / 2))
    normal = np.array([1 - notch[1], notch[0]]) / np.hypot(1 - notch[1], notch[0])
    return px * normal[0] + (py - 1) * normal[1]


def _cross(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    across, down = np.abs(x), np.abs(y)
    return np.minimum(np.maximum(across - 0.95, down - 0.32), np.maximum(across - 0.32, down - 0.95))


OUTLINES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "square": _square,
    "circle": lambda x, y: np.hypot(x, y) - 0.95,
    "triangle": lambda x, y: np.maximum(np.abs(x) * 0.894 - (y + 0.95) * 0.447, y - 0.75),
    "star": _star,
    "cross": _cross,
    "ring": lambda x, y: np.abs(np.hypot(x, y) - 0.75) - 0.22,
    "car": lambda x, y: np.maximum(np.abs(x) - 1.0, np.abs(y) - 0.5),
}
