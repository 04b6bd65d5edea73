"""What one camera's keyframes showed, in few bytes each, so that a question without a time finds the GOP it is about.

Written by the language model's owner thread, searched on the threads of those who ask: what is searched is never
changed any more, and no question waits while another is looked up.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from magno.runtime.past.meaning import Digest, Likeness, best, digest, likeness
from magno.runtime.units import Encoded, SpanKind

MOST_KEYFRAMES = 4096  # pocket: one and a half hours at 25 pictures a second, in 9 MB
BLOCK = 64  # keyframes that are searched at once, so that they stay in the processor's cache


@dataclass(frozen=True, slots=True)
class _Block:
    """Of BLOCK keyframes, oldest first; of fewer, where it is the newest."""

    steps: np.ndarray  # (keyframes, n, embed_dim) int8
    lengths: np.ndarray  # (keyframes, n) float32
    ends_ns: np.ndarray  # (keyframes,) int64: pts_ns of the newest picture in the GOP of each


class Recollection:
    """The newest keyframes, `most` of them about."""

    def __init__(self, most: int = MOST_KEYFRAMES) -> None:
        self._blocks: deque[_Block] = deque(maxlen=max(1, most // BLOCK))
        self._open: list[tuple[Digest, int]] = []  # of the block that is being filled
        self._lock = threading.Lock()

    def add(self, item: Encoded) -> None:
        """Take what has just gone into the live cache."""
        kept = digest(item.rows) if item.kind is SpanKind.KEYFRAME else None
        with self._lock:
            if kept is not None:
                if len(self._open) >= BLOCK:
                    self._blocks.append(_block(self._open))
                    self._open = []
                self._open.append((kept, item.pts_ns))
            elif self._open:
                self._open[-1] = self._open[-1][0], item.pts_ns

    def moment_ns(self, words: Sequence[Likeness], since_ns: float = -math.inf) -> int | None:
        """The end of the GOP that a question is most likely about, of those that end from a moment on; None: there is
        none.

        `words`: (n, embed_dim) directions of each phrase's. From any thread.
        """
        blocks = self._all()
        if not blocks or not words:
            return None
        directions = np.concatenate(words)
        near = np.concatenate([likeness(block.steps, block.lengths, directions) for block in blocks])
        ends_ns = np.concatenate([block.ends_ns for block in blocks])
        kept = ends_ns >= since_ns
        if not kept.any():
            return None
        return int(ends_ns[kept][best(near[kept], [len(each) for each in words])])

    def _all(self) -> list[_Block]:
        with self._lock:
            blocks, filling = list(self._blocks), list(self._open)
        return [*blocks, _block(filling)] if filling else blocks


def _block(kept: list[tuple[Digest, int]]) -> _Block:
    return _Block(
        np.stack([each.steps for each, _ in kept]),
        np.stack([each.lengths for each, _ in kept]),
        np.array([end_ns for _, end_ns in kept], np.int64),
    )
