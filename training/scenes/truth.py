"""What is true of a scene at every picture. Arrays alone: no pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Truth:
    """T pictures and N things, those of all shots one after another. Positions are in the picture, in its pixels."""

    size: tuple[int, int]  # width, height
    fps: int
    colour: tuple[str, ...]  # (N,)
    shape: tuple[str, ...]  # (N,)
    centre: np.ndarray  # (T, N, 2) float32; beyond the picture too
    radius: np.ndarray  # (T, N) float32
    visible: np.ndarray  # (T, N) float32: the share of it that is seen; 0 when it is not there
    own: (
        np.ndarray
    )  # (T, N, 2) float32: what its centre moved by itself since the picture before, camera aside
    shot: np.ndarray  # (T,) int16
    pan: np.ndarray  # (T, 2) float32: how the camera itself moved since the picture before, in picture pixels
    zoom: np.ndarray  # (T,) float32: what the logarithm of its scale gained since the picture before
    shaken: np.ndarray  # (T,) bool
    light: np.ndarray  # (T,) float32
    ground: tuple[str, ...]  # kind of each shot's background
    lively: tuple[bool, ...]  # of each shot's background

    @property
    def pictures(self) -> int:
        return len(self.shot)

    @property
    def side(self) -> float:
        return float(np.sqrt(self.size[0] * self.size[1]))
