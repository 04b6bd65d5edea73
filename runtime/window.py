"""Which pictures become keyframes and which are fused into windows. Pure; knows no model and no camera.

Cadence: a keyframe, then `windows_per_gop` windows of `window_pictures` pictures each, then the next keyframe.
What ends a window early: an intra picture, which becomes the next keyframe; a gap in the sequence or another
picture size, after which the next intact picture does; a damaged picture (BROKEN), after which nothing is shown
to the model until an intact one. B-pictures are left out: with one reference, the pictures around them refer
past them, so the chain stays sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.runtime import fusion
from magno.runtime.fusion import Displacement
from magno.runtime.units import CodecFrame, Link


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A picture for the vision encoder; the first of a model GOP."""

    frame: CodecFrame
    gop: int


@dataclass(frozen=True, slots=True)
class FusedWindow:
    """What moved between two pictures, for the Δ-encoder."""

    displacement: Displacement
    before: np.ndarray  # (S, S, 3) uint8, the picture the window starts from
    frame: CodecFrame  # the newest picture in it
    gop: int


class Windower:
    """Pictures in, keyframes and windows out, in order."""

    def __init__(self, window_pictures: int, windows_per_gop: int, *, keyframes_only: bool = False) -> None:
        self._window_pictures = window_pictures
        self._windows_per_gop = windows_per_gop
        self._keyframes_only = keyframes_only
        self._gop = -1
        self._windows = 0  # done in this GOP
        self._since_keyframe = 0  # pictures
        self._base: CodecFrame | None = None  # the picture that the open window starts from
        self._last: CodecFrame | None = None
        self._tip: CodecFrame | None = None  # the newest picture in the chain
        self._chain: Displacement | None = None

    def step(self, frame: CodecFrame) -> list[Keyframe | FusedWindow]:
        """Take the next picture; return what it completes: nothing, a window, a keyframe, or both."""
        last, self._last = self._last, frame
        motion = frame.motion
        damaged = motion is not None and motion.link is Link.BROKEN
        if self._keyframes_only or motion is None:
            return [] if damaged else self._keyframe_only(frame)
        if last is None or frame.sequence != last.sequence + 1 or frame.size != last.size:
            self._base = self._chain = None  # the open window is dropped: after a gap it may be old news
        if damaged:
            fused, self._base = self._close(), None  # what was fused before the damage is sound
            return fused
        if frame.pict_type == "B":
            return []
        if self._base is None or motion.link is Link.RESET:
            return [*self._close(), self._anchor(frame)]
        if self._windows == self._windows_per_gop:
            return [self._anchor(frame)]
        self._chain, self._tip = fusion.chain(self._chain, motion), frame
        return self._close() if self._chain.pictures == self._window_pictures else []

    def flush(self) -> list[Keyframe | FusedWindow]:
        """The open window, at the stream's end."""
        return self._close()

    def break_chain(self) -> None:
        """Begin anew with the next picture: something downstream was dropped."""
        self._base = self._chain = self._last = None

    def _close(self) -> list[Keyframe | FusedWindow]:
        if self._chain is None or self._base is None or self._tip is None:
            return []
        window = FusedWindow(self._chain, self._base.picture, self._tip, self._gop)
        self._base, self._chain, self._windows = self._tip, None, self._windows + 1
        return [window]

    def _anchor(self, frame: CodecFrame) -> Keyframe:
        self._gop += 1
        self._base, self._chain, self._windows, self._since_keyframe = frame, None, 0, 0
        return Keyframe(frame, self._gop)

    def _keyframe_only(self, frame: CodecFrame) -> list[Keyframe | FusedWindow]:
        self._since_keyframe += 1
        if self._base is None or self._since_keyframe > self._window_pictures * self._windows_per_gop:
            return [self._anchor(frame)]
        return []
