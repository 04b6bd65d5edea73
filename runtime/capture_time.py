"""When a keyframe or window was captured, told in the last columns of its embeddings. Pure.

Positions count tokens, not seconds, and windows differ in length: without this, nothing that a model sees says how
long ago something happened. Each period has a cosine and a sine of the capture time's phase, as in the positions of
"Attention Is All You Need" (arXiv 1706.03762, section 3.5), each with a root mean square of 1.

A window's tokens may tell earlier moments than its end, by so many of its lengths (TokenLayout.time_lags): what one of
them is trained to tell of, say that a thing has stopped, happened before the window, and how long before depends on
how long windows are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from magno.runtime.clock import NS_PER_S

STRENGTH = math.sqrt(2.0)


def columns(times_ns: Sequence[int], periods_s: Sequence[float]) -> NDArray[np.float32]:
    """(N, 2 * periods) float32: of each time the cosine and the sine of its phase in each period, in turn."""
    periods_ns = [round(period * NS_PER_S) for period in periods_s]
    # Whole nanoseconds first: the time of day in them is past what a float holds to the millisecond.
    turns = np.array([[time % period / period for period in periods_ns] for time in times_ns])
    phases = 2 * np.pi * turns.reshape(len(times_ns), len(periods_ns))
    told = STRENGTH * np.stack([np.cos(phases), np.sin(phases)], axis=-1)
    return told.reshape(len(times_ns), 2 * len(periods_ns)).astype(np.float32)


def without_time(rows: NDArray[np.float32], periods_s: Sequence[float]) -> NDArray[np.float32]:
    """rows (tokens, width) with nothing in the columns that tell the time."""
    return _ending_in(rows, np.zeros((1, 2 * len(periods_s)), np.float32))


def with_time(
    rows: NDArray[np.float32], time_ns: int, periods_s: Sequence[float], lags_ns: Sequence[int] = ()
) -> NDArray[np.float32]:
    """rows (tokens, width) with their last columns telling the time instead, each by its lag earlier; no periods: as
    they are."""
    return _ending_in(rows, columns([time_ns - lag_ns for lag_ns in lags_ns or (0,)], periods_s))


def _ending_in(rows: NDArray[np.float32], told: NDArray[np.float32]) -> NDArray[np.float32]:
    """`told`: (tokens or 1, columns)."""
    kept = rows.shape[1] - told.shape[1]
    if kept == rows.shape[1]:
        return rows
    ended: NDArray[np.float32] = rows.copy()
    ended[:, kept:] = told
    return ended
