"""Arrows of a recording: few, where the content is, and as it moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.units import BlockMode, Link, MotionField
from magno.runtime.viz.arrows import LENGTH_PICTURES, MOST, arrows_of


def field(
    mv_qpel: np.ndarray, mode: BlockMode = BlockMode.INTER, reference: int | None = None
) -> MotionField:
    rows, columns = mv_qpel.shape[:2]
    return MotionField(
        mv_qpel.astype(np.int16),
        np.full((rows, columns), mode, np.uint8),
        8,
        (columns * 8, rows * 8),
        Link.OK,
        None if reference is None else np.full((rows, columns), reference, np.uint8),
    )


def test_a_pan_is_arrows_that_point_as_it_moves_in_the_shown_pictures_pixels() -> None:
    motion = field(np.full((90, 160, 2), (32, -16)))  # 8 px right, 4 px up
    begins, points = arrows_of(motion, (1280, 720), (320, 180))
    assert 200 < len(begins) <= MOST
    np.testing.assert_allclose(points, np.full_like(points, (2.0, -1.0)) * LENGTH_PICTURES)
    assert (begins > 0).all() and (begins < (320, 180)).all()


def test_an_arrow_begins_where_the_content_is() -> None:
    mv = np.zeros((12, 16, 2))
    mv[4:6, 8:10] = (0, 8)
    begins, points = arrows_of(field(mv), (128, 96), (128, 96))
    assert sorted(map(tuple, begins)) == [(68, 36), (68, 44), (76, 36), (76, 44)]  # the blocks' middles
    np.testing.assert_allclose(points, [(0, 2 * LENGTH_PICTURES)] * 4)


def test_what_a_vector_says_over_three_pictures_is_a_third_in_one() -> None:
    _, points = arrows_of(field(np.full((8, 8, 2), (24, 0)), reference=3), (64, 64), (64, 64))
    np.testing.assert_allclose(points[:, 0], 2.0 * LENGTH_PICTURES)


@pytest.mark.parametrize("mode", [BlockMode.MISSING, BlockMode.INTRA])
def test_what_has_no_vector_has_no_arrow(mode: BlockMode) -> None:
    begins, points = arrows_of(field(np.full((8, 8, 2), 40), mode), (64, 64), (64, 64))
    assert begins.shape == points.shape == (0, 2)


def test_what_moves_anyhow_or_not_at_all_has_no_arrow() -> None:
    random = np.random.default_rng(0).integers(-200, 200, (90, 160, 2))
    assert len(arrows_of(field(random), (1280, 720), (320, 180))[0]) < MOST / 20
    assert not len(arrows_of(field(np.zeros((90, 160, 2))), (1280, 720), (320, 180))[0])


@given(st.integers(1, 200), st.integers(1, 200), st.integers(1, 1600), st.integers(1, 1600))
def test_any_picture_has_few_arrows_and_none_outside(
    rows: int, columns: int, width: int, height: int
) -> None:
    size = (min(width, columns * 8), min(height, rows * 8))
    begins, points = arrows_of(field(np.full((rows, columns, 2), 7)), size, (320, 180))
    assert len(begins) == len(points) <= MOST
    assert (begins <= (320, 180)).all()
