"""The nouns of magno, frozen and slotted. Knows every library but none: numpy alone.

Time is integer nanoseconds. `pts_ns` is the stream's own clock; `capture_ns` is the monotonic clock of this
machine when the picture's bytes arrived. Motion is content displacement d = dst - src, +x right, +y down.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

import numpy as np


class MagnoError(Exception):
    """A fault told in one sentence: what was wanted, what was found, what to do."""


class BlockMode(IntEnum):
    """What the encoder did with a block (values as in MotionField.mode)."""

    MISSING = 0  # no information: lost, or the codec does not say
    INTRA = 1  # coded without reference: there is no vector
    INTER = 2
    SKIP = 3
    BI = 4  # predicted from two pictures; its vector is the first one


class Link(Enum):
    """How a picture hangs on the one before it."""

    OK = "ok"
    BROKEN = "broken"  # something was lost: vectors are not to be chained, but see CodecFrame.is_healing
    RESET = "reset"  # IDR, first picture or scene cut: a new chain begins here


class ResidualKind(Enum):
    PIXEL_MC = "pixel_mc"  # decoded luma minus motion-compensated luma
    NONE = "none"  # vectors only


class Outcome(Enum):
    """The one outcome that every query gets."""

    COMPLETE = "complete"
    PARTIAL = "partial"  # the deadline cut it: text so far
    REFUSED = "refused"  # it could not have been met
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture as it came from a camera."""

    data: bytes
    pts_ns: int
    capture_ns: int
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class MotionField:
    """Block motion of one picture, relative to its reference."""

    mv_qpel: np.ndarray  # (Hb, Wb, 2) int16, x then y, content displacement in quarter luma pixels
    mode: np.ndarray  # (Hb, Wb) uint8 BlockMode
    block_px: int  # 8 FFmpeg, 16 NVDEC or Jetson H.264, 32 Jetson HEVC
    coded_size: tuple[int, int]  # width, height in luma pixels; the grid covers it, rounded up
    link: Link
    reference: np.ndarray | None = None  # (Hb, Wb) uint8 or None: all point into picture 1; see below

    # `reference` says into which of the reference pictures shown before it each vector points: 1 the newest, 0 not
    # known, so that the vector is not to be chained.

    def __post_init__(self) -> None:
        rows, columns = self.mode.shape
        if self.mv_qpel.shape != (rows, columns, 2) or self.mv_qpel.dtype != np.int16:
            raise ValueError(
                f"mv_qpel wants ({rows}, {columns}, 2) int16, found {self.mv_qpel.shape} {self.mv_qpel.dtype}."
            )
        if self.reference is not None and (
            self.reference.shape != (rows, columns) or self.reference.dtype != np.uint8
        ):
            raise ValueError(
                f"reference wants ({rows}, {columns}) uint8, found {self.reference.shape} {self.reference.dtype}."
            )


@dataclass(frozen=True, slots=True)
class CodecFrame:
    """One decoded picture, small, with the motion that the encoder had already computed."""

    sequence: int  # counts this camera's decoded pictures, from 0; a gap means pictures were dropped
    pts_ns: int
    capture_ns: int
    pict_type: str  # "I", "P" or "B"
    motion: MotionField | None  # None: this codec's decoder exports no vectors
    picture: np.ndarray  # (S, S, 3) uint8 RGB, at the model's input size
    size: tuple[int, int]  # visible width, height in luma pixels
    is_reference: bool = True  # later pictures may be predicted from it; a B-picture mostly is none
    # BROKEN for a loss of the past alone: it came whole, as did all that its vectors may point into, so that what moved
    # since then is told rightly. Its pixels may still carry traces of the loss.
    is_healing: bool = False


class SpanKind(Enum):
    SYSTEM = "system"
    KEYFRAME = "keyframe"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A keyframe or window, ready for the language model."""

    kind: SpanKind
    rows: np.ndarray  # (n, embed_dim) float32
    gop: int
    pts_ns: int  # of the newest picture in it
    capture_ns: int
    pictures: int  # it stands for so many pictures
    is_cut: bool = False  # a keyframe of another scene than what came before it


@dataclass(frozen=True, slots=True)
class Span:
    """A run of positions in the KV cache, and what of the stream it holds."""

    kind: SpanKind
    start: int  # first position
    stop: int  # one past the last
    gop: int  # model GOP it belongs to; -1 for the system text
    pts_ns: int = 0  # newest picture in it
    capture_ns: int = 0

    @property
    def tokens(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Query:
    """A question, as the engine takes it."""

    question: str
    camera: str = ""  # empty: the only camera
    deadline_ms: float = 1000.0  # from arrival to the last token
    max_tokens: int = 32
    conversation: str = (
        ""  # an id of the asker's choice: turns of that name are part of the prompt; empty: none
    )
    ago_s: float = 0.0  # it is about what the camera showed so long before; 0: about now
    # It is about the moment that showed what its words name best, where the cache holds that no more and no time is
    # told. Which moment that was, the answer's frame_pts_ns, frame_capture_ns and age_ms tell.
    recall: bool = False
    # Where its deadline comes before its answer's end: "partial" wants the text so far; "refuse" wants none, and is
    # refused as it arrives where an answer as long as those before would not be whole in time.
    on_deadline: str = "partial"


@dataclass(frozen=True, slots=True)
class Event:
    """The answer to a standing question has changed. Each answer tells which picture it saw."""

    question: str
    camera: str
    previous: Answer | None  # None: it was answered for the first time
    answer: Answer
    previous_ns: int | None  # monotonic, when the answer before was given
    at_ns: int  # and this one


@dataclass(frozen=True, slots=True)
class Answer:
    """What every query gets, exactly once."""

    text: str
    outcome: Outcome
    error: str = ""  # one sentence, when not COMPLETE
    ttft_ms: float | None = None  # arrival to first token; None: there was none
    latency_ms: float = 0.0  # arrival to outcome
    retry_after_ms: float | None = None  # with REFUSED, when waiting helps
    frame_pts_ns: int | None = None  # newest picture the answer saw
    frame_capture_ns: int | None = None
    age_ms: float | None = None  # arrival of the question minus capture of that picture
    dropped_pictures: int = 0  # of this camera, since it was opened
    visual_tokens: int = 0  # keyframe and Δ-tokens the answer saw
    cached_tokens: int = 0  # all tokens of the live sequence it forked
    stage_ms: dict[str, float] = field(default_factory=dict)
    earlier_turns: int = 0  # of its conversation that were in the prompt
    recalled_tokens: int = 0  # of what had left the cache, brought back for it
    foretold_tokens: int | None = (
        None  # to come in time, as it was taken: of any answer; None: it was not taken
    )
