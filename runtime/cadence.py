"""When a window ends and when a picture is the first of another scene: rules, and why their numbers are these. Pure.

Fixed windows end after as many pictures as the checkpoint was trained with. Adaptive ones end early when motion is
about to leave the range that the model takes or too much of the picture can no longer be traced, and run on while
nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.runtime.fusion import Displacement, start
from magno.runtime.spec import CodecSpec
from magno.runtime.units import BlockMode, MotionField

WINDOWS = ("fixed", "adaptive")

# A picture that knows no vector for so many of its blocks shows another scene, if it looks so unlike the one before.
# Cuts between unlike scenes, coded by x264 without scene cut detection: 0.81 of the blocks or more, 34 grey levels or
# more. Ordinary pictures: up to 0.78 (car-detection.mp4, where intra blocks are cheap), up to 19 levels.
CUT_UNKNOWN, CUT_LEVELS = 0.65, 26.0
ALL_UNKNOWN = 0.95  # and so many alone: no window can tell of such a picture, whatever it shows

EARLIEST = 0.25  # of a fixed window: at most four times the windows, whatever happens
LATEST = 4.0  # fixed windows in one, while nothing moves: it is how old what a question sees may get
# Where the range is nearly used up, another picture would clip. What is fewer blocks than this is a wild vector.
NEAR_RANGE, NEAR_RANGE_BLOCKS = 0.75, 0.01
# The model trusts a cell by the share of it that is traced. An early end pays where the window has lost half, and
# a new one would keep four times as much: streams that code half of every picture without vectors stay at their pace.
LOST_BLOCKS, KEPT = 0.5, 0.25
# Over eight pictures of an empty car park, noise moves 0.4 % of the blocks so far; one car in it, 3 %.
STILL_MODEL_PX, STILL_BLOCKS = 1.0, 0.005
# Blocks that are predicted only from what is shown later have no vector into the past: in rotating test clips, nine of
# ten of a B-picture. A window between two such pictures would tell of nothing, so it waits for a better one.
AHEAD_BLOCKS = 0.1


@dataclass(frozen=True, slots=True)
class Gathered:
    """What an open window holds so far, as shares of its blocks, and what it would hold of its last picture alone."""

    pictures: int  # shown since its base
    moving: float  # have moved at all
    near_range: float  # have moved nearly as far as the model can be told
    lost: float  # cannot be traced back to the base
    near_range_alone: float = 0.0
    lost_alone: float = 0.0


def gathered(came: Displacement, field: MotionField, size: tuple[int, int], codec: CodecSpec) -> Gathered:
    """Measure an open window in the model's own pixels. `field` is its last picture's, `size` the stream's visible
    width, height."""
    near_model_px = NEAR_RANGE * codec.motion_scale_px * codec.motion_clip
    alone = start(field)
    return Gathered(
        came.pictures,
        beyond(came, size, codec, STILL_MODEL_PX),
        beyond(came, size, codec, near_model_px),
        lost(came),
        beyond(alone, size, codec, near_model_px),
        lost(alone),
    )


def beyond(came: Displacement, size: tuple[int, int], codec: CodecSpec, model_px: float) -> float:
    """Share of blocks that were traced, and came from so far along either axis."""
    far = came.valid > 0
    across, down = (np.abs(came.px[..., axis]) >= model_px * size[axis] / codec.image_px for axis in (0, 1))
    far &= across | down
    return np.count_nonzero(far) / far.size


def lost(came: Displacement) -> float:
    """Share of blocks that cannot be traced back."""
    return 1 - float(came.valid.mean())


def looks_ahead(pict_type: str, field: MotionField) -> bool:
    """Whether too much of a picture is told by pictures that are shown later. Not of every B-picture: some encoders
    send nothing else, and predict them all from the past."""
    missing = int(np.count_nonzero(field.mode == BlockMode.MISSING))
    return pict_type == "B" and missing > AHEAD_BLOCKS * field.mode.size


def ends(window: Gathered, window_pictures: int) -> bool:
    """Whether an adaptive window, of `window_pictures` were it fixed, ends here."""
    if window.pictures >= window_pictures:
        still = window.moving <= STILL_BLOCKS and window.lost <= LOST_BLOCKS
        return not still or window.pictures >= window_pictures * LATEST
    spent = window.near_range - window.near_range_alone > NEAR_RANGE_BLOCKS
    worn = window.lost > LOST_BLOCKS and 1 - window.lost < KEPT * (1 - window.lost_alone)
    return (spent or worn) and window.pictures >= window_pictures * EARLIEST


def unknown(field: MotionField) -> float:
    """Share of a picture's blocks without a vector."""
    return float(np.count_nonzero(field.mode < BlockMode.INTER) / field.mode.size)


def unlike(before: np.ndarray, after: np.ndarray) -> float:
    """Mean difference of two (S, S, 3) uint8 pictures, in grey levels."""
    return float(np.abs(np.subtract(after, before, dtype=np.int16)).mean())


def is_cut(unknown_blocks: float, unlike_levels: float) -> bool:
    """Whether a predicted picture is the first of another scene: from the share of its blocks without a vector, and
    how unlike it is to the picture before."""
    if unknown_blocks >= ALL_UNKNOWN:
        return True
    return unknown_blocks >= CUT_UNKNOWN and unlike_levels >= CUT_LEVELS
