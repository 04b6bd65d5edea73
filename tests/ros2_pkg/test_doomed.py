"""What the engine has just refused is refused again without asking it: to whom, and for how long."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("rclpy")

from magno.runtime.units import Answer, Outcome, Query
from magno_ros.doomed import MOMENT_MS, Doomed

ASKED = Query("Which way?", camera="front", deadline_ms=500.0)
BUSY = Answer("", Outcome.REFUSED, "No time.", retry_after_ms=1000.0)
SOON_S = MOMENT_MS / 2e3


@pytest.mark.parametrize(
    ("question", "after_s", "told"),
    [
        (ASKED, 0.0, True),
        (ASKED, SOON_S, True),
        (ASKED, MOMENT_MS / 1e3, False),  # it may have time now
        (replace(ASKED, question="Which way, and how fast?", deadline_ms=100.0), SOON_S, True),
        (replace(ASKED, deadline_ms=600.0), SOON_S, False),  # it may wait longer
        (replace(ASKED, question="Which?"), SOON_S, False),  # it is shorter
        (replace(ASKED, camera="rear"), SOON_S, False),
    ],
)
def test_who_asks_no_less_is_told_the_same_for_a_moment(question: Query, after_s: float, told: bool) -> None:
    doomed = Doomed()
    assert doomed.answer(question, 0.0) is None
    doomed.heed(ASKED, BUSY, 0.0)
    assert doomed.answer(question, after_s) is (BUSY if told else None)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (ASKED, replace(BUSY, retry_after_ms=None)),  # waiting does not help: its own fault
        (ASKED, replace(BUSY, outcome=Outcome.FAILED)),
        (replace(ASKED, ago_s=60.0), BUSY),
        (replace(ASKED, conversation="visitor"), BUSY),
        (replace(ASKED, recall=True), BUSY),
        (replace(ASKED, on_deadline="refuse"), BUSY),
    ],
)
def test_what_tells_nothing_of_others_is_not_remembered(question: Query, answer: Answer) -> None:
    doomed = Doomed()
    doomed.heed(question, answer, 0.0)
    assert doomed.answer(ASKED, 0.0) is None


def test_no_longer_than_it_said() -> None:
    doomed = Doomed()
    doomed.heed(ASKED, replace(BUSY, retry_after_ms=1.0), 0.0)
    assert doomed.answer(ASKED, 0.0005) is not None and doomed.answer(ASKED, 0.002) is None
