"""An action server without futures, tasks and words: goals are taken by a Taker, and ended by whoever has their result.

It speaks the same protocol as rclpy's, over the same native server. But rclpy writes a numpy array out in words for
each goal, though nobody listens, goes through all the goals that it keeps at each wake, and publishes the state of all
of them at each change of any: at a hundred goals a second that is more than all else. Here the newest state is told
soon.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from action_msgs.msg import GoalInfo, GoalStatus
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_action_status_default
from rclpy.type_support import check_for_type_support

from magno_ros.conversions import time_from_ns
from magno_ros.errands import Errands
from magno_ros.taker import AT_ONCE, Counts

STATUS_S = 0.02  # that the state of goals is told later at most: the states in between are of no use

GoalEvent = _rclpy.GoalEvent


class Goal:
    """One that was accepted, and executes. Its methods may be called from any thread."""

    def __init__(self, server: GoalServer, info: GoalInfo) -> None:
        self._server, self._id = server, info.goal_id
        self._native = _rclpy.ActionGoalHandle(server.handle, info)
        self._native.update_goal_state(GoalEvent.EXECUTE)
        self._lock = threading.Lock()
        self._result: Any = None
        self._wanted_by: list[Any] = []  # headers of requests for the result
        self.cancel: Callable[[], None] = _nothing  # called once the goal is being cancelled
        self.is_cancelled = False

    def tell(self, feedback: Any) -> None:
        """Publish it."""
        message = self._server.kind.Impl.FeedbackMessage(goal_id=self._id, feedback=feedback)
        self._server.handle.publish_feedback(message)

    def end(self, how: Any, result: Any) -> None:
        """Called once: `how` is one of GoalEvent.SUCCEED, ABORT and, of one that is_cancelled, CANCELED."""
        with self._lock:
            self._native.update_goal_state(how)
            response = self._server.kind.Impl.GetResultService.Response()
            response.status, response.result = self._native.get_status(), result
            self._result, wanted_by, self._wanted_by = response, self._wanted_by, []
            self.cancel = _nothing  # it knows the question, and the goal is kept
        self._server.handle.notify_goal_done()
        self._server.changed()
        for header in wanted_by:
            self._server.send(self._server.handle.send_result_response, header, response)

    # The server's own, on the taker's thread

    def wanted(self, header: Any) -> None:
        with self._lock:
            if self._result is None:
                self._wanted_by.append(header)
                return
        self._server.send(self._server.handle.send_result_response, header, self._result)

    def begin_cancel(self) -> bool:
        """False: it has ended meanwhile."""
        with self._lock:
            if self._result is not None:
                return False
            self._native.update_goal_state(GoalEvent.CANCEL_GOAL)
            self.is_cancelled = True
        self.cancel()
        return True

    def free(self) -> None:
        self._native.destroy_when_not_in_use()


class GoalServer:
    """A source of a Taker. `on_goal` gets each goal's message: None rejects it, else what begins the accepted goal."""

    def __init__(
        self,
        node: Node,
        kind: Any,
        name: str,
        on_goal: Callable[[Any], Callable[[Goal], None] | None],
        errands: Errands,
        *,
        services_qos: QoSProfile,
        feedback_qos: QoSProfile,
        kept_s: float,
    ) -> None:
        """`kept_s` is how long a result is kept for who asks for it late; `errands` are where states are told from."""
        self._node, self.kind, self._on_goal, self._errands = node, kind, on_goal, errands
        self._goals: dict[bytes, Goal] = {}
        self._rejection = kind.Impl.SendGoalService.Response(accepted=False)
        self._is_status_due = False
        check_for_type_support(kind)  # loads it
        qos = [services_qos] * 3 + [feedback_qos, qos_profile_action_status_default]
        with node.handle, node.get_clock().handle:
            self.handle = _rclpy.ActionServer(
                node.handle,
                node.get_clock().handle,
                kind,
                name,
                *(one.get_c_qos_profile() for one in qos),
                kept_s,
            )

    def close(self) -> None:
        """No more is taken or sent; the taker must have let go of it."""
        for goal in self._goals.values():
            goal.free()
        self.handle.destroy_when_not_in_use()

    def changed(self) -> None:
        """The state of a goal is another: tell it soon."""
        if not self._is_status_due:
            self._is_status_due = True
            self._errands.later(STATUS_S, self._publish_status)

    def send(self, send: Callable[[Any, Any], None], header: Any, response: Any) -> None:
        try:
            send(header, response)
        except _rclpy.RCLError as fault:  # the client has gone
            self._node.get_logger().debug(f"A response could not be sent: {fault!r}.")

    def counts(self) -> Counts:
        subscriptions, guards, timers, clients, services = self.handle.get_num_entities()
        return subscriptions, guards, timers, clients, services

    def enter(self, wait_set: Any) -> None:
        self.handle.add_to_waitset(wait_set)

    def take(self, wait_set: Any) -> None:
        goal, cancel, result, expired = self.handle.is_ready(wait_set)
        impl = self.kind.Impl
        if cancel:
            self._each(self.handle.take_cancel_request, impl.CancelGoalService.Request, self._take_cancel)
        if result:
            self._each(self.handle.take_result_request, impl.GetResultService.Request, self._take_result)
        if goal:
            self._each(self.handle.take_goal_request, impl.SendGoalService.Request, self._take_goal)
        if expired:
            for info in self.handle.expire_goals(len(self._goals)):
                self._goals.pop(bytes(info.goal_id.uuid)).free()

    def _each(self, take: Callable[[Any], Any], kind: Any, act: Callable[[Any, Any], None]) -> None:
        for _ in range(AT_ONCE):
            header, request = take(kind)
            if header is None:
                return
            act(header, request)

    def _take_goal(self, header: Any, request: Any) -> None:
        number = bytes(request.goal_id.uuid)
        begin = None if number in self._goals else self._on_goal(request.goal)
        if begin is None:
            self._rejection.stamp = time_from_ns(time.time_ns())  # when it was decided, for who wants to know
            self.send(self.handle.send_goal_response, header, self._rejection)
            return
        info = GoalInfo(goal_id=request.goal_id, stamp=self._node.get_clock().now().to_msg())
        goal = self._goals[number] = Goal(self, info)
        response = self.kind.Impl.SendGoalService.Response(accepted=True, stamp=info.stamp)
        self.send(self.handle.send_goal_response, header, response)
        self.changed()
        begin(goal)

    def _take_result(self, header: Any, request: Any) -> None:
        goal = self._goals.get(bytes(request.goal_id.uuid))
        if goal is not None:
            goal.wanted(header)
            return
        unknown = self.kind.Impl.GetResultService.Response(status=GoalStatus.STATUS_UNKNOWN)
        self.send(self.handle.send_result_response, header, unknown)

    def _take_cancel(self, header: Any, request: Any) -> None:
        response = self.handle.process_cancel_request(request, self.kind.Impl.CancelGoalService.Response)
        response.goals_canceling = [info for info in response.goals_canceling if self._is_cancelled(info)]
        if response.goals_canceling:
            self.changed()
        self.send(self.handle.send_cancel_response, header, response)

    def _is_cancelled(self, info: GoalInfo) -> bool:
        goal = self._goals.get(bytes(info.goal_id.uuid))
        return goal is not None and goal.begin_cancel()

    def _publish_status(self) -> None:
        self._is_status_due = False
        self.handle.publish_status()


def _nothing() -> None:
    pass
