"""Cameras that are topics: what a publisher sends goes into the engine as it comes. Knows no question.

H.264 goes straight into the model's front end, as the camera's encoder made it; pictures are encoded in the reader
process for their motion. The callback copies and hands over, and never waits. What a message holds, recorded bags read
with the same functions (magno.runtime.camera.topic). A stream's time is the stamps': a picture is known again by it.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from magno.runtime.camera.process.picture_queue import NewestPictures
from magno.runtime.camera.process.unit_queue import UnitQueue
from magno.runtime.camera.topic.messages import TOPIC_TYPES, is_h264, reader_of, stamp_ns_of
from magno.runtime.clock import NS_PER_S
from magno.runtime.engine import Engine
from magno.runtime.units import AccessUnit, MagnoError
from magno_ros.parameters import CameraConfig, ParameterError
from magno_ros.taker import TakenTopic, Taker

# Best effort is what both kinds of publishers are compatible with. What is lost on the way breaks the chain.
DEPTH = 64  # a GOP of packets that come at once, after a key picture of several datagrams
OLDEST_S = 60.0  # a stamp further from now than this is of another clock
COMPLAIN_S = 10.0


class TopicCamera:
    """One camera's subscription, and the queue that the engine takes from. `close` ends both."""

    def __init__(self, node: Node, taker: Taker, engine: Engine, name: str, config: CameraConfig) -> None:
        """Raises MagnoError."""
        self._node, self._taker, self._name, self._config = node, taker, name, config
        kind = message_class(config.type)
        self._hand_on = self._handing_on(engine)
        reliability = ReliabilityPolicy.RELIABLE if config.reliable else ReliabilityPolicy.BEST_EFFORT
        self._subscription = node.create_subscription(
            kind,
            config.topic,
            self._on_message,
            QoSProfile(
                history=HistoryPolicy.KEEP_LAST,
                depth=DEPTH,
                reliability=reliability,
                durability=DurabilityPolicy.VOLATILE,
            ),
            callback_group=taker.group,
        )
        self._taken = TakenTopic(self._subscription)
        taker.add(self._taken)

    def close(self) -> None:
        """No more is taken. The engine's camera is the caller's to unwatch."""
        self._taker.remove(self._taken)
        self._node.destroy_subscription(self._subscription)
        self._queue.close()

    def _handing_on(self, engine: Engine) -> Callable[[Any, int], object]:
        self._queue: UnitQueue | NewestPictures
        read = reader_of(self._config.type, self._config.format)
        if is_h264(self._config.type, self._config.format):
            self._queue = units = engine.watch_units(self._name)
            return lambda message, stamp_ns: units.put(
                AccessUnit(read(message), stamp_ns, self._captured_ns(stamp_ns))
            )
        self._queue = pictures = engine.watch_pictures(self._name)
        return lambda message, stamp_ns: pictures.put(read(message), stamp_ns, self._captured_ns(stamp_ns))

    def _captured_ns(self, stamp_ns: int) -> int:
        """The stamp on this machine's clock; now, where the stamp is of another."""
        now_ns = time.monotonic_ns()
        age_ns = self._node.get_clock().now().nanoseconds - stamp_ns
        return now_ns - age_ns if 0 <= age_ns < OLDEST_S * NS_PER_S else now_ns

    def _on_message(self, message: Any) -> None:
        stamp_ns = stamp_ns_of(message) or self._node.get_clock().now().nanoseconds
        try:
            self._hand_on(message, stamp_ns)
        except MagnoError as fault:
            self._complain(str(fault))
        except Exception as fault:  # a stranger's message never takes the node with it
            self._complain(f"cannot be taken: {fault!r}.")

    def _complain(self, fault: str) -> None:
        self._node.get_logger().warning(
            f"Camera {self._name}: a message of {self._config.topic} {fault}",
            throttle_duration_sec=COMPLAIN_S,
        )


def message_class(name: str) -> Any:
    """The class of a message type such as "sensor_msgs/msg/Image". Raises ParameterError."""
    package, _, kind = name.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), kind)
    except ImportError as error:
        raise ParameterError(
            f"A topic of {name} wants the package {package}, found none installed. Install it "
            f"(ros-DISTRO-{package.replace('_', '-')}), or use one of {', '.join(TOPIC_TYPES)}."
        ) from error
