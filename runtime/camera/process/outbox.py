"""What a reader process says to the engine, on its way. Knows no source and no codec."""

from __future__ import annotations

import queue
import threading
from typing import BinaryIO

from magno.runtime.camera.process.pulse import Pulse
from magno.runtime.camera.process.wire import Alive, Failed, Message, write_message
from magno.runtime.units import CodecFrame

QUEUE_PICTURES = 8
ALIVE_S = 0.1  # silence longer than `reader.SILENCE_S` ends a process: with nothing to say, it says that


class Outbox:
    """Messages on their way to the engine. A live camera drops its newest pictures when the engine is behind, and
    counts them (the gap in their sequence says so downstream); a file read fast waits. With nothing to hand over
    it says that all is well, unless the thread that fills it is stuck."""

    def __init__(self, stream: BinaryIO, pulse: Pulse, *, live: bool) -> None:
        self._queue: queue.Queue[Message | None] = queue.Queue(maxsize=QUEUE_PICTURES)
        self._stream, self._pulse, self._live = stream, pulse, live
        self._gone = threading.Event()
        self.dropped = 0
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    @property
    def is_gone(self) -> bool:
        """Nobody listens any more."""
        return self._gone.is_set()

    def put(self, message: Message) -> bool:
        """Send a message; False: the engine has gone."""
        droppable = self._live and isinstance(message, CodecFrame)
        while not self._gone.is_set():
            try:
                self._queue.put(message, timeout=0.0 if droppable else ALIVE_S, block=not droppable)
                return True
            except queue.Full:
                if droppable:
                    self.dropped += 1
                    return True
        return False

    def close(self) -> None:
        """Send what is waiting."""
        while not self._gone.is_set():
            try:
                self._queue.put(None, timeout=ALIVE_S)
                break
            except queue.Full:
                continue
        self._writer.join()

    def _write(self) -> None:
        try:
            while (message := self._next()) is not None:
                write_message(self._stream, message)
                if isinstance(message, Failed):
                    break
        except OSError:  # the engine closed the pipe: nobody listens any more
            pass
        finally:
            self._gone.set()

    def _next(self) -> Message | None:
        try:
            return self._queue.get(timeout=ALIVE_S)
        except queue.Empty:
            stuck = self._pulse.overdue()
            return Alive() if stuck is None else Failed(stuck)
