"""python -m magno.export.random_checkpoint NAME --out DIR: a checkpoint of real sizes with random weights.

It shows what an export takes and whether it is right, where no trained weights are at hand; it answers nonsense.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from magno.export.errors import CheckpointError
from magno.export.random_models.models import MODELS, Choice, RandomModel, random_model
from magno.export.random_models.tokenizer import random_tokenizer
from magno.export.random_models.weights import random_blocks
from magno.export.random_models.writer import Progress as Told
from magno.export.random_models.writer import Sharding, write_weights
from magno.runtime.units import MagnoError

USAGE_FAULT = 2
FULL = Choice()
SHARD_MB = 5000  # as Hugging Face's own tools cut


def write_random(
    name: str,
    out: Path,
    choice: Choice = FULL,
    *,
    shard_bytes: int = SHARD_MB * 1_000_000,
    seed: int = 0,
    progress: Told = lambda name, done, total: None,
) -> RandomModel:
    """Write the checkpoint `name` into the folder `out`, config.json last. Raises CheckpointError or OSError."""
    model = random_model(name, choice)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(
            f"{out} wants to be new or an empty folder, found something: name another --out."
        )
    out.mkdir(parents=True, exist_ok=True)
    write_weights(
        out, model.shapes, partial(random_blocks, seed=seed), Sharding(model.dtype, shard_bytes), progress
    )
    if model.tokenizer:
        (out / "tokenizer.json").write_text(random_tokenizer(model.tokenizer), encoding="utf-8")
    if model.config:
        (out / "config.json").write_text(json.dumps(model.config, indent=2) + "\n", encoding="utf-8")
    return model


def parameters(model: RandomModel) -> dict[str, int]:
    """Parameters by part, the parts being the first one or two words of the tensors' names."""
    counts: Counter[str] = Counter()
    for name, shape in model.shapes.items():
        words = name.split(".")
        counts[".".join(words[: 2 if words[0] in ("model", "vision_model") else 1])] += math.prod(shape)
    return dict(counts)


def main(argv: list[str] | None = None) -> int:
    """Write one, and print how many parameters it has."""
    parser = argparse.ArgumentParser(
        prog="magno.export.random_checkpoint", description=__doc__.splitlines()[0]
    )
    parser.add_argument("name", metavar="NAME", help=", ".join(MODELS))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    parser.add_argument("--scale", choices=("full", "tiny"), default="full", help="tiny: narrow, for tests")
    parser.add_argument(
        "--embed-dim", type=int, help="of a projector or Δ-encoder: the language model's width"
    )
    parser.add_argument("--vision-dim", type=int, help="of a projector: the tower's width")
    parser.add_argument(
        "--shard-mb", type=int, default=SHARD_MB, help=f"size of a file of weights ({SHARD_MB})"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    choice = Choice(args.scale == "tiny", args.embed_dim, args.vision_dim)
    columns = (TextColumn("{task.description:<48}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("sizes")
            model = write_random(
                args.name,
                args.out,
                choice,
                shard_bytes=max(args.shard_mb, 1) * 1_000_000,
                seed=args.seed,
                progress=lambda name, done, total: bar.update(
                    task, description=name[-48:], completed=done, total=total
                ),
            )
    except MagnoError as error:
        print(error, file=sys.stderr)
        return USAGE_FAULT
    except OSError as error:
        print(f"{args.out} wants to be writable, found: {error.strerror or error}.", file=sys.stderr)
        return USAGE_FAULT
    _report(args.out, args.name, model, as_json=args.json)
    return 0


def _report(out: Path, name: str, model: RandomModel, *, as_json: bool) -> None:
    parts = parameters(model)
    if as_json:
        print(
            json.dumps(
                {"checkpoint": str(out), "name": name, "parameters": parts, "total": sum(parts.values())}
            )
        )
        return
    print(f"{out}  ({name}, {model.dtype})")
    for part, count in (*parts.items(), ("in all", sum(parts.values()))):
        print(f"  {part:<28} {count / 1e6:10.2f} M")


if __name__ == "__main__":
    sys.exit(main())
