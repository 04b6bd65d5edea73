"""Training batches without end, made ahead of the optimiser by a thread. New shards are picked up as they come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magno.training.batches import Batch, Batcher
from magno.training.rows import LONG, MIDDLE, SHORT, Span
from magno.training.shards import Shard, open_shard

AHEAD = 4  # batches
POOL = 6  # batches of clips that are sorted by length, so that little is padded


def shards(folder: Path, kind: str) -> list[Shard]:
    """All whole shards of a kind: "train", "held", or shards.STILL."""
    return [open_shard(path) for path in sorted(folder.glob(f"{kind}-??????"))]


@dataclass(frozen=True, slots=True)
class Share:
    """Of the batches, and the span of their rows."""

    of_batches: float
    span: Span


# Rows of a batch are fewer the longer they may be, so that steps cost about the same.
READING = (Share(0.4, SHORT), Share(0.25, MIDDLE), Share(0.35, LONG))  # while the language model begins
WATCHING = (Share(0.3, SHORT), Share(0.3, MIDDLE), Share(0.4, LONG))


@contextmanager
def batches(
    data: Path, batcher: Batcher, size: int, seed: int, shares: Sequence[Share] = WATCHING
) -> Iterator[Iterator[Batch]]:
    """Random batches of the training shards, of `size` of the shortest rows or as much."""
    ahead: queue.Queue[Batch] = queue.Queue(maxsize=AHEAD)
    stop = threading.Event()

    def put(batch: Batch) -> None:
        while not stop.is_set():
            try:
                return ahead.put(batch, timeout=1.0)
            except queue.Full:
                continue

    def fill() -> None:
        rng = np.random.default_rng(seed)
        opened: set[Path] = set()
        everything: list[tuple[Shard, int]] = []
        while not stop.is_set():
            for path in sorted(set(data.glob("train-??????")) - opened):
                shard = open_shard(path)
                opened.add(path)
                everything += [(shard, clip) for clip in range(shard.clips)]
            for span in rng.choice(
                [share.span for share in shares], 10, p=[share.of_batches for share in shares]
            ):
                rows = max(round(size * shares[0].span.tokens / span.tokens), 1)
                pool = [everything[at] for at in rng.integers(len(everything), size=rows * POOL)]
                pool.sort(key=_length)
                for start in rng.permutation(POOL) * rows:
                    put(batcher.batch(pool[start : start + rows], rng, span))
                    if stop.is_set():
                        return

    def endless() -> Iterator[Batch]:
        while True:
            yield ahead.get()

    thread = threading.Thread(target=fill, name="magno-batches", daemon=True)
    thread.start()
    try:
        yield endless()
    finally:
        stop.set()
        thread.join(timeout=5.0)


def _length(of: tuple[Shard, int]) -> int:
    shard, clip = of
    kinds = shard.kinds(clip)
    return int(len(kinds) + 7 * np.count_nonzero(kinds == 0))
