"""Between magno's nouns and the messages of magno_interfaces. Pure: knows no node, no executor, no engine."""

from __future__ import annotations

import math
from typing import Protocol, TypeVar

from builtin_interfaces.msg import Duration, Time
from magno_interfaces.msg import Event as EventMessage
from magno_interfaces.msg import StreamStatus
from magno_interfaces.srv import Query as QueryService

from magno.runtime.deadline import PARTIAL, REFUSE
from magno.runtime.units import Answer, Event, Outcome, Query

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
INT32_MAX = 2**31 - 1
UINT32_MAX = 2**32 - 1
UINT64_MAX = 2**64 - 1

OUTCOMES = {
    Outcome.COMPLETE: QueryService.Response.COMPLETE,
    Outcome.PARTIAL: QueryService.Response.PARTIAL,
    Outcome.REFUSED: QueryService.Response.REFUSED,
    Outcome.FAILED: QueryService.Response.FAILED,
}
OUTCOME_NAMES = {code: outcome.name for outcome, code in OUTCOMES.items()}
STATES = {
    "opening": StreamStatus.STATE_OPENING,
    "streaming": StreamStatus.STATE_STREAMING,
    "ended": StreamStatus.STATE_ENDED,
    "lost": StreamStatus.STATE_LOST,
    "silent": StreamStatus.STATE_SILENT,
}


class AnswerMessage(Protocol):
    """Query.Response and Ask.Result: field for field the same."""

    answer: str
    outcome: int
    error_msg: str
    stamp: Time
    age: Duration
    time_to_first_token: Duration
    latency: Duration
    retry_after: Duration
    visual_tokens: int
    cached_tokens: int
    recalled_tokens: int
    foretold_tokens: int
    earlier_turns: int
    dropped_pictures: int


class QuestionMessage(Protocol):
    """Query.Request and Ask.Goal: field for field the same."""

    camera: str
    question: str
    deadline: Duration
    max_tokens: int
    all_or_nothing: bool
    at: Time
    recall: bool
    conversation: str


class CameraState(Protocol):
    """What a status message needs of the engine's CameraStatus."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def error(self) -> str: ...
    @property
    def pictures_received(self) -> int: ...
    @property
    def pictures_dropped(self) -> int: ...
    @property
    def reconnects(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def pictures_per_second(self) -> float: ...
    @property
    def newest_capture_ns(self) -> int | None: ...
    @property
    def cached_tokens(self) -> int: ...
    @property
    def remembered_s(self) -> float: ...
    @property
    def tier(self) -> str: ...
    @property
    def tier_changes(self) -> int: ...


M = TypeVar("M", bound=AnswerMessage)


def duration_from_ns(duration_ns: int) -> Duration:
    """Nanoseconds, cut to what a Duration holds. A negative one has a negative sec and a positive nanosec."""
    limit_ns = INT32_MAX * NS_PER_S
    sec, nanosec = divmod(max(-limit_ns, min(limit_ns, duration_ns)), NS_PER_S)
    return Duration(sec=sec, nanosec=nanosec)


def duration_from_ms(duration_ms: float | None) -> Duration:
    """Milliseconds; None and not-a-number become zero."""
    if duration_ms is None or math.isnan(duration_ms):
        return Duration()
    limit_ms = INT32_MAX * 1e3
    return duration_from_ns(round(max(-limit_ms, min(limit_ms, duration_ms)) * NS_PER_MS))


def ms_from_duration(duration: Duration) -> float:
    return duration.sec * 1e3 + duration.nanosec / NS_PER_MS


def time_from_ns(time_ns: int) -> Time:
    """Nanoseconds since the clock's zero, cut to what a Time holds."""
    sec, nanosec = divmod(max(0, min(INT32_MAX * NS_PER_S, time_ns)), NS_PER_S)
    return Time(sec=sec, nanosec=nanosec)


def ns_from_time(moment: Time) -> int:
    return int(moment.sec * NS_PER_S + moment.nanosec)


def query_from_message(message: QuestionMessage, ros_now_ns: int, default_max_tokens: int) -> Query:
    """A question as the engine takes it; 0 max_tokens is the default. A moment to come is now."""
    at_ns = ns_from_time(message.at)
    return Query(
        question=message.question,
        camera=message.camera,
        deadline_ms=ms_from_duration(message.deadline),
        conversation=message.conversation,
        recall=message.recall,
        ago_s=max(0, ros_now_ns - at_ns) / NS_PER_S if at_ns else 0.0,
        max_tokens=message.max_tokens or default_max_tokens,
        on_deadline=REFUSE if message.all_or_nothing else PARTIAL,
    )


def fill_answer(
    message: M, answer: Answer, ros_now_ns: int, monotonic_now_ns: int, *, stamped: bool = False
) -> M:
    """Write an answer into a response or result, and return that.

    The two clocks are read together: a capture time is monotonic, its stamp that long ago on the ROS clock. Of a
    `stamped` camera a picture's time in the stream is its stamp.
    """
    message.answer = sendable(answer.text)
    message.outcome = OUTCOMES[answer.outcome]
    message.error_msg = sendable(answer.error)
    if answer.frame_capture_ns is not None:
        message.stamp = _stamp(answer, ros_now_ns - monotonic_now_ns, stamped)
        message.age = duration_from_ms(answer.age_ms)
    message.time_to_first_token = duration_from_ms(answer.ttft_ms)
    message.latency = duration_from_ms(answer.latency_ms)
    message.retry_after = duration_from_ms(answer.retry_after_ms)
    message.visual_tokens = _cut(answer.visual_tokens, UINT32_MAX)
    message.cached_tokens = _cut(answer.cached_tokens, UINT32_MAX)
    message.recalled_tokens = _cut(answer.recalled_tokens, UINT32_MAX)
    message.foretold_tokens = _cut(answer.foretold_tokens or 0, UINT32_MAX)
    message.earlier_turns = _cut(answer.earlier_turns, UINT32_MAX)
    message.dropped_pictures = _cut(answer.dropped_pictures, UINT32_MAX)
    return message


def event_message(
    number: int, event: Event, ros_now_ns: int, monotonic_now_ns: int, *, stamped: bool = False
) -> EventMessage:
    """The clocks and `stamped` as in fill_answer."""
    message, offset_ns = EventMessage(), ros_now_ns - monotonic_now_ns
    message.header.stamp = time_from_ns(event.at_ns + offset_ns)
    message.header.frame_id = message.camera = sendable(event.camera)
    message.id, message.question = number, sendable(event.question)
    message.answer, message.stamp = sendable(event.answer.text), _stamp(event.answer, offset_ns, stamped)
    if event.previous is not None:
        message.previous_answer = sendable(event.previous.text)
        message.previous_stamp = _stamp(event.previous, offset_ns, stamped)
    return message


def _stamp(answer: Answer, offset_ns: int, stamped: bool) -> Time:
    """When the newest picture that it saw was captured; `offset_ns` from the monotonic to the ROS clock."""
    if answer.frame_capture_ns is None:
        return Time()
    return time_from_ns(answer.frame_pts_ns or 0 if stamped else answer.frame_capture_ns + offset_ns)


def status_message(camera: CameraState, ros_now_ns: int, monotonic_now_ns: int) -> StreamStatus:
    message = StreamStatus()
    message.header.stamp = time_from_ns(ros_now_ns)
    message.camera = sendable(camera.name)
    message.state = STATES[camera.state]
    message.error_msg = sendable(camera.error)
    message.pictures_received = _cut(camera.pictures_received, UINT64_MAX)
    message.pictures_dropped = _cut(camera.pictures_dropped, UINT64_MAX)
    message.reconnects = _cut(camera.reconnects, UINT32_MAX)
    message.restarts = _cut(camera.restarts, UINT32_MAX)
    message.pictures_per_second = float(camera.pictures_per_second)
    newest_ns = camera.newest_capture_ns
    message.newest_picture_age = duration_from_ns(-1 if newest_ns is None else monotonic_now_ns - newest_ns)
    message.cached_tokens = _cut(camera.cached_tokens, UINT32_MAX)
    message.remembered = duration_from_ms(camera.remembered_s * 1e3)
    message.tier = sendable(camera.tier)
    message.tier_changes = _cut(camera.tier_changes, UINT32_MAX)
    return message


def _cut(count: int, limit: int) -> int:
    return max(0, min(limit, count))


def sendable(text: str) -> str:
    """A ROS string is UTF-8 and ends at its first NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
