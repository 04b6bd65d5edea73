"""A pipe that is read with patience: silence is an event of its own, beside data and the end."""

from __future__ import annotations

import os
import select

MOST_BYTES = 1 << 20  # taken at once
MS_PER_S = 1000


class Silence(Exception):
    """Nothing came for as long as was allowed."""


class PatientPipe:
    """The reading end of a pipe, with the `read` that `wire.read_message` wants. Owns the descriptor."""

    def __init__(self, descriptor: int, patience_s: float) -> None:
        self.patience_s = patience_s  # of one wait; whoever reads may change it
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer at the end. Raises Silence when none comes for `patience_s`."""
        data = bytearray()
        while len(data) < size:
            if not self._poll.poll(self.patience_s * MS_PER_S):
                raise Silence
            piece = os.read(self._descriptor, min(size - len(data), MOST_BYTES))
            if not piece:
                break
            data += piece
        return bytes(data)

    def close(self) -> None:
        """Free the descriptor. Closing twice is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
