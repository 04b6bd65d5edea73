"""What a process holds: memory, descriptors, threads; and whether it holds more and more. Linux only."""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
FLAT_KIB = 4096  # that the memory of the last quarter may lie over that of the second
SETTLING = 4  # a first quarter is left out: allocators and caches fill


@dataclass(frozen=True, slots=True)
class Footprint:
    """One process at one moment."""

    rss_kib: int
    descriptors: int
    threads: int
    anonymous_kib: int = 0  # of rss_kib: no file lies behind it, so that it cannot be had back


def footprint(pid: int) -> Footprint:
    """Of a process that lives. Raises OSError when it does not."""
    process = Path("/proc") / str(pid)
    pages, of_files = (int(word) for word in (process / "statm").read_text().split()[1:3])
    anonymous_kib = (pages - of_files) * PAGE_KIB
    return Footprint(pages * PAGE_KIB, _count(process / "fd"), _count(process / "task"), anonymous_kib)


@dataclass(frozen=True, slots=True)
class Trend:
    """What became of one process over many rounds."""

    first_kib: int
    last_kib: int
    slope_kib: float  # a round, after the first quarter
    growth_kib: float  # from the second quarter to the last, medians
    descriptors: tuple[int, int]  # medians of the second quarter and of the last
    threads: tuple[int, int]

    @property
    def is_flat(self) -> bool:
        same = self.descriptors[0] >= self.descriptors[1] and self.threads[0] >= self.threads[1]
        return same and self.growth_kib <= FLAT_KIB


def trend(seen: Sequence[Footprint]) -> Trend:
    """Of footprints taken once a round, at the same moment of each."""
    quarter = max(1, len(seen) // SETTLING)
    second, last = seen[quarter : 2 * quarter] or seen, seen[-quarter:]
    settled = [each.rss_kib for each in seen[quarter:]] or [each.rss_kib for each in seen]
    slope = statistics.linear_regression(range(len(settled)), settled).slope if len(settled) > 1 else 0.0
    return Trend(
        seen[0].rss_kib,
        seen[-1].rss_kib,
        slope,
        statistics.median(each.rss_kib for each in last) - statistics.median(each.rss_kib for each in second),
        _pair([each.descriptors for each in second], [each.descriptors for each in last]),
        _pair([each.threads for each in second], [each.threads for each in last]),
    )


def _pair(second: list[int], last: list[int]) -> tuple[int, int]:
    return statistics.median_low(second), statistics.median_low(last)


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())
