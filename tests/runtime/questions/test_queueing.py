"""How long a question is told it would wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.latency import LatencyProfile
from magno.runtime.questions.queueing import Places, Work, wait_ms

PROFILE = LatencyProfile(5.0, 0.5, 4.0, rider_ms=1.0, margin_ms=10.0)
PLACES = Places(questions=2, cells=100)
DECODING = Work(0, 6, 40, begun=True)
NEW = Work(20, 6, 40, begun=False)  # its prompt takes 15 ms
works = st.builds(
    Work,
    st.integers(0, 50),
    st.integers(1, 50),
    st.integers(1, 120),
    begun=st.booleans(),
    alone=st.booleans(),
)


@pytest.mark.parametrize(
    ("ahead", "waits_ms"),
    [
        ([], 0.0),
        ([DECODING], 4.0),  # the step it is in
        ([NEW], 15.0 + 4.0),
        ([DECODING, DECODING], 6 * 5.0),  # both places are taken, and end together
        ([DECODING, NEW], 15.0 + 6 * 5.0),
        ([DECODING, DECODING, NEW], 6 * 5.0 + 15.0 + 4.0),
        ([DECODING, DECODING, NEW, NEW], 6 * 5.0 + 25.0 + 6 * 5.0),
        ([Work(0, 6, 40, begun=True, alone=True)], 6 * 4.0),
        ([Work(0, 2, 90, begun=True)], 2 * 4.0),  # a place is free, and too few cells
    ],
)
def test_wait(ahead: list[Work], waits_ms: float) -> None:
    assert wait_ms(ahead, 40, PLACES, PROFILE) == pytest.approx(waits_ms)


@given(st.lists(works, max_size=12), st.integers(1, 200))
def test_every_wait_ends_and_is_no_longer_than_one_after_another(ahead: list[Work], cells: int) -> None:
    found = wait_ms(ahead, cells, PLACES, PROFILE)
    in_turns = sum(
        PROFILE.prefill_ms(work.prompt_tokens) + work.answer_tokens * PROFILE.step_ms for work in ahead
    )
    assert 0.0 <= found <= in_turns + 1e-6
