"""The pictures of known motion, and what is said to be true of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.conformance.known_motion import (
    Affine,
    pan,
    panning,
    picture,
    rotation,
    turning,
    zooming,
)

SMALL = st.floats(-0.4, 0.4)
AFFINES = st.builds(
    lambda a, b, c, d, x, y: Affine(1 + a, b, x, c, 1 + d, y), SMALL, SMALL, SMALL, SMALL, SMALL, SMALL
)


@given(AFFINES, st.floats(-500, 500), st.floats(-500, 500))
def test_inverse_leads_back(warp: Affine, x: float, y: float) -> None:
    there = warp(np.array(x), np.array(y))
    assert np.allclose(warp.inverse()(*there), (x, y), atol=1e-6)


def test_panned_picture_is_the_same_content_elsewhere() -> None:
    before, after = picture((64, 48)), picture((64, 48), pan(5, -3))
    assert (after[:-3, 5:] == before[3:, :-5]).all()


def test_turning_by_a_right_angle_is_exact() -> None:
    before, after = picture((48, 48)), picture((48, 48), rotation(90, (48, 48)))
    assert (after == np.rot90(before, -1)).all()  # clockwise


def test_seeds_are_other_textures_and_all_have_contrast() -> None:
    one, other = picture((96, 64), seed=1), picture((96, 64), seed=2)
    assert (one != other).mean() > 0.9 and one.std() > 50


@pytest.mark.parametrize("block_px", [8, 16, 32])
def test_truth_of_a_pan_is_its_velocity(block_px: int) -> None:
    moved = panning((100, 60), (0.75, -2), 5).displacement_px(1, 4, block_px)
    assert moved.shape == (-(-64 // block_px), -(-112 // block_px), 2)
    assert np.allclose(moved, (2.25, -6))


def test_truth_of_a_rotation_and_a_zoom_about_the_middle() -> None:
    size = (65, 65)  # the middle is a block's: 8 * 4 + 3.5 is 35.5, 3.5 px beyond it
    turned = turning(size, 0.7, 3).displacement_px(0, 1, 8)[4, 4]
    grown = zooming(size, 1.012, 3).displacement_px(0, 1, 8)[4, 4]
    angle = np.deg2rad(0.7)
    assert np.allclose(turned, (-3.5 * np.sin(angle), 3.5 * np.sin(angle)), atol=1e-3)
    assert np.allclose(grown, (3.5 * (1 - 1 / 1.012),) * 2)
