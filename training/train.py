"""Train the reference checkpoint: next-token loss on answers alone. Resumable; progress on stderr.

python -m magno.training.train --data runs/pocket/data --run runs/pocket --out models/pocket
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy

from magno.export.checkpoint import save_checkpoint
from magno.export.model import MagnoModel
from magno.training.batches import IGNORE, Batch, Batcher
from magno.training.dataset import AMBIGUOUS, Shard, load_shard
from magno.training.pocket import CODEC, LAYOUT, VOCAB_LIMIT, pocket_config
from magno.training.pretrain import DirectionHead, Windows, direction_accuracy
from magno.training.tokenizer import build_tokenizer

CHECKPOINT_EVERY_S = 120.0
WARMUP_SHARE = 0.03
HEAD_WEIGHT = 0.5
DELTA_BATCH = 48  # windows
EXAM_CLIPS = 100


class Trainee(torch.nn.Module):
    """The model and the head that is thrown away. The head's loss reaches the Δ-encoder straight, also long before
    the language model has learned to look at its tokens."""

    def __init__(self, model: MagnoModel) -> None:
        super().__init__()
        self.model = model
        self.head = DirectionHead(model.language.config.hidden_size, model.config.delta.motion_queries)

    def hidden(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Last hidden states (B, L, embed_dim), and the Δ-tokens (W, 8, embed_dim) that went in."""
        model = self.model
        deltas = model.delta(batch.motion, batch.residual)
        embedded = model.language.get_input_embeddings()(batch.ids)
        for rows, tokens in ((batch.keyframe_rows, model.vision(batch.pixels)), (batch.window_rows, deltas)):
            embedded = embedded.index_put((rows[:, 0], rows[:, 1]), tokens.reshape(-1, embedded.shape[-1]))
        output = model.language.model(
            inputs_embeds=embedded, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
        )
        return output.last_hidden_state, deltas

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Loss on the answers' tokens, the head's loss, and which answer tokens the model would have said."""
        hidden, deltas = self.hidden(batch)
        told = batch.labels[:, 1:] != IGNORE
        logits = self.model.language.lm_head(hidden[:, :-1][told])
        wanted = batch.labels[:, 1:][told]
        head_loss = cross_entropy(self.head(deltas), batch.directions, ignore_index=AMBIGUOUS)
        return cross_entropy(logits, wanted), head_loss, logits.argmax(-1) == wanted


def accuracy(trainee: Trainee, batcher: Batcher, shards: list[Shard], clips: int) -> float:
    """Share of held-out direction questions answered right (answers are one token and the stop)."""
    trainee.eval()
    right, asked = 0, 0
    with torch.no_grad():
        everything = [(shard, clip) for shard in shards for clip in range(len(shard.colour))][:clips]
        for start in range(0, len(everything), 32):
            batch = batcher.batch(everything[start : start + 32], np.random.default_rng(0))
            hits = trainee(batch)[2].reshape(-1, 2)
            right, asked = right + int(hits[:, 0].sum()), asked + len(hits)
    trainee.train()
    return right / max(asked, 1)


def batches(data: Path, batcher: Batcher, size: int, seed: int, stop: threading.Event) -> Iterator[Batch]:
    """Random training batches, made in a thread ahead of the optimiser. New shards are picked up as they come."""
    ahead: queue.Queue[Batch] = queue.Queue(maxsize=4)

    def fill() -> None:
        rng = np.random.default_rng(seed)
        shards: dict[Path, Shard] = {}
        while not stop.is_set():
            for path in sorted(data.glob("train-?????.npz")):
                if path not in shards:
                    shards[path] = load_shard(path)
            loaded = list(shards.values())
            for _ in range(50):
                chosen = [loaded[i] for i in rng.integers(0, len(loaded), size)]
                batch = batcher.batch(
                    [(shard, int(rng.integers(len(shard.colour)))) for shard in chosen], rng
                )
                while not stop.is_set():
                    try:
                        ahead.put(batch, timeout=1.0)
                        break
                    except queue.Full:
                        continue

    threading.Thread(target=fill, daemon=True).start()
    while True:
        yield ahead.get()


def rate(share: float, peak: float) -> float:
    """Warm-up, then a cosine down to a hundredth."""
    if share < WARMUP_SHARE:
        return peak * share / WARMUP_SHARE
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - WARMUP_SHARE) / (1 - WARMUP_SHARE))))


class Run:
    """Weights, optimiser and log of a training that can be resumed: `state.pt` is written aside and renamed."""

    def __init__(self, folder: Path, trainee: Trainee, peak_rate: float) -> None:
        self.trainee, self._path, self._peak = trainee, folder / "state.pt", peak_rate
        self.optimiser = torch.optim.AdamW(trainee.parameters(), peak_rate, (0.9, 0.98), weight_decay=0.05)
        self.spent_s = {"delta": 0.0, "whole": 0.0}  # by stage, over all resumptions
        self.log: list[dict[str, float | str]] = []
        self._saved = time.monotonic()
        if self._path.exists():
            state = torch.load(self._path, weights_only=True)
            trainee.load_state_dict(state["trainee"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.spent_s, self.log = state["spent_s"], state["log"]

    def stage(
        self, name: str, minutes: float, loss: Callable[[], tuple[Tensor, ...]], exam: Callable[[], float]
    ) -> None:
        """Optimise the sum of `loss()` until the stage's time is spent; the learning rate follows that time."""
        total = minutes * 60.0
        recent: list[list[float]] = []
        columns = (TextColumn(name), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            bar = progress.add_task("", total=total, completed=self.spent_s[name], note="")
            while self.spent_s[name] < total:
                began = time.monotonic()
                recent.append(self._step(loss(), rate(self.spent_s[name] / total, self._peak)))
                self.spent_s[name] += time.monotonic() - began
                note = " ".join(f"{part:.3f}" for part in np.mean(recent[-50:], 0))
                progress.update(bar, completed=self.spent_s[name], note=f"loss {note}")
                whole = self.spent_s[name] >= total
                if whole or time.monotonic() - self._saved > CHECKPOINT_EVERY_S:
                    losses = [float(part) for part in np.mean(recent, 0)]
                    self._save(
                        {"stage": name, "spent_s": self.spent_s[name], "loss": losses[0], "held_out": exam()}
                    )
                    recent.clear()

    def _step(self, parts: tuple[Tensor, ...], learning_rate: float) -> list[float]:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        sum(parts[1:], parts[0]).backward()
        torch.nn.utils.clip_grad_norm_(self.trainee.parameters(), 1.0)
        self.optimiser.step()
        return [part.item() for part in parts]

    def _save(self, line: dict[str, float | str]) -> None:
        self.log.append(line)
        print(json.dumps(line), flush=True)
        state = {"trainee": self.trainee.state_dict(), "optimiser": self.optimiser.state_dict()}
        aside = self._path.with_suffix(".part")
        torch.save({**state, "spent_s": self.spent_s, "log": self.log}, aside)
        aside.replace(self._path)
        self._saved = time.monotonic()


def train(args: argparse.Namespace, model: MagnoModel, tokenizer: Tokenizer) -> Run:
    """Both stages: the Δ-encoder alone, then all of it."""
    trainee = Trainee(model)
    run = Run(args.run, trainee, args.rate)
    rng = np.random.default_rng(args.seed + int(sum(run.spent_s.values())))
    windows, held_windows = (Windows(args.data, f"{kind}-?????.npz", CODEC) for kind in ("train", "held"))

    def delta_loss() -> tuple[Tensor, ...]:
        motion, residual, direction = windows.random(DELTA_BATCH, rng)
        return (cross_entropy(trainee.head(model.delta(motion, residual)), direction),)

    def delta_exam() -> float:
        windows.refresh()
        return direction_accuracy(model.delta, trainee.head, held_windows)

    run.stage("delta", args.delta_minutes, delta_loss, delta_exam)
    held = [load_shard(path) for path in sorted(args.data.glob("held-?????.npz"))]
    examiner = Batcher(tokenizer, CODEC, LAYOUT, train=False)
    stop = threading.Event()
    source = batches(
        args.data, Batcher(tokenizer, CODEC, LAYOUT, train=True), args.batch, int(rng.integers(1 << 30)), stop
    )

    def whole_loss() -> tuple[Tensor, ...]:
        loss, head_loss, _ = trainee(next(source))
        return loss, HEAD_WEIGHT * head_loss

    run.stage("whole", args.minutes, whole_loss, lambda: accuracy(trainee, examiner, held, EXAM_CLIPS))
    stop.set()
    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="where the resumable state lives")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder to write at the end")
    parser.add_argument("--delta-minutes", type=float, default=9.0, help="stage 1: the Δ-encoder alone")
    parser.add_argument("--minutes", type=float, default=29.0, help="stage 2: all of it")
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=7e-4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    tokenizer = build_tokenizer(VOCAB_LIMIT)
    stop, pad = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    model = MagnoModel(pocket_config(tokenizer.get_vocab_size(), stop, pad))
    run = train(args, model, tokenizer)
    save_checkpoint(args.out, model, tokenizer.to_str())
    (args.run / "log.json").write_text(json.dumps(run.log, indent=1))
    held = [load_shard(path) for path in sorted(args.data.glob("held-?????.npz"))]
    score = accuracy(
        run.trainee, Batcher(tokenizer, CODEC, LAYOUT, train=False), held, sum(len(s.colour) for s in held)
    )
    print(f"held-out accuracy {score:.1%}, checkpoint in {args.out}")


if __name__ == "__main__":
    main()
