"""Two nodes of this process that talk to each other: one is tested, the other asks it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.client import Client
from rclpy.context import Context
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from tests.ros2_pkg.robot import SOON_S


class Peers:
    """`node` is spun by what `spin` was given, `asker` by an executor of rclpy's."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("tested", context=self.context)
        self.asker = Node("asker", context=self.context)
        self.faults: list[BaseException] = []
        self._spun: list[tuple[Executor, threading.Thread]] = []
        self.spin(SingleThreadedExecutor(context=self.context), self.asker)

    def spin(self, executor: Executor, node: Node) -> None:
        executor.add_node(node)
        thread = threading.Thread(target=executor.spin, name="spinner", daemon=True)
        self._spun.append((executor, thread))
        thread.start()

    def call(self, kind: Any, name: str, request: Any) -> Future:
        client: Client = self.asker.create_client(kind, name)
        assert client.wait_for_service(SOON_S)
        return client.call_async(request)

    def close(self) -> None:
        for executor, thread in self._spun:
            executor.shutdown(timeout_sec=1.0)
            thread.join(1.0)
        self.node.destroy_node()
        self.asker.destroy_node()
        rclpy.try_shutdown(context=self.context)


@contextmanager
def peers() -> Iterator[Peers]:
    made = Peers()
    try:
        yield made
    finally:
        made.close()


def told(future: Future) -> Any:
    """What it comes to, within SOON_S."""
    assert is_done(future)()
    return future.result()


def is_done(future: Future) -> Callable[[], bool]:
    """Waits when it is called."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    return lambda: done.wait(SOON_S)
