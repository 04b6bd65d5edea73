"""The action's server against rclpy's own client, and against what no good client sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy")

from action_msgs.msg import GoalInfo, GoalStatus, GoalStatusArray
from action_msgs.srv import CancelGoal
from magno_interfaces.action import Ask
from rclpy.action import ActionClient
from rclpy.qos import QoSProfile, qos_profile_action_status_default
from unique_identifier_msgs.msg import UUID

from magno_ros.errands import Errands
from magno_ros.goals import Goal, GoalEvent, GoalServer
from magno_ros.taker import Taker
from tests.ros2_pkg.peers import Peers, peers, told
from tests.ros2_pkg.robot import SOON_S, until

KEPT_S = 1.0
SEND, GET, CANCEL = "ask/_action/send_goal", "ask/_action/get_result", "ask/_action/cancel_goal"


class Asked:
    """A server that takes every question but the empty one, and what it was asked."""

    def __init__(self, ros: Peers) -> None:
        self.ros, self.goals = ros, list[Goal]()
        self.errands = Errands("errands", ros.faults.append)
        self.taker = Taker(ros.node, ros.faults.append)
        qos = QoSProfile(depth=10)
        self.server = GoalServer(
            ros.node, Ask, "ask", self.take, self.errands, services_qos=qos, feedback_qos=qos, kept_s=KEPT_S
        )
        self.taker.add(self.server)
        self.taker.start()
        self.states: dict[bytes, int] = {}
        ros.asker.create_subscription(
            GoalStatusArray, "ask/_action/status", self.note, qos_profile_action_status_default
        )
        self.client = ActionClient(ros.asker, Ask, "ask")
        assert self.client.wait_for_server(SOON_S)

    def take(self, message: Ask.Goal) -> Callable[[Goal], None] | None:
        return self.goals.append if message.question else None

    def note(self, states: GoalStatusArray) -> None:
        self.states.update((bytes(one.goal_info.goal_id.uuid), one.status) for one in states.status_list)

    def begin(self, heard: list[Any] | None = None) -> tuple[Any, Goal]:
        """The client's and the server's handle of a goal that executes."""
        told_of = None if heard is None else heard.append
        handle = told(self.client.send_goal_async(Ask.Goal(question="?"), feedback_callback=told_of))
        assert handle.accepted
        return handle, self.goals[-1]

    def close(self) -> None:
        self.taker.close()
        self.errands.close()
        self.server.close()
        self.client.destroy()


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    with peers() as ros:
        made = Asked(ros)
        yield made
        made.close()
        assert not ros.faults


@pytest.mark.parametrize("is_asked_first", [True, False])
def test_a_result_reaches_who_asks_before_and_who_asks_after(asked: Asked, is_asked_first: bool) -> None:
    heard = list[Any]()
    handle, goal = asked.begin(heard)
    result = handle.get_result_async() if is_asked_first else None
    goal.tell(Ask.Feedback(text="so far"))
    until(lambda: heard)
    goal.end(GoalEvent.SUCCEED, Ask.Result(answer="left"))
    given = told(result or handle.get_result_async())
    assert (given.status, given.result.answer) == (GoalStatus.STATUS_SUCCEEDED, "left")
    assert heard[0].feedback.text == "so far"
    until(lambda: asked.states.get(bytes(handle.goal_id.uuid)) == GoalStatus.STATUS_SUCCEEDED)


def test_a_cancelled_goal_is_told_so_once(asked: Asked) -> None:
    handle, goal = asked.begin()
    cancelled = list[bool]()
    goal.cancel = lambda: cancelled.append(goal.is_cancelled)
    result = handle.get_result_async()
    assert told(handle.cancel_goal_async()).goals_canceling
    assert cancelled == [True]
    goal.end(GoalEvent.CANCELED, Ask.Result())
    assert told(result).status == GoalStatus.STATUS_CANCELED
    assert not told(handle.cancel_goal_async()).goals_canceling
    assert cancelled == [True]


def test_all_goals_are_cancelled_by_a_request_that_names_none(asked: Asked) -> None:
    goals = [asked.begin()[1] for _ in range(3)]
    request = CancelGoal.Request(goal_info=GoalInfo())
    response = told(asked.ros.call(CancelGoal, CANCEL, request))
    assert len(response.goals_canceling) == 3 and all(goal.is_cancelled for goal in goals)
    for goal in goals:
        goal.end(GoalEvent.ABORT, Ask.Result())


def test_what_the_decision_rejects_and_a_number_that_is_taken_are_rejected(asked: Asked) -> None:
    assert not told(asked.client.send_goal_async(Ask.Goal(question=""))).accepted
    request = Ask.Impl.SendGoalService.Request(goal=Ask.Goal(question="?"))
    request.goal_id = UUID(uuid=list(range(16)))
    accepted = [told(asked.ros.call(Ask.Impl.SendGoalService, SEND, request)).accepted for _ in range(2)]
    assert accepted == [True, False]
    asked.goals[-1].end(GoalEvent.ABORT, Ask.Result())


def test_a_result_is_kept_for_a_while(asked: Asked) -> None:
    handle, goal = asked.begin()
    goal.end(GoalEvent.SUCCEED, Ask.Result())
    request = Ask.Impl.GetResultService.Request(goal_id=handle.goal_id)

    def status() -> int:
        return told(asked.ros.call(Ask.Impl.GetResultService, GET, request)).status

    assert status() == GoalStatus.STATUS_SUCCEEDED
    until(lambda: status() == GoalStatus.STATUS_UNKNOWN)
