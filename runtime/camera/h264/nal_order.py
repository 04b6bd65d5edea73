"""Where each access unit of an H.264 stream stands: its place in time, and whether decoding may begin with it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from magno.runtime.camera.decoding.examine import H264Examiner
from magno.runtime.camera.h264.nal_sets import Sps
from magno.runtime.camera.h264.nal_slice import SliceHead


@dataclass(frozen=True, slots=True)
class Place:
    """One coded picture in its stream."""

    shown: int  # when it is shown, in pictures since the stream began
    entry: bool  # decoding may begin here: IDR or recovery point
    sps: Sps


class PictureOrder:
    """Access units in decode order, in annex B -> their places.

    What was shown when is told by picture order counts (8.2.1.1), of which a picture takes two; an encoder that
    counts one a picture is found out by its first odd count. With order type 1 decode order is taken for it.
    """

    def __init__(self) -> None:
        self._examiner = H264Examiner()
        self._latest = -1  # the greatest place given so far
        self._base = 0  # the place of picture order count 0
        self._last_order: int | None = None  # picture order count of the last reference picture
        self._step = 2  # of the count, from one picture to the next

    def step(self, unit: bytes) -> Place | None:
        """The place of the next access unit; None when it holds no picture that its parameter sets explain."""
        picture = self._examiner.picture(unit)
        if picture is None:
            return None
        head, sps, facts = picture.head, picture.sps, picture.facts
        shown = self._shown(head, sps, facts.missing)
        self._latest = max(self._latest, shown)
        return Place(shown, facts.begins, sps)

    def _shown(self, head: SliceHead, sps: Sps, missing: int) -> int:
        if sps.reorders == 0 or sps.order_type != 0:
            return self._latest + 1 + missing  # a picture that came before keeps its place
        order = _whole_order(head.order_lsb, 0 if head.idr else self._last_order, sps.order_bits)
        if order % 2:
            self._step = 1
        if head.idr:
            self._base = self._latest + 1
        elif self._last_order is None:  # the stream does not begin with an IDR
            self._base = -(order // self._step)
        if head.reference:
            self._last_order = order
        return self._base + order // self._step


def _whole_order(lsb: int, last: int | None, bits: int) -> int:
    """A picture order count from its lower bits and the last reference picture's (8-3)."""
    if last is None:
        return lsb
    limit = 1 << bits
    ahead = (lsb - last) % limit
    return last + (ahead if ahead < limit // 2 else ahead - limit)
