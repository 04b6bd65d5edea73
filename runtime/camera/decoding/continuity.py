"""What time stamps tell of pictures that were lost, and which pictures hang on what was lost. Pure."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

from magno.runtime.camera.decoding.examine import Facts
from magno.runtime.clock import NS_PER_S

STEPS = 16  # the usual step is that of so many
KNOWN_STEPS = 2  # so many make one usual
MOST_B = 3  # B-pictures in a row that nobody wonders at while the usual step is not known
REPEATS = 4  # a unit that came again is among so many; numbers may wrap after more
MOST_EARLY = 32  # pictures decoded after one that is shown after them
WHOLE = 1 << 30  # more reference pictures than any picture can point back
# A stream without intra pictures and recovery points heals through intra blocks, within its refresh period: 250
# pictures for x264, 10 s for the cameras we know.
HEALING_PICTURES = 300


class Repeats:
    """Access units that a transport delivers twice, byte by byte."""

    def __init__(self) -> None:
        self._latest: deque[bytes] = deque(maxlen=REPEATS)

    def again(self, data: bytes) -> bool:
        """Whether this one came before, as one of the latest few."""
        if data in self._latest:
            return True
        self._latest.append(data)
        return False


class Steps:
    """The time from each picture to the next, of those that are shown in decode order."""

    def __init__(self, rate: float = 0.0) -> None:
        """`rate` is what the source says, in pictures a second; 0: it does not. Of use until steps are known."""
        self._first_ns = NS_PER_S / rate if rate > 0 else None
        self._steps: deque[int] = deque(maxlen=STEPS)
        self._before_ns: int | None = None
        self._newest_ns: int | None = None
        self._reorders = False
        self._longest_ns = 0  # step that was no gap
        self._shortest_ns = self._first_ns or math.inf  # from any picture to one shown next to it
        self._looks_ahead = False  # B-pictures stand between others; some encoders' never do

    def missing(self, pts_ns: int, facts: Facts, *, reorders: bool) -> int:
        """How many pictures are missing before this one at most, as its time says; -1: it came before. `reorders`: the
        stream is known to have B-pictures."""
        self._reorders = self._reorders or reorders or facts.kind == "B"
        if self._newest_ns is None:
            self._newest_ns = pts_ns
            return 0
        if facts.kind == "B" and pts_ns < self._newest_ns:
            between = self._before_ns is not None and self._before_ns < pts_ns
            self._looks_ahead = self._looks_ahead or between
            self._shortest_ns = min(self._shortest_ns, self._newest_ns - pts_ns)
            # Of a stream joined at an intra picture, B-pictures come that are shown before it.
            return 0 if between or self._before_ns is None or facts.numbered else 1
        if facts.kind == "B" and (self._looks_ahead or not facts.numbered):
            return facts.hidden  # what it points to ahead is missing, and how much before it nobody knows
        step_ns = pts_ns - self._newest_ns
        if step_ns <= 0:  # once, or from now on: a clock may be set
            self._before_ns, self._newest_ns = None, pts_ns
            return -1
        missing = self._judged(step_ns, facts)
        if not is_gap(facts, missing):
            self._longest_ns = max(self._longest_ns, step_ns)
        self._shortest_ns = min(self._shortest_ns, step_ns)
        self._before_ns, self._newest_ns = self._newest_ns, pts_ns
        self._steps.append(step_ns)
        return missing

    def _judged(self, step_ns: int, facts: Facts) -> int:
        if len(self._steps) < KNOWN_STEPS:
            between = MOST_B if self._reorders else 0
            return 0 if self._first_ns is None else max(0, round(step_ns / self._first_ns) - 1 - between)
        if not (self._reorders and facts.numbered):
            return max(0, round(step_ns / median(self._steps)) - 1)
        # Between B-pictures steps vary, and numbers tell of most losses: only what is beyond the longest is looked at.
        usual = step_ns <= self._longest_ns + self._shortest_ns / 2
        return 0 if usual else round(step_ns / self._shortest_ns) - 1


def is_gap(facts: Facts, missing: int) -> bool:
    """Whether something that a picture may point into was lost before it, by its number and its time."""
    if facts.entry:
        return False
    return facts.missing != 0 or missing >= facts.hidden or (missing < 0 and not facts.numbered)


def is_misplaced(facts: Facts, missing: int) -> bool:
    """Whether it came before, though not byte by byte the same: whole as it may be, what follows points past it."""
    return missing < 0 and not facts.numbered


class Soundness:
    """Which pictures are whole, though something was lost. Fed in decode order.

    A picture is healing when it came whole, as did the reference pictures that it may point into, and only what these
    were predicted from was lost: its vectors are right, its pixels need not be. A picture is sound when all it may
    point into is: so many of the newest reference pictures. After a loss there are none, until an intra picture; after
    a recovery point's refresh all are. What is shown before the picture that ends a refresh, and is decoded after it,
    may still point to what was lost.
    """

    def __init__(self) -> None:
        self._sound = 0  # the newest reference pictures that are
        self._refresh: int | None = None  # reference pictures until a recovery point's refresh is complete
        self._since_ns: int | None = None  # what is shown before is not covered by the refresh
        self._covered = 0  # pictures since then
        self._unhurt = 0  # pictures since the last loss
        self._whole = 0  # the newest reference pictures that came whole, whatever they hang on
        self._begun = False  # there was a sound one: what a decoder begins with in the middle is grey
        self.is_healing = False  # of the picture that `step` was told of

    def step(self, facts: Facts, pts_ns: int, *, gap: bool, damaged: bool, unready: bool = False) -> bool:
        """Whether the next picture is sound. `gap`: something was lost before it. `damaged`: it is not whole itself;
        `unready`: the decoder only says so because it began in the middle."""
        if gap or (damaged and facts.is_reference):
            self._sound, self._refresh, self._unhurt, self._whole = 0, None, 0, 0
        self._refreshed(facts, pts_ns, damaged)
        self._covered += 1
        early = self._since_ns is not None and pts_ns < self._since_ns and self._covered <= MOST_EARLY
        came = not damaged and not unready
        sound = came and (facts.kind == "I" or (self._sound >= facts.reach and not early))
        self._begun = self._begun or sound
        self.is_healing = self._begun and came and not sound and self._whole >= facts.reach and not early
        if facts.is_reference and not early:
            self._sound = self._sound + 1 if sound else 0
            self._whole = self._whole + 1 if came else 0
        self._unhurt += 1
        if self._unhurt > HEALING_PICTURES and self._sound < WHOLE and not damaged:
            self._sound, self.is_healing = WHOLE, False
            return True
        return sound

    def _refreshed(self, facts: Facts, pts_ns: int, damaged: bool) -> None:
        if facts.entry and not damaged:
            self._sound, self._refresh, self._since_ns = WHOLE, None, None
        elif self._refresh is not None:
            self._refresh -= facts.is_reference
        elif facts.recovery is not None and self._sound < WHOLE and not damaged:
            self._refresh = facts.recovery
        if self._refresh is not None and self._refresh <= 0 and not damaged:
            self._sound, self._refresh, self._since_ns, self._covered = WHOLE, None, pts_ns, 0
