"""What is recorded of an engine's work, by a table."""

from __future__ import annotations

import pytest

from magno.runtime.trace import Fact
from magno.runtime.units import Answer, Outcome
from magno.runtime.viz.items import Figure, Level, Note
from magno.runtime.viz.tap import told_of_answer, told_of_stage

ENCODED: dict[str, Fact] = {"kind": "keyframe", "gop": 3, "pictures": 1, "pts_ns": 7}
INGESTED: dict[str, Fact] = {"kind": "window", "pts_ns": 9, "tokens": 8, "cached_tokens": 100}


@pytest.mark.parametrize(
    ("stage", "facts", "notes"),
    [
        ("read", {"pts_ns": 7, "sequence": 1}, []),
        ("window", {"items": 1}, []),
        ("encode", {**ENCODED, "kind": "window", "pictures": 8}, ["window, GOP 3, 8 pictures"]),
        ("encode", {**ENCODED, "cut": False}, ["keyframe, GOP 3"]),
        ("encode", {**ENCODED, "cut": True}, ["keyframe, GOP 3", "cut: another scene"]),
        ("drop", {"pts_ns": 7}, ["dropped: the language model is behind"]),
        ("ingest", {**INGESTED, "evicted_tokens": 0, "evicted_gops": 0}, []),
        ("ingest", {**INGESTED, "evicted_tokens": 97, "evicted_gops": 1}, ["evicted: 97 tokens of 1 GOPs"]),
        ("ingest", {**INGESTED, "tokens": 0}, ["window left out: no room in the cache"]),
    ],
)
def test_a_stage_is_told_in_words(stage: str, facts: dict[str, Fact], notes: list[str]) -> None:
    items = told_of_stage(stage, facts, 416)
    assert [item.text for item in items if isinstance(item, Note)] == notes
    assert all(item.at_ns == facts["pts_ns"] for item in items if isinstance(item, (Note, Figure)))


def test_what_goes_into_the_cache_is_told_in_figures() -> None:
    items = told_of_stage("ingest", {**INGESTED, "evicted_tokens": 97, "evicted_gops": 1}, 416)
    assert {item.path: item.value for item in items if isinstance(item, Figure)} == {
        "tokens/window": 8,
        "tokens/evicted": 97,
        "cache/used_tokens": 100,
        "cache/budget_tokens": 416,
    }


def test_an_answer_says_what_it_saw_and_what_it_took() -> None:
    answer = Answer("left", Outcome.COMPLETE, ttft_ms=12.0, latency_ms=30.4, frame_pts_ns=1_500_000_000)
    note, figure = told_of_answer("Which way?", answer, 5)
    assert note == Note(
        5, "questions", "Which way? -> left (complete in 30 ms, saw up to 1.50 s)", Level.INFO
    )
    assert figure == Figure(5, "answers/first_token_ms", 12.0)
    (failed,) = told_of_answer("Which way?", Answer("", Outcome.FAILED, "It broke."), 5)
    assert isinstance(failed, Note) and failed.level is Level.ERROR and "It broke." in failed.text
