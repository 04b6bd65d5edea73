"""When a window ends and when a picture is the first of another scene: rules, and why their numbers are these. Pure.

Fixed windows end after as many pictures as the checkpoint was trained with. Adaptive ones end early when motion is
about to leave the range that the model takes or too much of the picture can no longer be traced, and run on while
nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from magno.runtime.fusion import Displacement
from magno.runtime.spec import CodecSpec
from magno.runtime.units import BlockMode, MotionField

WINDOWS = ("fixed", "adaptive")

# A picture that knows no vector for this share of its blocks shows another scene. Cuts between unlike scenes, coded
# by x264 without scene cut detection: 0.87 to 1.00. Ordinary pictures: a person's arm over the whole picture 0.60,
# noise in the shade of car-detection.mp4 0.78, intra refresh 0.2.
CUT_UNKNOWN = 0.82

EARLIEST = 0.25  # of a fixed window: at most four times the windows, whatever happens
LATEST = (
    4.0  # fixed windows in one: what begins to move later is shown at once, so this bounds staleness alone
)
# Where the range is nearly used up, one picture more would clip. Wild vectors are fewer than this share of blocks;
# a person at some distance is more.
NEAR_RANGE, NEAR_RANGE_BLOCKS = 0.75, 0.01
LOST_BLOCKS = 0.5  # the model trusts a cell by the share that is traced; past a half, most of it is guesswork
# Coding noise stays below half a model pixel, and what does not is fewer blocks than this.
STILL_MODEL_PX, STILL_BLOCKS = 0.5, 0.01
# A B-picture's blocks that are predicted from what is shown later have no vector into the past: in rotating test
# clips nine of ten. A window between two such pictures would tell of nothing, so they wait for a better one.
B_LOST = 0.1


@dataclass(frozen=True, slots=True)
class Gathered:
    """What an open window holds so far."""

    pictures: int  # shown since its base
    lost: float  # share of blocks that cannot be traced back to the base
    near_range: float  # share of blocks that have moved nearly as far as the model can be told
    moving: float  # share of blocks that have moved at all


def gathered(came: Displacement, size: tuple[int, int], codec: CodecSpec) -> Gathered:
    """Measure an open window in the model's own pixels. `size` is the stream's visible width, height."""
    near_model_px = NEAR_RANGE * codec.motion_scale_px * codec.motion_clip
    return Gathered(
        came.pictures,
        lost(came),
        _beyond(came, size, codec, near_model_px),
        _beyond(came, size, codec, STILL_MODEL_PX),
    )


def _beyond(came: Displacement, size: tuple[int, int], codec: CodecSpec, model_px: float) -> float:
    """Share of blocks that were traced, and came from so far along either axis."""
    far = came.valid > 0
    across, down = (np.abs(came.px[..., axis]) >= model_px * size[axis] / codec.image_px for axis in (0, 1))
    far &= across | down
    return np.count_nonzero(far) / far.size


def lost(came: Displacement) -> float:
    """Share of blocks that cannot be traced back."""
    return 1 - float(came.valid.mean())


def may_end(pict_type: str, lost_blocks: float) -> bool:
    """Whether a picture may be the last of a window, or a keyframe between two."""
    return pict_type != "B" or lost_blocks <= B_LOST


def ends(window: Gathered, window_pictures: int) -> bool:
    """Whether an adaptive window, of `window_pictures` were it fixed, ends here."""
    if window.pictures >= window_pictures * LATEST:
        return True
    if window.pictures >= window_pictures:
        return window.moving > STILL_BLOCKS or window.lost > LOST_BLOCKS
    early = window.near_range > NEAR_RANGE_BLOCKS or window.lost > LOST_BLOCKS
    return early and window.pictures >= window_pictures * EARLIEST


def unknown(field: MotionField) -> float:
    """Share of a picture's blocks without a vector."""
    return np.count_nonzero(field.mode < BlockMode.INTER) / field.mode.size


def is_cut(unknown_blocks: float) -> bool:
    """Whether a predicted picture is the first of another scene, from the share of its blocks without a vector."""
    return unknown_blocks >= CUT_UNKNOWN
