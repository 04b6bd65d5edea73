"""What ROS itself costs: the same messages to a node of rclpy's own, which answers at once and knows no camera.

A figure of the node is to be read beside it: what the floor takes, no node behind the same wire can save.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import rclpy
from lifecycle_msgs.srv import GetState
from magno_interfaces.action import Ask
from magno_interfaces.srv import Query
from rclpy.action import ActionServer
from rclpy.action.server import ServerGoalHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

from magno_ros.qos import QUESTIONS_QOS


def serve(name: str, wait: Callable[[], None]) -> None:
    """Answer every question of a MagnoClient at once, with nothing, until `wait` returns."""
    rclpy.init()
    node = Node(name)
    node.create_service(Query, "~/query", lambda request, response: response, qos_profile=QUESTIONS_QOS)
    node.create_service(GetState, "~/get_state", lambda request, response: response)
    action = ActionServer(node, Ask, "~/ask", _end)
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    threading.Thread(target=spin, name="floor", daemon=True).start()
    wait()
    executor.shutdown()
    action.destroy()
    node.destroy_node()
    rclpy.try_shutdown()


def _end(goal: ServerGoalHandle) -> Ask.Result:
    goal.abort()
    return Ask.Result()
