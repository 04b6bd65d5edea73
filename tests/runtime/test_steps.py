"""Who takes part in the next native step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.latency import LatencyProfile
from magno.runtime.steps import Wish, plan_step, slack_ms

# A prompt of 20: 15 ms; a decode step 4, and 1 for each more.
PROFILE = LatencyProfile(5.0, 0.5, 4.0, rider_ms=1.0, margin_ms=10.0)
FAR = 1e6
wishes = st.lists(st.builds(Wish, st.integers(0, 300), st.floats(-1e3, 1e3)), max_size=12)


@pytest.mark.parametrize(
    ("wishes", "taken"),
    [
        ([], []),
        ([Wish(0, FAR)] * 3, [1, 1, 1]),
        ([Wish(20, FAR)] * 3, [20, 20, 20]),
        ([Wish(0, FAR), Wish(20, FAR)], [1, 20]),
        ([Wish(100, FAR), Wish(20, FAR), Wish(20, FAR), Wish(0, FAR)], [100, 20, 8, 0]),  # the step is full
        ([Wish(300, FAR), Wish(0, FAR)], [128, 0]),
        ([Wish(0, -50.0), Wish(0, FAR)], [1, 0]),  # the most urgent is late already: its time is its own
        ([Wish(0, 5.0), Wish(0, FAR), Wish(0, FAR)], [1, 1, 0]),  # 4, 5, 6 ms
        ([Wish(0, 5.0), Wish(20, FAR), Wish(0, FAR)], [1, 0, 1]),  # a prompt is too long, a token is not
        ([Wish(0, FAR), Wish(0, 5.5), Wish(20, FAR)], [1, 1, 0]),  # the second ends in time, and is to
        ([Wish(0, FAR), Wish(0, 3.0), Wish(20, FAR)], [1, 1, 20]),  # the second cannot: it holds nobody back
    ],
)
def test_plan_step(wishes: list[Wish], taken: list[int]) -> None:
    assert plan_step(wishes, 128, PROFILE) == taken


@given(wishes, st.integers(1, 128))
def test_a_step_is_never_too_long_and_never_without_the_most_urgent(wishes: list[Wish], most: int) -> None:
    taken = plan_step(wishes, most, PROFILE)
    assert len(taken) == len(wishes) and sum(taken) <= most
    assert not wishes or taken[0] > 0
    for wish, tokens in zip(wishes, taken, strict=True):
        assert 0 <= tokens <= max(1, wish.prompt_tokens)


@given(wishes, st.integers(1, 128))
def test_nobody_rides_along_at_the_cost_of_the_most_urgent(wishes: list[Wish], most: int) -> None:
    taken = plan_step(wishes, most, PROFILE)
    if sum(tokens > 0 for tokens in taken) > 1:
        prompt = sum(tokens for wish, tokens in zip(wishes, taken, strict=True) if wish.prompt_tokens)
        decodes = sum(
            tokens > 0 and not wish.prompt_tokens for wish, tokens in zip(wishes, taken, strict=True)
        )
        assert PROFILE.native_ms(prompt, decodes) <= wishes[0].slack_ms


def test_slack_is_what_is_left_after_the_other_tokens() -> None:
    assert slack_ms(100.0, 6, PROFILE) == 100.0 - 10.0 - 5 * 4.0
    assert slack_ms(100.0, 1, PROFILE) == 90.0
