"""The lifecycle node: configure opens the bundle, activate starts cameras, deactivate stops, cleanup frees.

Thin: what a question means is the engine's, how it travels is questions.py's. A transition returns FAILURE
with one sentence in the log for what the user can mend, and ERROR, which ends unconfigured, for all else.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from magno_interfaces.msg import StreamStatus
from magno_interfaces.srv import ListCameras
from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from magno.runtime.clock import NS_PER_S
from magno.runtime.config import EngineConfig
from magno.runtime.engine import Engine
from magno.runtime.units import MagnoError
from magno_ros.conversions import status_message
from magno_ros.diagnostics import diagnostics
from magno_ros.live import LIVE, LiveConfig, changed
from magno_ros.parameters import (
    ROS_OWN,
    CameraConfig,
    declare_cameras,
    declare_parameters,
    read_parameters,
)
from magno_ros.prompt import settle
from magno_ros.qos import STATUS_QOS
from magno_ros.questions import Questions
from magno_ros.standing import StandingQuestions
from magno_ros.taker import Taker
from magno_ros.topics import TopicCamera

Transition = Callable[[Any, LifecycleState], TransitionCallbackReturn]


def told(transition: Transition) -> Transition:
    """A transition whose faults are told: rclpy swallows them without a word."""

    @functools.wraps(transition)
    def guarded(self: MagnoNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except MagnoError as fault:
            self.get_logger().error(str(fault))
            return TransitionCallbackReturn.FAILURE
        except Exception as fault:
            self.get_logger().fatal(f"{transition.__name__} failed unexpectedly: {fault!r}.")
            return TransitionCallbackReturn.ERROR

    return guarded


class MagnoNode(LifecycleNode):
    """`~/query`, `~/ask`, `~/watch`, `~/events`, `~/stream_status` and the lifecycle services, under a multi-threaded
    executor."""

    def __init__(self, name: str = "magno", **options: Any) -> None:
        super().__init__(name, automatically_declare_parameters_from_overrides=True, **options)
        # OpenMP keeps threads, and malloc memory, for every thread that ever computed: one opens all engines.
        self._opener = ThreadPoolExecutor(1, thread_name_prefix="magno-open")
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._cameras: Mapping[str, CameraConfig] = {}
        self._topics: dict[str, TopicCamera] = {}
        self._active = False
        self._live = LiveConfig()
        declare_parameters(self, EngineConfig)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._status = self.create_lifecycle_publisher(StreamStatus, "~/stream_status", STATUS_QOS)
        self._diagnostics = self.create_lifecycle_publisher(DiagnosticArray, "/diagnostics", STATUS_QOS)
        self._timer = self.create_timer(
            self._live.status_period_s, self._publish_status, callback_group=MutuallyExclusiveCallbackGroup()
        )
        self._taker = Taker(self, self._complain, is_prompt=True)
        self._questions = Questions(
            self, self._taker, self._engine_or_reason, self._is_stamped, lambda: self._live
        )
        self._standing = StandingQuestions(self, self._engine_or_reason, self._is_stamped)
        self._list = self.create_service(ListCameras, "~/list_cameras", self._on_list)
        guard_transitions(self)
        self._taker.start()

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        declare_cameras(self)
        config = read_parameters(self, EngineConfig)
        engine = self._opener.submit(Engine.open, config.engine).result()
        with self._lock:
            self._engine, self._cameras = engine, config.cameras
        self._change(config.live)
        settle()
        self.get_logger().info(f"Configured with the bundle {config.engine.bundle}.")
        return super().on_configure(state)

    @told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        assert self._engine is not None
        begun: list[str] = []
        try:
            for name, camera in self._cameras.items():
                if camera.topic:
                    self._topics[name] = TopicCamera(self, self._taker, self._engine, name, camera)
                else:
                    self._engine.watch(
                        name, camera.url, loop=camera.loop, pace=camera.pace, transport=camera.transport
                    )
                begun.append(name)
        except MagnoError:
            self._unwatch(begun)
            raise
        self._active = True
        self.get_logger().info(f"Watching {', '.join(begun) or 'no camera'}.")
        return super().on_activate(state)

    @told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        self._stop_watching()
        return super().on_deactivate(state)

    @told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.close_engine()
        settle()
        return super().on_cleanup(state)

    @told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.close_engine()
        return super().on_shutdown(state)

    @told
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        self.close_engine()
        settle()
        return super().on_error(state)

    def close_engine(self) -> None:
        """Free the model and the cameras; questions under way get their outcome."""
        with self._lock:
            engine, self._engine, self._active = self._engine, None, False
        self._standing.end_all()
        while self._topics:
            self._topics.popitem()[1].close()
        if engine is not None:
            engine.close()

    def destroy_node(self) -> None:
        self.close_engine()
        self._taker.close()
        self._questions.close()
        self._standing.close()
        self._opener.shutdown()
        super().destroy_node()

    def _stop_watching(self) -> None:
        self._active = False
        self._unwatch(list(self._cameras))

    def _unwatch(self, names: list[str]) -> None:
        with self._lock:
            engine = self._engine
        for name in names:
            if (topic := self._topics.pop(name, None)) is not None:
                topic.close()
            if engine is not None:
                engine.unwatch(name)

    def _engine_or_reason(self) -> Engine | str:
        with self._lock:
            if self._engine is not None and self._active:
                return self._engine
            return f"The node {self.get_fully_qualified_name()} is not active; activate it, then ask again."

    def _is_stamped(self, camera: str) -> bool:
        return (camera or next(iter(self._cameras), "")) in self._topics

    def _publish_status(self) -> None:
        for message in self._states():
            self._status.publish(message)
        engine = self._engine_or_reason()
        if not isinstance(engine, str):
            self._diagnostics.publish(self._diagnosed(engine))

    def _diagnosed(self, engine: Engine) -> DiagnosticArray:
        used, capacity = engine.cache()
        about = {
            "bundle": engine.config.bundle,
            "model": engine.identity,
            "cache, tokens": f"{used} of {capacity}",
        }
        now_ns = self.get_clock().now().nanoseconds, time.monotonic_ns()
        return diagnostics(self.get_name(), engine.status().values(), engine.outcomes(), about, now_ns)

    def _on_list(self, request: ListCameras.Request, response: ListCameras.Response) -> ListCameras.Response:
        response.cameras = self._states()
        return response

    def _states(self) -> list[StreamStatus]:
        engine = self._engine_or_reason()
        if isinstance(engine, str):
            return []
        try:
            states = engine.status()
        except MagnoError as fault:
            self.get_logger().warning(str(fault), throttle_duration_sec=10.0)
            return []
        ros_now_ns, monotonic_now_ns = self.get_clock().now().nanoseconds, time.monotonic_ns()
        return [status_message(camera, ros_now_ns, monotonic_now_ns) for camera in states.values()]

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        values = {parameter.name: parameter.value for parameter in parameters}
        fixed = [name for name in values if name not in ROS_OWN and name not in LIVE]
        if fixed and self._engine is not None:
            reason = f"{fixed[0]} is read at configure and the node is configured: clean it up first."
            return SetParametersResult(successful=False, reason=reason)
        try:
            self._change(changed(self._live, values))
        except MagnoError as fault:
            return SetParametersResult(successful=False, reason=str(fault))
        return SetParametersResult(successful=True)

    def _complain(self, fault: BaseException) -> None:
        self.get_logger().error(f"A message could not be taken: {fault!r}.")

    def _change(self, live: LiveConfig) -> None:
        """Take on what may be changed at any time."""
        if live.status_period_s != self._live.status_period_s:
            self._timer.timer_period_ns = int(live.status_period_s * NS_PER_S)
            self._timer.reset()
        self._live = live


def guard_transitions(node: LifecycleNode) -> None:
    """Answer a transition that the state does not allow: rclpy raises into the executor, and says nothing."""
    service = getattr(node, "_service_change_state", None)  # rclpy has no public way to it
    if service is None:
        return
    change = service.callback

    def change_or_refuse(request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except Exception as fault:
            node.get_logger().error(f"Transition {request.transition.id} refused: {fault}.")
            response.success = False
            return response

    service.callback = change_or_refuse
