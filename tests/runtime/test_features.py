"""Windows as arrays: units, places and what the residual leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime import features
from magno.runtime.fusion import Displacement, start
from magno.runtime.spec import CodecSpec
from magno.runtime.units import BlockMode, ResidualKind
from magno.runtime.window import FusedWindow
from tests import synthetic
from tests.synthetic import codec_frame, uniform_field

CODEC = CodecSpec(
    image_px=64,
    patch_px=16,
    motion_grid=8,
    motion_scale_px=4.0,
    motion_clip=2.0,
    residual_scale=32.0,
    window_pictures=8,
    windows_per_gop=4,
    residual_kinds=(ResidualKind.PIXEL_MC,),
)


def displaced(px: tuple[float, float], size: tuple[int, int]) -> Displacement:
    """Everything came by `px` on a grid of whole macroblocks over `size`."""
    rows, columns = -(-size[1] // 16) * 2, -(-size[0] // 16) * 2
    field = np.broadcast_to(np.array(px, np.float32), (rows, columns, 2)).copy()
    return Displacement(field, np.ones((rows, columns), np.float32), 8, 1)


@pytest.mark.parametrize("size", [(64, 64), (320, 180), (250, 130), (1920, 1080), (48, 96)])
def test_constant_motion_is_pooled_to_itself_in_model_pixels(size: tuple[int, int]) -> None:
    pooled = features.pool_motion(displaced((6.0, -3.0), size), size, CODEC)
    assert pooled.shape == (8, 8, 3) and pooled.dtype == np.float32
    np.testing.assert_allclose(pooled[..., 0], 6.0 * 64 / size[0], rtol=1e-5)
    np.testing.assert_allclose(pooled[..., 1], -3.0 * 64 / size[1], rtol=1e-5)
    np.testing.assert_allclose(pooled[..., 2], 1.0, rtol=1e-5)


def test_what_lies_past_the_visible_edge_does_not_count() -> None:
    moved = displaced((1.0, 1.0), (320, 180))
    moved.px[-1] = 1000.0  # lines 184 to 191: coded, not shown
    pooled = features.pool_motion(moved, (320, 180), CODEC)
    np.testing.assert_allclose(pooled[..., 0], 64 / 320, rtol=1e-5)


def test_cell_without_a_valid_block_is_all_zero() -> None:
    moved = displaced((5.0, 5.0), (128, 128))
    moved.valid[:2, :2] = 0  # one cell of 16 px
    moved.valid[0, 2] = 0  # a quarter of its neighbour
    pooled = features.pool_motion(moved, (128, 128), CODEC)
    assert (pooled[0, 0] == 0).all()
    np.testing.assert_allclose(pooled[0, 1], (2.5, 2.5, 0.75), rtol=1e-5)


@given(
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 1),
    st.integers(0, 1),
    st.integers(-7, 7).filter(bool),
    st.integers(-7, 7),
)
def test_a_vector_lands_in_its_patch_and_cell(
    patch_row: int, patch_column: int, row: int, column: int, dx: int, dy: int
) -> None:
    moved = displaced((0.0, 0.0), (64, 64))
    moved.px[2 * patch_row + row, 2 * patch_column + column] = (dx, dy)
    patches = features.motion_patches(features.pool_motion(moved, (64, 64), CODEC), CODEC)
    assert patches.shape == (16, 12) and patches.dtype == np.float32
    cells = patches.reshape(16, 2, 2, 3)
    np.testing.assert_allclose(
        cells[4 * patch_row + patch_column, row, column], (dx / 4, dy / 4, 1), rtol=1e-5
    )
    assert np.count_nonzero(cells[..., 0]) == 1


def test_motion_is_scaled_and_clipped_and_validity_is_not() -> None:
    pooled = np.zeros((8, 8, 3), np.float32)
    pooled[0, 0] = (100.0, -100.0, 1.0)
    patches = features.motion_patches(pooled, CODEC)
    assert patches[0, :3].tolist() == [2.0, -2.0, 1.0]
    assert pooled[0, 0, 0] == 100.0  # the argument is left as it was


def window_of(
    before: np.ndarray, after: np.ndarray, came: Displacement, size: tuple[int, int]
) -> FusedWindow:
    frame = codec_frame(1, size=size)
    newest = type(frame)(1, 0, 0, "P", None, after, size)
    return FusedWindow(came, before, newest, 0, 0)


def test_residual_is_near_zero_when_the_motion_explains_the_change() -> None:
    size = (64, 64)
    before = synthetic.picture(size)
    after = synthetic.picture(size, synthetic.pan(5.0, -3.0))
    explained = features.window_arrays(window_of(before, after, displaced((5.0, -3.0), size), size), CODEC)[1]
    ignored = features.window_arrays(window_of(before, after, displaced((0.0, 0.0), size), size), CODEC)[1]
    backwards = features.window_arrays(window_of(before, after, displaced((-5.0, 3.0), size), size), CODEC)[1]
    inside = (0, 0, slice(8, -8), slice(8, -8))
    assert explained.shape == (1, 1, 64, 64) and explained.dtype == np.float32
    assert np.abs(explained[inside]).max() * CODEC.residual_scale < 1.0  # less than a grey level
    assert np.abs(ignored[inside]).mean() * CODEC.residual_scale > 10.0
    assert np.abs(backwards[inside]).mean() * CODEC.residual_scale > 10.0


def test_residual_is_after_minus_before() -> None:
    before, after = np.full((64, 64, 3), 100, np.uint8), np.full((64, 64, 3), 116, np.uint8)
    window = window_of(before, after, displaced((0.0, 0.0), (64, 64)), (64, 64))
    np.testing.assert_allclose(features.window_arrays(window, CODEC)[1], 0.5, rtol=1e-5)


def test_real_coded_pan_gives_its_motion_and_little_residual() -> None:
    size = (320, 180)  # stretched to a square, and less than is coded
    frames = synthetic.decode(synthetic.encode(synthetic.panned(size, (4, 2), 2)))
    assert frames[1].motion is not None
    window = FusedWindow(start(frames[1].motion), frames[0].picture, frames[1], 0, 0)
    motion, residual = features.window_arrays(window, CODEC)
    cells = motion.reshape(1, 4, 4, 2, 2, 3)[0, 1:3, 1:3].reshape(-1, 3)
    np.testing.assert_allclose(np.median(cells, axis=0), (4 * 64 / 320 / 4, 2 * 64 / 180 / 4, 1.0), rtol=0.02)
    still = np.abs(features.luma(frames[1].picture) - features.luma(frames[0].picture))[8:-8, 8:-8].mean()
    assert np.abs(residual[0, 0, 8:-8, 8:-8]).mean() * CODEC.residual_scale < 0.25 * still


def test_window_without_one_valid_block_is_finite() -> None:
    missing = start(uniform_field((400, 400), blocks=(8, 8), mode=BlockMode.MISSING))
    before, after = synthetic.picture((64, 64)), synthetic.picture((64, 64), seed=3)
    motion, residual = features.window_arrays(window_of(before, after, missing, (64, 64)), CODEC)
    assert not motion.any() and np.isfinite(residual).all()


def test_keyframe_pixels_are_channels_first_in_minus_one_to_one() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[1, 2] = (255, 0, 255)
    pixels = features.keyframe_pixels(picture)
    assert pixels.shape == (1, 3, 4, 4) and pixels.dtype == np.float32 and pixels.flags.c_contiguous
    assert pixels[0, :, 1, 2].tolist() == [1.0, -1.0, 1.0]


@given(st.integers(1, 20), st.sampled_from([8, 16, 32]), st.integers(0, 31), st.integers(1, 16))
def test_blocks_share_each_cell_wholly(blocks: int, block_px: int, hidden_px: int, cells: int) -> None:
    visible_px = max(1, blocks * block_px - hidden_px)
    blocks_of_one = np.ones((1, 1, blocks))
    share = features._mean_of_cells(blocks_of_one, block_px, visible_px, cells)
    np.testing.assert_allclose(share, np.ones((1, 1, cells)), rtol=1e-9)
