"""What this device's processor can do at best: a large matrix product for arithmetic, copies for bytes.

    python -m magno.calibration.profiling.roof THREADS      # prints one JSON object

Measured in a process of its own: how many threads numpy's BLAS takes is settled when it is loaded.
"""

from __future__ import annotations

import bisect
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from magno.runtime.units import MagnoError

# All that is timed takes about a millisecond, so that on a busy machine some of it is not interrupted.
MATRICES = (256, 384, 512)  # rows and columns
COPIED_BYTES = (1 << 16, 1 << 20, 1 << 24, 1 << 28)  # read and written: from the nearest cache to memory
PIECE_BYTES = 1 << 23  # of a large copy
LEAST_S = 0.3  # that each is repeated for; the fastest counts
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")
LIMIT_S = 120.0


class RoofError(MagnoError):
    """The device's roof could not be measured."""


@dataclass(frozen=True, slots=True)
class Roof:
    """The two limits of a processor; `copies` are (bytes read and written, bytes a second), ascending by bytes."""

    threads: int
    flops_per_s: float
    copies: tuple[tuple[int, float], ...]

    def bytes_per_s(self, moved_bytes: int) -> float:
        """Of a copy that moves as many bytes, or the next larger that was measured: small ones stay in a cache."""
        at = bisect.bisect_left([size for size, _ in self.copies], moved_bytes)
        return self.copies[min(at, len(self.copies) - 1)][1]

    @property
    def memory_bytes_per_s(self) -> float:
        """Of memory, past all caches."""
        return self.copies[-1][1]


def measure_roof(threads: int) -> Roof:
    """Of this machine's processor with so many threads; takes about 2 s. Raises RoofError."""
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
    command = [sys.executable, "-c", f"from {__spec__.name} import main; main()", str(threads)]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
        values = json.loads(done.stdout)
        return Roof(threads, values["flops_per_s"], tuple((size, rate) for size, rate in values["copies"]))
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError) as error:
        raise RoofError(
            f"The roof wants a process that measures it, found none that did ({type(error).__name__}): try again."
        ) from error


def main() -> None:
    threads = int(sys.argv[1])
    with ThreadPoolExecutor(threads) as pool:
        copies = [(size, _copy_rate(size, threads, pool)) for size in COPIED_BYTES]
    print(json.dumps({"flops_per_s": _product_rate(), "copies": copies}))


def _product_rate() -> float:
    return max(_product_of(size) for size in MATRICES)


def _product_of(size: int) -> float:
    left, right = (np.full((size, size), value, np.float32) for value in (0.5, 0.25))
    out = np.empty_like(left)
    return float(2 * size**3 / _fastest_s([lambda: np.matmul(left, right, out=out)]))


def _copy_rate(moved_bytes: int, threads: int, pool: ThreadPoolExecutor) -> float:
    """Bytes read and written a second, every thread its own part; numpy copies without Python's lock."""
    piece_bytes = min(moved_bytes, PIECE_BYTES)
    times = max(1, (1 << 22) // moved_bytes)  # a copy of microseconds is timed many at once
    part = piece_bytes // 2 // threads
    pieces = [
        [(np.ones(part, np.uint8), np.zeros(part, np.uint8)) for _ in range(threads)]
        for _ in range(moved_bytes // piece_bytes)
    ]

    def copy(pair: tuple[np.ndarray, np.ndarray]) -> None:
        for _ in range(times):
            np.copyto(pair[1], pair[0])

    def everyone(piece: list[tuple[np.ndarray, np.ndarray]]) -> None:
        if threads == 1:
            copy(piece[0])
        else:
            list(pool.map(copy, piece))

    return times * 2 * part * threads / _fastest_s([partial(everyone, piece) for piece in pieces])


def _fastest_s(works: Sequence[Callable[[], object]]) -> float:
    """Of all of these, one after another, again and again: what was copied last is copied again after all others."""
    began_s, fastest_s = time.perf_counter(), float("inf")
    for work in itertools.chain(works, itertools.cycle(works)):
        before_s = time.perf_counter()
        work()
        after_s = time.perf_counter()
        fastest_s = min(fastest_s, after_s - before_s)
        if after_s - began_s > LEAST_S:
            break
    return fastest_s


if __name__ == "__main__":
    main()
