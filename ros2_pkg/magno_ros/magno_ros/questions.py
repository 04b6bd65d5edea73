"""The Query service and the Ask action. Knows no lifecycle: asks for the engine, or hears why there is none.

Callbacks never wait: a question goes to the engine as it is taken, what is refused at once is said at once, and what
has to be waited for is waited for in a thread. So questions are bounded, by the threads; and so are the goals that were
refused, of which rclpy keeps the result and tells the state to every client with each change of any.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from magno_interfaces.action import Ask
from magno_interfaces.srv import Query
from rclpy.action import CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node

from magno.runtime.engine import Engine
from magno.runtime.units import Answer, MagnoError, Outcome
from magno.runtime.units import Query as Question
from magno_ros.conversions import AnswerMessage, QuestionMessage, fill_answer, query_from_message
from magno_ros.doomed import Doomed
from magno_ros.eager_action import EagerActionServer
from magno_ros.later import Later, responds_later
from magno_ros.live import LiveConfig
from magno_ros.qos import FEEDBACK_QOS, QUESTIONS_QOS

QUESTIONS_AT_ONCE = 32
GRACE_S = 2.0  # beyond its deadline, before the engine is taken for stuck
RESULT_KEPT_S = 10
REFUSALS_KEPT = 64  # goals of the last RESULT_KEPT_S that ended at once; beyond them goals are rejected
ACCEPTED_WITHIN_S = 1.0
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
        self._waiters = ThreadPoolExecutor(QUESTIONS_AT_ONCE, thread_name_prefix="magno-query")
        self._begun: dict[int, Begun] = {}  # by its message's id, between a goal's coming and its acceptance
        self._asked: dict[bytes, Asked] = {}
        self._refused_s: deque[float] = deque()
        self._doomed = Doomed()
        group = MutuallyExclusiveCallbackGroup()  # also under an executor of several threads
        self._service = node.create_service(
            Query, "~/query", self._on_query, callback_group=group, qos_profile=QUESTIONS_QOS
        )
        responds_later(self._service)
        self._action = EagerActionServer(
            node,
            Ask,
            "~/ask",
            self._on_goal,
            callback_group=group,
            decide=self._on_goal_asked,
            handle_accepted_callback=self._on_accepted,
            cancel_callback=self._on_cancel,
            goal_service_qos_profile=QUESTIONS_QOS,
            result_service_qos_profile=QUESTIONS_QOS,
            cancel_service_qos_profile=QUESTIONS_QOS,
            feedback_pub_qos_profile=FEEDBACK_QOS,
            result_timeout=RESULT_KEPT_S,
        )
        self.quick = (self._service, self._action)  # their callbacks never wait

    def close(self) -> None:
        self._action.destroy()
        self._node.destroy_service(self._service)
        self._waiters.shutdown(wait=False)

    # The service

    def _on_query(self, request: Query.Request, response: Query.Response) -> Query.Response | Later:
        asked, question = Asked(), self._question(request)
        self._begin(question, asked)
        if asked.answer is not None:
            return self._fill(response, question, asked.answer)
        later = Later()
        self._waiters.submit(self._respond, later, response, question, asked)
        return later

    def _respond(self, later: Later, response: Query.Response, question: Question, asked: Asked) -> None:
        answer = self._wait(question, asked)
        try:
            later.give(self._fill(response, question, answer))
        except Exception as fault:  # the client has gone, or the node goes
            self._node.get_logger().warning(f"A response could not be sent: {fault!r}.")

    # The action

    def _on_goal_asked(self, message: Ask.Goal) -> GoalResponse:
        """Reject only what is refused while enough refusals are remembered: else its result says why."""
        now_s = time.monotonic()
        self._forget(now_s)
        asked, question = Asked(), self._question(message)
        message.question = ""  # rclpy keeps the message with the result: it may be a million characters
        self._begin(question, asked)
        if asked.answer is not None:
            if len(self._refused_s) >= REFUSALS_KEPT:
                return GoalResponse.REJECT
            self._refused_s.append(now_s)
        self._begun[id(message)] = Begun(message, question, asked, now_s)
        return GoalResponse.ACCEPT

    def _forget(self, now_s: float) -> None:
        """What is old: refusals whose result rclpy has let go of, and goals whose client went before the acceptance."""
        while self._refused_s and self._refused_s[0] < now_s - RESULT_KEPT_S:
            self._refused_s.popleft()
        for key in [key for key, one in self._begun.items() if one.at_s < now_s - ACCEPTED_WITHIN_S]:
            lost = self._begun.pop(key, None)
            if lost is not None and lost.asked.answer is None:
                lost.asked.cancel()
                self._free.release()

    def _on_accepted(self, goal: ServerGoalHandle) -> None:
        now_s = time.monotonic()
        begun = self._begun.pop(id(goal.request), None)
        if begun is None:  # the executor had no time for it
            begun = Begun(goal.request, Question(""), Asked(), now_s)
            begun.asked.answer = _failed("The goal was accepted too late to be asked; ask again.", now_s)
        begun.asked.goal = goal
        self._asked[bytes(goal.goal_id.uuid)] = begun.asked
        goal.execute(lambda goal: self._on_goal(goal, begun))

    def _on_goal(self, goal: ServerGoalHandle, begun: Begun) -> Ask.Result:
        asked = begun.asked
        try:
            answer = asked.answer or self._wait(begun.question, asked)
        finally:
            self._asked.pop(bytes(goal.goal_id.uuid), None)
        result = self._fill(Ask.Result(), begun.question, answer)
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

    # Both

    def _begin(self, question: Question, asked: Asked) -> None:
        """Ask the engine. Afterwards `asked` has its answer, or one of the places. Never raises, never waits."""
        began_s = time.monotonic()
        asked.answer = self._doomed.answer(question, began_s)
        if asked.answer is None and not self._free.acquire(blocking=False):
            asked.answer = BUSY
        if asked.answer is not None:
            return
        try:
            engine = self._engine_or_reason()
            if isinstance(engine, str):
                asked.answer = Answer("", Outcome.REFUSED, engine)
            else:
                asked.hold(engine.submit(question, on_text=asked.tell))
        except MagnoError as fault:
            asked.answer = _failed(str(fault), began_s)
        except Exception as fault:  # a question never takes the node with it
            self._node.get_logger().error(f"A question failed unexpectedly: {fault!r}.")
            asked.answer = _failed(f"Unexpected fault: {fault!r}; the node's log may say more.", began_s)
        if asked.answer is not None:
            self._free.release()
            self._doomed.heed(question, asked.answer, began_s)

    def _wait(self, question: Question, asked: Asked) -> Answer:
        """The engine's answer, or in its place why there is none; gives the place back. Never raises."""
        began_s = time.monotonic()
        try:
            return asked.wait(max(0.0, question.deadline_ms / 1e3) + GRACE_S)
        except TimeoutError:
            asked.cancel()
            return _failed("The engine gave no outcome in time; configure the node anew.", began_s)
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
    """A question under way: its answer, or the ticket that will have it. Cancel and text come from other threads."""

    def __init__(self) -> None:
        self.answer: Answer | None = None  # where it was there at once
        self.goal: ServerGoalHandle | None = None
        self.cancelled = False
        self._ticket: Any = None
        self._lock = threading.Lock()
        self._pieces = 0

    def hold(self, ticket: Any) -> None:
        with self._lock:
            self._ticket = ticket
        if ticket.done:
            self.answer = ticket.result(0.0)

    def wait(self, timeout_s: float) -> Answer:
        """Raises TimeoutError."""
        answer: Answer = self._ticket.result(timeout_s=timeout_s)
        return answer

    def cancel(self) -> None:
        with self._lock:
            self.cancelled = True
            ticket = self._ticket
        if ticket is not None:
            ticket.cancel()

    def tell(self, text: str) -> None:
        """Publish the text so far; the engine's thread is not to pay for a client that has gone."""
        self._pieces += 1
        if self.goal is not None:
            with suppress(Exception):
                self.goal.publish_feedback(Ask.Feedback(text=text, tokens=self._pieces))


@dataclass(frozen=True, slots=True)
class Begun:
    """A goal that the engine has, and rclpy has not accepted yet."""

    message: Ask.Goal
    question: Question
    asked: Asked
    at_s: float  # monotonic


def _seen_as_cancelled(goal: ServerGoalHandle) -> bool:
    """rclpy moves a goal to canceling only after its cancel callback has returned: wait for that, bounded."""
    until = time.monotonic() + CANCEL_SEEN_S
    while not goal.is_cancel_requested and time.monotonic() < until:
        time.sleep(0.001)
    return bool(goal.is_cancel_requested)


def _failed(reason: str, began_s: float) -> Answer:
    return Answer("", Outcome.FAILED, reason, latency_ms=(time.monotonic() - began_s) * 1e3)
