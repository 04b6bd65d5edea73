"""Standing questions over ROS: `~/watch`, `~/unwatch` and `~/events`. Knows no lifecycle, as questions.py."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

from magno_interfaces.msg import Event as EventMessage
from magno_interfaces.srv import Unwatch, Watch
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node

from magno.runtime.engine import Engine
from magno.runtime.questions.asker import Standing
from magno.runtime.units import Event, MagnoError
from magno_ros.conversions import event_message, ms_from_duration
from magno_ros.qos import EVENTS_QOS

EVERY_S, DEADLINE_MS = 1.0, 10_000.0
ON = {Watch.Request.ON_MOTION: "motion", Watch.Request.ON_INTERVAL: "interval"}


class StandingQuestions:
    """They live as long as the engine that asks them."""

    def __init__(
        self, node: Node, engine_or_reason: Callable[[], Engine | str], stamped: Callable[[str], bool]
    ) -> None:
        """`stamped`: see questions.Questions."""
        self._node, self._engine_or_reason, self._stamped = node, engine_or_reason, stamped
        self._standing: dict[int, Standing] = {}
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        group = MutuallyExclusiveCallbackGroup()
        self._publisher = node.create_publisher(EventMessage, "~/events", EVENTS_QOS)
        self._services = [
            node.create_service(Watch, "~/watch", self._on_watch, callback_group=group),
            node.create_service(Unwatch, "~/unwatch", self._on_unwatch, callback_group=group),
        ]

    def end_all(self) -> None:
        """The engine is about to go."""
        with self._lock:
            ended, self._standing = list(self._standing.values()), {}
        for standing in ended:
            standing.close()

    def close(self) -> None:
        self.end_all()
        for service in self._services:
            self._node.destroy_service(service)
        self._node.destroy_publisher(self._publisher)

    def _on_watch(self, request: Watch.Request, response: Watch.Response) -> Watch.Response:
        engine = self._engine_or_reason()
        if isinstance(engine, str):
            response.error_msg = engine
            return response
        number = next(self._ids)
        try:
            standing = engine.watch_for(
                request.question,
                request.camera,
                on_event=lambda event: self._publish(number, event),
                every_s=ms_from_duration(request.every) / 1e3 or EVERY_S,
                on=ON.get(request.on, str(request.on)),
                deadline_ms=ms_from_duration(request.deadline) or DEADLINE_MS,
            )
        except MagnoError as fault:
            response.error_msg = str(fault)
            return response
        with self._lock:
            self._standing[number] = standing
        response.id = number
        return response

    def _on_unwatch(self, request: Unwatch.Request, response: Unwatch.Response) -> Unwatch.Response:
        with self._lock:
            standing = self._standing.pop(request.id, None)
        if standing is not None:
            standing.close()
        response.success = standing is not None
        return response

    def _publish(self, number: int, event: Event) -> None:
        ros_now_ns = self._node.get_clock().now().nanoseconds
        stamped = self._stamped(event.camera)
        self._publisher.publish(
            event_message(number, event, ros_now_ns, time.monotonic_ns(), stamped=stamped)
        )
