"""Train the reference checkpoint, in three stages: what the tokens say by themselves; answers, by a language model that
learns to read those tokens as they are; then the whole. Resumable; progress on stderr.

python -m magno.training.train --data runs/world --run runs/pocket --out models/pocket

With --begin it goes on from a checkpoint, whose heads were thrown away: these are learned first.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from magno.export.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from magno.export.model import MagnoModel
from magno.runtime.units import MagnoError
from magno.training.alignment import PairSource, retrieval
from magno.training.batches import Batch, Batcher
from magno.training.drawn import Drawings
from magno.training.feed import READING, batches, shards
from magno.training.grounding import words_of
from magno.training.pocket import CODEC, LAYOUT, VOCAB_LIMIT, pocket_config
from magno.training.rows import IGNORE
from magno.training.run import Run, Stage
from magno.training.samples import Keyframes, Samples
from magno.training.shards import STILL, Shard
from magno.training.tokenizer import build_tokenizer
from magno.training.trainee import Losses, Trainee

EXAM_CLIPS = 200
EXAM_ROWS = 20
EXAM_SAMPLES = 400  # keyframes, and windows
KEYFRAMES_A_BATCH, WINDOWS_A_BATCH, PAIRS_A_BATCH = 48, 48, 24
DRAWINGS = 6000
FEW_QUESTIONS = 10  # of a row, while the language model begins
TOKEN_RATE, LATE_RATE = 1.6, 0.3  # of the peak: tokens by themselves, and once everything learns at once
HEAD_RATE = 3e-3  # of heads that are learned anew
RETRIEVED = 300  # held-out windows among which the next picture is looked for


def new_model(begin: Path | None = None) -> tuple[MagnoModel, Tokenizer]:
    """The pocket model and its tokenizer; untrained, or with the weights of a checkpoint of its sizes. Raises
    CheckpointError."""
    tokenizer = build_tokenizer(VOCAB_LIMIT)
    stop, pad = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    model = MagnoModel(pocket_config(tokenizer.get_vocab_size(), stop, pad))
    if begin is not None:
        checkpoint = load_checkpoint(begin)
        if checkpoint.tokenizer_json != tokenizer.to_str():
            raise CheckpointError(
                f"{begin} wants this training's tokenizer, found another: train without --begin."
            )
        model.load_state_dict(checkpoint.model.state_dict())
    return model, tokenizer


def answered(trainee: Trainee, batcher: Batcher, held: list[Shard], clips: int) -> dict[str, float]:
    """Of held-out clips: the share of each family's questions whose every answer token is right, and their mean."""
    everything = [(shard, clip) for shard in held for clip in range(shard.clips)][:clips]
    rng = np.random.default_rng(0)
    right: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    trainee.eval()
    with torch.no_grad():
        for start in range(0, len(everything), EXAM_ROWS):
            batch = batcher.batch(everything[start : start + EXAM_ROWS], rng)
            told = trainee(batch).right
            assert told is not None
            for family, whole in zip(batch.families, _whole_answers(batch, told), strict=True):
                asked[family] += 1
                right[family] += whole
    trainee.train()
    shares = {family: right[family] / count for family, count in asked.items()}
    mean = sum(shares.values()) / max(len(shares), 1)
    return {"mean": mean, **{f: round(shares.get(f, 0.0), 4) for f in sorted(shares)}}


def said(trainee: Trainee, held: Samples) -> dict[str, float]:
    """The tokens' own losses on held-out clips."""
    rng = np.random.default_rng(0)
    trainee.eval()
    with torch.no_grad():
        parts = trainee.named(held.keyframes(EXAM_SAMPLES, rng)).parts
        parts |= trainee.moved(held.windows(EXAM_SAMPLES, rng)).parts
    trainee.train()
    return {f"held_{part}": value.item() for part, value in parts.items()}


def retrieved(trainee: Trainee, unseen: PairSource) -> dict[str, float]:
    """How often the next picture of a held-out clip is found among its others (paper, section 4)."""
    if not len(unseen):
        return {}
    found = retrieval(trainee.model, trainee.alignment, unseen.some(RETRIEVED))
    told = {f"recall_{rank}": share for rank, share in found.told.items()}
    return {**told, **{f"plain_{rank}": share for rank, share in found.plain.items()}}


def _whole_answers(batch: Batch, right: torch.Tensor) -> list[bool]:
    """For each question, in the order of `families`: whether all its answer's tokens are."""
    told = batch.labels[:, 1:] != IGNORE
    begins = told & ~torch.nn.functional.pad(told, (1, 0))[:, :-1]
    number = torch.cumsum(begins.flatten().long(), 0)[told.flatten()] - 1
    wrong = torch.zeros(len(batch.families), dtype=torch.long).index_add(0, number, (~right).long())
    return [count == 0 for count in wrong.tolist()]


def train(args: argparse.Namespace) -> Run:
    """All stages; the checkpoint is written at the end of the last."""
    torch.manual_seed(args.seed)
    model, tokenizer = new_model(args.begin)
    trainee = Trainee(model, words_of(tokenizer), heads=not args.no_heads)
    run = Run(args.run, trainee)
    held = shards(args.data, "held")
    examiner = Batcher(tokenizer, CODEC, LAYOUT, train=False, questions=20)
    seed = args.seed + 1 + int(sum(run.spent_s.values()))

    def exam() -> dict[str, float]:
        return answered(trainee, examiner, held, EXAM_CLIPS)

    few = Batcher(tokenizer, CODEC, LAYOUT, train=True, questions=FEW_QUESTIONS)
    if not args.no_heads:
        unseen, pairs = Samples(held, CODEC), PairSource(held, CODEC)
        films, stills = shards(args.data, "train"), shards(args.data, STILL)
        losses = _token_losses(trainee, films, stills, np.random.default_rng(seed))

        def examine() -> dict[str, float]:
            return said(trainee, unseen) | retrieved(trainee, pairs)

        def tokens(name: str, minutes: float, rate: float, trains: list[torch.nn.Parameter]) -> None:
            run.stage(Stage(name, minutes, rate, trains, losses, examine))

        def answers(name: str, minutes: float, rate: float, trains: list[torch.nn.Parameter]) -> None:
            with batches(args.data, few, args.batch, seed, READING) as source:
                step = Stage(name, minutes, rate, trains, lambda: trainee(next(source), frozen=True), exam)
                run.stage(step)

        if args.begin is not None:
            tokens("heads", args.head_minutes, HEAD_RATE, trainee.readers())
        tokens("tokens", args.token_minutes, args.rate * TOKEN_RATE, trainee.encoders())
        if args.begin is not None:
            answers("guide", args.head_minutes / 2, HEAD_RATE, trainee.guides())
        elif not run.begun("answers"):
            trainee.settle(unseen.keyframes(EXAM_SAMPLES, np.random.default_rng(0)))
        answers("answers", args.minutes, args.rate, trainee.language())
    if args.whole_minutes > 0:
        whole = Batcher(tokenizer, CODEC, LAYOUT, train=True)
        with batches(args.data, whole, args.batch, seed) as source:
            everything = list(trainee.parameters())
            rate = args.rate * (1.0 if args.no_heads else LATE_RATE)
            run.stage(
                Stage("whole", args.whole_minutes, rate, everything, lambda: trainee(next(source)), exam)
            )
    save_checkpoint(args.out, model, tokenizer.to_str())
    return run


def _token_losses(
    trainee: Trainee, train: list[Shard], stills: list[Shard], rng: np.random.Generator
) -> Callable[[], Losses]:
    """By turns what keyframe tokens say of films, of stills that no film shows and of drawings, what motion tokens say,
    and how Δ-tokens fit to pictures. One after the other, the last took away within 50 steps what the one before had
    learned."""
    samples, pairs = Samples(train, CODEC), PairSource(train, CODEC)
    drawings, more = Drawings(DRAWINGS, CODEC), Samples(stills or train, CODEC)
    seen: list[Callable[[], Keyframes]] = [
        lambda: samples.keyframes(KEYFRAMES_A_BATCH, rng),
        lambda: more.keyframes(KEYFRAMES_A_BATCH, rng),
        lambda: drawings.some(KEYFRAMES_A_BATCH, rng),
        lambda: more.keyframes(KEYFRAMES_A_BATCH, rng),
    ]

    def named(keyframes: Callable[[], Keyframes]) -> Callable[[], Losses]:
        return lambda: trainee.named(keyframes())

    def moved() -> Losses:
        return trainee.moved(samples.windows(WINDOWS_A_BATCH, rng))

    turns = [turn for keyframes in seen for turn in (named(keyframes), moved)]
    if len(pairs):
        turns.append(lambda: trainee.aligned(pairs.random(PAIRS_A_BATCH, rng)))
    turn = cycle(turns)
    return lambda: next(turn)()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="what make_data wrote")
    parser.add_argument("--run", type=Path, required=True, help="where the resumable state lives")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint folder to write at the end")
    parser.add_argument("--begin", type=Path, metavar="CHECKPOINT", help="go on from this one's weights")
    parser.add_argument(
        "--head-minutes", type=float, default=4.0, help="with --begin, before stage 1; default: %(default)s"
    )
    parser.add_argument("--token-minutes", type=float, default=45.0, help="stage 1; default: %(default)s")
    parser.add_argument("--minutes", type=float, default=75.0, help="stage 2; default: %(default)s")
    parser.add_argument("--whole-minutes", type=float, default=20.0, help="stage 3; default: %(default)s")
    parser.add_argument("--batch", type=int, default=16, help="short rows; default: %(default)s")
    parser.add_argument("--rate", type=float, default=6e-4, help="peak learning rate; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--no-heads", action="store_true", help="ablation: answers alone, all of it from the beginning"
    )
    args = parser.parse_args()
    try:
        run = train(args)
    except MagnoError as error:
        parser.exit(2, f"{error}\n")
    print(f"trained {sum(run.spent_s.values()) / 60:.0f} min, checkpoint in {args.out}")


if __name__ == "__main__":
    main()
