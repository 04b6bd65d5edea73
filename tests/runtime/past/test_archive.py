"""What is kept of the past: whole GOPs, in bounded memory, up to any moment that is remembered."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.past.archive import Archive
from magno.runtime.units import Encoded, SpanKind

WIDTH, KEYFRAME_ROWS, WINDOW_ROWS = 4, 16, 2
ITEM = {SpanKind.KEYFRAME: KEYFRAME_ROWS, SpanKind.WINDOW: WINDOW_ROWS}


def items(gops: list[int]) -> list[Encoded]:
    """GOPs of a keyframe and so many windows, an item a second."""
    kinds = [
        (gop, kind)
        for gop, windows in enumerate(gops)
        for kind in (SpanKind.KEYFRAME, *[SpanKind.WINDOW] * windows)
    ]
    return [
        Encoded(kind, np.full((ITEM[kind], WIDTH), at, np.float32), gop, at * 10**9, at, 1)
        for at, (gop, kind) in enumerate(kinds)
    ]


def rows_of(item: Encoded) -> int:
    return len(item.rows)


def with_text(item: Encoded) -> int:
    return len(item.rows) + (item.kind is SpanKind.KEYFRAME)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=8),
    st.integers(0, 2000),
    st.integers(-1, 50),
    st.integers(0, 100),
)
def test_a_past_begins_with_a_keyframe_and_ends_at_its_moment(
    gops: list[int], most_bytes: int, second: int, most_tokens: int
) -> None:
    archive, shown = Archive(most_bytes), items(gops)
    for item in shown:
        archive.add(item)
    assert archive.size_bytes <= most_bytes
    found = archive.until(second * 10**9, most_tokens, rows_of)
    if not found:
        return
    assert found[0].kind is SpanKind.KEYFRAME
    numbers = [item.capture_ns for item in found]
    assert numbers == list(range(numbers[0], min(second, len(shown) - 1) + 1))  # nothing left out in between
    gop_of_moment = [item for item in found if item.gop == found[-1].gop]
    assert sum(len(item.rows) for item in found) <= max(most_tokens, sum(len(i.rows) for i in gop_of_moment))
    for item in found:
        assert (item.rows == item.capture_ns).all()


def test_whole_gops_leave_oldest_first() -> None:
    gop_bytes = 2 * WIDTH * (KEYFRAME_ROWS + 2 * WINDOW_ROWS)
    archive = Archive(2 * gop_bytes)
    for item in items([2, 2, 2]):
        archive.add(item)
    assert archive.forgotten_gops == 1 and archive.since_ns() == 3 * 10**9
    assert not archive.until(2 * 10**9, 1000, rows_of)
    assert [item.capture_ns for item in archive.until(4 * 10**9, 1000, rows_of)] == [3, 4]


def test_as_many_gops_as_fit() -> None:
    archive = Archive(10**6)
    for item in items([2, 2, 2]):
        archive.add(item)
    whole = KEYFRAME_ROWS + 2 * WINDOW_ROWS
    assert len(archive.until(8 * 10**9, 2 * whole, rows_of)) == 6
    # The text before each keyframe counts too.
    assert len(archive.until(8 * 10**9, 2 * whole, with_text)) == 3
    assert len(archive.until(8 * 10**9, 0, rows_of)) == 3
