"""The node's executor, with real services: what never waits runs at once, what waits holds nobody up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("rclpy")

import rclpy
from magno_interfaces.srv import Unwatch
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from magno_ros.executor import NodeExecutor
from magno_ros.later import Later, responds_later
from tests.ros2_pkg.robot import SOON_S, until


class Services:
    """Four services of one node under a NodeExecutor, and a node that asks them."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("executed", context=self.context)
        self.asker = Node("asker", context=self.context)
        self.threads: dict[str, set[str]] = {}
        self.faults: list[BaseException] = []
        self.go = threading.Event()
        self.pool = ThreadPoolExecutor(2)
        quick = [self._service("quick", self._answer), self._service("later", self._answer_later)]
        responds_later(quick[1])
        self._service("slow", self._wait)
        self._service("broken", self._break)
        self.executor = NodeExecutor(4, quick, self.faults.append, context=self.context)
        self.executor.add_node(self.node)
        self.asking = SingleThreadedExecutor(context=self.context)
        self.asking.add_node(self.asker)
        self._spinners = [
            threading.Thread(target=self.executor.spin, name="spinner", daemon=True),
            threading.Thread(target=self.asking.spin, daemon=True),
        ]
        for spinner in self._spinners:
            spinner.start()

    def close(self) -> None:
        self.go.set()
        for executor in (self.executor, self.asking):
            executor.shutdown(timeout_sec=1.0)
        for spinner in self._spinners:
            spinner.join(1.0)
        self.pool.shutdown()
        self.node.destroy_node()
        self.asker.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def begin(self, name: str) -> threading.Event:
        """Ask; what is returned is set when the response is there."""
        client: Client = self.asker.create_client(Unwatch, name)
        assert client.wait_for_service(SOON_S)
        done = threading.Event()
        client.call_async(Unwatch.Request()).add_done_callback(lambda _: done.set())
        return done

    def _service(self, name: str, callback: Any) -> Any:
        def noted(request: Any, response: Any) -> Any:
            self.threads.setdefault(name, set()).add(threading.current_thread().name)
            return callback(response)

        return self.node.create_service(Unwatch, name, noted, callback_group=ReentrantCallbackGroup())

    def _answer(self, response: Any) -> Any:
        return response

    def _answer_later(self, response: Any) -> Any:
        later = Later()
        self.pool.submit(lambda: self.go.wait(SOON_S) and later.give(response))
        return later

    def _wait(self, response: Any) -> Any:
        self.go.wait(SOON_S)
        return response

    def _break(self, response: Any) -> Any:
        raise ValueError("as asked")


@pytest.fixture
def services() -> Iterator[Services]:
    made = Services()
    yield made
    made.close()


def test_what_waits_holds_nobody_up(services: Services) -> None:
    waiting = [services.begin(name) for name in ("slow", "later", "slow", "later")]
    for _ in range(3):
        assert services.begin("quick").wait(SOON_S)
    assert not any(one.is_set() for one in waiting)
    services.go.set()
    assert all(one.wait(SOON_S) for one in waiting)
    assert services.threads["quick"] == services.threads["later"] == {"spinner"}
    assert "spinner" not in services.threads["slow"]


def test_a_fault_is_told_and_the_rest_goes_on(services: Services) -> None:
    services.begin("broken")
    assert services.begin("quick").wait(SOON_S)
    until(lambda: services.faults)
    assert [str(fault) for fault in services.faults] == ["as asked"]


@pytest.mark.parametrize("given_first", [True, False])
def test_a_response_may_be_there_before_it_is_known_to_whom(given_first: bool) -> None:
    later, sent = Later(), list[str]()
    if given_first:
        later.give("response")
    later.address(sent.append)
    if not given_first:
        later.give("response")
    assert sent == ["response"]
