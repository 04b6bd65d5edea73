"""What came out of a damaged stream, against what comes out of the undamaged one. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from magno.calibration.mutants.damage import Mutant
from magno.calibration.mutants.streams import GOP, SOUND_AGAIN
from magno.runtime.conformance.encoding import PICTURE_NS
from magno.runtime.fusion import KNOWN
from magno.runtime.units import CodecFrame, Link, MotionField

PICTURES = GOP + SOUND_AGAIN  # of one mutant
MAX_REFERENCES = 16  # H.264's

Content = dict[str, bytes]  # what a picture says, by part
Truth = dict[int, Content]  # by the picture's number


@dataclass(slots=True)
class Seen:
    """What came out of one mutant."""

    mutant: Mutant
    pictures: list[int] = field(default_factory=list)  # numbers, as they came
    broken: int = 0
    unequal: list[int] = field(default_factory=list)  # reported sound, but not the undamaged picture
    differ: set[str] = field(default_factory=set)  # parts in which they are not
    sound: set[int] = field(default_factory=set)  # reported sound and equal to the undamaged one
    slowest_ms: float = 0.0  # from one message to the next: no access unit took longer
    error: str = ""  # the camera was refused, or its process went
    not_alone: str = ""  # the same, among others; alone it did not

    @property
    def sound_again(self) -> bool:
        """Every picture from the anchor after the damage on."""
        return self.sound >= set(range(GOP, PICTURES))

    def take(self, number: int, content: Content, link: Link, truth: Content) -> None:
        """The next picture of this mutant."""
        self.pictures.append(number)
        differ = {part for part, told in content.items() if told != truth[part]}
        if link is Link.BROKEN:
            self.broken += 1
        elif differ:
            self.unequal.append(number)
            self.differ |= differ
        else:
            self.sound.add(number)


class Contents:
    """Pictures of one stream, in display order -> what each says."""

    def __init__(self) -> None:
        self._references: deque[int] = deque(
            maxlen=MAX_REFERENCES
        )  # numbers of those shown, the newest first

    def of(self, frame: CodecFrame) -> Content:
        motion, number = frame.motion, frame.pts_ns // PICTURE_NS
        content = {"pixels": frame.picture.tobytes()}
        if motion is not None:
            content |= {"vectors": motion.mv_qpel.tobytes(), "modes": motion.mode.tobytes()}
            content["references"] = self._pictures_back(motion, number).tobytes()
        if frame.is_reference:
            self._references.appendleft(number)
        return content

    def _pictures_back(self, motion: MotionField, number: int) -> np.ndarray:
        """(Hb, Wb) int64: how far back the picture is that each vector points into. The field counts references that
        were shown, so where one was lost, the same picture has another number."""
        back = np.full(256, -1)
        back[1 : len(self._references) + 1] = number - np.array(self._references, int)
        reference = np.ones_like(motion.mode) if motion.reference is None else motion.reference
        return np.asarray(np.where(KNOWN[motion.mode] > 0, back[reference], 0))
