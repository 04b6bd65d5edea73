"""Do a camera's vectors mean what they are declared to, told from its own pictures? Pure.

A vector says where a block's content was: that place in the reference picture must look like the block. So each
picture is predicted from its reference by the vectors as declared, and as they would be read under other
hypotheses: another unit, sign, axis or raster order, or the vectors of the picture before or after. Only blocks
that tell are looked at: they move, they have texture, and the two readings point to places that are apart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from magno.runtime.conformance.measures import told
from magno.runtime.conformance.verdict import Verdict
from magno.runtime.fusion import bilinear
from magno.runtime.units import CodecFrame, Link, MotionField

MAX_BLOCKS = 200  # of a picture: more tell no more
POINTS = 4  # a side of the grid that is sampled in a block
APART_PX = 1.0  # of the small picture: two readings nearer than this cannot be told apart
TEXTURE_LEVELS = 12.0  # least standard deviation of luma in a block
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601

# On real clips the right reading has 0.05 to 0.2 of a wrong one's error, and wins 95 % of the blocks.
ENOUGH_BLOCKS = 150
CLEAR_RATIO = 0.8  # of the errors' sums
CLEAR_WINS = 0.6  # share of the blocks


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Another way to read the vectors: of the declared field of a picture and its neighbours', what it would be."""

    question: str  # what it is about: unit, sign, axes, order, picture
    told: str
    # (Hb, Wb, 2) float32 px of the picture, and of the pictures before and after -> (Hb, Wb, 2)
    read: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _scaled(factor_x: float, factor_y: float) -> Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    return lambda now, before, after: now * np.array([factor_x, factor_y], np.float32)


def _columns_first(field: np.ndarray) -> np.ndarray:
    rows, columns = field.shape[:2]
    return np.asarray(field.reshape(columns, rows, 2).swapaxes(0, 1))


HYPOTHESES = (
    Hypothesis("motion", "nothing moves", lambda now, before, after: np.zeros_like(now)),
    *(
        Hypothesis("unit", f"{factor:g} times as long", _scaled(factor, factor))
        for factor in (0.25, 0.5, 2, 4)
    ),
    Hypothesis("sign", "the other way", _scaled(-1, -1)),
    Hypothesis("sign", "the other way in x", _scaled(-1, 1)),
    Hypothesis("sign", "the other way in y", _scaled(1, -1)),
    Hypothesis("axes", "x and y exchanged", lambda now, before, after: now[..., ::-1]),
    Hypothesis("order", "right to left", lambda now, before, after: now[:, ::-1]),
    Hypothesis("order", "bottom to top", lambda now, before, after: now[::-1]),
    Hypothesis("order", "column by column", lambda now, before, after: _columns_first(now)),
    Hypothesis("order", "mirrored", lambda now, before, after: now[:, ::-1] * np.array([-1, 1], np.float32)),
    Hypothesis("order", "upside down", lambda now, before, after: -now[::-1, ::-1]),
    Hypothesis("picture", "of the picture before", lambda now, before, after: after),
    Hypothesis("picture", "of the picture after", lambda now, before, after: before),
)
QUESTIONS = tuple(dict.fromkeys(hypothesis.question for hypothesis in HYPOTHESES))


@dataclass(slots=True)
class Evidence:
    """The declared reading against another, over the blocks that tell them apart. The one mutable thing here."""

    blocks: int = 0
    wins: int = 0  # blocks that the declared reading predicts better
    losses: int = 0
    declared_levels: float = 0.0  # sum over blocks of the mean absolute error, luma levels
    other_levels: float = 0.0

    def add(self, declared: np.ndarray, other: np.ndarray) -> None:
        self.blocks += len(declared)
        self.wins += int((declared < other).sum())
        self.losses += int((declared > other).sum())
        self.declared_levels += float(declared.sum())
        self.other_levels += float(other.sum())

    @property
    def answer(self) -> bool | None:
        """True: the declared reading is clearly right; False: the other one is; None: it cannot be told."""
        if self.blocks < ENOUGH_BLOCKS:
            return None
        share = self.wins / max(1, self.wins + self.losses)
        if self.ratio <= CLEAR_RATIO and share >= CLEAR_WINS:
            return True
        return False if self.ratio >= 1 / CLEAR_RATIO and share <= 1 - CLEAR_WINS else None

    @property
    def ratio(self) -> float:
        """Error of the declared reading over the other's."""
        return self.declared_levels / max(self.other_levels, 1e-9)


@dataclass(frozen=True, slots=True)
class _Shown:
    """What is kept of a picture."""

    luma: np.ndarray  # (S, S) float32
    motion: MotionField
    px: np.ndarray  # (Hb, Wb, 2) float32, its declared vectors
    is_reference: bool
    size: tuple[int, int]  # of the stream, width and height, which the small picture shows whole


class Photometer:
    """Pictures in display order in, evidence for each of HYPOTHESES out. Keeps a few pictures, never more."""

    def __init__(self) -> None:
        self.evidence = {hypothesis: Evidence() for hypothesis in HYPOTHESES}
        self.pictures = 0  # that told something
        self._recent: deque[_Shown] = deque(maxlen=3)  # before, now, after
        self._reference: np.ndarray | None = None  # luma of the newest reference picture shown before `now`
        self._next_sequence = 0

    def step(self, frame: CodecFrame) -> None:
        """Take the next picture; predict the one before it."""
        motion = frame.motion
        follows, self._next_sequence = frame.sequence == self._next_sequence, frame.sequence + 1
        if motion is None or motion.link is Link.BROKEN:
            self._forget()
            return
        if not follows or (self._recent and self._recent[-1].size != frame.size):
            self._forget()
        if len(self._recent) >= 2 and self._recent[-2].is_reference:
            self._reference = self._recent[-2].luma
        luma = np.asarray(frame.picture @ LUMA, np.float32)
        px = motion.mv_qpel.astype(np.float32) / 4
        self._recent.append(_Shown(luma, motion, px, frame.is_reference, frame.size))
        if len(self._recent) == 3 and self._reference is not None:
            self._predict(self._reference, *self._recent)

    def verdicts(self) -> list[Verdict]:
        """One for each of QUESTIONS; where the evidence is not enough, it neither passed nor failed."""
        return [self._verdict(question) for question in QUESTIONS]

    def _verdict(self, question: str) -> Verdict:
        asked = {h.told: e for h, e in self.evidence.items() if h.question == question}
        answers = [evidence.answer for evidence in asked.values()]
        passed = False if False in answers else None if None in answers else True
        least = min(evidence.blocks for evidence in asked.values())
        # The strongest rival: where the declared reading is worst beside it.
        told, rival = max(asked.items(), key=lambda item: item[1].ratio if item[1].blocks else 0.0)
        found = f"{least} blocks tell, and do not agree"
        if least < ENOUGH_BLOCKS and passed is None:
            found = f"not enough motion: {least} blocks of {ENOUGH_BLOCKS} tell"
        elif passed is not None:
            found = f"{rival.ratio:.2f} of the error of '{told}', {rival.blocks} blocks"
        wanted = f"{CLEAR_RATIO:g} of any other's"
        figures = {"ratio": rival.ratio, "blocks": float(least)}
        return Verdict(question, passed, wanted, found, figures)

    def _forget(self) -> None:
        self._recent.clear()
        self._reference = None

    def _predict(self, source: np.ndarray, before: _Shown, now: _Shown, after: _Shown) -> None:
        """Weigh every hypothesis on the picture `now`, predicted from the luma `source`."""
        scale = np.array([now.luma.shape[1] / now.size[0], now.luma.shape[0] / now.size[1]], np.float32)
        blocks = _telling_blocks(now, scale)
        if not len(blocks):
            return
        self.pictures += 1
        places = _points(blocks, now.motion, scale)
        content = bilinear(now.luma, places[..., 1], places[..., 0])
        usable = told(before.motion) & told(after.motion)
        fields = now.px, before.px, after.px
        declared_px = now.px.reshape(-1, 2)[blocks]
        declared = _error(source, content, places, declared_px * scale)
        for hypothesis, evidence in self.evidence.items():
            other_px = hypothesis.read(*fields).reshape(-1, 2)[blocks]
            apart = np.abs((other_px - declared_px) * scale).max(-1) >= APART_PX
            if hypothesis.question == "picture":
                apart &= usable.reshape(-1)[blocks]
            if apart.any():
                other = _error(source, content[apart], places[apart], other_px[apart] * scale)
                evidence.add(declared[apart], other)


def _telling_blocks(shown: _Shown, scale: np.ndarray) -> np.ndarray:
    """Flat places of blocks that move, into the newest reference, and have texture; at most MAX_BLOCKS, spread."""
    motion = shown.motion
    moves = told(motion) & (np.abs(shown.px * scale).max(-1) >= APART_PX)
    moves[shown.size[1] // motion.block_px :] = False  # the grid goes on past the visible picture
    moves[:, shown.size[0] // motion.block_px :] = False
    if motion.reference is not None:
        moves &= motion.reference == 1
    blocks = np.flatnonzero(moves)
    if not len(blocks):
        return blocks
    places = _points(blocks, motion, scale)
    texture = bilinear(shown.luma, places[..., 1], places[..., 0]).std(-1)
    rich: np.ndarray = blocks[texture >= TEXTURE_LEVELS]
    return rich[:: max(1, -(-len(rich) // MAX_BLOCKS))]


def _points(blocks: np.ndarray, motion: MotionField, scale: np.ndarray) -> np.ndarray:
    """(n, POINTS * POINTS, 2) float32: x and y in the small picture of points spread over each block."""
    row, column = np.divmod(blocks, motion.mode.shape[1])
    within = (np.arange(POINTS, dtype=np.float32) + 0.5) / POINTS
    y, x = np.meshgrid(within, within, indexing="ij")
    left_top = np.stack([column, row], -1).astype(np.float32)[:, None]
    # A pixel's centre lies half a pixel in, in the large picture as in the small one.
    return np.asarray((left_top + np.stack([x.ravel(), y.ravel()], -1)) * motion.block_px * scale - 0.5)


def _error(source: np.ndarray, content: np.ndarray, places: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """(n,) mean absolute difference of blocks from what they are predicted from, in luma levels."""
    at = places - moved[:, None]
    row, column = np.clip(at[..., 1], 0, source.shape[0] - 1), np.clip(at[..., 0], 0, source.shape[1] - 1)
    return np.asarray(np.abs(bilinear(source, row, column) - content).mean(-1))
