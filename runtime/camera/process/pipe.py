"""What a process says through a pipe, read with patience: its silence is an event, beside data and the end.

A process that others keep from running says nothing either; to kill it would make that worse. It is given longer.
"""

from __future__ import annotations

import os
import select

from magno.runtime.camera.process.starved import running, starved

MOST_BYTES = 1 << 20  # taken at once
MS_PER_S, NS_PER_MS = 1000, 1_000_000
LOOK_MS = 100  # between two looks at what a silent process does
MAX_LOOKS = 20


class Silence(Exception):
    """Nothing came for as long as was allowed."""


class PatientPipe:
    """The reading end of a pipe, with the `read` that `wire.read_message` wants. Owns the descriptor."""

    def __init__(self, descriptor: int, pid: int, patience_s: float) -> None:
        self.patience_s = (
            patience_s  # of one wait, before its writer is looked at; whoever reads may change it
        )
        self._descriptor, self._pid = descriptor, pid
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer at the end. Raises Silence when none comes in time."""
        data = bytearray()
        while len(data) < size:
            if not self._poll.poll(self.patience_s * MS_PER_S):
                self._wait_on()
            piece = os.read(self._descriptor, min(size - len(data), MOST_BYTES))
            if not piece:
                break
            data += piece
        return bytes(data)

    def _wait_on(self) -> None:
        """Wait for as long as the process is kept from running. Raises Silence."""
        before = running(self._pid)
        for _ in range(MAX_LOOKS):
            if self._poll.poll(LOOK_MS):
                return
            after = running(self._pid)
            if not starved(before, after, LOOK_MS * NS_PER_MS):
                break
            before = after
        raise Silence

    def close(self) -> None:
        """Free the descriptor. Closing twice is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
