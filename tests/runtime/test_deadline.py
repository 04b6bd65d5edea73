"""The deadline rule: what is predicted, admitted, refused, cut; and which questions are faulty."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.deadline import LatencyProfile, admit, check_query, fits_another_step
from magno.runtime.units import Query

PROFILE = LatencyProfile(prefill_fixed_ms=5.0, prefill_token_ms=0.5, step_ms=4.0, margin_ms=10.0)
some_ms = st.floats(0.001, 1e6)
profiles = st.builds(LatencyProfile, *[st.floats(0, 1e5)] * 4)


@pytest.mark.parametrize(
    ("remaining_ms", "queue_ms", "tokens", "admitted", "retry_after_ms"),
    [
        (25.0, 0.0, 20, True, None),  # 5 + 20 * 0.5 + 10: fits exactly
        (24.9, 0.0, 20, False, None),  # alone it does not fit: waiting does not help
        (1000.0, 900.0, 20, True, None),
        (100.0, 80.0, 20, False, 5.0),  # 105 wanted: it fits when 5 ms of the queue are gone
        (25.0, 1000.0, 20, False, 1000.0),
        (0.0, 0.0, 20, False, None),
        (-5.0, 50.0, 20, False, None),
        (10.0, 0.0, 0, True, None),
    ],
)
def test_admission(
    remaining_ms: float, queue_ms: float, tokens: int, admitted: bool, retry_after_ms: float | None
) -> None:
    found = admit(remaining_ms, queue_ms, tokens, PROFILE)
    assert (found.admitted, found.retry_after_ms) == (admitted, retry_after_ms)
    assert bool(found.reason) is not admitted


def test_a_refusal_says_what_would_do() -> None:
    assert admit(20, 0, 20, PROFILE).reason == (
        "A first token wants 25 ms on this device now, found 20 left: give a deadline of 25 ms or more."
    )
    assert admit(100, 80, 20, PROFILE).reason.endswith("other questions are first, ask again in 5 ms.")


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.integers(0, 5000), profiles)
def test_waiting_as_told_is_enough(
    remaining_ms: float, queue_ms: float, tokens: int, profile: LatencyProfile
) -> None:
    found = admit(remaining_ms, queue_ms, tokens, profile)
    if found.retry_after_ms is not None:
        assert found.retry_after_ms > 0
        later = max(0.0, queue_ms - found.retry_after_ms)
        assert admit(remaining_ms, later, tokens, profile).admitted


@pytest.mark.parametrize(("remaining_ms", "fits"), [(14.0, True), (13.9, False), (0.0, False), (-1.0, False)])
def test_another_step(remaining_ms: float, fits: bool) -> None:
    assert fits_another_step(remaining_ms, PROFILE) is fits


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


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (Query("Which way?"), None),
        (Query("é" * 2048), None),
        (Query("?", deadline_ms=0.001, max_tokens=1), None),
        (Query("?", deadline_ms=86_400_000.0, max_tokens=1024), None),
        (Query(""), "found none"),
        (Query(" \n\t\u3000"), "found none"),
        (Query("é" * 2048 + "!"), "found 4097"),
        (Query("which\0way"), "NUL"),
        (Query("which \ud800 way"), "UTF-8"),
        (Query("?", deadline_ms=0), "deadline"),
        (Query("?", deadline_ms=-1.0), "deadline"),
        (Query("?", deadline_ms=math.nan), "deadline"),
        (Query("?", deadline_ms=math.inf), "deadline"),
        (Query("?", deadline_ms=86_400_001.0), "deadline"),
        (Query("?", max_tokens=0), "max_tokens"),
        (Query("?", max_tokens=1025), "max_tokens"),
        (Query("?", max_tokens=-3), "max_tokens"),
        (Query("?", max_tokens=1.5), "max_tokens"),  # type: ignore[arg-type]
    ],
)
def test_check_query(query: Query, fault: str | None) -> None:
    found = check_query(query)
    if fault is None:
        assert found is None
    else:
        assert found is not None and fault in found and found.endswith(".") and "\n" not in found


@given(st.text(), st.floats(), st.integers())
def test_any_query_is_judged(question: str, deadline_ms: float, max_tokens: int) -> None:
    found = check_query(Query(question, "", deadline_ms, max_tokens))
    assert found is None or found.endswith(".")
