"""What a camera showed, kept longer than its live cache does, so that a question about then can be answered: in memory,
and where it is wanted longer yet on disk (disk).

Kept are the rows that the language model was fed, in half precision, not its keys and values: of Qwen2-0.5B those
are seven times larger (12 KiB a token against 1.75). What is brought back is prefilled again, in the question's own
fork. Used by the language model's owner thread alone, where nothing else is said.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from magno.runtime.past.disk import PastOnDisk
from magno.runtime.units import Encoded, SpanKind


class Archive:
    """The newest GOPs of one camera, in `most_bytes` of memory; whole ones leave, oldest first. On disk is a second
    tier, which holds them once their GOP is over."""

    def __init__(self, most_bytes: int, disk: PastOnDisk | None = None) -> None:
        self.disk = disk
        self._most_bytes, self._size_bytes = most_bytes, 0
        self._items: deque[Encoded] = deque()
        self.forgotten_gops = 0  # that had to leave for newer ones

    def add(self, item: Encoded) -> None:
        """Keep what has just gone into the live cache."""
        kept = replace(item, rows=item.rows.astype(np.float16))
        self._items.append(kept)
        self._size_bytes += kept.rows.nbytes
        if self.disk is not None:
            self.disk.add(kept)
        while self._size_bytes > self._most_bytes and self._items:
            self._forget(self._items[0].gop)

    def until(self, pts_ns: int, most_tokens: int, tokens_of: Callable[[Encoded], int]) -> list[Encoded]:
        """The newest items up to a moment that fit into so many tokens, from a keyframe on; empty where it remembers
        none. The GOP of the moment comes whatever it costs. Files are read where memory does not reach back so far."""
        found: list[Encoded] = []
        whole: list[Encoded] = []  # from the oldest keyframe that fits
        spent = 0
        for item in self._newest_first(pts_ns):
            spent += tokens_of(item)
            if whole and spent > most_tokens:
                break
            found.append(item)
            if item.kind is SpanKind.KEYFRAME:
                whole = found[::-1]
        return whole

    def since_ns(self) -> float:
        """From when on it remembers, in the stream's time; infinity: nothing. From any thread."""
        return min(self._in_memory_since_ns(), math.inf if self.disk is None else self.disk.since_ns())

    @property
    def lost(self) -> int:
        """GOPs that could not be written to disk, and files there that were left out. From any thread."""
        return 0 if self.disk is None else self.disk.dropped_gops + self.disk.left_out_files

    def close(self) -> None:
        """Nothing is added any more; what is to be written yet is so meanwhile."""
        if self.disk is not None:
            self.disk.close()

    def wait(self) -> None:
        """After `close`: until it is written, or some seconds have passed."""
        if self.disk is not None:
            self.disk.wait()

    @property
    def size_bytes(self) -> int:
        return self._size_bytes

    def _newest_first(self, pts_ns: int) -> Iterator[Encoded]:
        """What it remembers up to a moment."""
        yield from (item for item in reversed(self._items) if item.pts_ns <= pts_ns)
        if self.disk is not None:
            yield from self.disk.before(min(self._in_memory_since_ns(), pts_ns + 1))

    def _in_memory_since_ns(self) -> float:
        try:
            return self._items[0].pts_ns
        except IndexError:
            return math.inf

    def _forget(self, gop: int) -> None:
        while self._items and self._items[0].gop == gop:
            self._size_bytes -= self._items.popleft().rows.nbytes
        self.forgotten_gops += 1
