"""What an encoder is fed with: NV12 pictures of one size, from whatever has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from magno.runtime.camera.caps import TimeFrom


@dataclass(frozen=True, slots=True)
class RawPicture:
    """One picture as a camera took it."""

    nv12: np.ndarray  # (H * 3 / 2, W) uint8: luma, then Cb and Cr in turn at half the size
    pts_ns: int
    capture_ns: int


class RawPictures(Protocol):
    """An open camera that sends pictures. `pictures` ends when it does; `close` wakes who waits in it."""

    size: tuple[int, int]  # width, height, even
    rate: float  # pictures a second
    time_from: TimeFrom

    def pictures(self) -> Iterator[RawPicture]: ...

    def close(self) -> None: ...
