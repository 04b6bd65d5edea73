"""Train the reference checkpoint: next-token loss on answers alone. Resumable; progress on stderr.

python -m magno.training.train --data runs/pocket/data --run runs/pocket --minutes 38 --out models/pocket
"""

from __future__ import annotations

import argparse
import json
import math
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from tokenizers import Tokenizer
from torch import Tensor

from magno.export.checkpoint import save_checkpoint
from magno.export.model import MagnoModel
from magno.training.batches import IGNORE, Batch, Batcher
from magno.training.dataset import AMBIGUOUS, Shard, load_shard
from magno.training.phrases import DIRECTIONS
from magno.training.pocket import CODEC, LAYOUT, VOCAB_LIMIT, pocket_config
from magno.training.tokenizer import build_tokenizer

CHECKPOINT_EVERY_S = 120.0
WARMUP_SHARE = 0.03
HEAD_WEIGHT = 0.5


class Trainee(torch.nn.Module):
    """The model, and a head that is thrown away: a window's direction, read off its projected motion tokens.

    The head's loss reaches the Δ-encoder and projector straight, long before the language model has learned to look
    at their tokens ("Which Way Did It Move?", DeltaDirect).
    """

    def __init__(self, model: MagnoModel) -> None:
        super().__init__()
        self.model = model
        self.direction = torch.nn.Linear(model.language.config.hidden_size, len(DIRECTIONS))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Loss on the answers' tokens, the head's loss, and which answer tokens the model would have said."""
        model = self.model
        deltas = model.delta(batch.motion, batch.residual)
        embedded = model.language.get_input_embeddings()(batch.ids)
        for rows, tokens in ((batch.keyframe_rows, model.vision(batch.pixels)), (batch.window_rows, deltas)):
            embedded = embedded.index_put((rows[:, 0], rows[:, 1]), tokens.reshape(-1, embedded.shape[-1]))
        hidden = model.language.model(
            inputs_embeds=embedded, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
        ).last_hidden_state
        told = batch.labels[:, 1:] != IGNORE
        logits = model.language.lm_head(hidden[:, :-1][told])
        wanted = batch.labels[:, 1:][told]
        seen = self.direction(deltas[:, : model.config.delta.motion_queries].mean(1))
        head_loss = torch.nn.functional.cross_entropy(seen, batch.directions, ignore_index=AMBIGUOUS)
        return torch.nn.functional.cross_entropy(logits, wanted), head_loss, logits.argmax(-1) == wanted


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


def train(args: argparse.Namespace, model: MagnoModel, tokenizer: Tokenizer) -> list[dict[str, float]]:
    """Runs for `--minutes` of training time, over all resumptions together. Returns the log."""
    trainee = Trainee(model)
    optimiser = torch.optim.AdamW(trainee.parameters(), args.rate, (0.9, 0.98), weight_decay=0.05)
    state_path = args.run / "state.pt"
    spent, step, log = 0.0, 0, []
    if state_path.exists():
        state = torch.load(state_path, weights_only=True)
        trainee.load_state_dict(state["trainee"])
        optimiser.load_state_dict(state["optimiser"])
        spent, step, log = state["spent"], state["step"], state["log"]
    held = [load_shard(path) for path in sorted(args.data.glob("held-?????.npz"))]
    examiner = Batcher(tokenizer, CODEC, LAYOUT, train=False)
    stop = threading.Event()
    source = batches(
        args.data, Batcher(tokenizer, CODEC, LAYOUT, train=True), args.batch, args.seed + step, stop
    )
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    total, saved = args.minutes * 60.0, time.monotonic()
    losses: list[tuple[float, float]] = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=total, completed=spent, note="")
        while spent < total:
            began = time.monotonic()
            for group in optimiser.param_groups:
                group["lr"] = rate(spent / total, args.rate)
            loss, head_loss, _ = trainee(next(source))
            optimiser.zero_grad(set_to_none=True)
            (loss + HEAD_WEIGHT * head_loss).backward()
            torch.nn.utils.clip_grad_norm_(trainee.parameters(), 1.0)
            optimiser.step()
            step += 1
            losses.append((loss.item(), head_loss.item()))
            spent += time.monotonic() - began
            progress.update(
                bar, completed=spent, note=f"step {step} loss {np.mean(losses[-50:], 0).round(3)}"
            )
            if time.monotonic() - saved > CHECKPOINT_EVERY_S or spent >= total:
                whole = spent >= total
                score = accuracy(trainee, examiner, held, 400 if whole else 100)
                log.append(
                    {"step": step, "spent_s": spent, "loss": float(np.mean(losses)), "held_out": score}
                )
                print(json.dumps(log[-1]), flush=True)
                losses.clear()
                state = {"trainee": trainee.state_dict(), "optimiser": optimiser.state_dict()}
                aside = state_path.with_suffix(".part")
                torch.save({**state, "spent": spent, "step": step, "log": log}, aside)
                aside.replace(state_path)
                saved = time.monotonic()
    stop.set()
    return log


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="where the resumable state lives")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder to write at the end")
    parser.add_argument("--minutes", type=float, default=38.0)
    parser.add_argument("--batch", type=int, default=12)
    parser.add_argument("--rate", type=float, default=7e-4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    tokenizer = build_tokenizer(VOCAB_LIMIT)
    stop, pad = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    model = MagnoModel(pocket_config(tokenizer.get_vocab_size(), stop, pad))
    log = train(args, model, tokenizer)
    save_checkpoint(args.out, model, tokenizer.to_str())
    (args.run / "log.json").write_text(json.dumps(log, indent=1))
    print(f"held-out accuracy {log[-1]['held_out']:.1%}, checkpoint in {args.out}")


if __name__ == "__main__":
    main()
