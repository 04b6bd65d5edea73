"""A client of `~/ask` and `~/query` that never waits: for a bench that asks more than the node can answer.

An action client of rclpy takes a millisecond of processor time a goal: on the same cores, that would be measured. This
one is service clients, the action's own two among them, that are polled without an executor. Knows no bench.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import rclpy
from magno_interfaces.action import Ask
from magno_interfaces.srv import Query
from rclpy.client import Client
from rclpy.context import Context
from rclpy.node import Node

from magno_ros.conversions import duration_from_ms, ms_from_duration, ns_from_time
from magno_ros.qos import QUESTIONS_QOS

DISCOVERY_S = 20.0
HANDSHAKE_S = 1.0
PATIENCE_S = 10.0  # beyond the last deadline
POLL_S = 0.0005
REJECTED = 0  # in the place of an outcome's code, which is never 0


@dataclass(slots=True)
class Offered:
    """What became of all that was asked."""

    seconds: float = 0.0  # from the first question to the last
    sent: int = 0
    twice: int = 0  # outcomes of what had one already
    unanswered: int = 0
    lag_ms: float = 0.0  # that the latest was asked too late: the client's own
    # Of each that has its outcome: its code or REJECTED, milliseconds from sending to that, the engine's own; of one
    # that was rejected in place of that: from sending until the node had decided
    ends: list[tuple[int, float, float]] = field(default_factory=list)


class Caller:
    """Owns a context and a node. Close it."""

    def __init__(self, target: str, question: str, deadline_ms: float, max_tokens: int) -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = Node("magno_caller", context=self._context, start_parameter_services=False)
        target = "/" + target.strip("/")
        self._goals = self._client(Ask.Impl.SendGoalService, f"{target}/ask/_action/send_goal")
        self._results = self._client(Ask.Impl.GetResultService, f"{target}/ask/_action/get_result")
        self._queries = self._client(Query, f"{target}/query")
        deadline = duration_from_ms(deadline_ms)
        self._goal = Ask.Goal(question=question, deadline=deadline, max_tokens=max_tokens)
        self._request = Query.Request(question=question, deadline=deadline, max_tokens=max_tokens)
        self.patience_s = deadline_ms / 1e3 + PATIENCE_S
        # What waits, by its request's number: when it was sent, and a goal's id
        self._asked: dict[int, tuple[float, int, Any]] = {}  # the time of day too, in nanoseconds
        self._accepted: dict[int, float] = {}
        self._queried: dict[int, float] = {}
        self._forgotten: list[set[int]] = [set(), set(), set()]  # of each of these three
        self.offered = Offered()

    def close(self) -> None:
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    @property
    def waiting(self) -> int:
        return len(self._asked) + len(self._accepted) + len(self._queried)

    def meet(self) -> bool:
        """Whether both sides have found each other: a goal and a query had outcomes, which are not counted."""
        until = time.monotonic() + DISCOVERY_S
        clients = (self._goals, self._results, self._queries)
        while time.monotonic() < until:
            if all(client.service_is_ready() for client in clients):
                self.send_goal()
                self.send_query()
                heard = self.settle(HANDSHAKE_S)
                self.forget()
                if heard:
                    return True
            time.sleep(0.05)
        return False

    def forget(self) -> None:
        """All that has been counted, and what waits."""
        self.offered = Offered()
        for waiting, forgotten in zip(
            (self._asked, self._accepted, self._queried), self._forgotten, strict=True
        ):
            forgotten.update(waiting)
            waiting.clear()

    def send_goal(self) -> None:
        request = Ask.Impl.SendGoalService.Request(goal=self._goal)
        request.goal_id.uuid = list(uuid.uuid4().bytes)
        sent_s, sent_ns = time.monotonic(), time.time_ns()
        self._asked[_send(self._goals, request)] = sent_s, sent_ns, request.goal_id
        self.offered.sent += 1

    def send_query(self) -> None:
        sent_s = time.monotonic()
        self._queried[_send(self._queries, self._request)] = sent_s
        self.offered.sent += 1

    def take(self) -> bool:
        """Take all responses that are there; False: there was none."""
        found = [
            _each(self._goals, self._take_goal),
            _each(self._results, self._take_result),
            _each(self._queries, self._take_query),
        ]
        return any(found)

    def settle(self, timeout_s: float) -> bool:
        """Wait for all that waits; False: not all came."""
        until = time.monotonic() + timeout_s
        while self.waiting and time.monotonic() < until:
            if not self.take():
                time.sleep(POLL_S)
        self.offered.unanswered = self.waiting
        return not self.waiting

    def _take_goal(self, number: int, response: Any) -> None:
        if number not in self._asked:
            self.offered.twice += number not in self._forgotten[0]
            return
        sent_s, sent_ns, goal_id = self._asked.pop(number)
        if not response.accepted:
            self._end(REJECTED, sent_s, (ns_from_time(response.stamp) - sent_ns) / 1e6)
            return
        self._accepted[_send(self._results, Ask.Impl.GetResultService.Request(goal_id=goal_id))] = sent_s

    def _take_result(self, number: int, response: Any) -> None:
        self._answered(1, self._accepted, number, response.result)

    def _take_query(self, number: int, response: Any) -> None:
        self._answered(2, self._queried, number, response)

    def _answered(self, kind: int, waiting: dict[int, float], number: int, answer: Any) -> None:
        if number in waiting:
            self._end(answer.outcome, waiting.pop(number), ms_from_duration(answer.latency))
        else:
            self.offered.twice += number not in self._forgotten[kind]

    def _end(self, code: int, sent_s: float, latency_ms: float) -> None:
        self.offered.ends.append((code, (time.monotonic() - sent_s) * 1e3, latency_ms))

    def _client(self, kind: Any, name: str) -> Client:
        return self._node.create_client(kind, name, qos_profile=QUESTIONS_QOS)


def _send(client: Client, request: Any) -> int:
    with client.handle:
        number: int = client.handle.send_request(request)
    return number


def _each(client: Client, taken: Callable[[int, Any], None]) -> bool:
    """Hand on each response that is there, with its request's number; False: there was none."""
    found = False
    while True:
        with client.handle:
            header, response = client.handle.take_response(client.srv_type.Response)
        if header is None:
            return found
        found = True
        taken(header.request_id.sequence_number, response)
