"""The memory rule: sink and newest GOPs stay, whole GOPs leave oldest first, gaps close when they must."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.memory import Shift, plan_eviction, plan_shift, sink_of, spans_after
from magno.runtime.units import Span, SpanKind

SYSTEM_TOKENS, KEYFRAME_TOKENS, WINDOW_TOKENS = 10, 20, 8


def stream(*windows: int, system: int = SYSTEM_TOKENS, offset: int = 0) -> list[Span]:
    """A stream of GOPs with so many windows each; `offset` moves what follows the sink up."""
    spans = [Span(SpanKind.SYSTEM, 0, system, -1)] if system else []
    position = system
    for gop, count in enumerate(windows):
        for index in range(count + 1):
            kind = SpanKind.WINDOW if index else SpanKind.KEYFRAME
            size = WINDOW_TOKENS if index else KEYFRAME_TOKENS
            spans.append(Span(kind, position, position + size, gop))
            position += size
            if len(spans) == 1 + bool(system):
                position += offset
    return spans


def tokens(spans: list[Span]) -> int:
    return sum(span.tokens for span in spans)


streams = st.builds(
    lambda windows, system: stream(*windows, system=system),
    st.lists(st.integers(0, 4), max_size=8),
    st.sampled_from([0, SYSTEM_TOKENS]),
)


@pytest.mark.parametrize(
    ("windows", "incoming", "budget", "gops"),
    [
        ((), 5, 100, []),
        ((2,), 8, 54, []),  # 46 held: fits exactly
        ((2,), 8, 53, []),  # the newest GOP never leaves
        ((2, 2), 8, 90, []),  # 82 held
        ((2, 2), 8, 89, [0]),
        ((2, 2, 2), 8, 125, [0]),  # 118 held; the first keyframe stays, so GOP 0 gives 16
        ((2, 2, 2), 8, 109, [0, 1]),
        ((2, 2, 2), 8, 20, [0, 1]),  # cannot be held: all that may leave does
        ((0, 2, 2), 8, 100, [1]),  # GOP 0 is all sink
    ],
)
def test_table(windows: tuple[int, ...], incoming: int, budget: int, gops: list[int]) -> None:
    leaving = plan_eviction(stream(*windows), incoming, budget)
    assert list(dict.fromkeys(span.gop for span in leaving)) == gops


@given(streams, st.integers(0, 60), st.integers(0, 400))
def test_eviction_holds_the_budget_and_the_rule(spans: list[Span], incoming: int, budget: int) -> None:
    leaving = plan_eviction(spans, incoming, budget)
    left = spans_after(spans, leaving)
    newest = max((span.gop for span in spans), default=-1)
    movable = [span for span in spans if span not in sink_of(spans) and span.gop != newest]
    assert all(span in left for span in sink_of(spans))
    assert all(span in movable for span in leaving)
    assert tokens(left) + incoming <= budget or leaving == movable
    assert leaving == movable[: len(leaving)]  # oldest first
    gone = {span.gop for span in leaving}
    assert not any(span.gop in gone for span in left if span in movable)  # whole GOPs
    if leaving:  # and not one more than needed
        last = [span for span in leaving if span.gop == leaving[-1].gop]
        assert tokens(left) + tokens(last) + incoming > budget


def test_the_sink_is_the_system_text_and_the_first_keyframe() -> None:
    spans = stream(2, 2)
    assert sink_of(spans) == spans[:2]
    assert sink_of(list(reversed(spans))) == spans[:2]
    assert sink_of([]) == []


@pytest.mark.parametrize(
    ("room", "trained", "offset", "expected"),
    [
        (10, 192, 100, None),  # 182 + 10 fit exactly
        (10, 191, 100, Shift(130, -100)),
        (10, 50, 0, None),  # no gap to close
        (10, 91, 1, Shift(31, -1)),
    ],
)
def test_shift_table(room: int, trained: int, offset: int, expected: Shift | None) -> None:
    spans = stream(2, 2, offset=offset)
    assert plan_shift(spans, spans[-1].stop, room, trained) == expected


def test_a_sink_alone_has_nothing_to_move() -> None:
    spans = stream(0)
    assert plan_shift(spans, 30, 1000, 100) is None
    assert plan_shift([], 0, 1000, 100) is None


@given(streams, st.integers(0, 300), st.integers(1, 60), st.integers(1, 400))
def test_shift_never_collides_nor_goes_below_zero(
    spans: list[Span], incoming: int, room: int, trained: int
) -> None:
    left = spans_after(spans, plan_eviction(spans, incoming, 120))
    next_position = max((span.stop for span in left), default=0)
    shift = plan_shift(left, next_position, room, trained)
    moved = spans_after(left, shift=shift)
    assert [span.tokens for span in moved] == [span.tokens for span in left]
    assert all(before.stop <= after.start for before, after in pairwise(moved))
    assert all(span.start >= 0 for span in moved)
    if shift is None:
        assert moved == left
    else:
        assert shift.delta < 0 and next_position + room > trained
        assert moved[-1].stop == next_position + shift.delta == tokens(moved)  # no gap is left


def test_a_stream_runs_for_ever_within_budget_and_trained_context() -> None:
    """The engine's loop on paper: 500 GOPs of 4 windows, a budget of 200, a trained context of 300."""
    spans, position, shifts = [Span(SpanKind.SYSTEM, 0, 10, -1)], 10, 0
    for gop in range(500):
        for index in range(5):
            kind, size = (SpanKind.WINDOW, 8) if index else (SpanKind.KEYFRAME, 20)
            spans = spans_after(spans, plan_eviction(spans, size, 200))
            if (shift := plan_shift(spans, position, size, 300)) is not None:
                spans, position, shifts = spans_after(spans, shift=shift), position + shift.delta, shifts + 1
            spans.append(Span(kind, position, position + size, gop))
            position += size
            assert tokens(spans) <= 200 and position <= 300
    assert spans[0].kind is SpanKind.SYSTEM and spans[1].gop == 0
    assert 100 < shifts < 500  # not at each GOP
