"""A small blocking client: every call ends within a bound of its own, also when the node dies while it waits.

    with MagnoClient() as client:
        answer = client.ask("Which way is the car moving?", camera="front", deadline_s=0.5)

Futures are waited for with an event, threads of the client's own spin: `spin_until_future_complete` costs ten
milliseconds a call, and has no say when it is called from a callback.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import rclpy
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from magno_interfaces.action import Ask
from magno_interfaces.msg import Event, StreamStatus
from magno_interfaces.srv import ListCameras, Query, Unwatch, Watch
from rclpy.action import ActionClient
from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from magno.runtime.units import MagnoError
from magno_ros.conversions import duration_from_ms, time_from_ns
from magno_ros.qos import EVENTS_QOS, FEEDBACK_QOS, QUESTIONS_QOS, STATUS_QOS
from magno_ros.taker import TakenClient, Taker

PATIENCE_S = 2.0  # beyond a question's deadline
DISCOVERY_S = 10.0  # Fast DDS finds some peers only at its third second
LIFECYCLE_S = 60.0  # configure opens a model
HANDSHAKE_S = 0.3
POLL_S = 0.01
REJECTED, REJECTED_RETRY_MS = "The node refuses more goals than it can say why of; ask later.", 100.0


class ClientError(MagnoError):
    """The node gave no answer in the time it was given."""


class MagnoClient:
    """Talks to one magno node. Owns a context, a node and a thread; thread-safe."""

    def __init__(
        self,
        node: str = "/magno",
        on_status: Callable[[StreamStatus], None] | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.target = "/" + node.strip("/")
        self._context = Context()
        rclpy.init(context=self._context)
        # Without /rosout: rclpy warns at each further client of a process that it has a publisher of that name already.
        self._node = Node(
            "magno_client", context=self._context, start_parameter_services=False, enable_rosout=False
        )
        # Each answer to any client comes to all, and costs an executor a millisecond: the taker passes over it.
        self._taker = Taker(self._node, lambda fault: self._node.get_logger().error(repr(fault)))
        self._query = self._node.create_client(
            Query, f"{self.target}/query", qos_profile=QUESTIONS_QOS, callback_group=self._taker.group
        )
        self._taker.add(TakenClient(self._query))
        self._change = self._node.create_client(ChangeState, f"{self.target}/change_state")
        self._ask = ActionClient(
            self._node,
            Ask,
            f"{self.target}/ask",
            goal_service_qos_profile=QUESTIONS_QOS,
            result_service_qos_profile=QUESTIONS_QOS,
            cancel_service_qos_profile=QUESTIONS_QOS,
            feedback_sub_qos_profile=FEEDBACK_QOS,
        )
        if on_status is not None:
            self._node.create_subscription(
                StreamStatus, f"{self.target}/stream_status", on_status, STATUS_QOS
            )
        self._watch = self._node.create_client(Watch, f"{self.target}/watch")
        self._unwatch = self._node.create_client(Unwatch, f"{self.target}/unwatch")
        self._list = self._node.create_client(ListCameras, f"{self.target}/list_cameras")
        if on_event is not None:
            self._node.create_subscription(Event, f"{self.target}/events", on_event, EVENTS_QOS)
        # Last: what the node knows of it, it knows of all made before, since discovery goes in order.
        self._state = self._node.create_client(GetState, f"{self.target}/get_state")
        self._met = False
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="magno-client", daemon=True)
        self._thread.start()
        self._taker.start()

    def __enter__(self) -> MagnoClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _spin(self) -> None:
        with suppress(InvalidHandle):  # rclpy's, when it is closed while something comes
            self._executor.spin()

    def close(self) -> None:
        """Over Fast DDS from PyPI's wheels it may never return where other participants end at the same moment
        (eProsima/Fast-DDS#6513): a process with many clients does better to exit without closing them."""
        self._taker.close()
        self._executor.shutdown(timeout_sec=1.0)
        self._thread.join(1.0)
        self._ask.destroy()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def ask(
        self,
        question: str,
        *,
        camera: str = "",
        deadline_s: float,
        max_tokens: int = 0,
        all_or_nothing: bool = False,
        ago_s: float = 0.0,
        recall: bool = False,
        conversation: str = "",
        patience_s: float = PATIENCE_S,
    ) -> Query.Response:
        """The answer, whatever its outcome.

        Raises ClientError deadline_s + patience_s after the call, DISCOVERY_S after it where no node is.
        """
        request = Query.Request(
            question=question,
            camera=camera,
            deadline=duration_from_ms(deadline_s * 1e3),
            max_tokens=max_tokens,
            all_or_nothing=all_or_nothing,
            at=self._ago(ago_s),
            recall=recall,
            conversation=conversation,
        )
        return self._call(self._query, request, "query", max(0.0, deadline_s) + patience_s)

    def start(
        self,
        question: str,
        *,
        camera: str = "",
        deadline_s: float,
        max_tokens: int = 0,
        all_or_nothing: bool = False,
        ago_s: float = 0.0,
        recall: bool = False,
        conversation: str = "",
        on_text: Callable[[str], None] | None = None,
    ) -> Asking | Rejected:
        """Ask through the action: the text comes to on_text, on the client's thread, while it is decoded."""
        goal = Ask.Goal(
            question=question,
            camera=camera,
            deadline=duration_from_ms(deadline_s * 1e3),
            max_tokens=max_tokens,
            all_or_nothing=all_or_nothing,
            at=self._ago(ago_s),
            recall=recall,
            conversation=conversation,
        )
        self._await_ready(self._ask.server_is_ready, "ask")
        told = (lambda message: on_text(message.feedback.text)) if on_text else None
        handle = _wait(
            self._ask.send_goal_async(goal, feedback_callback=told), f"{self.target}/ask", PATIENCE_S
        )
        if not handle.accepted:
            return Rejected()
        return Asking(handle, f"{self.target}/ask", max(0.0, deadline_s) + PATIENCE_S)

    def _ago(self, seconds: float) -> Time:
        """A moment on this client's clock, which should be the node's; 0 seconds: none."""
        if not seconds:
            return Time()
        return time_from_ns(self._node.get_clock().now().nanoseconds - int(seconds * 1e9))

    def watch(self, question: str, *, camera: str = "", every_s: float = 1.0, on_motion: bool = True) -> int:
        """Begin a standing question; its number, by which `on_event` hears of its answers. Raises ClientError."""
        request = Watch.Request(
            camera=camera,
            question=question,
            on=Watch.Request.ON_MOTION if on_motion else Watch.Request.ON_INTERVAL,
            every=duration_from_ms(every_s * 1e3),
        )
        response = self._call(self._watch, request, "watch", PATIENCE_S)
        if not response.id:
            raise ClientError(response.error_msg)
        return int(response.id)

    def unwatch(self, number: int) -> bool:
        """End a standing question; False: there was none of this number."""
        request = Unwatch.Request(id=number)
        return bool(self._call(self._unwatch, request, "unwatch", PATIENCE_S).success)

    def cameras(self) -> list[StreamStatus]:
        """Every camera as it is now."""
        found: list[StreamStatus] = self._call(
            self._list, ListCameras.Request(), "list_cameras", PATIENCE_S
        ).cameras
        return found

    def change_state(self, transition: str, timeout_s: float = LIFECYCLE_S) -> bool:
        """configure, activate, deactivate, cleanup; False: the node did not do it, and its log says why."""
        request = ChangeState.Request(transition=Transition(label=transition))
        return bool(self._call(self._change, request, "change_state", timeout_s).success)

    def state(self, timeout_s: float = PATIENCE_S) -> str:
        """unconfigured, inactive, active, finalized or a state in between."""
        return str(self._call(self._state, GetState.Request(), "get_state", timeout_s).current_state.label)

    def _call(self, client: Any, request: Any, name: str, timeout_s: float) -> Any:
        self._await_ready(client.service_is_ready, name)
        try:
            return self._once(client, request, name, timeout_s)
        except ClientError:
            self._met = False  # it may come back as another process
            raise

    def _once(self, client: Any, request: Any, name: str, timeout_s: float) -> Any:
        future = client.call_async(request)
        try:
            return _wait(future, f"{self.target}/{name}", timeout_s)
        finally:
            client.remove_pending_request(future)

    def _await_ready(self, ready: Callable[[], bool], name: str) -> None:
        """Wait until the node is found, and until it has found us.

        A node drops the response to a client that it has not discovered yet: ask for its state, which may be asked
        again, until it answers.
        """
        until = time.monotonic() + DISCOVERY_S
        while not (ready() and self._state.service_is_ready()):
            if time.monotonic() > until:
                raise ClientError(
                    f"{self.target}/{name} wanted within {DISCOVERY_S:.0f} s, found none; "
                    "is the node running, on the same ROS_DOMAIN_ID?"
                )
            time.sleep(POLL_S)
        while not self._met and time.monotonic() < until:  # in vain while it configures: then go on
            with suppress(ClientError):
                self._once(self._state, GetState.Request(), "get_state", HANDSHAKE_S)
                self._met = True


class Asking:
    """A goal under way."""

    def __init__(self, handle: Any, name: str, timeout_s: float) -> None:
        self._handle = handle
        self._name = name
        self._timeout_s = timeout_s
        self._result: Future = handle.get_result_async()

    def cancel(self) -> bool:
        """Ask the node to stop; False: it was over already. The result still comes."""
        response = _wait(self._handle.cancel_goal_async(), self._name, PATIENCE_S)
        return bool(response.goals_canceling)

    def result(self, timeout_s: float | None = None) -> tuple[Ask.Result, str]:
        """The result and how the goal ended: "succeeded", "aborted" or "canceled". Raises ClientError."""
        given = _wait(self._result, self._name, self._timeout_s if timeout_s is None else timeout_s)
        ends = {
            GoalStatus.STATUS_SUCCEEDED: "succeeded",
            GoalStatus.STATUS_ABORTED: "aborted",
            GoalStatus.STATUS_CANCELED: "canceled",
        }
        return given.result, ends.get(given.status, "unknown")


class Rejected:
    """A goal that the node had no time for: the same as a refusal, but that no result says why."""

    def cancel(self) -> bool:
        return False

    def result(self, timeout_s: float | None = None) -> tuple[Ask.Result, str]:
        """As Asking's; how it ended is "rejected"."""
        retry_after = duration_from_ms(REJECTED_RETRY_MS)
        return Ask.Result(outcome=Ask.Result.REFUSED, error_msg=REJECTED, retry_after=retry_after), "rejected"


def _wait(future: Future, name: str, timeout_s: float) -> Any:
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    if not done.wait(timeout_s):
        raise ClientError(f"{name} wanted an answer within {timeout_s:.1f} s, found none; has the node died?")
    return future.result()
