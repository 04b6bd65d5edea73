"""Sign, unit and place of motion vectors, on clips whose motion is known."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.camera.decoding.vectors import motion_field
from magno.runtime.units import BlockMode, Link, MotionField
from tests import synthetic

SIZE = (192, 128)
VECTOR = np.dtype(
    [
        ("source", "<i4"),
        ("w", "u1"),
        ("h", "u1"),
        ("src_x", "<i2"),
        ("src_y", "<i2"),
        ("dst_x", "<i2"),
        ("dst_y", "<i2"),
        ("motion_x", "<i4"),
        ("motion_y", "<i4"),
        ("motion_scale", "<u2"),
    ]
)


def last_field(pictures: list[np.ndarray], codec: str) -> MotionField:
    motion = synthetic.decode(synthetic.encode(pictures, codec, crf=12), codec)[-1].motion
    assert motion is not None
    return motion


def modal(field: MotionField, rows: slice = slice(None), columns: slice = slice(None)) -> tuple[int, ...]:
    """The most frequent vector of the blocks that have one, border blocks left out."""
    known = field.mode[rows, columns] == BlockMode.INTER
    vectors, counts = np.unique(field.mv_qpel[rows, columns][known], axis=0, return_counts=True)
    return tuple(int(number) for number in vectors[counts.argmax()])


def one_vector(**values: int) -> np.ndarray:
    vector = np.zeros(1, VECTOR)
    defaults = {"source": -1, "w": 8, "h": 8, "dst_x": 4, "dst_y": 4, "motion_scale": 4}
    for name, value in {**defaults, **values}.items():
        vector[name] = value
    return vector


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("velocity", [(4, 0), (-4, 0), (0, 4), (0, -4), (-3, 5)])
def test_integer_pan_is_exact_in_sign_axis_and_unit(codec: str, velocity: tuple[int, int]) -> None:
    field = last_field(synthetic.panned(SIZE, velocity, 3), codec)
    assert modal(field) == (4 * velocity[0], 4 * velocity[1])


def test_fractional_pan_is_right_to_the_quarter_pixel_in_h264() -> None:
    assert modal(last_field(synthetic.panned(SIZE, (0.25, 0), 5), "libx264")) == (1, 0)
    assert modal(last_field(synthetic.panned(SIZE, (0.75, 0.5), 5), "libx264")) == (3, 2)


def test_half_pixel_pan_is_two_quarters_in_mpeg4() -> None:
    assert modal(last_field(synthetic.panned(SIZE, (0.5, -1.5), 3), "mpeg4")) == (2, -6)


@pytest.mark.parametrize("size", [(256, 128), (128, 256)])
def test_quadrants_keep_their_places_on_a_picture_that_is_not_square(size: tuple[int, int]) -> None:
    width, height = size
    motions = {(0, 0): (4, 0), (0, 1): (0, 4), (1, 0): (-4, 0), (1, 1): (2, -3)}
    pictures = [synthetic.picture(size) for _ in range(3)]
    for t, image in enumerate(pictures):
        for (row, column), (dx, dy) in motions.items():
            part = (
                slice(row * height // 2, (row + 1) * height // 2),
                slice(column * width // 2, (column + 1) * width // 2),
            )
            seed = 10 + 2 * row + column
            image[part] = synthetic.picture(size, synthetic.pan(dx * t, dy * t), seed)[part]
    field = last_field(pictures, "libx264")
    rows, columns = field.mode.shape
    assert (rows, columns) == (height // 8, width // 8)
    for (row, column), (dx, dy) in motions.items():
        inner_rows = slice(row * rows // 2 + 2, (row + 1) * rows // 2 - 2)
        inner_columns = slice(column * columns // 2 + 2, (column + 1) * columns // 2 - 2)
        assert modal(field, inner_rows, inner_columns) == (4 * dx, 4 * dy)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("size", [(320, 180), (250, 128)])
def test_grid_covers_whole_macroblocks_when_the_size_is_no_multiple_of_16(
    codec: str, size: tuple[int, int]
) -> None:
    field = last_field(synthetic.panned(size, (4, 0), 3), codec)
    coded = (-(-size[0] // 16) * 16, -(-size[1] // 16) * 16)
    assert field.coded_size == coded
    assert field.mode.shape == (coded[1] // 8, coded[0] // 8)
    assert modal(field) == (16, 0)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_still_picture_has_zero_vectors_everywhere(codec: str) -> None:
    field = last_field([synthetic.picture(SIZE)] * 4, codec)
    assert (field.mode == BlockMode.INTER).all()
    assert not field.mv_qpel.any()


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_new_content_is_intra_and_not_still(codec: str) -> None:
    before, after = synthetic.picture(SIZE), synthetic.picture(SIZE)
    after[32:96, 48:144] = (20, 200, 30)  # nothing like it was there before
    after[40:88, 56:136] = synthetic.picture((80, 48), seed=99) // 2
    field = last_field([before, before, after], codec)
    assert (field.mode[5:11, 7:17] == BlockMode.INTRA).mean() > 0.5
    assert (field.mode[:3] == BlockMode.INTER).all()


def test_intra_picture_has_no_vectors() -> None:
    motion = synthetic.decode(synthetic.encode([synthetic.picture(SIZE)]))[0].motion
    assert motion is not None and motion.link is Link.RESET
    assert (motion.mode == BlockMode.INTRA).all()


def test_b_pictures_carry_past_motion_and_say_bi() -> None:
    frames = synthetic.decode(synthetic.encode(synthetic.panned(SIZE, (4, 0), 7), b_pictures=2))
    assert [frame.pict_type for frame in frames] == ["I", "B", "B", "P", "B", "B", "P"]
    modes = set()
    for frame, past_pictures in zip(frames, (0, 1, 2, 3, 1, 2, 3), strict=True):
        assert frame.motion is not None
        modes |= set(np.unique(frame.motion.mode).tolist())
        if frame.pict_type == "P":
            assert modal(frame.motion) == (16 * past_pictures, 0)
        if frame.pict_type == "B":
            past = (frame.motion.mode == BlockMode.BI) | (frame.motion.mode == BlockMode.INTER)
            assert np.median(frame.motion.mv_qpel[past][:, 0]) == 16 * past_pictures
    assert BlockMode.BI in modes


def test_vector_from_the_future_alone_is_missing() -> None:
    field = motion_field(one_vector(source=1, motion_x=8), (32, 32), intact=True, link=Link.OK)
    assert field.mode[0, 0] == BlockMode.MISSING and not field.mv_qpel.any()


def test_both_sides_keep_the_past_vector() -> None:
    both = np.concatenate([one_vector(source=1, motion_x=8), one_vector(source=-1, motion_x=-4)])
    for vectors in (both, both[::-1]):
        field = motion_field(vectors, (32, 32), intact=True, link=Link.OK)
        assert field.mode[0, 0] == BlockMode.BI and tuple(field.mv_qpel[0, 0]) == (4, 0)


@pytest.mark.parametrize(("width", "height"), [(16, 16), (16, 8), (8, 16), (8, 8)])
def test_partition_covers_its_blocks_and_no_others(width: int, height: int) -> None:
    vector = one_vector(w=width, h=height, dst_x=16 + width // 2, dst_y=16 + height // 2, motion_y=-6)
    field = motion_field(vector, (48, 32), intact=True, link=Link.OK)
    expected = np.zeros((4, 6), bool)
    expected[2 : 2 + height // 8, 2 : 2 + width // 8] = True
    assert ((field.mode == BlockMode.INTER) == expected).all()
    assert (field.mv_qpel[expected] == (0, 6)).all() and not field.mv_qpel[~expected].any()


@pytest.mark.parametrize(
    "values",
    [
        {"dst_x": -300},
        {"dst_y": 30000},
        {"dst_x": 33},
        {"w": 4, "h": 200},
        {"motion_x": -(2**31), "motion_y": 2**31 - 1, "motion_scale": 1},
        {"motion_scale": 0},
        {"w": 16, "h": 16, "dst_x": 28, "dst_y": 28},
    ],
)
def test_damaged_vectors_stay_inside_the_grid(values: dict[str, int]) -> None:
    field = motion_field(one_vector(**values), (32, 32), intact=True, link=Link.OK)
    assert field.mode.shape == (4, 4) and field.mv_qpel.shape == (4, 4, 2)


def test_without_vectors_a_damaged_picture_is_missing_and_not_intra() -> None:
    field = motion_field(None, (32, 16), intact=False, link=Link.BROKEN)
    assert field.mode.shape == (2, 4) and (field.mode == BlockMode.MISSING).all()


PARTITIONS = {
    (16, 16): [(0, 0)],
    (16, 8): [(0, 0), (0, 8)],
    (8, 16): [(0, 0), (8, 0)],
    (8, 8): [(0, 0), (8, 8)],
}


@given(st.lists(st.sampled_from(sorted(PARTITIONS)), min_size=6, max_size=6), st.randoms())
def test_macroblocks_of_all_partitions_are_painted_as_one_vector_after_another_would(
    kinds: list[tuple[int, int]], random: Random
) -> None:
    vectors, plain = [], np.zeros((4, 6, 2), np.int16)
    for index, (width, height) in enumerate(kinds):
        for left, top in PARTITIONS[width, height]:
            x, y = index % 3 * 16 + left, index // 3 * 16 + top
            motion = random.randint(-999, 999), random.randint(-999, 999)
            plain[y // 8 : (y + height) // 8, x // 8 : (x + width) // 8] = (-motion[0], -motion[1])
            vector = {"w": width, "h": height, "dst_x": x + width // 2, "dst_y": y + height // 2}
            vectors.append(one_vector(**vector, motion_x=motion[0], motion_y=motion[1]))
    random.shuffle(vectors)
    field = motion_field(np.concatenate(vectors), (48, 32), intact=True, link=Link.OK)
    assert (field.mv_qpel == plain).all()
    covered = sum(vector["w"][0] // 8 * (vector["h"][0] // 8) for vector in vectors)
    assert (field.mode == BlockMode.INTER).sum() == covered
