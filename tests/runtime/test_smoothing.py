"""Smoothed vectors: rounding is averaged out, and nothing else is touched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from magno.runtime.fusion import KNOWN
from magno.runtime.smoothing import ALIKE_QPEL, smooth
from magno.runtime.units import BlockMode, Link, MotionField


def field(mv_qpel: np.ndarray, mode: np.ndarray | None = None) -> MotionField:
    rows, columns = mv_qpel.shape[:2]
    mode = np.full((rows, columns), BlockMode.INTER, np.uint8) if mode is None else mode
    return MotionField(np.asarray(mv_qpel, np.int16), mode, 8, (columns * 8, rows * 8), Link.OK)


def smoothed(of: MotionField) -> np.ndarray:
    return smooth(of, KNOWN[of.mode] > 0)


def test_rounding_is_averaged_out() -> None:
    """A turning picture: the true motion is a steady slope, of which each block has the nearest quarter pixel."""
    row, column = np.mgrid[0:20, 0:30].astype(np.float64)
    true_px = np.stack([4 + 0.11 * row, -4 - 0.11 * column], axis=-1)
    rounded = np.rint(true_px * 4)
    off_px = np.abs(rounded / 4 - true_px).mean()
    assert np.abs(smoothed(field(rounded)) - true_px).mean() < off_px / 2


def test_a_slope_stays_as_it_is() -> None:
    row, column = np.mgrid[0:8, 0:9]
    steady = np.stack([8 + row, 20 - column], axis=-1)
    np.testing.assert_array_equal(smoothed(field(steady)), steady / 4)


def test_a_thing_keeps_its_edge_and_a_small_one_its_speed() -> None:
    moves = np.zeros((9, 12, 2))
    moves[2:6, 2:7] = (2, 0)  # slower than what counts as alike
    moves[7, 9] = (1, 1)
    moves[1:8, 0] = (40, 0)
    np.testing.assert_array_equal(smoothed(field(moves)), moves / 4)


def test_unknown_blocks_and_other_references_take_no_part() -> None:
    moves = np.full((5, 5, 2), 8)
    moves[2, 1], moves[2, 3] = (9, 8), (9, 8)
    unknown = np.full((5, 5), BlockMode.INTER, np.uint8)
    unknown[2, 1] = BlockMode.INTRA
    into = np.ones((5, 5), np.uint8)
    into[2, 1] = 2
    assert smoothed(field(moves))[2, 2, 0] > 2
    assert smoothed(field(moves, unknown))[2, 2, 0] == 2
    assert smoothed(replace(field(moves), reference=into))[2, 2, 0] == 2


@given(
    npst.arrays(np.int16, npst.array_shapes(min_dims=2, max_dims=2, max_side=7).map(lambda s: (*s, 2))),
    st.integers(0, 2**32),
)
def test_no_vector_moves_by_more_than_what_counts_as_alike(mv_qpel: np.ndarray, seed: int) -> None:
    mode = np.random.default_rng(seed).integers(0, 5, mv_qpel.shape[:2]).astype(np.uint8)
    off_qpel = smoothed(field(mv_qpel, mode)) * 4 - mv_qpel
    assert np.abs(off_qpel).max() <= ALIKE_QPEL
    assert not off_qpel[~mv_qpel.any(axis=-1) | (KNOWN[mode] == 0)].any()
