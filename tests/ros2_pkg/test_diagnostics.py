"""What /diagnostics is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticStatus

from magno.runtime.tally import CameraStatus
from magno.runtime.units import Outcome
from magno_ros.diagnostics import diagnostics

S = 1_000_000_000
NOW_NS = (50 * S, 10 * S)
FRONT = CameraStatus("front", "streaming", 100, 3, 29.97, 10 * S - S // 10, 77, "", remembered_s=12.0)


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({}, DiagnosticStatus.OK, "streaming"),
        ({"newest_capture_ns": 5 * S}, DiagnosticStatus.WARN, "its newest picture is 5.0 s old"),
        ({"state": "silent"}, DiagnosticStatus.WARN, "silent"),
        ({"state": "lost", "error": "It is gone."}, DiagnosticStatus.ERROR, "It is gone."),
        ({"newest_capture_ns": None}, DiagnosticStatus.OK, "streaming"),
    ],
)
def test_a_camera_is_as_well_as_its_pictures(change: dict[str, object], level: bytes, said: str) -> None:
    camera = replace(FRONT, **change)  # type: ignore[arg-type]
    message = diagnostics("magno", [camera], {}, {}, NOW_NS)
    status = message.status[1]
    assert (status.name, status.level, status.message) == ("magno: camera front", level, said)
    assert message.header.stamp.sec == 50


def test_questions_are_counted_by_their_outcome() -> None:
    outcomes = {Outcome.COMPLETE: 7, Outcome.REFUSED: 2}
    engine = diagnostics("magno", [], outcomes, {"model": "pocket 0123"}, NOW_NS).status[0]
    values = {pair.key: pair.value for pair in engine.values}
    assert values == {
        "questions": "9",
        "complete": "7",
        "partial": "0",
        "refused": "2",
        "failed": "0",
        "model": "pocket 0123",
    }
    assert engine.message == "7 of 9 answered whole"
