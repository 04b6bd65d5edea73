"""Rows -> tensors of one batch: tokens, what goes in their places, and what is true of it. Knows no optimiser."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from magno.runtime.spec import CodecSpec, TokenLayout
from magno.training.facts import thing_state
from magno.training.pointers import CHANGED, COUNTING, OF_LOOKS, pointers
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

QUESTIONS_A_ROW = 14


class Asked(NamedTuple):
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
    by_looks: Tensor  # (Q,) bool: its answer lies in those patches, not in how the thing moves
    place: Tensor  # (Q, 2) where its thing is, 0 to 1
    moves: Tensor  # (Q, 3) facts.ThingState.moves
    in_view: Tensor  # (Q,) bool: it is about one thing, which is seen; else `place` and `moves` say nothing


class Batch(NamedTuple):
    ids: Tensor  # (B, L) int64; embeddings are put over some of them
    positions: Tensor  # (B, L) int64
    mask: Tensor  # (B, 1, L, L) bool: may attend
    labels: Tensor  # (B, L) int64, IGNORE where there is no answer; shifted inside the loss
    keyframes: Keyframes
    windows: Windows
    keyframe_rows: Tensor  # (K * M, 2) int64: row and column of each vision token
    window_rows: Tensor  # (W * 8, 2)
    families: list[str]  # of the questions, row after row
    asked: Asked


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
        asked: list[tuple[object, ...]] = []
        for shard, clip in clips:
            symmetry = random_symmetry(rng) if self._train else AS_IT_IS
            row = self._rows.row(shard, clip, self._lessons_of(shard)[clip], symmetry, rng, span)
            asked += self._asked(row, shard, symmetry, (len(rows), len(windows)))
            rows.append(row)
            kinds, blind = shard.kinds(clip), self._train and bool(rng.random() < NO_RESIDUAL_SHARE)
            for item in row.items:
                (windows if kinds[item] else keyframes).append(Place(shard, clip, item, symmetry, blind))
        seen = keyframes_of(keyframes, self._codec)
        moved = windows_of(windows, self._codec, rng if self._train else None)
        return self._tensors(rows, seen, moved, asked)

    def _asked(
        self, row: Row, shard: Shard, symmetry: Symmetry, before: tuple[int, int]
    ) -> Iterator[tuple[object, ...]]:
        """A line of `Asked` for each pointer of a row; `before`: rows and windows of the batch before it."""
        for lesson, pointer in pointers(row, shard, symmetry, self._codec.patches):
            state = thing_state(shard, lesson, self._codec.image_px, symmetry)
            yield (
                (before[0], pointer.column),
                [*pointer.sought, (-1, -1)][:1],
                pointer.named,
                pointer.second,
                _of_batch(pointer.window, before[1]),
                _of_batch(pointer.turn, before[1]),
                [pointer.turned],
                pointer.patches,
                pointer.counted,
                lesson.family == COUNTING,
                pointer.cuts,
                lesson.family == CHANGED,
                lesson.family in OF_LOOKS,
                state.place,
                state.moves,
                state.in_view and len(lesson.slots) < 2,
            )

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
        self, rows: list[Row], keyframes: Keyframes, windows: Windows, asked: list[tuple[object, ...]]
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
            _cells(rows, 0, layout.keyframe_tokens),
            _cells(rows, 1, layout.window_tokens),
            [lesson.family for row in rows for lesson in row.lessons],
            _stacked(asked, length),
        )


def _of_batch(window: int, before: int) -> int:
    return before + window if window >= 0 else -1


def _stacked(lines: list[tuple[object, ...]], length: int) -> Asked:
    """Lines of `Asked`, their columns as numbers -> tensors."""
    (
        at,
        sought,
        named,
        second,
        window,
        turn,
        turned,
        patches,
        counted,
        counts,
        cuts,
        changed,
        by_looks,
        place,
        moves,
        in_view,
    ) = zip(*lines, strict=True) if lines else [()] * len(Asked._fields)
    return Asked(
        torch.tensor(at, dtype=torch.int64).reshape(-1, 2),
        torch.tensor(sought, dtype=torch.int64).reshape(-1, 1, 2),
        torch.tensor(named, dtype=torch.bool),
        torch.tensor(second, dtype=torch.int64).reshape(-1, 2),
        torch.tensor(window, dtype=torch.int64),
        torch.tensor(turn, dtype=torch.int64),
        torch.tensor(turned, dtype=torch.int64).reshape(-1, 1, 2),
        _columns(patches, length),
        _columns(counted, length),
        torch.tensor(counts, dtype=torch.bool),
        _columns(cuts, length),
        torch.tensor(changed, dtype=torch.bool),
        torch.tensor(by_looks, dtype=torch.bool),
        torch.tensor(np.array(place, np.float32)).reshape(-1, 2),
        torch.tensor(np.array(moves, np.float32)).reshape(-1, 3),
        torch.tensor(np.array(in_view, dtype=bool)),
    )


def _columns(found: Sequence[Sequence[int]], length: int) -> Tensor:
    """(N, length) bool: on at each line's columns."""
    on = torch.zeros(len(found), length, dtype=torch.bool)
    for line, columns in enumerate(found):
        on[line, list(columns)] = True
    return on


def _cells(rows: list[Row], kind: int, count: int) -> Tensor:
    """(N * count, 2) int64: row and column of each token of all items of a kind."""
    places = [
        (number, column + i)
        for number, row in enumerate(rows)
        for item_kind, column in zip(row.kinds, row.places, strict=True)
        if item_kind == kind
        for i in range(count)
    ]
    return torch.tensor(places, dtype=torch.int64).reshape(-1, 2)
