"""One thread that takes what comes to a node and never has to wait. Knows no question.

rclpy's executors look anew at all that a node has for each message, and make a wait set, a task and two coroutines
for it, which takes a millisecond of the interpreter that the engine's thread needs, too. Here the wait set stays as
long as what is waited for does, and all that has come is taken at each wake.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, Protocol

from rclpy.callback_groups import CallbackGroup
from rclpy.client import Client
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.service import Service
from rclpy.subscription import Subscription

from magno_ros.prompt import run_promptly

AT_ONCE = 32  # of one source, so that the others have their turn, too
FOR_EVER_NS = -1
STOP_S, AGAIN_S = 5.0, 0.1

Counts = tuple[int, int, int, int, int]  # subscriptions, guard conditions, timers, clients, services


class TakenElsewhere(CallbackGroup):
    """A callback group that no executor may take from: a Taker does."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        pass


class Source(Protocol):
    """What can be waited for, by its native handle."""

    @property
    def handle(self) -> Any: ...
    def counts(self) -> Counts: ...
    def enter(self, wait_set: Any) -> None: ...
    def take(self, wait_set: Any) -> None:
        """Take what has come, if anything has, and act on it without waiting."""
        ...


class Taker:
    """Begins with `start`. A source's exception is told to `on_fault`, on the taker's thread, and harms no other."""

    def __init__(
        self, node: Node, on_fault: Callable[[BaseException], None], *, is_prompt: bool = False
    ) -> None:
        """`is_prompt`: on a thread that runs before those that compute (prompt.py)."""
        self._node, self._on_fault, self._is_prompt = node, on_fault, is_prompt
        self.group = TakenElsewhere()  # for all that is given to `add`
        self._changed = node.create_guard_condition(lambda: None, callback_group=self.group)
        self._sources: tuple[Source, ...] = ()
        self._lock = threading.Lock()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="magno-taker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, source: Source) -> None:
        with self._lock:
            self._sources = (*self._sources, source)
        self._changed.trigger()

    def remove(self, source: Source) -> None:
        """It may be taken once more meanwhile. Its handle is freed once it is not waited for any more."""
        with self._lock:
            self._sources = tuple(one for one in self._sources if one is not source)
        self._changed.trigger()

    def close(self) -> None:
        """Take no more. Not for a source to call."""
        self._over = True
        if self._thread.is_alive():
            self._changed.trigger()
            self._thread.join(STOP_S)

    def _run(self) -> None:
        if self._is_prompt:
            run_promptly()
        while not self._over:
            try:
                self._take_of(self._sources)
            except _rclpy.InvalidHandle:  # the node has been destroyed
                return
            except _rclpy.RCLError as fault:
                if self._over or not self._node.context.ok():
                    return
                self._on_fault(fault)
                time.sleep(AGAIN_S)  # a node that hears nothing any more would be worse

    def _take_of(self, sources: tuple[Source, ...]) -> None:
        """Take from these until there are others."""
        with ExitStack() as held:
            held.enter_context(self._changed.handle)
            there = [source for source in sources if _held(held, source)]
            counts = [
                sum(one) for one in zip((0, 1, 0, 0, 0), *(source.counts() for source in there), strict=True)
            ]
            wait_set = _rclpy.WaitSet(*counts, 0, self._node.context.handle)
            while self._sources is sources and not self._over:
                wait_set.clear_entities()
                for source in there:
                    source.enter(wait_set)
                wait_set.add_guard_condition(self._changed.handle)
                wait_set.wait(FOR_EVER_NS)
                for source in there:
                    self._guarded(source, wait_set)

    def _guarded(self, source: Source, wait_set: Any) -> None:
        try:
            source.take(wait_set)
        except Exception as fault:
            self._on_fault(fault)


def _held(held: ExitStack, source: Source) -> bool:
    """Keep its handle from being freed; False: it was already."""
    try:
        held.enter_context(source.handle)
    except _rclpy.InvalidHandle:
        return False
    return True


class TakenService:
    """A service whose `callback` gets a request and a function that responds, which any thread may call, once."""

    def __init__(self, service: Service, callback: Callable[[Any, Callable[[Any], None]], None]) -> None:
        self._service, self._callback = service, callback
        self.handle = service.handle

    def counts(self) -> Counts:
        return 0, 0, 0, 0, 1

    def enter(self, wait_set: Any) -> None:
        wait_set.add_service(self.handle)

    def take(self, wait_set: Any) -> None:
        for _ in range(AT_ONCE):
            request, header = self.handle.service_take_request(self._service.srv_type.Request)
            if header is None:
                return
            self._callback(request, lambda response, to=header: self._service.send_response(response, to))


class TakenClient:
    """A client whose futures are done here. What the service responds to others comes, too, and is passed over."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.handle = client.handle

    def counts(self) -> Counts:
        return 0, 0, 0, 1, 0

    def enter(self, wait_set: Any) -> None:
        wait_set.add_client(self.handle)

    def take(self, wait_set: Any) -> None:
        for _ in range(AT_ONCE):
            header, response = self.handle.take_response(self._client.srv_type.Response)
            if header is None:
                return
            with suppress(KeyError):  # nobody waits for it any more
                self._client.get_pending_request(header.request_id.sequence_number).set_result(response)


class TakenTopic:
    """A subscription whose callback gets each message."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self.handle = subscription.handle

    def counts(self) -> Counts:
        return 1, 0, 0, 0, 0

    def enter(self, wait_set: Any) -> None:
        wait_set.add_subscription(self.handle)

    def take(self, wait_set: Any) -> None:
        for _ in range(AT_ONCE):
            taken = self.handle.take_message(self._subscription.msg_type, False)
            if taken is None:
                return
            self._subscription.callback(taken[0])
