"""The Query service and the Ask action. Knows no lifecycle: asks for the engine, or hears why there is none.

Nothing waits: a question goes to the engine on the thread that takes it, what is refused at once is said at once, and
what the engine answers goes out from one thread of errands. So questions are bounded by their count; and so are the
goals that were refused, of which the native server keeps the result and tells the state to every client.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from magno_interfaces.action import Ask
from magno_interfaces.srv import Query
from rclpy.node import Node

from magno.runtime.engine import Engine
from magno.runtime.questions.ticket import Ticket
from magno.runtime.units import Answer, MagnoError, Outcome
from magno.runtime.units import Query as Question
from magno_ros.conversions import AnswerMessage, QuestionMessage, fill_answer, query_from_message
from magno_ros.doomed import Doomed
from magno_ros.errands import Errands
from magno_ros.goals import Goal, GoalEvent, GoalServer
from magno_ros.live import LiveConfig
from magno_ros.qos import FEEDBACK_QOS, QUESTIONS_QOS
from magno_ros.taker import TakenService, Taker

QUESTIONS_AT_ONCE = 32
GRACE_S = 2.0  # beyond its deadline, before the engine is taken for stuck
RESULT_KEPT_S = 10
REFUSALS_KEPT = 64  # goals of the last RESULT_KEPT_S that ended at once; beyond them goals are rejected
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
        taker: Taker,
        engine_or_reason: Callable[[], Engine | str],
        stamped: Callable[[str], bool],
        live: Callable[[], LiveConfig],
    ) -> None:
        """`stamped` tells whether the times of a camera's stream are its pictures' stamps; `live` the parameters as
        they are now."""
        self._node, self._taker, self._stamped, self._live = node, taker, stamped, live
        self._engine_or_reason = engine_or_reason
        self._free = threading.BoundedSemaphore(QUESTIONS_AT_ONCE)
        self._errands = Errands("magno-answers", self._complain, is_prompt=True)
        self._refused_s: deque[float] = deque()
        self._doomed = Doomed()
        self._service = node.create_service(
            Query,
            "~/query",
            lambda request, response: response,  # the taker's is called in its place
            callback_group=taker.group,
            qos_profile=QUESTIONS_QOS,
        )
        self._action = GoalServer(
            node,
            Ask,
            "~/ask",
            self._on_goal,
            self._errands,
            services_qos=QUESTIONS_QOS,
            feedback_qos=FEEDBACK_QOS,
            kept_s=RESULT_KEPT_S,
        )
        taker.add(TakenService(self._service, self._on_query))
        taker.add(self._action)

    def close(self) -> None:
        """The taker must have been closed, and the engine: answers that wait go out."""
        self._errands.close()
        self._action.close()
        self._node.destroy_service(self._service)

    # On the taker's thread

    def _on_query(self, request: Query.Request, respond: Callable[[Query.Response], None]) -> None:
        question = self._question(request)

        def give(answer: Answer) -> None:
            respond(self._fill(Query.Response(), question, answer))

        begun = self._begin(question, None)
        if isinstance(begun, Answer):
            give(begun)
        else:
            self._expect(begun, give)

    def _on_goal(self, message: Ask.Goal) -> Callable[[Goal], None] | None:
        """Reject only what is refused while enough refusals are remembered: else its result says why."""
        now_s = time.monotonic()
        while self._refused_s and self._refused_s[0] < now_s - RESULT_KEPT_S:
            self._refused_s.popleft()
        question, telling = self._question(message), Telling(self._errands)
        begun = self._begin(question, telling.tell)
        if isinstance(begun, Answer):
            if len(self._refused_s) >= REFUSALS_KEPT:
                return None
            self._refused_s.append(now_s)
            return lambda goal: self._end(goal, question, begun)

        def begin(goal: Goal) -> None:
            telling.goal, goal.cancel = goal, begun.cancel
            self._expect(begun, partial(self._end, goal, question))

        return begin

    def _begin(self, question: Question, on_text: Callable[[str], None] | None) -> Answer | Ticket:
        """Ask the engine: the answer, where it is there at once, or the ticket that has one of the places. Never
        raises, never waits."""
        began_s = time.monotonic()
        known = self._doomed.answer(question, began_s)
        if known is not None:
            return known
        if not self._free.acquire(blocking=False):
            return BUSY
        begun = self._submit(question, on_text, began_s)
        if isinstance(begun, Ticket) and begun.done:
            begun = begun.result(0.0)
        if isinstance(begun, Answer):
            self._free.release()
            self._doomed.heed(question, begun, began_s)
        return begun

    def _submit(
        self, question: Question, on_text: Callable[[str], None] | None, began_s: float
    ) -> Answer | Ticket:
        try:
            engine = self._engine_or_reason()
            if isinstance(engine, str):
                return Answer("", Outcome.REFUSED, engine)
            return engine.submit(question, on_text=on_text)
        except MagnoError as fault:
            return _failed(str(fault), began_s)
        except Exception as fault:  # a question never takes the node with it
            self._node.get_logger().error(f"A question failed unexpectedly: {fault!r}.")
            return _failed(f"Unexpected fault: {fault!r}; the node's log may say more.", began_s)

    def _expect(self, ticket: Ticket, give: Callable[[Answer], None]) -> None:
        """Have its answer given, or in its place why there is none; then the place is free."""
        expected = Expected(ticket, give, self._free.release)
        ticket.when_done(lambda answer: self._errands.soon(partial(expected.come, answer)))
        self._errands.later(max(0.0, ticket.query.deadline_ms / 1e3) + GRACE_S, expected.stay_away)

    # On any

    def _end(self, goal: Goal, question: Question, answer: Answer) -> None:
        goal.end(how_it_ends(answer.outcome, goal.is_cancelled), self._fill(Ask.Result(), question, answer))

    def _question(self, message: QuestionMessage) -> Question:
        ros_now_ns = self._node.get_clock().now().nanoseconds
        return query_from_message(message, ros_now_ns, self._live().default_max_tokens)

    def _fill(self, message: Any, question: Question, answer: Answer) -> Any:
        ros_now_ns, stamped = self._node.get_clock().now().nanoseconds, self._stamped(question.camera)
        filled: AnswerMessage = fill_answer(message, answer, ros_now_ns, time.monotonic_ns(), stamped=stamped)
        return filled

    def _complain(self, fault: BaseException) -> None:
        self._node.get_logger().warning(f"An answer could not be sent: {fault!r}.")


class Expected:
    """A question that has one of the places, and waits for its answer. For one thread, that of errands."""

    def __init__(self, ticket: Ticket, give: Callable[[Answer], None], free: Callable[[], None]) -> None:
        self._ticket, self._free = ticket, free
        self._give: Callable[[Answer], None] | None = give  # None: it has been given
        self._began_s = time.monotonic()

    def come(self, answer: Answer) -> None:
        if (give := self._give) is not None:
            self._give = None
            self._free()
            give(answer)

    def stay_away(self) -> None:
        if self._give is not None:
            self._ticket.cancel()
            self.come(_failed("The engine gave no outcome in time; configure the node anew.", self._began_s))


class Telling:
    """The text so far of a goal, published by errands: the engine's thread is not to pay for it."""

    def __init__(self, errands: Errands) -> None:
        self._errands = errands
        self._pieces = 0
        self.goal: Goal | None = None  # once it is accepted

    def tell(self, text: str) -> None:
        self._pieces += 1
        if self.goal is not None:
            feedback = partial(Ask.Feedback, text=text, tokens=self._pieces)
            self._errands.soon(lambda goal=self.goal: goal.tell(feedback()))


def how_it_ends(outcome: Outcome, is_cancelled: bool) -> GoalEvent:
    if is_cancelled and outcome is not Outcome.COMPLETE:
        return GoalEvent.CANCELED
    return GoalEvent.SUCCEED if outcome in (Outcome.COMPLETE, Outcome.PARTIAL) else GoalEvent.ABORT


def _failed(reason: str, began_s: float) -> Answer:
    return Answer("", Outcome.FAILED, reason, latency_ms=(time.monotonic() - began_s) * 1e3)
