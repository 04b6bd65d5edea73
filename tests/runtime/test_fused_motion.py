"""Windows of thirty real coded pictures against exact motion, with and without B-pictures."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from magno.runtime.conformance.encoding import Encoding, encode
from magno.runtime.conformance.known_motion import Scene, panning, turning, zooming
from magno.runtime.units import CodecFrame
from magno.runtime.window import FusedWindow, Keyframe, Windower
from tests.synthetic import decode

SIZE = (256, 192)
PICTURES = 35
BORDER_PX = 40
SCENES = {
    "pan": panning(SIZE, (0.75, 0.6), PICTURES),
    "rotation": turning(SIZE, 0.7, PICTURES),
    "zoom": zooming(SIZE, 1.012, PICTURES),
}
BARS_PX = {"pan": 0.3, "rotation": 0.6, "zoom": 0.6}


@lru_cache(maxsize=16)
def frames(kind: str, encoding: Encoding) -> tuple[CodecFrame, ...]:
    return tuple(decode(encode(SCENES[kind].pictures(), encoding)))


def windows(kind: str, encoding: Encoding, pictures: int, b_frames: str = "skip") -> list[FusedWindow]:
    windower = Windower(pictures, 100, b_frames=b_frames)
    items = [item for frame in frames(kind, encoding) for item in windower.step(frame)]
    return [item for item in items if isinstance(item, FusedWindow)]


def judge(scene: Scene, window: FusedWindow) -> tuple[float, float]:
    """Mean endpoint error of what was traced, in px, and the share of blocks that was; borders apart."""
    came = window.displacement
    last = window.frame.sequence
    truth = scene.displacement_px(last - came.pictures, last, came.block_px)
    y, x = np.mgrid[0 : truth.shape[0], 0 : truth.shape[1]] * 8 + 3.5
    inside = np.ones(truth.shape[:2], bool)
    for at_x, at_y in ((x, y), (x - truth[..., 0], y - truth[..., 1])):
        inside &= (at_x > BORDER_PX) & (at_x < SIZE[0] - BORDER_PX)
        inside &= (at_y > BORDER_PX) & (at_y < SIZE[1] - BORDER_PX)
    traced = inside & (came.valid > 0)
    off = np.hypot(*np.moveaxis(came.px - truth, -1, 0))
    return float(off[traced].mean()), float(traced.sum() / inside.sum())


@pytest.mark.parametrize("b_pictures", [0, 2, 3])
@pytest.mark.parametrize("kind", ["pan", "rotation", "zoom"])
def test_thirty_pictures_fuse_to_the_true_displacement(kind: str, b_pictures: int) -> None:
    """The length counts every picture shown: with three B-pictures between, 32 is the next that takes part."""
    (window,) = windows(kind, Encoding(b_pictures=b_pictures), 30)
    assert window.displacement.pictures == {0: 30, 2: 30, 3: 32}[b_pictures]
    error_px, traced = judge(SCENES[kind], window)
    assert error_px < BARS_PX[kind] and traced > 0.95


@pytest.mark.parametrize("b_pictures", [1, 2, 3])
@pytest.mark.parametrize("kind", ["pan", "rotation", "zoom"])
def test_b_pictures_in_use_lose_nothing_from_window_to_window(kind: str, b_pictures: int) -> None:
    for window in windows(kind, Encoding(b_pictures=b_pictures), 5, "use"):
        error_px, traced = judge(SCENES[kind], window)
        assert error_px < BARS_PX[kind] and traced > 0.7


def test_a_stream_that_sends_no_intra_picture_is_anchored_by_cadence() -> None:
    refresh = Encoding(gop=10, intra_refresh=True)
    windower = Windower(3, 3)
    items = [item for frame in frames("pan", refresh) for item in windower.step(frame)]
    keyframes = [item.frame for item in items if isinstance(item, Keyframe)]
    assert [frame.sequence for frame in keyframes] == [0, 10, 20, 30]
    assert [frame.pict_type for frame in keyframes] == ["I", "P", "P", "P"]
    fused = [item for item in items if isinstance(item, FusedWindow)]
    assert {judge(SCENES["pan"], window)[0] < 0.3 for window in fused} == {True}


@pytest.mark.parametrize("b_pyramid", [False, True])
@pytest.mark.parametrize("kind", ["pan", "rotation", "zoom"])
def test_four_references_fuse_to_the_true_displacement(kind: str, b_pyramid: bool) -> None:
    """With a pyramid, P-pictures point into B-pictures too, and what is told there by later ones is not traced."""
    encoding = Encoding(preset="slow", references=4, b_pictures=3 if b_pyramid else 0, b_pyramid=b_pyramid)
    told = [frame.motion.reference for frame in frames(kind, encoding) if frame.motion is not None]
    assert max(reference.max() for reference in told if reference is not None) > 2
    for pictures in (30, 8):
        for window in windows(kind, encoding, pictures):
            error_px, traced = judge(SCENES[kind], window)
            assert error_px < BARS_PX[kind] and traced > 0.7
