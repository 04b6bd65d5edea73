"""Access units between being fed and being shown: which may be shown now, and which are sound. Pure.

Decoders give pictures in display order, and flag damage on them alone. A B-picture comes out before the picture
shown after it that it was predicted from; so it waits for that one, lest it be called sound and be not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from magno.runtime.camera.decoding.continuity import Soundness
from magno.runtime.camera.decoding.examine import Facts
from magno.runtime.units import Link

MAX_FED = 64  # of which nothing has come out; decoders keep 16 pictures back at most
MAX_HELD = 16  # pictures that wait for one they were predicted from

Picture = TypeVar("Picture")  # as a decoder gives it


@dataclass(slots=True)
class Fed:
    """One access unit given to the decoder."""

    number: int  # counts them in decode order
    pts_ns: int
    capture_ns: int
    facts: Facts
    gap: bool  # something was lost before it
    came: bool = False  # it was decoded, or could not be
    damaged: bool = False
    unready: bool = False  # flagged as damaged, but only since decoding began in the middle
    sound: bool | None = None  # None: not settled yet
    is_healing: bool = False  # once it is


class InFlight(Generic[Picture]):
    """Those of one decoder, and the pictures that came of them and wait. Bounded: what never comes out is forgotten."""

    def __init__(self) -> None:
        self._fed: dict[int, Fed] = {}  # by number, so in decode order
        self._held: deque[tuple[Picture, Fed]] = deque()
        self._soundness = Soundness()
        self._was_sound = False
        self._number = 0

    def feed(self, pts_ns: int, capture_ns: int, facts: Facts, *, gap: bool) -> Fed:
        self._number += 1
        fed = self._fed[self._number] = Fed(self._number, pts_ns, capture_ns, facts, gap)
        if len(self._fed) > MAX_FED:
            oldest = next(iter(self._fed.values()))
            self._settle_until(oldest)
            del self._fed[oldest.number]
        return fed

    def of(self, number: int | None) -> Fed | None:
        """The unit of this number, while it is known."""
        return None if number is None else self._fed.get(number)

    @property
    def holds(self) -> bool:
        """Whether pictures wait."""
        return bool(self._held)

    def hold(self, picture: Picture, fed: Fed) -> None:
        """A picture that came of a unit, in display order."""
        self._held.append((picture, fed))

    def released(self, *, all_of_them: bool) -> Iterator[tuple[Picture, Fed]]:
        """Those that need not wait any longer, each with its unit; at the stream's end all."""
        while self._held:
            picture, fed = self._held[0]
            if not all_of_them and len(self._held) <= MAX_HELD and self.waits(fed):
                return
            self._held.popleft()
            yield picture, fed

    def link(self, fed: Fed) -> Link:
        """How a released picture hangs on the one released before it. Ask once for each, in their order."""
        sound, was_sound = self.settle(fed), self._was_sound
        self._was_sound = sound
        if not sound:
            return Link.BROKEN
        return Link.RESET if fed.facts.kind == "I" or not was_sound else Link.OK

    def waits(self, fed: Fed) -> bool:
        """Whether a picture that it may be predicted from, shown later, has yet to come out."""
        return any(not other.came and other.pts_ns > fed.pts_ns for other in self._before(fed))

    def settle(self, fed: Fed) -> bool:
        """Whether the picture of this unit is sound. Forgets those before it that have come out."""
        self._settle_until(fed)
        for other in [other for other in self._before(fed) if other.came and other.sound is not None]:
            if other.pts_ns <= fed.pts_ns:
                del self._fed[other.number]
        return bool(fed.sound)

    def _before(self, fed: Fed) -> Iterator[Fed]:
        for other in self._fed.values():
            if other.number >= fed.number:
                return
            yield other

    def _settle_until(self, fed: Fed) -> None:
        for other in [*self._before(fed), fed]:
            if other.sound is None:
                lost = not other.came and other.facts.numbered  # no picture came of it, and one should
                other.sound = self._soundness.step(
                    other.facts,
                    other.pts_ns,
                    gap=other.gap,
                    damaged=other.damaged or lost or other.facts.damaged,
                    unready=other.unready,
                )
                other.is_healing = self._soundness.is_healing
