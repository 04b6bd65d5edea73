"""Who holds which cells of a unified KV cache. Pure bookkeeping; knows no language model.

A fork shares its parent's cells, so what sequences own cannot be read off their lengths. Cells are kept as
runs: consecutive positions held by the same sequences.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Run:
    """Cells at [start, stop) that the same sequences hold."""

    start: int
    stop: int
    holders: set[int]


class CellLedger:
    """The runs of one cache of `capacity` cells."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._runs: list[Run] = []

    @property
    def used(self) -> int:
        """Cells that some sequence holds; a cell that several share counts once."""
        return sum(run.stop - run.start for run in self._runs)

    @property
    def free(self) -> int:
        return self.capacity - self.used

    def tokens(self, sequence: int) -> int:
        return sum(run.stop - run.start for run in self._of(sequence))

    def end(self, sequence: int) -> int:
        """One past the last position that `sequence` holds; 0 when it holds none."""
        return max((run.stop for run in self._of(sequence)), default=0)

    def shares(self, sequence: int, start: int) -> bool:
        """Whether another sequence holds cells of `sequence` at or past `start`."""
        return any(len(run.holders) > 1 and run.stop > start for run in self._of(sequence))

    def holds(self, sequence: int, start: int, stop: int) -> bool:
        """Whether `sequence` holds any cell in [start, stop)."""
        return any(run.start < stop and start < run.stop for run in self._of(sequence))

    def add(self, sequence: int, start: int, stop: int) -> None:
        """New cells at [start, stop), held by `sequence` alone."""
        for run in self._of(sequence):
            if run.stop == start and run.holders == {sequence}:
                run.stop = stop
                return
        self._runs.append(Run(start, stop, {sequence}))

    def fork(self, source: int, target: int) -> None:
        """`target` holds all that `source` holds now."""
        for run in self._of(source):
            run.holders.add(target)

    def remove(self, sequence: int, start: int, stop: int) -> None:
        """`sequence` lets go of [start, stop); other holders keep theirs."""
        for position in (start, stop):
            self._split(sequence, position)
        for run in self._of(sequence):
            if start <= run.start and run.stop <= stop:
                run.holders.discard(sequence)
        self._tidy()

    def shift(self, sequence: int, start: int, delta: int) -> None:
        """Cells of `sequence` at or past `start` move by `delta`; nobody else may hold them."""
        self._split(sequence, start)
        for run in self._of(sequence):
            if run.start >= start:
                run.start += delta
                run.stop += delta
        self._tidy()

    def _of(self, sequence: int) -> list[Run]:
        return [run for run in self._runs if sequence in run.holders]

    def _split(self, sequence: int, position: int) -> None:
        for run in self._of(sequence):
            if run.start < position < run.stop:
                self._runs.append(Run(position, run.stop, set(run.holders)))
                run.stop = position

    def _tidy(self) -> None:
        """Drop runs that nobody holds; join neighbours with the same holders, so that runs stay few."""
        joined: list[Run] = []
        for run in sorted(self._runs, key=lambda run: (sorted(run.holders), run.start)):
            last = joined[-1] if joined else None
            if last and last.holders == run.holders and last.stop == run.start:
                last.stop = run.stop
            elif run.holders:
                joined.append(run)
        self._runs = joined
