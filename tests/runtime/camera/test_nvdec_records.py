"""NVDEC's statistics, from bytes made here by the layout that is documented in nvdec_records.py."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magno.runtime.camera.hardware.calibrated import VectorConvention
from magno.runtime.camera.hardware.nvdec_records import from_lists, motion_field, parse_statistics
from magno.runtime.camera.request import CameraError
from magno.runtime.units import BlockMode, Link

OURS = VectorConvention()
Cell = tuple[int, tuple[int, int], tuple[int, int]]  # kind, first vector, second vector
INT16 = st.integers(-(2**15), 2**15 - 1)
PAIR = st.tuples(INT16, INT16)


def statistics_bytes(cells: list[Cell], *, valid: bool = True, second: bool = False) -> bytes:
    """The bytes of one picture."""
    header = struct.pack("<B3xI24x", valid | second << 1, len(cells))
    return header + b"".join(
        struct.pack("<BBHhhhh", 30, kind << 1 | 0x81, 0xBEEF, *a, *b) for kind, a, b in cells
    )


def lists_of(cells: list[Cell]) -> dict[str, list[int]]:
    columns = [(kind, *first, *second) for kind, first, second in cells]
    names = ("cu_type", "mv0_x", "mv0_y", "mv1_x", "mv1_y")
    return dict(zip(names, (list(column) for column in zip(*columns, strict=True)), strict=True))


@st.composite
def pictures(draw: st.DrawFn) -> tuple[tuple[int, int], list[Cell], bool]:
    size = draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    count = -(-size[0] // 16) * -(-size[1] // 16)
    cells = draw(st.lists(st.tuples(st.integers(0, 7), PAIR, PAIR), min_size=count, max_size=count))
    return size, cells, draw(st.booleans())


@settings(max_examples=150, deadline=None)
@given(pictures(), st.binary(max_size=40))
def test_what_was_written_is_read(picture: tuple[tuple[int, int], list[Cell], bool], padding: bytes) -> None:
    size, cells, second = picture
    found = parse_statistics(statistics_bytes(cells, second=second) + padding, size)
    assert found is not None
    assert found.kind.ravel().tolist() == [kind for kind, _, _ in cells]
    assert found.mv0.reshape(-1, 2).tolist() == [list(first) for _, first, _ in cells]
    assert (found.mv1 is not None) == second
    if found.mv1 is not None:
        assert found.mv1.reshape(-1, 2).tolist() == [list(other) for _, _, other in cells]
    field = motion_field(found, size, OURS, Link.OK)
    known = np.isin(field.mode, (BlockMode.INTER, BlockMode.SKIP, BlockMode.BI))
    assert not field.mv_qpel[~known].any()
    assert field.coded_size == (-(-size[0] // 16) * 16, -(-size[1] // 16) * 16)


@settings(max_examples=100, deadline=None)
@given(pictures())
def test_lists_say_the_same_as_bytes(picture: tuple[tuple[int, int], list[Cell], bool]) -> None:
    size, cells, _ = picture
    second = any(any(other) for _, _, other in cells)
    raw, listed = (
        parse_statistics(statistics_bytes(cells, second=second), size),
        from_lists(lists_of(cells), size),
    )
    assert raw is not None and listed is not None
    for one, other in zip((raw.kind, raw.mv0, raw.mv1), (listed.kind, listed.mv0, listed.mv1), strict=True):
        assert (one is None) == (other is None)
        assert one is None or other is None or (one == other).all()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.tuples(st.integers(1, 64), st.integers(1, 64)))
def test_hostile_bytes_give_statistics_or_one_sentence(data: bytes, size: tuple[int, int]) -> None:
    try:
        found = parse_statistics(data, size)
    except CameraError as error:
        assert str(error).count("\n") == 0 and "found" in str(error)
        return
    motion_field(found, size, OURS, Link.OK)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["cu_type", "mv0_x", "mv0_y", "mv1_x", "mv1_y"]),
        st.lists(st.integers() | st.text(max_size=3) | st.none(), max_size=5),
    )
)
def test_hostile_lists_give_statistics_or_one_sentence(lists: dict[str, list[int]]) -> None:
    try:
        motion_field(from_lists(lists, (20, 20)), (20, 20), OURS, Link.OK)
    except CameraError as error:
        assert "found" in str(error)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "32 bytes of header, found 0"),
        (statistics_bytes([(1, (0, 0), (0, 0))])[:31], "found 31 bytes"),
        (statistics_bytes([(1, (0, 0), (0, 0))] * 3), "4 cells of a 20x20 picture, found 3"),
        (statistics_bytes([(1, (0, 0), (0, 0))] * 4)[:-1], "4 records of 12 bytes, found 47"),
        (struct.pack("<B3xI24x", 1, 2**32 - 1), "found 4294967295"),
    ],
)
def test_bytes_that_do_not_fit_the_picture_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(CameraError, match=why):
        parse_statistics(data, (20, 20))


def test_statistics_that_are_not_valid_are_missing_everywhere() -> None:
    found = parse_statistics(statistics_bytes([(1, (4, 4), (0, 0))] * 4, valid=False), (20, 20))
    assert found is None and from_lists({}, (20, 20)) is None
    field = motion_field(found, (20, 20), OURS, Link.BROKEN)
    assert (field.mode == BlockMode.MISSING).all() and field.link is Link.BROKEN


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (0, "INTRA"),
        (1, "INTER"),
        (2, "SKIP"),
        (3, "INTRA"),
        (4, "MISSING"),
        (5, "MISSING"),
        (6, "MISSING"),
        (7, "MISSING"),
    ],
)
def test_each_kind_has_its_mode(kind: int, mode: str) -> None:
    field = motion_field(
        parse_statistics(statistics_bytes([(kind, (8, -4), (0, 0))]), (16, 16)), (16, 16), OURS, Link.OK
    )
    assert field.mode[0, 0] == BlockMode[mode]
    assert field.mv_qpel[0, 0].tolist() == ([8, -4] if mode in ("INTER", "SKIP") else [0, 0])


@pytest.mark.parametrize(
    ("first", "second", "mode"),
    [
        ((4, 0), (0, 0), "INTER"),
        ((4, 0), (-4, 0), "BI"),
        ((0, 0), (-4, 0), "MISSING"),  # from the future alone, or from both: it is not told
        ((0, 0), (0, 0), "INTER"),
    ],
)
def test_second_vectors(first: tuple[int, int], second: tuple[int, int], mode: str) -> None:
    found = parse_statistics(statistics_bytes([(1, first, second)], second=True), (16, 16))
    assert motion_field(found, (16, 16), OURS, Link.OK).mode[0, 0] == BlockMode[mode]


def test_without_the_headers_word_second_vectors_are_not_read() -> None:
    found = parse_statistics(statistics_bytes([(1, (4, 0), (99, 99))]), (16, 16))
    assert motion_field(found, (16, 16), OURS, Link.OK).mode[0, 0] == BlockMode.INTER


@pytest.mark.parametrize(
    ("convention", "quarters"), [((1, 4), 12), ((-1, 4), -12), ((1, 2), 24), ((1, 1), 48), ((-1, 1), -48)]
)
def test_the_convention_is_undone(convention: tuple[int, int], quarters: int) -> None:
    found = parse_statistics(statistics_bytes([(1, (12, -12), (0, 0))]), (16, 16))
    field = motion_field(found, (16, 16), VectorConvention(*convention), Link.OK)
    assert field.mv_qpel[0, 0].tolist() == [quarters, -quarters]


def test_a_vector_that_cannot_be_is_missing() -> None:
    found = parse_statistics(statistics_bytes([(1, (20000, 0), (0, 0))]), (16, 16))
    assert motion_field(found, (16, 16), OURS, Link.OK).mode[0, 0] == BlockMode.MISSING


def test_cells_are_in_raster_order() -> None:
    cells: list[Cell] = [(1, (4 * column, 4 * row), (0, 0)) for row in range(2) for column in range(3)]
    field = motion_field(parse_statistics(statistics_bytes(cells), (40, 20)), (40, 20), OURS, Link.OK)
    assert field.mv_qpel[1, 2].tolist() == [8, 4] and field.mv_qpel[0, 1].tolist() == [4, 0]


def test_intra_pictures_and_damage_are_told() -> None:
    nothing = ((0, 0), (0, 0))
    intra = parse_statistics(statistics_bytes([(0, *nothing), (3, *nothing)]), (32, 16))
    mixed = parse_statistics(statistics_bytes([(0, *nothing), (7, *nothing)]), (32, 16))
    assert intra is not None and intra.is_intra and not intra.is_damaged
    assert mixed is not None and mixed.is_damaged and not mixed.is_intra
