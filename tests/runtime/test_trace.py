"""Traces: bounded, told whole or not at all, and where two of them part."""

from __future__ import annotations

import json
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magno.runtime.clock import ReplayClock
from magno.runtime.inbox import Inbox
from magno.runtime.trace import NO_TRACE, Fact, RingTracer, Tracer, Trail
from magno.runtime.trace_file import (
    Decision,
    TraceError,
    decision,
    first_difference,
    read_decisions,
    write_lines,
    write_perfetto,
)
from magno.runtime.units import Encoded, SpanKind


class Told(Tracer):
    """Whoever listens, and is no ring: the newest facts."""

    def __init__(self) -> None:
        self.facts: dict[str, Fact] = {}

    def trail(self, track: str) -> Trail:
        return _ToldTrail(self)


class _ToldTrail(Trail):
    __slots__ = ("_told",)

    def __init__(self, told: Told) -> None:
        self._told = told

    def lap(self, stage: str, **facts: Fact) -> None:
        self._told.facts = facts


def traced() -> RingTracer:
    clock = ReplayClock()
    tracer = RingTracer(clock)
    camera, question = tracer.trail("camera front"), tracer.trail("question 1")
    for number in range(3):
        clock.sleep_until_ns(number * 1_000_000_000)
        camera.lap("read", sequence=number, pict_type="P")
        camera.lap("window", items=0)
    question.lap("queue", question='Wohin, "Ärger"?')
    question.lap("decode", token=7)
    return tracer


def test_spans_of_a_track_follow_each_other_without_a_gap() -> None:
    spans = [span for span in traced().spans()[0] if span.track == "camera front"]
    assert [span.stage for span in spans] == ["read", "window"] * 3
    assert [span.at_ns for span in spans] == [0, 0, 10**9, 10**9, 2 * 10**9, 2 * 10**9]
    assert all(span.start_ns <= span.stop_ns for span in spans)
    assert all(before.stop_ns == after.start_ns for before, after in pairwise(spans))


def test_what_was_waited_for_is_nobodys() -> None:
    tracer = RingTracer(ReplayClock())
    trail = tracer.trail("language front")
    trail.lap("ingest")
    trail.start()
    trail.lap("ingest")
    first, second = tracer.spans()[0]
    assert second.start_ns > first.stop_ns


@given(st.integers(1, 20), st.integers(0, 50))
def test_the_newest_are_kept_and_the_others_counted(limit: int, made: int) -> None:
    tracer = RingTracer(ReplayClock(), limit)
    trail = tracer.trail("camera front")
    for number in range(made):
        trail.lap("read", sequence=number)
    spans, dropped = tracer.spans()
    assert [span.facts["sequence"] for span in spans] == list(range(max(0, made - limit), made))
    assert dropped == max(0, made - limit)


def test_many_threads_lose_nothing() -> None:
    tracer = RingTracer(ReplayClock())

    def work(number: int) -> None:
        trail = tracer.trail(f"question {number}")
        for token in range(200):
            trail.lap("decode", token=token)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans, dropped = tracer.spans()
    assert (len(spans), dropped) == (1600, 0)


def test_untraced_nothing_is_kept() -> None:
    trail = NO_TRACE.trail("camera front")
    trail.start()
    trail.lap("read", sequence=1)
    assert trail is NO_TRACE.trail("question 1") and not trail.is_on


def test_lines_come_back_as_decisions(tmp_path: Path) -> None:
    spans, dropped = traced().spans()
    for wall in (True, False):
        write_lines(tmp_path / "trace.jsonl", spans, dropped, wall=wall)
        assert read_decisions(tmp_path / "trace.jsonl") == [decision(span) for span in spans]
    assert "wall" not in (tmp_path / "trace.jsonl").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["trace.jsonl"]


def test_perfetto_reads_it(tmp_path: Path) -> None:
    """As the Trace Event Format has it: complete events with microseconds, and names of threads as metadata."""
    spans, _ = traced().spans()
    write_perfetto(tmp_path / "trace.json", spans)
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    complete = [event for event in events if event["ph"] == "X"]
    assert names == {1: "camera front", 2: "question 1"} and len(complete) == len(spans)
    assert all({"name", "cat", "pid", "tid", "ts", "dur", "args"} <= event.keys() for event in complete)
    assert min(event["ts"] for event in complete) == 0 and all(event["dur"] >= 0 for event in complete)
    for track in names:  # spans of one thread nest or follow each other
        own = [event for event in complete if event["tid"] == track]
        assert all(one["ts"] + one["dur"] <= two["ts"] + 1e-3 for one, two in pairwise(own))


READ: Decision = {"track": "camera clip", "stage": "read", "at_ns": 0, "sequence": 0}
ENCODE: Decision = {"track": "camera clip", "stage": "encode", "at_ns": 1_500_000_000, "pictures": 8}


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [
        ([], [], None),
        ([READ, ENCODE], [READ, ENCODE], None),
        (
            [READ, ENCODE],
            [READ, {**ENCODE, "pictures": 4}],
            "Span 2 (encode of camera clip at 1.500 s) wants pictures 8, found 4.",
        ),
        (
            [READ, ENCODE],
            [ENCODE, READ],
            "Span 1 wants read of camera clip at 0.000 s, found encode of camera clip at 1.500 s.",
        ),
        ([READ, ENCODE], [READ], "The trace wants 2 spans, found no more: encode of camera clip at 1.500 s."),
        (
            [READ],
            [READ, ENCODE],
            "The trace wants 1 spans, found one more: encode of camera clip at 1.500 s.",
        ),
        ([READ], [{**READ, "gop": 1}], "Span 1 (read of camera clip at 0.000 s) wants gop nothing, found 1."),
        ([{}], [READ], "Span 1 wants None of None at no time, found read of camera clip at 0.000 s."),
    ],
)
def test_where_two_traces_part(wanted: list[Decision], found: list[Decision], told: str | None) -> None:
    assert first_difference(wanted, found) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "header"),
        ("{}", "header"),
        ('{"magno_trace": 2}', "header"),
        ("[1]", "line 1"),
        ('{"magno_trace": 1}\nnot json', "line 2"),
        ('{"magno_trace": 1}\n' + "[" * 100_000, "line 2"),
        ('{"magno_trace": 1, "dropped": 3}', "3 spans dropped"),
    ],
)
def test_what_is_no_trace_is_refused_in_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TraceError, match=told):
        read_decisions(path)
    with pytest.raises(TraceError, match="can be read"):
        read_decisions(tmp_path / "none.jsonl")
    with pytest.raises(TraceError, match="another place"):
        write_lines(tmp_path / "none" / "trace.jsonl", [], 0)


@pytest.mark.parametrize("tracer", [NO_TRACE, RingTracer(ReplayClock()), Told()], ids=["none", "ring", "own"])
def test_what_an_item_did_to_the_cache_is_worked_out_for_a_trace_alone(tracer: Tracer) -> None:
    inbox, asked = Inbox(lambda: None, tracer.trail("language front")), []

    def told() -> dict[str, Fact]:
        asked.append(True)
        return {"cached_tokens": 7}

    inbox.put(Encoded(SpanKind.KEYFRAME, np.zeros((4, 8), np.float32), 0, 0, 0, 1, False), wait=False)
    inbox.take(told)
    assert len(asked) == (tracer is not NO_TRACE)
    if isinstance(tracer, Told):
        assert tracer.facts["cached_tokens"] == 7
