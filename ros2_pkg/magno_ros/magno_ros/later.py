"""A service that may respond later, from any thread, so that no executor's thread waits. Knows no question.

rclpy responds with what the callback returns. A coroutine could wait, but the executor spins at full speed while one is
pending. So the callback returns a `Later`, which hears from `send_response` whom to respond to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.service import Service


class Later:
    """Stands in for a response. Both `address` and `give` are called once, in any order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._send: Callable[[Any], None] | None = None
        self._response: Any = None

    def address(self, send: Callable[[Any], None]) -> None:
        with self._lock:
            self._send, response = send, self._response
        if response is not None:
            send(response)

    def give(self, response: Any) -> None:
        """Respond. Raises what rclpy raises when the client or the service has gone."""
        with self._lock:
            self._response, send = response, self._send
        if send is not None:
            send(response)


def responds_later(service: Service) -> None:
    """From now on the service's callback may return a `Later`."""
    send_now = service.send_response

    def send(response: Any, header: Any) -> None:
        if isinstance(response, Later):
            response.address(lambda given: send_now(given, header))
        else:
            send_now(response, header)

    service.send_response = send
