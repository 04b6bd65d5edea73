"""The deadline rule: what is predicted, admitted, refused, cut; and which questions are faulty."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.deadline import admit, check_query, fits_another_step, foretold_tokens, refuse_late
from magno.runtime.latency import LatencyProfile
from magno.runtime.units import Query

PROFILE = LatencyProfile(prefill_fixed_ms=5.0, prefill_token_ms=0.5, step_ms=4.0, margin_ms=10.0)
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


def test_a_whole_answer_wants_its_steps_too() -> None:
    assert admit(45, 0, 20, PROFILE, 5 * 4.0).admitted
    assert admit(44, 0, 20, PROFILE, 5 * 4.0).reason == (
        "A whole answer wants 45 ms on this device now, found 44 left: give a deadline of 45 ms or more."
    )


@given(
    st.floats(-1e6, 1e6),
    st.floats(0, 1e6),
    st.integers(0, 5000),
    st.integers(1, 16),
    st.integers(2, 64),
    profiles,
)
def test_as_many_tokens_are_foretold_as_are_admitted(
    remaining_ms: float, queue_ms: float, tokens: int, together: int, answer: int, profile: LatencyProfile
) -> None:
    foretold = foretold_tokens(remaining_ms, queue_ms, tokens, together, profile)
    first = admit(remaining_ms, queue_ms, tokens, profile)
    assert (foretold > 0) is first.admitted
    step_ms = profile.native_ms(0, together)
    near = abs(remaining_ms - first.predicted_ms - (answer - 1) * step_ms) < 1e-6 * (1 + abs(remaining_ms))
    if first.admitted and not near and step_ms > 0:
        decode_ms = (answer - 1) * step_ms
        assert (foretold >= answer) is admit(remaining_ms, queue_ms, tokens, profile, decode_ms).admitted


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


def test_a_late_refusal_tells_when_to_ask_again() -> None:
    """A question that wants 25 ms of its 100, of which 20 are left."""
    found = refuse_late(100.0, 20.0, 0.0, 20, PROFILE)
    assert (found.admitted, found.retry_after_ms) == (False, 1.0)  # all its time again, and nobody before it
    assert found.reason.endswith("found 20 left after other questions: ask again in 1 ms.")
    assert refuse_late(100.0, 20.0, 80.0, 20, PROFILE).retry_after_ms == 5.0
    hopeless = refuse_late(24.0, 20.0, 80.0, 20, PROFILE)
    assert hopeless.retry_after_ms is None and "give a deadline of 25 ms" in hopeless.reason


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (Query("Which way?"), None),
        (Query("é" * 2048), None),
        (Query("?", deadline_ms=0.001, max_tokens=1), None),
        (Query("?", deadline_ms=86_400_000.0, max_tokens=1024), None),
        (Query("?", on_deadline="refuse"), None),
        (Query("?", on_deadline="whole"), "on_deadline wants partial or refuse, found 'whole'"),
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
