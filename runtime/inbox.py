"""Keyframes and windows on their way from a camera's thread to the language model; bounded."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from magno.runtime.trace import NO_TRAIL, Fact, Trail
from magno.runtime.units import Encoded

INBOX_ITEMS = 4


class Inbox:
    """Encoded items on their way to the language model; bounded. A live camera's newest is dropped when full."""

    def __init__(self, wake: Callable[[], None], trail: Trail = NO_TRAIL) -> None:
        """`trail` gets an ingest a span: from `first` to `take`."""
        self._trail, self._lost = trail, False
        self._items: deque[Encoded] = deque()
        self._room = threading.Condition()
        self._wake = wake
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Encoded, *, wait: bool) -> bool:
        """False: dropped, or nobody takes any more."""
        with self._room:
            while wait and not self._closed and self.is_full:
                self._room.wait()
            if self._closed or self.is_full:
                return False
            self._items.append(item)
        self._wake()
        return True

    @property
    def is_full(self) -> bool:
        return len(self._items) >= INBOX_ITEMS

    def first(self) -> Encoded | None:
        """The oldest item; it counts as waiting until it is taken."""
        with self._room:
            self._trail.start()
            return self._items[0] if self._items else None

    def lose_first(self) -> None:
        """The oldest item could not be taken into the cache."""
        self._lost = True

    def take(self, told: Callable[[], dict[str, Fact]] = dict) -> None:
        """Be done with the oldest item; `told`, where somebody traces, tells what that did to the cache."""
        facts = told() if self._trail is not NO_TRAIL else {}
        with self._room:
            item, lost, self._lost = self._items.popleft(), self._lost, False
            tokens = 0 if lost else len(item.rows)
            self._trail.lap("ingest", kind=item.kind.value, pts_ns=item.pts_ns, tokens=tokens, **facts)
            self._room.notify()

    def close(self) -> None:
        with self._room:
            self._closed = True
            self._room.notify_all()
