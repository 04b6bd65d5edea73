"""Fused displacement against exact motion, over thirty real coded pictures."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from magno.runtime import fusion
from magno.runtime.units import BlockMode, MotionField
from tests import synthetic
from tests.synthetic import uniform_field

SIZE = (256, 192)
PICTURES = 30
BORDER_PX = 40


@lru_cache(maxsize=4)
def fields(kind: str) -> tuple[MotionField, ...]:
    warps = {
        "pan": lambda t: synthetic.pan(0.75 * t, 0.6 * t),
        "rotation": lambda t: synthetic.rotation(0.7 * t, SIZE),
        "zoom": lambda t: synthetic.rotation(0, SIZE, 1.012**t),
    }
    pictures = [synthetic.picture(SIZE, warps[kind](t)) for t in range(PICTURES + 1)]
    frames = synthetic.decode(synthetic.encode(pictures))
    assert [frame.pict_type for frame in frames] == ["I"] + ["P"] * PICTURES
    return tuple(frame.motion for frame in frames[1:] if frame.motion is not None)


def truth(kind: str) -> np.ndarray:
    """(Hb, Wb, 2): how far the content at each block's centre has come."""
    rows, columns = SIZE[1] // 8, SIZE[0] // 8
    y, x = np.mgrid[0:rows, 0:columns] * 8 + 3.5
    if kind == "pan":
        return np.broadcast_to(np.array([0.75, 0.6]) * PICTURES, (rows, columns, 2))
    warp = {
        "rotation": synthetic.rotation(0.7 * PICTURES, SIZE),
        "zoom": synthetic.rotation(0, SIZE, 1.012**PICTURES),
    }[kind]
    from_x, from_y = warp(x, y)
    return np.stack([x - from_x, y - from_y], -1)


def interior(came: np.ndarray) -> np.ndarray:
    """Blocks that were inside the picture, border apart, from first to last."""
    y, x = np.mgrid[0 : came.shape[0], 0 : came.shape[1]] * 8 + 3.5
    inside = np.ones(came.shape[:2], bool)
    for at_x, at_y in ((x, y), (x - came[..., 0], y - came[..., 1])):
        inside &= (at_x > BORDER_PX) & (at_x < SIZE[0] - BORDER_PX)
        inside &= (at_y > BORDER_PX) & (at_y < SIZE[1] - BORDER_PX)
    return inside


def endpoint_error_px(px: np.ndarray, kind: str, valid: np.ndarray | None = None) -> float:
    came = truth(kind)
    chosen = interior(came) if valid is None else interior(came) & (valid > 0)
    return float(np.hypot(*np.moveaxis(px - came, -1, 0))[chosen].mean())


def fused(kind: str) -> fusion.Displacement:
    chain = None
    for field in fields(kind):
        chain = fusion.chain(chain, field)
    assert chain is not None and chain.pictures == PICTURES
    return chain


@pytest.mark.parametrize(("kind", "bar_px"), [("rotation", 0.6), ("pan", 0.3), ("zoom", 0.6)])
def test_thirty_pictures_fuse_to_the_true_displacement(kind: str, bar_px: float) -> None:
    result = fused(kind)
    inside = interior(truth(kind))
    assert result.valid[inside].mean() > 0.95
    assert endpoint_error_px(result.px, kind, result.valid) < bar_px


def test_summing_in_place_is_wrong_under_rotation() -> None:
    summed = sum(fusion.start(field).px for field in fields("rotation"))
    assert isinstance(summed, np.ndarray)
    assert endpoint_error_px(summed, "rotation") > 3 * endpoint_error_px(fused("rotation").px, "rotation")


def test_start_is_the_pictures_own_motion_in_pixels() -> None:
    first = fusion.chain(None, uniform_field((6, -3)))
    assert first.px.dtype == np.float32 and (first.px == (1.5, -0.75)).all()
    assert (first.valid == 1).all() and first.pictures == 1


@pytest.mark.parametrize(
    ("mode", "valid"),
    [
        (BlockMode.MISSING, 0),
        (BlockMode.INTRA, 0),
        (BlockMode.INTER, 1),
        (BlockMode.SKIP, 1),
        (BlockMode.BI, 1),
    ],
)
def test_only_blocks_with_a_vector_are_valid(mode: BlockMode, valid: int) -> None:
    assert (fusion.start(uniform_field(mode=mode)).valid == valid).all()


def test_validity_travels_with_the_content() -> None:
    first = uniform_field()
    first.mode[1, 2] = BlockMode.INTRA
    chain = fusion.chain(fusion.start(first), uniform_field((32, 0)))  # one block to the right
    invalid = [tuple(place) for place in np.argwhere(chain.valid == 0)]
    assert invalid == [(1, 3)]


def test_vectors_travel_with_the_content() -> None:
    first = uniform_field()
    first.mv_qpel[1, 2] = (8, 4)
    chain = fusion.chain(fusion.start(first), uniform_field((0, 32)))  # one block down
    assert tuple(chain.px[2, 2]) == (2, 9) and tuple(chain.px[1, 2]) == (0, 8)


def test_between_blocks_the_earlier_motion_is_interpolated() -> None:
    first = uniform_field()
    first.mv_qpel[:, 3:] = (16, 0)
    second = uniform_field()
    second.mv_qpel[1, 3] = (8, 0)  # came from 2 px to the left, a quarter of a block
    assert fusion.chain(fusion.start(first), second).px[1, 3, 0] == 2 + 0.75 * 4


def test_what_an_untraced_block_seems_to_have_moved_touches_no_neighbour() -> None:
    first = uniform_field((16, 0))
    first.mode[:, 3], first.mv_qpel[:, 3] = BlockMode.INTRA, 0
    chain = fusion.chain(fusion.start(first), uniform_field((8, 0)))  # from a quarter of a block to the left
    assert (chain.px[chain.valid > 0] == (2 + 4, 0)).all()
    assert chain.valid[0].tolist() == [1, 1, 1, 0, 1, 1]


def test_one_step_more_does_not_alter_the_chain_before() -> None:
    before = fusion.start(uniform_field((3, 5)))
    kept = before.px.copy(), before.valid.copy()
    fusion.chain(before, uniform_field((-9, 2)))
    assert (before.px == kept[0]).all() and (before.valid == kept[1]).all()


def test_content_from_outside_is_taken_from_the_edge() -> None:
    chain = fusion.chain(fusion.start(uniform_field((4, 0))), uniform_field((32767, -32768)))
    assert np.isfinite(chain.px).all() and (chain.px[..., 0] == 32767 / 4 + 1).all()


def test_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="one grid"):
        fusion.chain(fusion.start(uniform_field()), uniform_field(blocks=(5, 6)))


def test_bilinear_is_exact_on_a_plane() -> None:
    y, x = np.mgrid[0:5, 0:7].astype(np.float32)
    plane = 2 * x + 10 * y
    row, column = np.array([0, 1.25, 4, 3.5]), np.array([0, 2.5, 6, 5.75])
    assert fusion.bilinear(plane, row, column).tolist() == (2 * column + 10 * row).tolist()
    both = fusion.bilinear(np.stack([plane, -plane], -1), row, column)
    assert both.shape == (4, 2) and (both[:, 1] == -both[:, 0]).all()
