"""Rows -> tensors of one batch: tokens, what goes in their places, and what is true of it. Knows no optimiser."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from magno.runtime.spec import CodecSpec, TokenLayout
from magno.training.facts import WindowFacts, patch_facts, window_facts
from magno.training.rows import IGNORE, Row, Rows
from magno.training.shards import Lesson, Shard
from magno.training.symmetry import Symmetry, drop_vectors, random_symmetry

QUESTIONS_A_ROW = 10
NO_RESIDUAL_SHARE = 0.12  # of the rows: some hardware gives vectors only


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
    patch_colours: Tensor  # (K, P*P) int64: facts.patch_facts
    patch_shapes: Tensor  # (K, P*P) int64
    known: Tensor  # (W,) bool: facts.WindowFacts, stacked
    field: Tensor  # (W, CELLS, CELLS, 2)
    ground: Tensor  # (W, 3)
    mover: Tensor  # (W, MOVERS) bool
    start: Tensor  # (W, MOVERS, 2)
    end: Tensor  # (W, MOVERS, 2)
    moved: Tensor  # (W, MOVERS, 3)
    colour: Tensor  # (W, MOVERS) int64
    shape: Tensor  # (W, MOVERS) int64
    families: list[str]  # of the questions, row after row


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

    def batch(self, clips: list[tuple[Shard, int]], rng: np.random.Generator) -> Batch:
        """One row of each clip."""
        rows, filled = [], _Filled()
        for shard, clip in clips:
            symmetry = random_symmetry(rng) if self._train else Symmetry()
            row = self._rows.row(shard, clip, self._lessons_of(shard)[clip], symmetry, rng)
            self._fill(filled, len(rows), shard, row, symmetry, rng)
            rows.append(row)
        return self._tensors(rows, filled)

    def _fill(
        self,
        filled: _Filled,
        number: int,
        shard: Shard,
        row: Row,
        symmetry: Symmetry,
        rng: np.random.Generator,
    ) -> None:
        arrays, codec, clip = shard.arrays, self._codec, row.clip
        kinds = np.asarray(arrays.kinds[arrays.item_at[clip] : arrays.item_at[clip + 1]])
        blind = self._train and rng.random() < NO_RESIDUAL_SHARE
        for item, column in zip(row.items, row.places, strict=True):
            if kinds[item] == 0:
                source = int(arrays.keyframe_at[clip]) + int(np.count_nonzero(kinds[:item] == 0))
                filled.pixels.append(symmetry.picture(arrays.keyframes[source]))
                filled.patches.append(patch_facts(shard, clip, item, codec.patches, symmetry))
                filled.keyframe_rows += [(number, column + i) for i in range(self._layout.keyframe_tokens)]
                continue
            source = int(arrays.window_at[clip]) + int(np.count_nonzero(kinds[:item]))
            moved = symmetry.motion(arrays.motion[source].astype(np.float32), codec)
            filled.motion.append(drop_vectors(moved, codec, rng) if self._train else moved)
            changed = symmetry.residual(shard.residual(source, codec.residual_scale))
            filled.residual.append(np.zeros_like(changed) if blind else changed)
            filled.facts.append(window_facts(shard, clip, item, codec.image_px, symmetry))
            filled.window_rows += [(number, column + i) for i in range(self._layout.window_tokens)]

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

    def _tensors(self, rows: list[Row], filled: _Filled) -> Batch:
        length = max(len(row.ids) for row in rows)

        def padded(values: list[int], fill: int) -> list[int]:
            return values + [fill] * (length - len(values))

        owner = torch.tensor([padded(row.owner, -1) for row in rows])
        fork_at = torch.tensor([padded(row.fork_at, 0) for row in rows])
        column = torch.arange(length)
        causal = column[None, :] <= column[:, None]
        same = owner[:, :, None] == owner[:, None, :]
        forked = (owner[:, None, :] == 0) & (column[None, None, :] < fork_at[:, :, None])
        codec = self._codec
        images = np.stack(filled.pixels).astype(np.float32) / 127.5 - 1.0
        no_motion = np.zeros((0, codec.patches**2, codec.motion_width), np.float32)
        no_residual = np.zeros((0, 1, codec.image_px, codec.image_px), np.float32)
        return Batch(
            torch.tensor([padded(row.ids, 0) for row in rows]),
            torch.tensor([padded(row.positions, 0) for row in rows]),
            ((same & causal) | forked)[:, None],
            torch.tensor([padded(row.labels, IGNORE) for row in rows]),
            torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))),
            torch.from_numpy(np.stack(filled.motion) if filled.motion else no_motion),
            torch.from_numpy(np.stack(filled.residual) if filled.residual else no_residual),
            torch.tensor(filled.keyframe_rows, dtype=torch.int64).reshape(-1, 2),
            torch.tensor(filled.window_rows, dtype=torch.int64).reshape(-1, 2),
            *(torch.from_numpy(np.stack(part)) for part in zip(*filled.patches, strict=True)),
            *(torch.from_numpy(part) for part in _stacked(filled.facts)),
            families=[family for row in rows for family in row.families],
        )


class _Filled:
    """Lists that become the tensors of a batch, over all its rows."""

    def __init__(self) -> None:
        self.pixels: list[np.ndarray] = []
        self.patches: list[tuple[np.ndarray, np.ndarray]] = []
        self.motion: list[np.ndarray] = []
        self.residual: list[np.ndarray] = []
        self.facts: list[WindowFacts] = []
        self.keyframe_rows: list[tuple[int, int]] = []
        self.window_rows: list[tuple[int, int]] = []


def _stacked(facts: list[WindowFacts]) -> list[np.ndarray]:
    """Each field of all windows; a batch without windows has one that is not known."""
    return [np.stack([np.asarray(getattr(each, name)) for each in facts]) for name in WindowFacts.__slots__]
