"""Shards -> batches: one stream a row, and several questions that each fork it. Knows no optimiser.

A row is what the runtime will hold: system text, keyframes and windows in order, then questions. Every question
attends to the stream up to the moment it is asked and to itself, never to another question, and its positions
go on from that moment: exactly a fork of the KV cache. So one encoded stream teaches several answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from magno.runtime.spec import CodecSpec, TokenLayout
from magno.training.augment import Symmetry, drop_vectors, random_symmetry
from magno.training.dataset import AMBIGUOUS, Shard
from magno.training.phrases import COLOUR_QUESTIONS, COLOURS, DIRECTION_QUESTIONS, DIRECTIONS, SHAPES

MAX_KEYFRAMES = 2  # of one row: what a row costs is mostly its keyframes' tokens
MAX_ITEMS = 7  # keyframes and windows of one row
MAX_GAP = 3000  # positions between the sink and what follows, once something in between was evicted
IGNORE = -100


class Batch(NamedTuple):
    ids: Tensor  # (B, L) int64; embeddings are put over some of them
    positions: Tensor  # (B, L) int64
    mask: Tensor  # (B, 1, L, L) bool: may attend
    labels: Tensor  # (B, L) int64, IGNORE where there is no answer; shifted inside the loss
    pixels: Tensor  # (K, 3, S, S)
    motion: Tensor  # (W, P*P, motion_width)
    residual: Tensor  # (W, 1, S, S)
    keyframe_rows: Tensor  # (K * M, 2) int64: row and column of each vision token
    window_rows: Tensor  # (W * 8, 2)
    directions: Tensor  # (W,) int64: what moved in each window, AMBIGUOUS where no one answer is true


@dataclass
class Row:
    ids: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)  # 0 stream, else the question's number
    fork_at: list[int] = field(default_factory=list)  # how much of the stream this token sees
    labels: list[int] = field(default_factory=list)

    def extend(self, ids: list[int], owner: int, fork_at: int, position: int, answers: list[bool]) -> None:
        self.ids += ids
        self.owner += [owner] * len(ids)
        self.fork_at += [fork_at] * len(ids)
        self.positions += range(position, position + len(ids))
        self.labels += [token if answer else IGNORE for token, answer in zip(ids, answers, strict=True)]


class Batcher:
    """Makes batches of random clips. `train=False`: no augmentation, canonical direction question only."""

    def __init__(self, tokenizer: Tokenizer, codec: CodecSpec, layout: TokenLayout, *, train: bool) -> None:
        self._tokenizer, self._codec, self._layout, self._train = tokenizer, codec, layout, train
        self._encoded: dict[str, list[int]] = {}
        self._system = self._encode(layout.system_text)
        self._before_keyframe = self._encode(layout.keyframe_text)

    def batch(self, clips: list[tuple[Shard, int]], rng: np.random.Generator) -> Batch:
        rows: list[Row] = []
        pixels: list[np.ndarray] = []
        motion: list[np.ndarray] = []
        residual: list[np.ndarray] = []
        keyframe_rows: list[tuple[int, int]] = []
        window_rows: list[tuple[int, int]] = []
        directions: list[int] = []
        for number, (shard, clip) in enumerate(clips):
            symmetry = random_symmetry(rng) if self._train else Symmetry()
            row, asked_at = Row(), []
            row.extend(self._system, 0, 0, 0, [False] * len(self._system))
            items = self._items(shard, clip, rng)
            for order, (kind, label, source) in enumerate(items):
                position = row.positions[-1] + 1
                if order == 1 and self._train and rng.random() < 0.4:
                    position += int(rng.integers(0, MAX_GAP))
                if kind == 0:
                    row.extend(self._before_keyframe, 0, 0, position, [False] * len(self._before_keyframe))
                    position += len(self._before_keyframe)
                count = self._layout.keyframe_tokens if kind == 0 else self._layout.window_tokens
                places = [(number, column) for column in range(len(row.ids), len(row.ids) + count)]
                row.extend([0] * count, 0, 0, position, [False] * count)
                if kind == 0:
                    keyframe_rows += places
                    pixels.append(symmetry.picture(shard.keyframes[source]))
                else:
                    window_rows += places
                    moved = symmetry.motion(shard.motion[source].astype(np.float32), self._codec)
                    motion.append(drop_vectors(moved, self._codec, rng) if self._train else moved)
                    residual.append(symmetry.residual(shard.residual[source].astype(np.float32)))
                    directions.append(symmetry.direction(label) if label != AMBIGUOUS else AMBIGUOUS)
                    if label != AMBIGUOUS:
                        asked_at.append((len(row.ids), row.positions[-1] + 1, directions[-1]))
            for owner, (fork_at, position, direction) in enumerate(asked_at, start=1):
                question, answer = self._question(shard, clip, direction, rng)
                asked = [
                    *self._encode(self._layout.question_prefix),
                    *self._encode(question),
                    *self._encode(self._layout.question_suffix),
                ]
                told = [*self._encode(answer), *self._encode(self._layout.stop_text)]
                answers = [False] * len(asked) + [True] * len(told)
                row.extend(asked + told, owner, fork_at, position, answers)
            rows.append(row)
        return self._tensors(rows, pixels, motion, residual, keyframe_rows, window_rows, directions)

    def _items(self, shard: Shard, clip: int, rng: np.random.Generator) -> list[tuple[int, int, int]]:
        """(kind, direction, index of its keyframe or window) of the items this row shows."""
        begin, end = shard.item_at[clip], shard.item_at[clip + 1]
        kinds = shard.kinds[begin:end]
        keyframe = shard.keyframe_at[clip] + np.cumsum(kinds == 0) - 1
        window = shard.window_at[clip] + np.cumsum(kinds == 1) - 1
        items = [
            (int(kind), int(shard.direction[begin + i]), int(window[i] if kind else keyframe[i]))
            for i, kind in enumerate(kinds)
        ]
        heads = [i for i, item in enumerate(items) if item[0] == 0]
        first = int(rng.integers(len(heads))) if self._train else 0
        stop = heads[first + MAX_KEYFRAMES] if first + MAX_KEYFRAMES < len(heads) else len(items)
        chosen = items[heads[first] : stop]
        if (
            self._train and first + 1 < len(heads) and rng.random() < 0.3
        ):  # the first GOP's windows were evicted
            chosen = [chosen[0], *items[heads[first + 1] : stop]]
        return chosen[:MAX_ITEMS]

    def _question(self, shard: Shard, clip: int, direction: int, rng: np.random.Generator) -> tuple[str, str]:
        names = {"colour": COLOURS[shard.colour[clip]], "shape": SHAPES[shard.shape[clip]]}
        if not self._train:
            return DIRECTION_QUESTIONS[0].format(**names), DIRECTIONS[direction]
        if rng.random() < 0.1:
            return str(rng.choice(COLOUR_QUESTIONS[:1])).format(**names), names["colour"]
        canonical = rng.random() < 0.5
        template = DIRECTION_QUESTIONS[0] if canonical else str(rng.choice(DIRECTION_QUESTIONS))
        return template.format(**names), DIRECTIONS[direction]

    def _encode(self, text: str) -> list[int]:
        if text not in self._encoded:
            self._encoded[text] = list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        return self._encoded[text]

    def _tensors(
        self,
        rows: list[Row],
        pixels: list[np.ndarray],
        motion: list[np.ndarray],
        residual: list[np.ndarray],
        keyframe_rows: list[tuple[int, int]],
        window_rows: list[tuple[int, int]],
        directions: list[int],
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
        mask = (same & causal) | forked
        codec = self._codec
        empty = (0, codec.patches**2, codec.motion_width)
        images = np.stack(pixels).astype(np.float32) / 127.5 - 1.0
        return Batch(
            torch.tensor([padded(row.ids, 0) for row in rows]),
            torch.tensor([padded(row.positions, 0) for row in rows]),
            mask[:, None],
            torch.tensor([padded(row.labels, IGNORE) for row in rows]),
            torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))),
            torch.from_numpy(np.stack(motion) if motion else np.zeros(empty, np.float32)),
            torch.from_numpy(
                np.stack(residual)
                if residual
                else np.zeros((0, 1, codec.image_px, codec.image_px), np.float32)
            ),
            torch.tensor(keyframe_rows, dtype=torch.int64).reshape(-1, 2),
            torch.tensor(window_rows, dtype=torch.int64).reshape(-1, 2),
            torch.tensor(directions, dtype=torch.int64),
        )
