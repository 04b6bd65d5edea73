"""Messages and nouns, both ways, for whatever a stranger sends."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rclpy")

from builtin_interfaces.msg import Duration, Time
from magno_interfaces.action import Ask
from magno_interfaces.msg import StreamStatus
from magno_interfaces.srv import Query as QueryService

from magno.runtime.units import Answer, Outcome
from magno.runtime.watcher import CameraStatus
from magno_ros.conversions import (
    OUTCOMES,
    STATES,
    duration_from_ms,
    duration_from_ns,
    fill_answer,
    ms_from_duration,
    query_from_message,
    status_message,
    time_from_ns,
)

int32 = st.integers(-(2**31), 2**31 - 1)
S = 1_000_000_000
ANSWER = Answer(
    text="left",
    outcome=Outcome.COMPLETE,
    ttft_ms=12.5,
    latency_ms=40.25,
    frame_capture_ns=7 * S,
    age_ms=30.0,
    dropped_pictures=2,
    visual_tokens=96,
    cached_tokens=130,
    recalled_tokens=31,
    foretold_tokens=32,
    earlier_turns=3,
)


@given(int32, st.integers(0, S - 1))
def test_a_duration_survives_nanoseconds(sec: int, nanosec: int) -> None:
    total_ns = sec * S + nanosec
    if abs(total_ns) <= (2**31 - 1) * S:
        assert duration_from_ns(total_ns) == Duration(sec=sec, nanosec=nanosec)


@given(st.floats())
def test_any_float_makes_a_duration(duration_ms: float) -> None:
    back_ms = ms_from_duration(duration_from_ms(duration_ms))
    if abs(duration_ms) < 1e9:
        assert back_ms == pytest.approx(duration_ms, abs=1e-5)
    else:
        assert math.isfinite(back_ms)


@given(st.integers())
def test_any_integer_makes_a_time(time_ns: int) -> None:
    assert 0 <= time_from_ns(time_ns).nanosec < S


def test_none_is_a_zero_duration() -> None:
    assert duration_from_ms(None) == Duration()


@given(
    st.text(), st.text(), st.text(), int32, st.integers(0, S - 1), st.integers(0, 2**32 - 1), st.booleans()
)
def test_a_request_and_a_goal_make_the_same_query(
    camera: str, question: str, conversation: str, sec: int, nanosec: int, tokens: int, recall: bool
) -> None:
    length, at = Duration(sec=sec, nanosec=nanosec), Time(sec=abs(sec) % 2**31, nanosec=nanosec)
    fields = {
        "camera": camera,
        "question": question,
        "conversation": conversation,
        "max_tokens": tokens,
        "deadline": length,
        "at": at,
        "recall": recall,
        "all_or_nothing": recall,
    }
    now_ns = (abs(sec) % 2**31 + 5) * S + nanosec
    query = query_from_message(QueryService.Request(**fields), now_ns, 7)
    assert query == query_from_message(Ask.Goal(**fields), now_ns, 7)
    assert (query.question, query.camera, query.conversation) == (question, camera, conversation)
    assert query.deadline_ms == pytest.approx(sec * 1e3 + nanosec / 1e6)
    assert query.ago_s == (5.0 if at != Time() else 0.0)
    assert query_from_message(QueryService.Request(**fields), 0, 7).ago_s == 0.0  # a moment to come is now
    assert query.max_tokens == (tokens or 7) and query.recall == recall
    assert query.on_deadline == ("refuse" if recall else "partial")


def test_an_answer_fills_a_response_and_a_result_alike() -> None:
    response = fill_answer(QueryService.Response(), ANSWER, ros_now_ns=1000 * S, monotonic_now_ns=9 * S)
    result = fill_answer(Ask.Result(), ANSWER, ros_now_ns=1000 * S, monotonic_now_ns=9 * S)
    fields = QueryService.Response.get_fields_and_field_types()
    assert fields == Ask.Result.get_fields_and_field_types()
    assert all(getattr(response, name) == getattr(result, name) for name in fields)
    assert response.answer == "left" and response.outcome == QueryService.Response.COMPLETE
    assert response.stamp.sec == 998  # captured two seconds ago
    assert ms_from_duration(response.age) == 30.0
    assert ms_from_duration(response.time_to_first_token) == 12.5
    assert ms_from_duration(response.latency) == 40.25
    assert (response.visual_tokens, response.cached_tokens, response.dropped_pictures) == (96, 130, 2)
    assert (response.recalled_tokens, response.foretold_tokens, response.earlier_turns) == (31, 32, 3)


def test_an_answer_that_saw_nothing_has_no_stamp() -> None:
    answer = replace(ANSWER, frame_capture_ns=None, age_ms=None)
    response = fill_answer(QueryService.Response(), answer, ros_now_ns=1000 * S, monotonic_now_ns=9 * S)
    assert (response.stamp.sec, response.stamp.nanosec) == (0, 0)
    assert response.age == Duration()


def test_every_outcome_has_a_constant_of_its_own_in_both_interfaces() -> None:
    assert set(OUTCOMES) == set(Outcome) and len(set(OUTCOMES.values())) == len(Outcome)
    for outcome, code in OUTCOMES.items():
        assert code == getattr(QueryService.Response, outcome.name) == getattr(Ask.Result, outcome.name)
    assert 0 not in OUTCOMES.values()


@given(st.text(st.characters(exclude_categories=())), st.integers(-5, 2**70))
def test_no_text_and_no_count_is_too_odd_to_send(text: str, count: int) -> None:
    answer = replace(ANSWER, text=text, error=text, visual_tokens=count, cached_tokens=count)
    response = fill_answer(QueryService.Response(), answer, ros_now_ns=0, monotonic_now_ns=0)
    assert "\0" not in response.answer
    response.answer.encode()
    assert 0 <= response.visual_tokens < 2**32


@pytest.mark.parametrize("state", STATES)
def test_a_camera_becomes_a_status(state: str) -> None:
    camera = CameraStatus(
        name="front",
        state=state,
        pictures_received=100,
        pictures_dropped=3,
        pictures_per_second=12.5,
        newest_capture_ns=5 * S,
        cached_tokens=77,
        remembered_s=12.5,
        error="",
        reconnects=2,
        restarts=1,
        tier="longer windows",
        tier_changes=4,
    )
    message = status_message(camera, ros_now_ns=50 * S, monotonic_now_ns=6 * S)
    assert message.header.stamp.sec == 50 and message.camera == "front"
    assert message.state == STATES[state] and message.pictures_per_second == 12.5
    assert (message.pictures_received, message.pictures_dropped, message.cached_tokens) == (100, 3, 77)
    assert message.remembered == Duration(sec=12, nanosec=S // 2)
    assert (message.reconnects, message.restarts) == (2, 1)
    assert (message.tier, message.tier_changes) == ("longer windows", 4)
    assert message.newest_picture_age == Duration(sec=1)


def test_a_camera_without_a_picture_has_a_negative_age() -> None:
    camera = CameraStatus("front", "opening", 0, 0, 0.0, None, 0, "")
    message = status_message(camera, ros_now_ns=0, monotonic_now_ns=6 * S)
    assert message.state == StreamStatus.STATE_OPENING
    assert ms_from_duration(message.newest_picture_age) < 0
