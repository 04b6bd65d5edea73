"""The Query service and the Ask action. Knows no lifecycle: asks for the engine, or hears why there is none.

A waiting question holds a thread of the executor: a pending coroutine makes rclpy's executor spin without
pause, which would eat the cores that the model needs. So questions are bounded, below the executor's threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from magno_interfaces.action import Ask
from magno_interfaces.srv import Query
from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node

from magno.runtime.engine import Engine
from magno.runtime.units import Answer, MagnoError, Outcome
from magno.runtime.units import Query as Question
from magno_ros.conversions import AnswerMessage, QuestionMessage, fill_answer, query_from_message
from magno_ros.live import LiveConfig
from magno_ros.qos import FEEDBACK_QOS, QUESTIONS_QOS

QUESTIONS_AT_ONCE = 32
GRACE_S = 2.0  # beyond its deadline, before the engine is taken for stuck
RESULT_KEPT_S = 10
CANCEL_SEEN_S = 1.0
BUSY = Answer(
    "",
    Outcome.REFUSED,
    f"{QUESTIONS_AT_ONCE} questions are waiting already; ask later.",
    retry_after_ms=100.0,
)


class Questions:
    """Owns `~/query` and `~/ask`. Every question gets exactly one outcome, in bounded time."""

    def __init__(
        self,
        node: Node,
        engine_or_reason: Callable[[], Engine | str],
        stamped: Callable[[str], bool],
        live: Callable[[], LiveConfig],
    ) -> None:
        """`stamped` tells whether the times of a camera's stream are its pictures' stamps; `live` the parameters as
        they are now."""
        self._node, self._stamped, self._live = node, stamped, live
        self._engine_or_reason = engine_or_reason
        self._free = threading.BoundedSemaphore(QUESTIONS_AT_ONCE)
        self._asked: dict[bytes, Asked] = {}
        group = ReentrantCallbackGroup()
        self._service = node.create_service(
            Query, "~/query", self._on_query, callback_group=group, qos_profile=QUESTIONS_QOS
        )
        self._action = ActionServer(
            node,
            Ask,
            "~/ask",
            self._on_goal,
            callback_group=group,
            cancel_callback=self._on_cancel,
            goal_service_qos_profile=QUESTIONS_QOS,
            result_service_qos_profile=QUESTIONS_QOS,
            cancel_service_qos_profile=QUESTIONS_QOS,
            feedback_pub_qos_profile=FEEDBACK_QOS,
            result_timeout=RESULT_KEPT_S,
        )

    def close(self) -> None:
        self._action.destroy()
        self._node.destroy_service(self._service)

    def _on_query(self, request: Query.Request, response: Query.Response) -> Query.Response:
        question = self._question(request)
        return self._fill(response, question, self._answer(question, Asked()))

    def _on_goal(self, goal: ServerGoalHandle) -> Ask.Result:
        asked = Asked(goal)
        key = bytes(goal.goal_id.uuid)
        self._asked[key] = asked
        try:
            if goal.is_cancel_requested:  # before it was ours to cancel
                asked.cancel()
            question = self._question(goal.request)
            answer = self._answer(question, asked)
        finally:
            del self._asked[key]
        result = self._fill(Ask.Result(), question, answer)
        if asked.cancelled and answer.outcome is not Outcome.COMPLETE and _seen_as_cancelled(goal):
            goal.canceled()
        elif answer.outcome in (Outcome.COMPLETE, Outcome.PARTIAL):
            goal.succeed()
        else:
            goal.abort()
        return result

    def _on_cancel(self, goal: ServerGoalHandle) -> CancelResponse:
        asked = self._asked.get(bytes(goal.goal_id.uuid))
        if asked is not None:
            asked.cancel()
        return CancelResponse.ACCEPT

    def _answer(self, question: Question, asked: Asked) -> Answer:
        """The engine's answer, or in its place why there is none. Never raises."""
        if not self._free.acquire(blocking=False):
            return BUSY
        began = time.monotonic()
        try:
            engine = self._engine_or_reason()
            if isinstance(engine, str):
                return Answer("", Outcome.REFUSED, engine)
            ticket = engine.submit(question, on_text=asked.tell if asked.goal else None)
            asked.hold(ticket)
            return ticket.result(timeout_s=max(0.0, question.deadline_ms / 1e3) + GRACE_S)
        except MagnoError as fault:
            return _failed(str(fault), began)
        except TimeoutError:
            asked.cancel()
            return _failed("The engine gave no outcome in time; configure the node anew.", began)
        except Exception as fault:  # a question never takes the node with it
            self._node.get_logger().error(f"A question failed unexpectedly: {fault!r}.")
            return _failed(f"Unexpected fault: {fault!r}; the node's log may say more.", began)
        finally:
            self._free.release()

    def _question(self, message: QuestionMessage) -> Question:
        ros_now_ns = self._node.get_clock().now().nanoseconds
        return query_from_message(message, ros_now_ns, self._live().default_max_tokens)

    def _fill(self, message: Any, question: Question, answer: Answer) -> Any:
        ros_now_ns, stamped = self._node.get_clock().now().nanoseconds, self._stamped(question.camera)
        filled: AnswerMessage = fill_answer(message, answer, ros_now_ns, time.monotonic_ns(), stamped=stamped)
        return filled


class Asked:
    """A question under way: cancel may come before there is a ticket, and text on the engine's thread."""

    def __init__(self, goal: ServerGoalHandle | None = None) -> None:
        self.goal = goal
        self.cancelled = False
        self._ticket: Any = None
        self._lock = threading.Lock()
        self._pieces = 0

    def hold(self, ticket: Any) -> None:
        with self._lock:
            self._ticket = ticket
            cancelled = self.cancelled
        if cancelled:
            ticket.cancel()

    def cancel(self) -> None:
        with self._lock:
            self.cancelled = True
            ticket = self._ticket
        if ticket is not None:
            ticket.cancel()

    def tell(self, text: str) -> None:
        """Publish the text so far; the engine's thread is not to pay for a client that has gone."""
        self._pieces += 1
        feedback = Ask.Feedback(text=text, tokens=self._pieces)
        with suppress(Exception):
            self.goal.publish_feedback(feedback)  # type: ignore[union-attr]


def _seen_as_cancelled(goal: ServerGoalHandle) -> bool:
    """rclpy moves a goal to canceling only after its cancel callback has returned: wait for that, bounded."""
    until = time.monotonic() + CANCEL_SEEN_S
    while not goal.is_cancel_requested and time.monotonic() < until:
        time.sleep(0.001)
    return bool(goal.is_cancel_requested)


def _failed(reason: str, began_s: float) -> Answer:
    return Answer("", Outcome.FAILED, reason, latency_ms=(time.monotonic() - began_s) * 1e3)
