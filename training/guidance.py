"""What a batch's questions ask for, as tensors: where each looks, and what is true of its thing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from magno.training.facts import ThingState
from magno.training.pointers import COUNTING, OF_LOOKS, Pointer
from magno.training.shards import Lesson
from magno.training.when import CHANGED, Stop


class Guidance(NamedTuple):
    """Of the pointers, row after row: see pointers.Pointer. Q of them, a question and words of its answer."""

    at: Tensor  # (Q, 2) int64: row and column of the token that the answer follows
    sought: Tensor  # (Q, 1, 2) int64: looks of a thing; -1 where there is none
    named: Tensor  # (Q,) bool
    second: Tensor  # (Q, 2) int64: looks of the other thing that it names; 0 where there is none
    window: Tensor  # (Q,) int64: of the batch's windows; -1: none
    turn: Tensor  # (Q,) int64: likewise
    turned: Tensor  # (Q, 1, 2) int64: looks of one thing
    patches: Tensor  # (Q, L) bool
    counted: Tensor  # (Q, L) bool: the things that it wants counted, a token each
    counts: Tensor  # (Q,) bool: it wants that
    cuts: Tensor  # (Q, L) bool: where another scene was told of
    changed: Tensor  # (Q,) bool: it asks for that
    told_by: Tensor  # (Q, L) bool: what tells when it happened, beside its movers
    newest: Tensor  # (Q, L) bool: what tells when it is, where it asks of when something was
    ago_s: Tensor  # (Q,) how long ago it was; NaN: not said
    by_looks: Tensor  # (Q,) bool: its answer lies in those patches, not in how the thing moves
    place: Tensor  # (Q, 2) where its thing is, 0 to 1
    moves: Tensor  # (Q, 3) facts.ThingState.moves
    in_view: Tensor  # (Q,) bool: it is about one thing, which is seen; else `place` and `moves` say nothing


class Changed(NamedTuple):
    """What tokens of the stream are to tell of what has changed since the window or keyframe before: when.stops,
    when.arrivals and when.newcomers."""

    stops_at: Tensor  # (E, 2) int64: row and column
    stopped: Tensor  # (E, 2) int64: looks, when.NOBODY or when.SEVERAL
    stop_window: Tensor  # (E,) int64: of the batch's; the one before it is its row's, too
    patches_at: Tensor  # (P, 2) int64
    came: Tensor  # (P,) bool
    windows_at: Tensor  # (W, 2) int64: the token of each window that tells whether something came
    newcomer: Tensor  # (W,) bool


class StopLine(NamedTuple):
    stop: Stop
    row: int
    windows_before: int  # of the batch, before its row's


def changed_of(
    stops: Sequence[StopLine],
    patches: Sequence[tuple[int, int, bool]],
    windows: Sequence[tuple[int, int, bool]],
) -> Changed:
    """`patches` and `windows`: row, column and what is told of each."""
    return Changed(
        _numbers([(line.row, line.stop.column) for line in stops], 2),
        _numbers([line.stop.seen for line in stops], 2),
        _numbers([line.windows_before + line.stop.window for line in stops]),
        _numbers([(row, column) for row, column, _ in patches], 2),
        _truths([came for *_, came in patches]),
        _numbers([(row, column) for row, column, _ in windows], 2),
        _truths([came for *_, came in windows]),
    )


class GuidanceLine(NamedTuple):
    """One pointer of a row of a batch."""

    lesson: Lesson
    pointer: Pointer
    state: ThingState
    row: int
    windows_before: int  # of the batch, before its row's


def stacked(lines: Sequence[GuidanceLine], length: int) -> Guidance:
    """All of a batch whose rows are padded to `length` tokens."""
    told = [(line.pointer, line) for line in lines]
    return Guidance(
        at=_numbers([(line.row, at.column) for at, line in told], 2),
        sought=_numbers([(at.sought or ((-1, -1),))[0] for at, _ in told], 1, 2),
        named=_truths([at.named for at, _ in told]),
        second=_numbers([at.second for at, _ in told], 2),
        window=_numbers([_of_batch(at.window, line) for at, line in told]),
        turn=_numbers([_of_batch(at.turn, line) for at, line in told]),
        turned=_numbers([at.turned for at, _ in told], 1, 2),
        patches=_columns([at.patches for at, _ in told], length),
        counted=_columns([at.counted for at, _ in told], length),
        counts=_truths([line.lesson.family == COUNTING for line in lines]),
        cuts=_columns([at.when.cuts for at, _ in told], length),
        changed=_truths([line.lesson.family == CHANGED for line in lines]),
        told_by=_columns([at.when.told_by for at, _ in told], length),
        newest=_columns([at.when.newest for at, _ in told], length),
        ago_s=torch.tensor([at.when.ago_s for at, _ in told]),
        by_looks=_truths([line.lesson.family in OF_LOOKS for line in lines]),
        place=torch.tensor(np.array([line.state.place for line in lines], np.float32)).reshape(-1, 2),
        moves=torch.tensor(np.array([line.state.moves for line in lines], np.float32)).reshape(-1, 3),
        in_view=_truths([line.state.in_view and len(line.lesson.slots) < 2 for line in lines]),
    )


def _of_batch(window: int, line: GuidanceLine) -> int:
    return line.windows_before + window if window >= 0 else -1


def _numbers(found: Sequence[object], *shape: int) -> Tensor:
    return torch.tensor(found, dtype=torch.int64).reshape(-1, *shape)


def _truths(found: Sequence[bool]) -> Tensor:
    return torch.tensor([bool(each) for each in found], dtype=torch.bool)


def _columns(found: Sequence[Sequence[int]], length: int) -> Tensor:
    """(N, length) bool: on at each line's columns."""
    on = torch.zeros(len(found), length, dtype=torch.bool)
    for line, columns in enumerate(found):
        on[line, list(columns)] = True
    return on
