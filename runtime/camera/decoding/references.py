"""Into which reference picture each vector points, where a picture may have several. Knows no PyAV.

libavcodec tells the vector and not the reference. Which pictures there were to choose from, the stream says; which of
them it was, the pixels (`matching`). Only streams that keep several references pay for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from magno.runtime.camera.decoding.examine import Facts
from magno.runtime.camera.decoding.luma_runs import RUN_PX, Luma
from magno.runtime.camera.decoding.matching import UNCLEAR, which
from magno.runtime.units import MotionField

KEPT = 6  # reference pictures, the newest shown
CHOICES = 4  # of them that are compared; what points farther back is not told


class Shown:
    """A picture that was shown, its luma read when it is first needed."""

    def __init__(self, number: int, read: Callable[[], np.ndarray]) -> None:
        """`number` counts pictures in decode order; `read` gives (H, W) uint8."""
        self.number = number
        self._read: Callable[[], np.ndarray] | None = read
        self._luma: Luma | None = None

    def luma(self) -> Luma:
        if self._luma is None:
            assert self._read is not None
            self._luma, self._read = Luma(self._read()), None  # lets go of the decoder's picture
        return self._luma


class References:
    """The newest reference pictures shown, the newest first. Take every picture, in display order."""

    def __init__(self) -> None:
        self._kept: deque[Shown] = deque(maxlen=KEPT)
        self._size = (0, 0)

    def take(self, field: MotionField, facts: Facts, size: tuple[int, int], shown: Shown) -> MotionField:
        """The picture's field, with its `reference` where it is not the newest for all; 0 where it cannot be told.
        `size` is what is visible: width, height."""
        if facts.entry or size != self._size:
            self._kept.clear()
        self._size = size
        several = facts.held > 1 and min(size) > RUN_PX
        if several and facts.kind != "I":
            field = self._told(field, facts, shown)
        if several and facts.is_reference:
            self._kept.appendleft(shown)
        return field

    def _told(self, field: MotionField, facts: Facts, shown: Shown) -> MotionField:
        # A picture is shown after B-pictures that were decoded after it: it cannot point into these.
        before = [(number, kept) for number, kept in enumerate(self._kept, 1) if kept.number < shown.number]
        choices = before[: min(facts.choices, CHOICES)]
        if not choices:
            return field
        numbers = np.array([UNCLEAR, *(number for number, _ in choices)], np.uint8)
        chosen = np.ones(field.mode.shape, np.uint8)
        if len(choices) > 1:
            kept = [kept.luma() for _, kept in choices]
            chosen = which(field, shown.luma(), kept, others=facts.choices > len(choices))
        reference = numbers[chosen]
        return field if (reference == 1).all() else replace(field, reference=reference)
