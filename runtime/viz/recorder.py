"""Items on their way into a file: `put` never waits, one thread writes. Knows no format.

A disk that is slower than the stream costs pictures of the recording, which are counted, and nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from types import TracebackType
from typing import Protocol

from magno.runtime.units import MagnoError
from magno.runtime.viz.items import Figure, Item, Level, Note, Shown

MOST_PICTURES = 32  # that wait to be written
MOST_OTHERS = 1024  # notes and figures: small, and rarer
CLOSE_S = 5.0  # that the disk is given for what still waits

log = logging.getLogger("magno.viz")


class RecordingError(MagnoError):
    """A recording that cannot be written, or not on."""


class Sink(Protocol):
    """Where items end up. Used by the recorder's thread alone; may be slow. Raises OSError, RecordingError."""

    def write(self, item: Item) -> None: ...

    def close(self) -> None: ...


class Recorder:
    """Owns a sink. Bounded: what comes while so much waits is dropped, and counted. Close it or use `with`."""

    def __init__(self, sink: Sink, pictures: int = MOST_PICTURES, others: int = MOST_OTHERS) -> None:
        self._sink = sink
        self._room = {True: pictures, False: others}  # left, of pictures and of others
        self._waiting: deque[Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self.pictures = self.dropped = 0  # written; dropped of any kind
        self.error = ""  # one sentence: why nothing more is written
        self._thread = threading.Thread(target=self._run, name="magno-recorder", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> bool:
        """Callable from any thread. False: it was dropped."""
        shown = isinstance(item, Shown)
        with self._changed:
            if self._closed or self.error or not self._room[shown]:
                self.dropped += 1
                return False
            self._room[shown] -= 1
            self._waiting.append(item)
            self._changed.notify_all()
        return True

    def close(self, patience_s: float = CLOSE_S) -> None:
        """Write what waits, unless the disk takes too long: that is dropped then. Closing twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(patience_s)
        with self._changed:
            if self._thread.is_alive():
                self.error = (
                    f"The recording wants a disk that writes it, found it waiting after {patience_s:g} s."
                )
            self._drop_waiting()

    def _run(self) -> None:
        try:
            told_dropped = 0
            while (item := self._next()) is not None:
                self._sink.write(item)
                self.pictures += isinstance(item, Shown)
                if self.dropped != told_dropped:
                    told_dropped = self.dropped
                    self._sink.write(Figure(_at_ns(item), "recording/dropped", told_dropped))
                    said = f"{told_dropped} items dropped so far: the disk was slower than the stream"
                    self._sink.write(Note(_at_ns(item), "recording", said, Level.WARN))
            self._sink.close()
        except Exception as error:  # an error of the disk, or a fault of ours: the stream goes on without it
            self._fail(error)

    def _next(self) -> Item | None:
        """The oldest that waits; None: it was closed, and all is written."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            item = self._waiting.popleft()
            self._room[isinstance(item, Shown)] += 1
            return item

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, (OSError, MagnoError)):
            log.exception("the recorder failed")
        said = str(error) if isinstance(error, MagnoError) else _sentence(error)
        with self._changed:
            self.error = said
            self._drop_waiting()
        log.warning("%s", said)

    def _drop_waiting(self) -> None:
        self.dropped += len(self._waiting)
        self._waiting.clear()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sentence(error: Exception) -> str:
    said = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return f"The recording wants to be written on, found: {said}. What came after is left out."


def _at_ns(item: Item) -> int:
    return item.frame.pts_ns if isinstance(item, Shown) else item.at_ns
