"""The node's executor, with real services: what waits holds nobody up, what fails is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy")

from magno_interfaces.srv import Unwatch
from rclpy.callback_groups import ReentrantCallbackGroup

from magno_ros.executor import NodeExecutor
from tests.ros2_pkg.peers import Peers, peers, told
from tests.ros2_pkg.robot import SOON_S, until

Answer = Unwatch.Response


class Served:
    """Three services under a NodeExecutor."""

    def __init__(self, ros: Peers) -> None:
        self.ros, self.go = ros, threading.Event()
        for callback in (self.slow, self.quick, self.broken):
            group = ReentrantCallbackGroup()
            ros.node.create_service(Unwatch, callback.__name__, callback, callback_group=group)
        ros.spin(NodeExecutor(4, ros.faults.append, context=ros.context), ros.node)

    def slow(self, request: Unwatch.Request, response: Answer) -> Answer:
        self.go.wait(SOON_S)
        return response

    def quick(self, request: Unwatch.Request, response: Answer) -> Answer:
        return response

    def broken(self, request: Unwatch.Request, response: Answer) -> Answer:
        raise ValueError("as asked")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with peers() as ros:
        yield Served(ros)


def test_what_waits_holds_nobody_up(served: Served) -> None:
    waiting = [served.ros.call(Unwatch, "slow", Unwatch.Request()) for _ in range(2)]
    for _ in range(3):
        told(served.ros.call(Unwatch, "quick", Unwatch.Request()))
    assert not any(one.done() for one in waiting)
    served.go.set()
    for one in waiting:
        told(one)


def test_a_fault_is_told_and_the_rest_goes_on(served: Served) -> None:
    served.ros.call(Unwatch, "broken", Unwatch.Request())
    until(lambda: served.ros.faults)
    told(served.ros.call(Unwatch, "quick", Unwatch.Request()))
    assert [str(fault) for fault in served.ros.faults] == ["as asked"]
