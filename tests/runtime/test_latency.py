"""What work is believed to cost: quick to believe the worse, slow to believe the better."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.latency import LatencyProfile

PROFILE = LatencyProfile(5.0, 0.5, 4.0, rider_ms=1.0, margin_ms=10.0)
some_ms = st.floats(0.001, 1e6)
profiles = st.builds(LatencyProfile, *[st.floats(0, 1e5)] * 5)


@pytest.mark.parametrize(
    ("prompt_tokens", "decodes", "ms"),
    [(0, 0, 0.0), (0, 1, 4.0), (0, 8, 11.0), (20, 0, 15.0), (20, 3, 18.0)],
)
def test_what_a_native_step_costs(prompt_tokens: int, decodes: int, ms: float) -> None:
    assert PROFILE.native_ms(prompt_tokens, decodes) == ms


def test_one_alone_says_nothing_of_riders() -> None:
    found = PROFILE.observe(0, 1, 12.0)
    assert found.step_ms > PROFILE.step_ms and found.rider_ms == PROFILE.rider_ms


def test_a_throttled_device_shows_in_shared_steps_too() -> None:
    profile = PROFILE
    for _ in range(3):
        profile = profile.observe(0, 8, 33.0)  # three times slower
    assert profile.native_ms(0, 8) > 29.0
    assert profile.native_ms(0, 1) > 10.0


def test_a_prefill_with_riders_is_observed_without_them() -> None:
    assert PROFILE.observe(20, 3, 18.0) == PROFILE
    assert PROFILE.observe(20, 3, 2.0) == PROFILE  # the riders alone would take longer


@pytest.mark.parametrize(("max_tokens", "decoded", "left"), [(32, 0, 8), (3, 0, 3), (32, 5, 3), (32, 20, 1)])
def test_an_answer_is_expected_to_be_as_long_as_those_before(
    max_tokens: int, decoded: int, left: int
) -> None:
    assert PROFILE.expected_tokens(max_tokens, decoded) == left


def test_the_length_of_answers_is_learned() -> None:
    profile = PROFILE
    for _ in range(20):
        profile = profile.observe_answer(3)
    assert profile.expected_tokens(32) == 4
    assert profile.answer_tokens == pytest.approx(3.0, abs=0.1)


def test_a_throttled_device_is_believed_within_three_observations() -> None:
    """Three times slower, all of a sudden."""
    profile = PROFILE
    for _ in range(3):
        profile = profile.observe_step(12.0).observe_prefill(20, 45.0)
    assert profile.step_ms > 10.0
    assert profile.prefill_ms(20) > 39.0


def test_a_faster_device_is_believed_slowly() -> None:
    profile = PROFILE.observe_step(1.0).observe_prefill(20, 3.0)
    assert profile.step_ms == pytest.approx(3.7)
    assert profile.prefill_ms(20) == pytest.approx(13.8)


def test_one_hiccup_is_not_the_device() -> None:
    profile = PROFILE.observe_step(5000.0)
    assert profile.step_ms <= 2.5 * PROFILE.step_ms
    for _ in range(30):
        profile = profile.observe_step(4.0)
    assert profile.step_ms == pytest.approx(4.0, rel=0.1)


def test_what_was_never_measured_takes_the_first_observation() -> None:
    profile = LatencyProfile(0.0, 0.0, 0.0).observe_step(7.0).observe_prefill(10, 30.0)
    assert (profile.step_ms, profile.prefill_ms(10)) == (7.0, 30.0)


@pytest.mark.parametrize("ms", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_observation_changes_nothing(ms: float) -> None:
    assert PROFILE.observe_step(ms).observe_prefill(10, ms) == PROFILE
    assert PROFILE.observe_prefill(0, 5.0) == PROFILE


@given(profiles, st.integers(1, 5000), some_ms)
def test_an_observation_moves_the_belief_towards_it_and_not_past(
    profile: LatencyProfile, tokens: int, ms: float
) -> None:
    for before, after in (
        (profile.step_ms, profile.observe_step(ms).step_ms),
        (profile.native_ms(0, 5), profile.observe_step(ms, 5).native_ms(0, 5)),
        (profile.prefill_ms(tokens), profile.observe_prefill(tokens, ms).prefill_ms(tokens)),
    ):
        slack = 1e-9 * max(before, ms)
        assert min(before, ms) - slack <= after <= max(before, ms) + slack


def test_a_belief_that_refuses_everything_fades() -> None:
    slow = replace(PROFILE, prefill_fixed_ms=500.0, step_ms=400.0)
    eased = slow
    for _ in range(50):
        eased = eased.ease(PROFILE)
    assert eased.prefill_fixed_ms == pytest.approx(5.0, abs=3.0)
    fast = replace(PROFILE, step_ms=1.0)
    assert fast.ease(PROFILE) == fast  # never towards the slower


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_a_profile_wants_finite_times(value: float) -> None:
    with pytest.raises(ValueError, match="step_ms"):
        LatencyProfile(1.0, 1.0, value)
