"""A node in a process of its own, and a client of it that remembers what it has heard."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from magno_interfaces.msg import Event, StreamStatus

from magno_ros.client import MagnoClient
from magno_ros.process import NodeProcess, loopback_environment

QUESTION = "Which way is the car moving?"
SOON_S = 20.0  # a bound, not an expectation
STATUS_S = 0.1  # that no test waits for what is told once a second


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + SOON_S
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


class Robot:
    """A node, a client and what the client has heard."""

    def __init__(
        self, node: NodeProcess, client: MagnoClient, heard: list[StreamStatus], events: list[Event]
    ) -> None:
        self.node, self.client, self.heard, self.events = node, client, heard, events

    def go(self, *transitions: str) -> None:
        for transition in transitions:
            assert self.client.change_state(transition), self.node.log_text()

    def wait_for_pictures(self, camera: str) -> StreamStatus:
        def fresh() -> list[StreamStatus]:
            return [s for s in self.heard if s.camera == camera and s.pictures_received and s.cached_tokens]

        self.heard.clear()
        until(fresh)
        return fresh()[-1]


@contextmanager
def robot(folder: Path, **parameters: object) -> Iterator[Robot]:
    heard, events = list[StreamStatus](), list[Event]()
    parameters = {"status_period_s": STATUS_S, **parameters}
    dotted = {name.replace("__", "."): value for name, value in parameters.items()}
    name = f"magno_{uuid.uuid4().hex[:8]}"
    os.environ.update(loopback_environment())  # a domain each: discovery among many takes seconds
    with ExitStack() as stack:
        node = stack.enter_context(NodeProcess(dotted, folder / "node.log", name))
        client = stack.enter_context(MagnoClient(name, on_status=heard.append, on_event=events.append))
        yield Robot(node, client, heard, events)
