"""CodecFrames against what is true of their scene. Pure; knows no source and no codec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from magno.runtime.camera.request import CameraError
from magno.runtime.conformance.encoding import PICTURE_NS
from magno.runtime.conformance.known_motion import Scene
from magno.runtime.fusion import KNOWN, Displacement
from magno.runtime.units import CodecFrame, MotionField
from magno.runtime.window import FusedWindow, Windower

BORDER_PX = 40  # of a fused window: nearer to the edge, content came in from outside


def number_of(frame: CodecFrame) -> int:
    """Which picture of the scene a frame shows."""
    return round(frame.pts_ns / PICTURE_NS)


def motion_of(frame: CodecFrame) -> MotionField:
    """Its motion. Raises CameraError where it should have some, and has none."""
    if frame.motion is None:
        raise CameraError(
            f"Wanted vectors with picture {frame.sequence}, found none. Turn their export on in the source."
        )
    return frame.motion


def centres(motion: MotionField) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every block's centre: (Hb, Wb) float64 each."""
    rows, columns = motion.mode.shape
    y, x = np.mgrid[0:rows, 0:columns] * float(motion.block_px) + (motion.block_px - 1) / 2
    return x, y


def inner(motion: MotionField, size: tuple[int, int], margin_px: float) -> np.ndarray:
    """(Hb, Wb) bool: blocks wholly inside the picture, and at least so far from its edge."""
    x, y = centres(motion)
    keep = margin_px + motion.block_px / 2 - 0.5
    inside: np.ndarray = (x >= keep) & (x <= size[0] - 1 - keep) & (y >= keep) & (y <= size[1] - 1 - keep)
    return inside


def told(motion: MotionField) -> np.ndarray:
    """(Hb, Wb) bool: blocks with a vector into a picture that is known; 0 stands for one that is not."""
    with_vector: np.ndarray = KNOWN[motion.mode] > 0
    return with_vector if motion.reference is None else with_vector & (motion.reference > 0)


def modal_px(motion: MotionField, chosen: np.ndarray) -> tuple[float, float] | None:
    """The most common vector of the `chosen` (Hb, Wb) blocks, in px; None when none has one."""
    vectors = motion.mv_qpel[chosen & told(motion)]
    if not len(vectors):
        return None
    found, counts = np.unique(vectors, axis=0, return_counts=True)
    x, y = found[counts.argmax()] / 4
    return float(x), float(y)


def references_of(frames: Sequence[CodecFrame], place: int) -> list[int]:
    """Places of the reference pictures shown before `place`, the newest first: 1 in MotionField.reference."""
    return [before for before in range(place - 1, -1, -1) if frames[before].is_reference]


def true_px(frames: Sequence[CodecFrame], place: int, scene: Scene) -> np.ndarray:
    """(Hb, Wb, 2): where each block's vector should point, given the picture it says it points into.

    NaN where that picture is none that was shown.
    """
    motion = motion_of(frames[place])
    truth = np.full((*motion.mode.shape, 2), np.nan)
    before = references_of(frames, place)
    reference = np.ones(motion.mode.shape, np.uint8) if motion.reference is None else motion.reference
    for step in np.unique(reference).tolist():
        if 1 <= step <= len(before):
            numbers = number_of(frames[before[step - 1]]), number_of(frames[place])
            truth[reference == step] = scene.displacement_px(*numbers, motion.block_px)[reference == step]
    return truth


def errors_px(frames: Sequence[CodecFrame], scene: Scene, margin_px: float = BORDER_PX) -> np.ndarray:
    """(n,): how far each known vector of all predicted pictures is off, in the inner blocks; inf: into nothing."""
    found = [np.zeros(0)]
    for place, frame in enumerate(frames):
        motion = motion_of(frame)
        chosen = told(motion) & inner(motion, scene.size, margin_px)
        if not chosen.any():
            continue
        off = motion.mv_qpel[chosen] / 4 - true_px(frames, place, scene)[chosen]
        found.append(np.nan_to_num(np.hypot(off[:, 0], off[:, 1]), nan=np.inf))
    return np.concatenate(found)


def fused_error_px(frames: Sequence[CodecFrame], scene: Scene, pictures: int) -> tuple[float, float]:
    """Mean endpoint error of the first window of so many pictures, and the share of its blocks that are valid.

    Through the runtime's own Windower, over the blocks that stayed BORDER_PX from the edge from first to last.
    """
    windower = Windower(pictures, 1)
    items = [item for frame in frames for item in windower.step(frame)] + windower.flush()
    window = next((item for item in items if isinstance(item, FusedWindow)), None)
    if window is None:
        return np.inf, 0.0
    return endpoint_error_px(window.displacement, scene, 0, number_of(window.frame))


def endpoint_error_px(fused: Displacement, scene: Scene, before: int, now: int) -> tuple[float, float]:
    """Mean endpoint error in the interior, and the share of it that is valid."""
    came = scene.displacement_px(before, now, fused.block_px)
    y, x = np.mgrid[0 : came.shape[0], 0 : came.shape[1]] * float(fused.block_px) + (fused.block_px - 1) / 2
    interior = np.ones(came.shape[:2], bool)
    for at_x, at_y in ((x, y), (x - came[..., 0], y - came[..., 1])):
        interior &= (at_x > BORDER_PX) & (at_x < scene.size[0] - BORDER_PX)
        interior &= (at_y > BORDER_PX) & (at_y < scene.size[1] - BORDER_PX)
    valid = interior & (fused.valid > 0)
    if not valid.any():
        return np.inf, 0.0
    off = (fused.px - came)[valid]
    return float(np.hypot(off[:, 0], off[:, 1]).mean()), float(valid.sum() / interior.sum())
