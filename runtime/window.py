"""Which pictures become keyframes and which are fused into windows. Pure; knows no model and no camera.

Cadence: a keyframe, then `windows_per_gop` windows, then the next keyframe. A window ends after `window_pictures`
pictures shown, or where `cadence.ends` says so. What ends it early: an intra picture or another scene, which
becomes the next keyframe; a gap in the sequence or another picture size, after which the next intact picture does;
a damaged picture (BROKEN), after which the next intact one does. Where a stream has long GOPs and loses packets,
that one may be seconds away; so a picture that hangs on a loss, and came whole itself (is_healing), may be a keyframe
too, with what little it still carries of the loss, and is followed as any other.

B-pictures: `skip` leaves out those that no other picture refers to, and ends no window with the others. `use` has
them all: they fork off the chain, and one that is well traced may end a window and be the base of the next. In clips
of known motion that gained nothing (0.6 to 0.7 px against 0.4 after thirty turning ones).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.runtime import cadence
from magno.runtime.chain import Chain
from magno.runtime.fusion import Displacement
from magno.runtime.spec import CodecSpec
from magno.runtime.units import CodecFrame, Link, MotionField


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A picture for the vision encoder; the first of a model GOP."""

    frame: CodecFrame
    gop: int
    is_cut: bool = False  # it shows another scene than the picture that came before it


@dataclass(frozen=True, slots=True)
class FusedWindow:
    """What moved between two pictures, for the Δ-encoder."""

    displacement: Displacement
    before: np.ndarray  # (S, S, 3) uint8, the picture the window starts from
    frame: CodecFrame  # the newest picture in it
    gop: int
    before_pts_ns: int  # when the picture was shown that the window starts from


class Windower:
    """Pictures in, keyframes and windows out, in order."""

    def __init__(
        self,
        window_pictures: int,
        windows_per_gop: int,
        *,
        keyframes_only: bool = False,
        b_frames: str = "skip",
        adaptive: CodecSpec | None = None,
    ) -> None:
        """`adaptive`: windows end by `cadence.ends`, in the pixels of this model; None: they are fixed."""
        self._window_pictures, self._windows_per_gop = window_pictures, windows_per_gop
        self._keyframes_only, self._b_frames, self._adaptive = keyframes_only, b_frames, adaptive
        self._stretch, self._windows_wanted = 1, not keyframes_only
        self._gop = -1
        self._windows = 0  # done in this GOP
        self._since_keyframe = 0  # pictures
        self._cut = False  # another scene has begun since then
        self._since_plain = 0  # pictures since one that is no B-picture
        self._last: CodecFrame | None = None
        self._whole: np.ndarray | None = (
            None  # the newest picture before this one that came whole, whatever broke since
        )
        self._chain = Chain()
        self._base: CodecFrame | None = None  # the picture that the open window starts from
        self._tip: CodecFrame | None = None  # the newest picture in the open window; None: it is empty
        self._came: Displacement | None = None  # of the tip

    def step(self, frame: CodecFrame) -> list[Keyframe | FusedWindow]:
        """Take the next picture; return what it completes: nothing, a window, a keyframe, or both."""
        completed = self._step(frame)
        if not _is_damaged(frame):
            self._whole = frame.picture
        return completed

    def _step(self, frame: CodecFrame) -> list[Keyframe | FusedWindow]:
        last, self._last = self._last, frame
        self._since_keyframe += 1
        self._since_plain = self._since_plain + 1 if frame.pict_type == "B" else 0
        motion = frame.motion
        damaged = _is_damaged(frame)
        if self._keyframes_only or motion is None:
            return [] if damaged else self._keyframe_only(frame)
        if last is None or frame.sequence != last.sequence + 1 or frame.size != last.size:
            self._drop()  # after a gap the open window may be old news
        if damaged:
            return self.flush()  # what was fused before the damage is sound
        return self._chained(frame, motion) if self._takes_part(frame) else []

    def flush(self) -> list[Keyframe | FusedWindow]:
        """The open window, at the stream's end; what comes after begins anew."""
        fused = self._close()
        self._drop()
        return fused

    def pace(self, stretch: int, *, keyframes_only: bool) -> None:
        """From now on windows are so many times as long, and keyframes as much rarer; or there are keyframes only."""
        self._stretch = stretch
        keyframes_only = keyframes_only or not self._windows_wanted
        if self._keyframes_only and not keyframes_only:
            self._drop()  # nothing was chained meanwhile: windows begin with a keyframe
        if keyframes_only:
            self._tip = self._came = None
        self._keyframes_only = keyframes_only

    def break_chain(self) -> None:
        """Begin anew with the next picture: something downstream was dropped."""
        self._drop()
        self._last = None

    def _chained(self, frame: CodecFrame, motion: MotionField) -> list[Keyframe | FusedWindow]:
        """The next picture of the chain, or the first of a new one."""
        ahead = cadence.looks_ahead(frame.pict_type, motion)
        resets = motion.link is Link.RESET
        # From a picture that none refers to, or that refers to later ones, no chain would lead on.
        may_begin = resets or (frame.is_reference and not ahead and (self._is_due or not frame.is_healing))
        if self._base is None:
            return [self._begin(frame)] if may_begin else []
        if resets or (self._shows_another_scene(frame, motion, ahead) and may_begin):
            return [*self._close(), self._begin(frame)]
        pictures = frame.sequence - self._base.sequence
        came = self._chain.follow(motion, pictures, is_reference=frame.is_reference)
        if ahead or self._waits(frame):
            return []
        if self._windows == self._windows_per_gop:
            self._chain.rebase(came, is_reference=frame.is_reference)
            return [self._anchor(frame)]
        self._tip, self._came = frame, came
        if not self._ends(frame, motion, came):
            return []
        self._chain.rebase(came, is_reference=frame.is_reference)
        return self._close()

    @property
    def _is_due(self) -> bool:
        """A stream that cuts or loses much gets no more keyframes for it than windows."""
        return self._since_keyframe >= self._window_pictures

    def _takes_part(self, frame: CodecFrame) -> bool:
        return self._b_frames == "use" or frame.pict_type != "B" or frame.is_reference

    def _waits(self, frame: CodecFrame) -> bool:
        """B-pictures are coded coarsely: skipped ones that have to be followed end no window, unless no others come."""
        skips = frame.pict_type == "B" and self._b_frames == "skip"
        return skips and self._since_plain < self._window_pictures

    def _shows_another_scene(self, frame: CodecFrame, motion: MotionField, ahead: bool) -> bool:
        """At once after a cut; but a stream in which every picture looks like one gets no more keyframes for it
        than windows."""
        before = self._tip or self._base
        if before is not None and not ahead and not self._cut:
            unknown = cadence.unknown(motion)
            self._cut = unknown >= cadence.CUT_UNKNOWN and cadence.is_cut(
                unknown, cadence.unlike(before.picture, frame.picture)
            )
        return self._cut and self._is_due

    def _ends(self, frame: CodecFrame, motion: MotionField, came: Displacement) -> bool:
        if self._adaptive is None:
            return came.pictures >= self._window_pictures * self._stretch
        held = cadence.gathered(came, motion, frame.size, self._adaptive)
        return cadence.ends(held, self._window_pictures * self._stretch)

    def _close(self) -> list[Keyframe | FusedWindow]:
        if self._base is None or self._tip is None or self._came is None:
            return []
        window = FusedWindow(self._came, self._base.picture, self._tip, self._gop, self._base.pts_ns)
        self._base, self._tip, self._came = self._tip, None, None
        self._windows += 1
        return [window]

    def _drop(self) -> None:
        self._base = self._tip = self._came = None

    def _begin(self, frame: CodecFrame) -> Keyframe:
        """A keyframe that nothing is traced through."""
        self._chain.begin(is_reference=frame.is_reference)
        return self._anchor(frame, is_cut=self._is_unlike_before(frame))

    def _is_unlike_before(self, frame: CodecFrame) -> bool:
        """Of a picture that no vector links to the one before: an intra picture, or the first after a loss."""
        return self._whole is not None and cadence.unlike(self._whole, frame.picture) >= cadence.CUT_LEVELS

    def _anchor(self, frame: CodecFrame, *, is_cut: bool = False) -> Keyframe:
        is_cut = is_cut or self._cut
        self._gop, self._windows, self._since_keyframe, self._cut = self._gop + 1, 0, 0, False
        self._base, self._tip, self._came = frame, None, None
        return Keyframe(frame, self._gop, is_cut)

    def _keyframe_only(self, frame: CodecFrame) -> list[Keyframe | FusedWindow]:
        pictures = self._window_pictures * self._windows_per_gop * self._stretch
        if self._base is None or self._since_keyframe > pictures:
            return [self._anchor(frame)]
        return []


def _is_damaged(frame: CodecFrame) -> bool:
    return frame.motion is not None and frame.motion.link is Link.BROKEN and not frame.is_healing
