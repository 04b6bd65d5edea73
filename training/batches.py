"""Rows -> tensors of one batch: tokens, what goes in their places, and what is true of it. Knows no optimiser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from magno.runtime.capture_time import columns
from magno.runtime.clock import NS_PER_S
from magno.runtime.spec import CodecSpec, TokenLayout
from magno.training.facts import thing_state
from magno.training.guidance import Changed, Guidance, GuidanceLine, StopLine, changed_of, stacked
from magno.training.pointers import pointers
from magno.training.rows import IGNORE, LONG, Row, Rows, Span
from magno.training.samples import (
    NO_RESIDUAL_SHARE,
    Keyframes,
    Place,
    Windows,
    keyframes_of,
    windows_of,
)
from magno.training.shards import Lesson, Shard
from magno.training.symmetry import AS_IT_IS, Symmetry, random_symmetry
from magno.training.when import KEYFRAME, WINDOW, arrivals, newcomers, stops

QUESTIONS_A_ROW = 14


class Batch(NamedTuple):
    ids: Tensor  # (B, L) int64; embeddings are put over some of them
    positions: Tensor  # (B, L) int64
    mask: Tensor  # (B, 1, L, L) bool: may attend
    labels: Tensor  # (B, L) int64, IGNORE where there is no answer; shifted inside the loss
    keyframes: Keyframes
    windows: Windows
    keyframe_rows: Tensor  # (K * M, 2) int64: row and column of each vision token
    window_rows: Tensor  # (W * 8, 2)
    keyframe_times: Tensor  # (K, 1, columns): see runtime.capture_time
    window_times: Tensor  # (W, 8 or 1, columns): of each token
    families: list[str]  # of the questions, row after row
    asked: Guidance
    changed: Changed


class Batcher:
    """Makes batches of clips. `train=False`: no augmentation, canonical phrasings only."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        codec: CodecSpec,
        layout: TokenLayout,
        *,
        train: bool,
        questions: int = QUESTIONS_A_ROW,
    ) -> None:
        self._tokenizer, self._codec, self._layout, self._train = tokenizer, codec, layout, train
        self._encoded: dict[str, list[int]] = {}
        self._rows = Rows(self._encode, layout, questions, train=train)
        self._lessons: dict[int, list[list[Lesson]]] = {}  # by shard

    def batch(self, clips: list[tuple[Shard, int]], rng: np.random.Generator, span: Span = LONG) -> Batch:
        """One row of each clip."""
        rows: list[Row] = []
        keyframes: list[Place] = []
        windows: list[Place] = []
        asked: list[GuidanceLine] = []
        stopped: list[StopLine] = []
        patches: list[tuple[int, int, bool]] = []  # of which something is told
        tokens: list[tuple[int, int, bool]] = []  # of windows, likewise
        for shard, clip in clips:
            symmetry = random_symmetry(rng) if self._train else AS_IT_IS
            row = self._rows.row(shard, clip, self._lessons_of(shard)[clip], symmetry, rng, span)
            asked += self._asked(row, shard, symmetry, (len(rows), len(windows)))
            stopped += [StopLine(stop, len(rows), len(windows)) for stop in stops(row, shard)]
            patches += [(len(rows), *told) for told in arrivals(row, shard, symmetry, self._codec.patches)]
            tokens += [(len(rows), *told) for told in newcomers(row, shard)]
            rows.append(row)
            kinds, blind = shard.kinds(clip), self._train and bool(rng.random() < NO_RESIDUAL_SHARE)
            for item in row.items:
                (windows if kinds[item] else keyframes).append(Place(shard, clip, item, symmetry, blind))
        seen = keyframes_of(keyframes, self._codec)
        moved = windows_of(windows, self._codec, rng if self._train else None)
        return self._tensors(rows, seen, moved, asked, changed_of(stopped, patches, tokens))

    def _asked(
        self, row: Row, shard: Shard, symmetry: Symmetry, before: tuple[int, int]
    ) -> Iterator[GuidanceLine]:
        """`before`: rows and windows of the batch before this one."""
        for lesson, pointer in pointers(row, shard, symmetry, self._codec.patches):
            state = thing_state(shard, lesson, self._codec.image_px, symmetry)
            yield GuidanceLine(lesson, pointer, state, *before)

    def _lessons_of(self, shard: Shard) -> list[list[Lesson]]:
        if id(shard) not in self._lessons:
            found: list[list[Lesson]] = [[] for _ in range(shard.clips)]
            for lesson in shard.lessons:
                found[lesson.clip].append(lesson)
            self._lessons[id(shard)] = found
        return self._lessons[id(shard)]

    def _encode(self, text: str) -> list[int]:
        if text not in self._encoded:
            self._encoded[text] = list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        return self._encoded[text]

    def _tensors(
        self,
        rows: list[Row],
        keyframes: Keyframes,
        windows: Windows,
        asked: list[GuidanceLine],
        changed: Changed,
    ) -> Batch:
        length = max(len(row.ids) for row in rows)

        def padded(values: list[int], fill: int) -> list[int]:
            return values + [fill] * (length - len(values))

        owner = torch.tensor([padded(row.owner, -1) for row in rows])
        fork_at = torch.tensor([padded(row.fork_at, 0) for row in rows])
        column = torch.arange(length)
        causal = column[None, :] <= column[:, None]
        same = owner[:, :, None] == owner[:, None, :]
        forked = (owner[:, None, :] == 0) & (column[None, None, :] < fork_at[:, :, None])
        layout = self._layout
        return Batch(
            torch.tensor([padded(row.ids, 0) for row in rows]),
            torch.tensor([padded(row.positions, 0) for row in rows]),
            ((same & causal) | forked)[:, None],
            torch.tensor([padded(row.labels, IGNORE) for row in rows]),
            keyframes,
            windows,
            _cells(rows, KEYFRAME),
            _cells(rows, WINDOW),
            _times(rows, KEYFRAME, layout),
            _times(rows, WINDOW, layout),
            [lesson.family for row in rows for lesson in row.lessons],
            stacked(asked, length),
            changed,
        )


def _times(rows: list[Row], kind: int, layout: TokenLayout) -> Tensor:
    """(N, tokens or 1, columns) of all items of a kind."""
    times_ns: list[int] = []
    each = 1
    for row in rows:
        ends_ns = [round(time_s * NS_PER_S) for time_s in row.times_s]
        for number, end_ns in enumerate(ends_ns):
            if row.kinds[number] == kind:
                # No row begins with a window.
                lags_ns = layout.lags_ns(end_ns - ends_ns[number - 1]) if kind == WINDOW else ()
                times_ns += [end_ns - lag_ns for lag_ns in lags_ns or (0,)]
                each = max(1, len(lags_ns))
    told = columns(times_ns, layout.time_periods_s)
    return torch.from_numpy(told.reshape(-1, each, told.shape[1]))


def _cells(rows: list[Row], kind: int) -> Tensor:
    """(N * tokens, 2) int64: row and column of each token of all items of a kind."""
    cells = [
        (number, column)
        for number, row in enumerate(rows)
        for item, item_kind in enumerate(row.kinds)
        if item_kind == kind
        for column in row.columns(item)
    ]
    return torch.tensor(cells, dtype=torch.int64).reshape(-1, 2)
