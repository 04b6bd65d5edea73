"""What is refused: with its outcome, each exactly once, and without holding the node up. No time is asserted."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from magno_interfaces.srv import Query

from magno_ros.bench_caller import REJECTED, Caller
from magno_ros.client import REJECTED as SAID
from magno_ros.questions import REFUSALS_KEPT
from tests.ros2_pkg.robot import QUESTION, SOON_S, Robot

COMPLETE, REFUSED, FAILED = Query.Response.COMPLETE, Query.Response.REFUSED, Query.Response.FAILED
NEVER_MS = 1e-3
MILLION = 1_000_000


def test_a_million_characters_fail_in_one_sentence_both_ways(active: Robot) -> None:
    response = active.client.ask("a" * MILLION, deadline_s=10.0)
    result, end = active.client.start("a" * MILLION, deadline_s=10.0).result()
    assert (response.outcome, result.outcome, end) == (FAILED, FAILED, "aborted")
    assert response.error_msg == result.error_msg and str(MILLION) in result.error_msg
    assert response.answer == result.answer == ""
    assert active.client.state() == "active"


def test_of_very_many_goals_each_has_one_outcome_and_few_are_kept(active: Robot) -> None:
    caller = Caller(active.client.target, QUESTION, NEVER_MS, max_tokens=2)
    try:
        assert caller.meet()
        for _ in range(2 * REFUSALS_KEPT):
            caller.send_goal()
            caller.take()
        assert caller.settle(SOON_S)
    finally:
        caller.close()
    codes = [code for code, _, _ in caller.offered.ends]
    assert len(codes) == 2 * REFUSALS_KEPT and caller.offered.twice == 0
    assert set(codes) == {REFUSED, REJECTED}  # the first with their reason, the others with none
    assert codes.count(REFUSED) <= REFUSALS_KEPT

    result, end = active.client.start(QUESTION, deadline_s=NEVER_MS / 1e3).result()
    assert (result.outcome, result.error_msg, end) == (REFUSED, SAID, "rejected")
    assert not active.client.start(QUESTION, deadline_s=NEVER_MS / 1e3).cancel()
    result, end = active.client.start(QUESTION, deadline_s=10.0, max_tokens=2).result()
    assert (result.outcome, end) == (COMPLETE, "succeeded")  # what can be met is met all the same
