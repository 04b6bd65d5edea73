"""Displacement through several references and from base to base, against exact motion."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime import fusion
from magno.runtime.chain import MAX_OWED, Chain
from magno.runtime.conformance.known_motion import Scene, panning, turning, zooming
from magno.runtime.units import BlockMode, Link, MotionField
from tests.synthetic import uniform_field

SIZE = (256, 192)
PICTURES = 31
BORDER_BLOCKS = 8  # content that came from outside is not known
SCENES = {
    "pan": panning(SIZE, (0.75, -0.5), PICTURES),
    "rotation": turning(SIZE, 0.7, PICTURES),
    "zoom": zooming(SIZE, 1.012, PICTURES),
}
BARS_PX = {
    "pan": 0.01,
    "rotation": 0.6,
    "zoom": 0.6,
}  # a pan of whole quarter pixels loses nothing to rounding


def exact_field(scene: Scene, shown: int, points_into: dict[int, int], seed: int = 0) -> MotionField:
    """What a perfect encoder would say: block by block, a reference drawn from `points_into` (depth: picture)."""
    told = [scene.displacement_px(picture, shown, 8) for picture in points_into.values()]
    drawn = np.random.default_rng(seed + shown).integers(0, len(told), told[0].shape[:2])
    px = np.take_along_axis(np.stack(told), drawn[None, ..., None], 0)[0]
    mode = np.full(drawn.shape, BlockMode.INTER, np.uint8)
    reference = np.array(list(points_into), np.uint8)[drawn]
    return MotionField(np.rint(px * 4).astype(np.int16), mode, 8, SIZE, Link.OK, reference)


def error_px(scene: Scene, base: int, shown: int, came: fusion.Displacement) -> float:
    inside = slice(BORDER_BLOCKS, -BORDER_BLOCKS)
    off = (came.px - scene.displacement_px(base, shown, 8))[inside, inside]
    assert (came.valid[inside, inside] == 1).all()
    return float(np.hypot(off[..., 0], off[..., 1]).mean())


@pytest.mark.parametrize("window", [30, 8, 5, 1])
@pytest.mark.parametrize("kind", ["pan", "rotation", "zoom"])
def test_three_references_fuse_to_the_true_displacement_from_base_to_base(kind: str, window: int) -> None:
    scene, chain, base = SCENES[kind], Chain(), 0
    chain.begin(is_reference=True)
    for shown in range(1, PICTURES):
        points_into = {depth: shown - depth for depth in (1, 2, 3) if depth <= shown}
        came = chain.follow(exact_field(scene, shown, points_into), shown - base, is_reference=True)
        assert came.pictures == shown - base
        assert error_px(scene, base, shown, came) < BARS_PX[kind]
        if came.pictures == window:
            chain.rebase(came, is_reference=True)
            base = shown


@pytest.mark.parametrize("kind", ["pan", "rotation", "zoom"])
def test_a_picture_that_is_no_reference_forks_and_may_be_the_base(kind: str) -> None:
    """Every third picture is a reference; windows of four end on others, and pictures before the base are
    predicted from."""
    scene, chain, base = SCENES[kind], Chain(), 0
    references = [0]
    chain.begin(is_reference=True)
    for shown in range(1, PICTURES):
        is_reference = shown % 3 == 0
        points_into = {depth: picture for depth, picture in enumerate(reversed(references), 1) if depth <= 2}
        came = chain.follow(exact_field(scene, shown, points_into), shown - base, is_reference=is_reference)
        assert error_px(scene, base, shown, came) < BARS_PX[kind] / 2
        references += [shown] if is_reference else []
        if came.pictures == 4:
            chain.rebase(came, is_reference=is_reference)
            base = shown


def test_what_is_not_remembered_is_not_valid() -> None:
    field = dataclasses.replace(uniform_field((4, 0)), reference=np.ones((4, 6), np.uint8))
    assert field.reference is not None
    field.reference[0, :] = (0, 1, 2, 3, 16, 255)
    chain = Chain()
    chain.begin(is_reference=True)
    chain.follow(uniform_field((4, 0)), 1, is_reference=True)
    came = chain.follow(field, 2, is_reference=True)
    assert came.valid[0].tolist() == [0, 1, 1, 0, 0, 0] and came.valid[1:].all()
    assert came.px[0, 1, 0] == 2 and came.px[0, 2, 0] == 1  # through the picture before, and past it


def test_nothing_is_traced_through_the_first_picture_when_it_is_no_reference() -> None:
    chain = Chain()
    chain.begin(is_reference=False)
    assert not chain.follow(uniform_field(), 1, is_reference=True).valid.any()


def test_one_reference_is_the_plain_chain() -> None:
    rng = np.random.default_rng(5)
    chain, before = Chain(), None
    chain.begin(is_reference=True)
    for pictures in range(1, 6):
        field = uniform_field(blocks=(9, 7))
        field.mv_qpel[:] = rng.integers(-90, 90, field.mv_qpel.shape)
        field.mode[:] = rng.integers(0, 5, field.mode.shape)
        before = fusion.chain(before, field)
        came = chain.follow(field, pictures, is_reference=True)
        assert (came.px == before.px).all() and (came.valid == before.valid).all()


def test_a_reference_kept_for_long_is_known_after_many_windows() -> None:
    chain = Chain()
    chain.begin(is_reference=True)
    for shown in range(1, 3 * MAX_OWED):  # all point into the first picture, and none is kept
        came = chain.follow(uniform_field((4 * shown, 0), (4, 60)), 1, is_reference=False)
        assert came.px[0, 30:, 0].mean() == pytest.approx(1)
        chain.rebase(came, is_reference=False)


shifts = st.tuples(st.integers(-40, 40), st.integers(-40, 40))


@given(shifts, shifts)
def test_between_two_translations_lies_their_difference(of: tuple[int, int], to: tuple[int, int]) -> None:
    came = fusion.between(fusion.start(uniform_field(of)), fusion.start(uniform_field(to)))
    assert (came.px == np.subtract(of, to) / 4).all() and came.valid.all()


@given(shifts)
def test_between_a_picture_and_the_old_base_is_the_way_back(to: tuple[int, int]) -> None:
    assert (fusion.between(None, fusion.start(uniform_field(to))).px == -np.array(to) / 4).all()


def test_between_loses_what_either_has_lost() -> None:
    of, to = fusion.start(uniform_field((32, 0))), fusion.start(uniform_field())
    of.valid[1, 1] = to.valid[2, 2] = 0
    lost = np.argwhere(fusion.between(of, to).valid == 0).tolist()
    assert lost == [[1, 1], [2, 3]]  # its content has moved on by a block
