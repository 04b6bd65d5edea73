"""Access units on their way from a caller to a reader process. Never blocks the caller; knows no process."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from typing import BinaryIO

from magno.runtime.camera.h264.nal import SLICES, START, NalType, nal_heads, nal_type, split_nal_units
from magno.runtime.camera.h264.nal_slice import recovery_point
from magno.runtime.camera.process.wire import MAX_UNIT_BYTES, write_unit
from magno.runtime.units import AccessUnit

# A second of a camera: what a network held up for so long comes at once, and where it is dropped nothing is seen until
# the next IDR, which may be eight seconds away. The decoder is six times faster than that.
LIMIT = 32
LIMIT_BYTES = 2 * MAX_UNIT_BYTES


class UnitQueue:
    """Bounded, by count and bytes; drops to the next anchor. When it is full, what comes is dropped until decoding may
    begin again (IDR or recovery point); such a unit takes the place of all that waits. Every drop is counted, and told
    to the reader by a unit without data."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._waiting: deque[AccessUnit] = deque()
        self._changed = threading.Condition()
        self._to_anchor = True  # nothing goes in before a unit that decoding may begin with
        self._gap = False  # something was dropped since the newest unit that waits
        self._parameters = b""  # the newest parameter sets: many encoders send them once, and never again
        self._closed = False
        self.dropped = 0

    def put(self, unit: AccessUnit) -> bool:
        """Take one access unit, H.264 in annex B; False: it was dropped. Callable from any thread, never waits."""
        begins, parameters = begins_decoding(unit.data), parameter_sets(unit.data)
        with self._changed:
            if self._closed or not 0 < len(unit.data) <= MAX_UNIT_BYTES:
                return self._drop()
            self._parameters = parameters or self._parameters
            if begins is None:
                return True
            full = self._is_full_for(unit)
            if not begins and (full or self._to_anchor):
                return self._drop()
            if full:
                self.dropped += sum(bool(waiting.data) for waiting in self._waiting)
                self._waiting.clear()
                self._gap = True
            if self._gap:
                self._waiting.append(AccessUnit(b"", unit.pts_ns, unit.capture_ns))
            if begins and not parameters:  # a new decoder has not seen them
                unit = replace(unit, data=self._parameters + unit.data)
            self._waiting.append(unit)
            self._to_anchor = self._gap = False
            self._changed.notify_all()
            return True

    def take(self, over: threading.Event) -> AccessUnit | None:
        """The next unit, waiting for it; None when there will be none, or `over` was set and `wake` called."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed or over.is_set())
            return self._waiting.popleft() if self._waiting and not over.is_set() else None

    def waiting(self) -> list[AccessUnit]:
        """All that waits, taken at once."""
        with self._changed:
            taken = list(self._waiting)
            self._waiting.clear()
            return taken

    def send(self, pipe: BinaryIO, over: threading.Event) -> bool:
        """Write the next unit, waiting for it; False as `take` gives None. Raises OSError when nobody reads."""
        unit = self.take(over)
        if unit is not None:
            write_unit(pipe, unit)
        return unit is not None

    def begin_anew(self) -> None:
        """Another decoder takes over: what waits is of no use to it."""
        with self._changed:
            self.dropped += sum(bool(waiting.data) for waiting in self._waiting)
            self._waiting.clear()
            self._to_anchor = True

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _is_full_for(self, unit: AccessUnit) -> bool:
        held = sum(len(waiting.data) for waiting in self._waiting)
        return len(self._waiting) >= self._limit or held + len(unit.data) > LIMIT_BYTES

    def _drop(self) -> bool:
        self.dropped += 1
        self._to_anchor = self._gap = True
        return False

    def close(self) -> None:
        """No more will come; what waits is still taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def begins_decoding(data: bytes) -> bool | None:
    """Whether a decoder may begin with this access unit; None: it holds no picture at all."""
    heads = nal_heads(data)
    kinds = {nal_type(head) for head in heads}
    if not kinds & SLICES:
        return None
    return NalType.IDR in kinds or any(
        nal_type(head) == NalType.SEI and recovery_point(head) is not None for head in heads
    )


def parameter_sets(data: bytes) -> bytes:
    """Those of an access unit, in annex B; none: no bytes."""
    kinds = (NalType.SPS, NalType.PPS)
    return b"".join(b"\0" + START + nal for nal in split_nal_units(data) if nal_type(nal) in kinds)
