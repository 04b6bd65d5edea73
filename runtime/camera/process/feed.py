"""What a reader's owner hands to its process over standard input. Knows neither units nor pictures."""

from __future__ import annotations

import threading
from typing import BinaryIO, Protocol


class Feed(Protocol):
    """A bounded queue that a caller fills and a reader process empties. It outlives the process."""

    dropped: int

    def send(self, pipe: BinaryIO, over: threading.Event) -> bool:
        """Wait for the next item and write it; False: there will be none, or `over` was set and `wake` called.
        Raises OSError when nobody reads any more."""
        ...

    def begin_anew(self) -> None:
        """Another process takes over."""
        ...

    def wake(self) -> None:
        """Let `send` look at `over`."""
        ...
