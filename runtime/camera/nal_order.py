"""Where each access unit of an H.264 stream stands: its place in time, what was lost before it, whether decoding
may begin with it. Pure."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from magno.runtime.camera.nal import SLICES, NalType, nal_type, split_nal_units
from magno.runtime.camera.nal_headers import (
    HeaderError,
    SliceHead,
    Sps,
    has_recovery_point,
    parse_pps_link,
    parse_slice,
    parse_sps,
)


@dataclass(frozen=True, slots=True)
class Place:
    """One coded picture in its stream."""

    shown: int  # when it is shown, in pictures since the stream began
    entry: bool  # decoding may begin here: IDR or recovery point
    gap: bool  # a picture that this one may refer to is missing, or came twice
    sps: Sps
    interlaced: bool


class PictureOrder:
    """Access units in decode order -> their places.

    What was shown when is told by picture order counts (8.2.1.1), of which a picture takes two; an encoder that
    counts one a picture is found out by its first odd count. With order type 1 decode order is taken for it.
    """

    def __init__(self) -> None:
        self._sps: dict[int, Sps] = {}
        self._sps_of_pps: dict[int, int] = {}
        self._latest = -1  # the greatest place given so far
        self._base = 0  # the place of picture order count 0
        self._last_order: int | None = None  # picture order count of the last reference picture
        self._last_frame_num: int | None = None  # and its frame_num
        self._step = 2  # of the count, from one picture to the next

    def step(self, unit: bytes) -> Place | None:
        """The place of the next access unit; None when it holds no picture that its parameter sets explain."""
        recovery, slices = False, []
        for nal in split_nal_units(unit):
            kind = nal_type(nal)
            if kind == NalType.SEI:
                recovery = recovery or has_recovery_point(nal)
            elif kind in SLICES:
                slices.append(nal)
            else:
                self._learn(kind, nal)
        if not slices:
            return None
        try:
            head, sps = parse_slice(slices[0], self._known())
        except HeaderError:
            return None
        missing = self._missing(head, sps)
        shown = self._shown(head, sps, max(0, missing))
        self._latest = max(self._latest, shown)
        if head.reference:
            self._last_frame_num = head.frame_num
        return Place(shown, head.idr or recovery, missing != 0, sps, head.field or sps.mixed_blocks)

    def _learn(self, kind: int, nal: bytes) -> None:
        with contextlib.suppress(HeaderError):
            if kind == NalType.SPS:
                identity, sps = parse_sps(nal)
                self._sps[identity] = sps
            elif kind == NalType.PPS:
                pps, identity = parse_pps_link(nal)
                self._sps_of_pps[pps] = identity

    def _known(self) -> dict[int, Sps]:
        return {pps: self._sps[sps] for pps, sps in self._sps_of_pps.items() if sps in self._sps}

    def _missing(self, head: SliceHead, sps: Sps) -> int:
        """How many reference pictures frame_num says are missing (7.4.3); -1: this one came before."""
        last = self._last_frame_num
        if head.idr or last is None or sps.gaps_allowed:
            return 0
        limit = 1 << sps.frame_num_bits
        missing = (head.frame_num - last - 1) % limit
        return -1 if missing == limit - 1 else missing

    def _shown(self, head: SliceHead, sps: Sps, missing: int) -> int:
        if sps.keeps_order or sps.order_type != 0:
            return self._latest + 1 + missing
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
