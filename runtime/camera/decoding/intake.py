"""What every decoder does with an access unit before it decodes it: known again, examined, timed, numbered. Pure.

A unit that came twice is left out; a stream that is interlaced, or has B-pictures where these are refused, ends in
a CameraError; what was lost before a unit is told by its number and its time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Generic

from magno.runtime.camera.decoding.continuity import Repeats, Steps, is_gap, is_misplaced
from magno.runtime.camera.decoding.examine import Facts, examiner
from magno.runtime.camera.decoding.in_flight import Fed, InFlight, Picture
from magno.runtime.camera.request import CameraError
from magno.runtime.units import AccessUnit

INTERLACED_PICTURES = 25  # so many in a row are no damage: the stream is interlaced


class Intake(Generic[Picture]):
    """Of one stream, in decode order. What it feeds is in `in_flight`."""

    def __init__(self, codec: str, extradata: bytes | None, rate: float, b_frames: str) -> None:
        """`rate` is what the source says of itself, in pictures a second; 0: nothing."""
        self.in_flight: InFlight[Picture] = InFlight()
        self._examiner, self._repeats, self._steps = examiner(codec, extradata), Repeats(), Steps(rate)
        self._refuses_b = b_frames == "refuse"
        self._interlaced = 0  # pictures in a row
        self._lost = True  # something is missing before the next unit; at first, all that came before
        self.errors = (
            0  # units that gave no picture, and pictures known to be damaged; the decoder counts too
        )
        self.repeated = 0  # units that came twice

    def lost(self) -> None:
        """Access units are missing before the next one: what follows is BROKEN until it has healed."""
        self._lost = True

    def is_new(self, unit: AccessUnit) -> bool:
        """False: the unit is nothing to decode."""
        if not unit.data:  # to a decoder, a packet of no bytes is the stream's end
            self.errors += 1
            self.lost()
            return False
        again = self._repeats.again(unit.data)
        self.repeated += again
        return not again

    def examine(self, unit: AccessUnit) -> Facts | None:
        """What the unit's headers say; None: there is no picture in it."""
        facts = self._examiner.examine(unit.data)
        if facts is not None and facts.kind == "B":
            self.refuse_b()
        return facts

    def feed(self, unit: AccessUnit, facts: Facts, *, reorders: bool) -> Fed:
        """Put a picture in flight. `reorders`: the decoder knows that the stream has B-pictures."""
        gap, self._lost = self._lost, False
        if facts.timed:
            missing = self._steps.missing(unit.pts_ns, facts, reorders=reorders)
            gap = gap or is_gap(facts, missing)
            if is_misplaced(facts, missing):
                facts = replace(facts, damaged=True)
        return self.in_flight.feed(unit.pts_ns, unit.capture_ns, facts, gap=gap)

    def refuse_b(self) -> None:
        """A B-picture was found."""
        if self._refuses_b:
            raise CameraError(
                "Wanted a stream without B-pictures, found some. Have the camera send none (a baseline profile has "
                "none), or take them with --b-frames skip or --b-frames use."
            )

    def refuse_interlaced(self, interlaced: bool, *, begun: bool) -> None:
        """Told of every picture. `begun`: progressive ones came before, so that a few are taken for damage."""
        self._interlaced = self._interlaced + 1 if interlaced else 0
        if self._interlaced > (INTERLACED_PICTURES if begun else 0):
            raise CameraError(
                "Wanted progressive pictures, found interlaced ones, whose vectors are of two kinds. Have the camera "
                "send progressive ones."
            )
