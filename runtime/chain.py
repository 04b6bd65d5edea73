"""The displacement of each picture since a window's base, through whichever reference its vectors point into.

Knows no cadence. It remembers the newest reference pictures, those before the base too: a picture after the base
may be predicted from one before it. At a new base their displacements are owed a `between`, paid only when a vector
points into them; a stream of one reference never pays.
"""

from __future__ import annotations

import dataclasses
from collections import deque

from magno.runtime import fusion
from magno.runtime.fusion import Displacement
from magno.runtime.units import MotionField

MAX_REFERENCES = 16  # what H.264 lets a decoder keep (A.3.1)
MAX_OWED = 16  # bases; only a reference that a camera keeps for long comes to owe so many


class _Reference:
    """A reference picture: how far it came since a base of old, and the bases that came since."""

    __slots__ = ("came", "owed")

    def __init__(self, came: Displacement | None) -> None:
        self.came = came  # None: it is the base
        self.owed: list[Displacement] = []

    def since_base(self) -> Displacement | None:
        for base in self.owed:
            self.came = fusion.between(self.came, base)
        self.owed.clear()
        return self.came


class Chain:
    """Give it every picture that others may refer to, in display order; it says how far each came."""

    def __init__(self) -> None:
        self._references: deque[_Reference] = deque(maxlen=MAX_REFERENCES)  # newest first

    def begin(self, *, is_reference: bool) -> None:
        """Trace back to this picture from now on, and to nothing that was shown before it."""
        self._references.clear()
        if is_reference:
            self._references.append(_Reference(None))

    def follow(self, field: MotionField, pictures: int, *, is_reference: bool) -> Displacement:
        """The displacement of the next picture, `pictures` after the base. Vectors into a picture that is not
        remembered are not valid."""
        remembered = [depth for depth in fusion.depths(field) if 1 <= depth <= len(self._references)]
        through = {depth: self._references[depth - 1].since_base() for depth in remembered}
        came = dataclasses.replace(fusion.chain_each(through, field), pictures=pictures)
        if is_reference:
            self._references.appendleft(_Reference(came))
        return came

    def rebase(self, came: Displacement, *, is_reference: bool) -> None:
        """Trace back to the picture that `follow` has just been given, and that came so far."""
        if is_reference:
            self._references.popleft()
        for reference in self._references:
            reference.owed.append(came)
            if len(reference.owed) >= MAX_OWED:
                reference.since_base()
        if is_reference:
            self._references.appendleft(_Reference(None))
